// A small HTTP server on a plain socket. What the plain probe does not use is
// below /NAME?ARGUMENT.
importPackage(java.io, java.lang, java.net, java.time, java.util);

var nio = java.nio, function_ = java.util['function'], logging = java.util.logging, management = java.lang.management;

// fails calls a function and tells its error: Rhino itself catches exceptions
// only.
function fails(call) {
	var task = new java.util.concurrent.FutureTask(new JavaAdapter(java.util.concurrent.Callable, { call: call }));
	task.run();
	try {
		task.get();
		return '';
	} catch (e) {
		return ': ' + e.javaException.getCause();
	}
}

var pages = {
	'': function () { return 'It serves.'; },
	zone: function (name) {
		return String(ZonedDateTime.ofInstant(Instant.parse('2025-07-01T12:00:00Z'), ZoneId.of(name)));
	},
	zones: function () {
		var n = 0;
		for (var it = ZoneId.getAvailableZoneIds().iterator(); it.hasNext(); n++) ZoneId.of(it.next()).getRules();
		return n + ' zones';
	},
	trust: function () {
		var factory = javax.net.ssl.TrustManagerFactory.getInstance('PKIX');
		factory['init(java.security.KeyStore)'](null);
		return (factory.getTrustManagers()[0].getAcceptedIssuers().length > 100) + ' trust';
	},
	tls: function () {
		var suite = ['TLS_DH_anon_WITH_AES_128_GCM_SHA256'];
		java.security.Security.setProperty('jdk.tls.disabledAlgorithms', '');
		var server = javax.net.ssl.SSLServerSocketFactory.getDefault().createServerSocket(0, 1, InetAddress.getLoopbackAddress());
		server.setEnabledProtocols(['TLSv1.2']);
		server.setEnabledCipherSuites(suite);
		var answer = new Thread(new JavaAdapter(Runnable, { run: function () {
			var peer = server.accept();
			peer.getOutputStream().write(42);
			peer.close();
		} }));
		answer.start();
		var client = javax.net.ssl.SSLSocketFactory.getDefault().createSocket(server.getInetAddress(), server.getLocalPort());
		client.setEnabledProtocols(['TLSv1.2']);
		client.setEnabledCipherSuites(suite);
		var got = client.getInputStream().read();
		client.close();
		server.close();
		return 'over TLS: ' + got;
	},
	providers: function () {
		return String(Arrays.toString(java.security.Security.getProviders()));
	},
	font: function () {
		var image = new java.awt.image.BufferedImage(80, 20, java.awt.image.BufferedImage.TYPE_INT_RGB);
		var pen = image.createGraphics();
		pen.setFont(new java.awt.Font('DejaVu Sans', 0, 12));
		pen.drawString('lathe', 2, 16);
		var sum = 0;
		for (var y = 0; y < 20; y++) for (var x = 0; x < 80; x++) sum += image.getRGB(x, y) & 255;
		return (sum > 0) + ' ' + pen.getFontMetrics().stringWidth('lathe') + ' wide';
	},
	charset: function (name) {
		return String(Arrays.toString(new java.lang.String('Gr\u00fc\u00dfe').getBytes(name)));
	},
	spawn: function () {
		var child = new ProcessBuilder(['/usr/bin/java', '-version']).redirectErrorStream(true).start();
		var text = new Scanner(child.getInputStream()).useDelimiter('\\A').next();
		return 'exit ' + child.waitFor() + ' ' + text.split('\n')[0];
	},
	natives: function () {
		var names = new File(System.getProperty('java.home'), 'lib').list(), list = [];
		Arrays.sort(names);
		for (var i = 0; i < names.length; i++) {
			if (!/\.so$/.test(names[i])) { continue; }
			var file = System.getProperty('java.home') + '/lib/' + names[i];
			list.push(names[i] + fails(function () { System.load(file); }));
		}
		return list.join('\n');
	},
	classes: function () {
		var root = nio.file.FileSystems.getFileSystem(URI.create('jrt:/')).getPath('/modules', []), bad = 0, n = 0;
		var list = nio.file.Files.walk(root, []).filter(new JavaAdapter(function_.Predicate, { test: function (p) { return /\.class$/.test(p); } })).toArray();
		for (; n < list.length; n++) {
			var name = String(list[n]).replace(/^\/modules\/[^\/]*\//, '').replace(/\.class$/, '').replace(/\//g, '.');
			if (/(module|package)-info$/.test(name)) { continue; }
			if (fails(function () { Class.forName(name, false, ClassLoader.getSystemClassLoader()); })) { bad++; }
		}
		return n + ' classes, ' + bad + ' that do not load';
	},
	algorithms: function () {
		var providers = java.security.Security.getProviders(), list = [];
		for (var i = 0; i < providers.length; i++) {
			var bad = 0, n = 0;
			for (var it = providers[i].getServices().iterator(); it.hasNext(); n++) {
				try { it.next().newInstance(null); } catch (e) { bad++; } // those that want parameters
			}
			list.push(providers[i].getName() + ' ' + n + ' ' + bad);
		}
		return list.join(', ');
	},
	charsets: function () {
		var n = 0, sum = 0;
		for (var it = nio.charset.Charset.availableCharsets().values().iterator(); it.hasNext(); n++) {
			var set = it.next();
			if (set.canEncode()) { sum += Arrays.hashCode(new java.lang.String('lathe \u00fc').getBytes(set)); }
		}
		return n + ' charsets ' + sum;
	},
	locales: function () {
		var list = Locale.getAvailableLocales(), sum = 0;
		for (var i = 0; i < list.length; i++) { sum += java.text.NumberFormat.getCurrencyInstance(list[i]).format(1234.5).hashCode(); }
		return list.length + ' locales ' + sum;
	},
	fonts: function () {
		return String(Arrays.toString(java.awt.GraphicsEnvironment.getLocalGraphicsEnvironment().getAvailableFontFamilyNames()));
	},
	formats: function () {
		var image = new java.awt.image.BufferedImage(16, 16, java.awt.image.BufferedImage.TYPE_INT_RGB), list = [];
		['png', 'jpg', 'gif', 'bmp', 'tiff'].forEach(function (name) {
			var out = new ByteArrayOutputStream();
			javax.imageio.ImageIO.write(image, name, out);
			list.push(name + ' ' + javax.imageio.ImageIO.read(new ByteArrayInputStream(out.toByteArray())).getWidth());
		});
		return list.join(', ');
	},
	files: function () {
		var dir = nio.file.Files.createTempDirectory('deep', []), file = dir.resolve('a.txt'), seen = 'not watched';
		var watch = nio.file.FileSystems.getDefault().newWatchService();
		dir.register(watch, [nio.file.StandardWatchEventKinds.ENTRY_CREATE]);
		nio.file.Files.write(file, new java.lang.String('lathe').getBytes(), []);
		if (watch.poll(5, java.util.concurrent.TimeUnit.SECONDS) !== null) { seen = 'watched'; }
		var channel = nio.channels.FileChannel.open(file, [nio.file.StandardOpenOption.READ]);
		var mapped = channel.map(nio.channels.FileChannel.MapMode.READ_ONLY, 0, 5).get(0);
		channel.close();
		var selector = nio.channels.Selector.open(), pipe = nio.channels.Pipe.open();
		pipe.source().configureBlocking(false);
		pipe.source().register(selector, nio.channels.SelectionKey.OP_READ);
		pipe.sink().write(nio.ByteBuffer.wrap([1]));
		var ready = selector.select(1000);
		var owner = nio.file.Files.getOwner(file, []), type = nio.file.Files.probeContentType(file);
		watch.close();
		nio.file.Files.delete(file);
		nio.file.Files.delete(dir);
		return [seen, mapped, ready, owner, type].join(' ');
	},
	recording: function () {
		var recording = new Packages.jdk.jfr.Recording(Packages.jdk.jfr.Configuration.getConfiguration('default'));
		recording.start();
		recording.stop();
		var size = recording.getSize();
		recording.close();
		return (size >= 0) + ' recording';
	},
	managed: function () {
		var server = management.ManagementFactory.getPlatformMBeanServer(), url = new javax.management.remote.JMXServiceURL('service:jmx:rmi://127.0.0.1');
		var connector = javax.management.remote.JMXConnectorServerFactory.newJMXConnectorServer(url, null, server);
		connector.start();
		var address = connector.getAddress(), client = javax.management.remote.JMXConnectorFactory.connect(address);
		var n = client.getMBeanServerConnection().getMBeanCount();
		client.close();
		connector.stop();
		return (n > 10) + ' over ' + address.getProtocol();
	},
	attach: function () {
		var id = String(ProcessHandle.current().pid()), list = Packages.com.sun.tools.attach.VirtualMachine.list();
		return list.size() + ' ' + (list.get(0).id() == id);
	},
	xml: function () {
		var out = new StringWriter(), xml = javax.xml.transform;
		var sheet = '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"><x:template match="/"><e><x:value-of select="a/@b"/></e></x:template></x:stylesheet>';
		xml.TransformerFactory.newInstance().newTransformer(new xml.stream.StreamSource(new StringReader(sheet))).transform(
			new xml.stream.StreamSource(new StringReader('<a b="c"/>')), new xml.stream.StreamResult(out));
		return String(out);
	},
	logs: function () {
		var path = System.getProperty('java.util.logging.config.file'), level = logging.Logger.getLogger('').getLevel();
		return [path, level, logging.LogManager.getLogManager().getProperty('handlers')].join(' ');
	},
	resolve: function (name) { return String(InetAddress.getByName(name).getHostAddress()); },
	modules: function () { return String(ModuleLayer.boot().modules().size()) + ' modules'; }
};

var server = new ServerSocket(8080);
for (;;) {
	var socket = server.accept();
	try {
		var line = new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine();
		var words = /^GET \/([a-z]*)\??(\S*) /.exec(line);
		if (!words) { continue; }
		var status = '200 OK', body;
		try {
			body = pages[words[1]] ? pages[words[1]](words[2]) : (status = '404 Not Found');
		} catch (e) {
			status = '500 Internal Server Error';
			body = String(e);
		}
		var bytes = new java.lang.String(body + '\n').getBytes('UTF-8');
		var head = 'HTTP/1.0 ' + status + '\r\nContent-Length: ' + bytes.length + '\r\n\r\n';
		socket.getOutputStream().write(new java.lang.String(head).getBytes());
		socket.getOutputStream().write(bytes);
	} catch (e) {
		print(e); // of a peer that hung up: the next one is served
	} finally {
		socket.close();
	}
}
