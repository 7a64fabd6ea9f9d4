// A small HTTP server on a plain socket. What the plain probe does not use is
// below /NAME?ARGUMENT.
importPackage(java.io, java.lang, java.net, java.time, java.util);

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
	resolve: function (name) { return String(InetAddress.getByName(name).getHostAddress()); },
	modules: function () { return String(ModuleLayer.boot().modules().size()) + ' modules'; }
};

var server = new ServerSocket(8080, 16, InetAddress.getByName('127.0.0.1'));
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
