'use strict';
// What the plain probe does not use is below /NAME?ARGUMENT.
const http = require('http');

const pages = {
	'': () => 'It serves.',
	zone: (name) => new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long', timeZone: name }).format(new Date(1751371200000)),
	locale: (name) => new Intl.NumberFormat(name, { style: 'currency', currency: 'EUR' }).format(1234.5),
	builtins: () => require('child_process').execFileSync(process.execPath, ['-p', `require('module').builtinModules.map((name) => { require(name); return name; }).join('\\n')`], { stdio: ['ignore', 'pipe', 'ignore'] }).toString(),
	ciphers: () => {
		const crypto = require('crypto');
		crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
		return `${crypto.getCiphers().length} ${crypto.getHashes().length} ${crypto.getCurves().length}`;
	},
	digest: (name) => require('crypto').createHash(name).update('lathe').digest('hex'),
	roots: () => `${require('tls').rootCertificates.length > 100} roots`,
	zip: () => require('zlib').brotliCompressSync(require('zlib').gzipSync('lathe')).length + ' bytes',
	worker: () => new Promise((done, fail) => {
		const { Worker } = require('worker_threads');
		new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true }).on('message', done).on('error', fail);
	}),
	resolve: (name) => require('dns').promises.lookup(name, 4).then((found) => found.address),
	spawn: () => require('child_process').execFileSync(process.execPath, ['-p', '6*7']).toString(),
	locales: () => {
		const names = ['ar', 'de-CH', 'hi', 'ja', 'pt-BR', 'ru', 'sv', 'th', 'tr', 'zh-Hant'];
		return names.map((name) => [
			new Intl.DateTimeFormat(name, { dateStyle: 'full', timeZone: 'UTC' }).format(new Date(0)), ['z', 'ö', 'a'].sort(new Intl.Collator(name).compare).join(''),
			new Intl.PluralRules(name).select(2), new Intl.RelativeTimeFormat(name).format(-2, 'day'), new Intl.ListFormat(name).format(['a', 'b']),
			[...new Intl.Segmenter(name, { granularity: 'word' }).segment('สวัสดี lathe')].length,
		].join(' ')).join('\n');
	},
	zones: () => `${Intl.supportedValuesOf('timeZone').map((name) => new Date(0).toLocaleString('en', { timeZone: name })).length} zones`,
	encodings: () => ['utf-16le', 'shift_jis', 'gb18030', 'koi8-r', 'windows-1252', 'big5', 'euc-kr'].map((name) => new TextDecoder(name).decode(new Uint8Array([108, 97]))).join(' '),
	https: () => new Promise((done, fail) => {
		const https = require('https'), fs = require('fs');
		const cert = fs.readFileSync('/probe/tls.crt');
		const peer = https.createServer({ cert, key: fs.readFileSync('/probe/tls.key') }, (request, response) => response.end(request.socket.getProtocol()));
		peer.on('error', fail).listen(0, '127.0.0.1', () => {
			https.get({ host: '127.0.0.1', port: peer.address().port, servername: 'localhost', ca: cert }, (answer) => {
				answer.on('data', (text) => { peer.close(); done(`over ${text}`); });
			}).on('error', fail);
		});
	}),
	http2: () => new Promise((done, fail) => {
		const http2 = require('http2');
		const peer = http2.createServer((request, response) => response.end('two'));
		peer.on('error', fail).listen(0, '127.0.0.1', () => {
			const client = http2.connect(`http://127.0.0.1:${peer.address().port}`);
			client.on('error', fail).request({ ':path': '/' }).on('data', (text) => { client.close(); peer.close(); done(`over ${text}`); });
		});
	}),
	fetch: async () => (await fetch('http://127.0.0.1:8080/')).text(),
	import: async () => {
		const fs = require('fs'), dir = fs.mkdtempSync('/tmp/deep-');
		fs.writeFileSync(`${dir}/a.cjs`, 'exports.n = 42;');
		fs.writeFileSync(`${dir}/b.mjs`, "import { n } from './a.cjs'; export default n;");
		const found = (await import(`${dir}/b.mjs`)).default;
		fs.rmSync(dir, { recursive: true });
		return `imported ${found}`;
	},
	evaluate: () => require('child_process').execFileSync(process.execPath, ['-i'], { input: 'await Promise.resolve(6 * 7)\n.exit\n' }).toString(),
	watch: () => new Promise((done, fail) => {
		const fs = require('fs'), dir = fs.mkdtempSync('/tmp/deep-');
		const watcher = fs.watch(dir, (event, name) => { watcher.close(); fs.rmSync(dir, { recursive: true }); done(`${event} ${name}`); });
		watcher.on('error', fail);
		fs.writeFileSync(`${dir}/a`, '');
	}),
	sign: () => {
		const crypto = require('crypto');
		return ['rsa', 'ec', 'ed25519', 'x25519', 'dsa'].map((name) => {
			const { publicKey, privateKey } = crypto.generateKeyPairSync(name, { modulusLength: 1024, namedCurve: 'P-256' });
			return name === 'x25519' ? crypto.diffieHellman({ publicKey, privateKey }).length : crypto.verify(null, Buffer.from('a'), publicKey, crypto.sign(null, Buffer.from('a'), privateKey));
		}).join(' ') + ` ${crypto.scryptSync('a', 'b', 8).toString('hex')} ${crypto.getCiphers().filter((name) => { try { crypto.createCipheriv(name, 'k', null); } catch (e) { return e.code === 'ERR_OSSL_EVP_UNSUPPORTED'; } }).length}`;
	},
	cluster: () => {
		const fs = require('fs'), dir = fs.mkdtempSync('/tmp/deep-');
		fs.writeFileSync(`${dir}/a.js`, `
			const cluster = require('cluster'), net = require('net');
			if (cluster.isPrimary) cluster.fork().on('message', (text) => { console.log(text); process.exit(); });
			else net.createServer().listen(0, '127.0.0.1', () => process.send('a worker listens'));`);
		const answer = require('child_process').execFileSync(process.execPath, [`${dir}/a.js`]).toString();
		fs.rmSync(dir, { recursive: true });
		return answer;
	},
	heap: () => {
		new (require('inspector').Session)().connect();
		return `${require('v8').getHeapSnapshot().readable} ${require('perf_hooks').performance.now() > 0}`;
	},
	names: async () => `${require('os').userInfo().username} ${(await require('dns').promises.lookupService('127.0.0.1', 443)).service}`,
	module: (name) => typeof require(name),
	wasm: () => `${WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))}`,
};

const server = http.createServer(async (request, response) => {
	const [name, argument] = request.url.slice(1).split('?');
	try {
		if (!pages[name]) response.statusCode = 404;
		response.end(`${pages[name] ? await pages[name](argument) : 'not found'}\n`);
	} catch (error) {
		response.statusCode = 500;
		response.end(`${error}\n`);
	}
});
server.listen(8080);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
