'use strict';
// What the plain probe does not use is below /NAME?ARGUMENT.
const http = require('http');

const pages = {
	'': () => 'It serves.',
	zone: (name) => new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long', timeZone: name }).format(new Date(1751371200000)),
	locale: (name) => new Intl.NumberFormat(name, { style: 'currency', currency: 'EUR' }).format(1234.5),
	builtins: () => require('module').builtinModules.map((name) => { require(name); return name; }).join('\n'),
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
server.listen(8080, '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
