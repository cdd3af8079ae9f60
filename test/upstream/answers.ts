import { gzipSync } from "node:zlib";
import { httpHead } from "./peer.ts";
import type { Sent } from "./readings.ts";

/** Answers as servers send them, for the parser's tests to cut and to spoil. One character per byte. */

const json = '{"weather":[{"main":"Clouds"}],"name":"Moscow"}';
const zipped = gzipSync(json, { level: 1 }).toString("latin1");

const recorded: Record<string, string> = {
	nginx: `HTTP/1.1 200 OK\r\nServer: nginx/1.26.3\r\nDate: Tue, 24 Nov 2026 09:12:44 GMT\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\nLast-Modified: Mon, 23 Nov 2026 10:00:00 GMT\r\nConnection: keep-alive\r\nETag: "673f-2f"\r\nAccept-Ranges: bytes\r\n\r\n${json}`,
	"nginx, refusing":
		"HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found",
	"node, in chunks": `HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nDate: Tue, 24 Nov 2026 09:12:44 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n2f\r\n${json}\r\n0\r\n\r\n`,
	"chunks of many sizes":
		"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0000A\r\nbcdefghijk\r\n2\r\n\r\n\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
	"chunks with extensions and trailers":
		'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: Chunked\r\n\r\n3;name=value;other="quoted ; \\" text";bare\r\nabc\r\n0;last\r\nX-Sum: 17\r\nX-Other:\t\r\n\r\n',
	"an empty answer": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"no content":
		"HTTP/1.1 204 No Content\r\nserver: x\r\nset-cookie: a=1\r\n\r\n",
	"not modified": 'HTTP/1.1 304 Not Modified\r\netag: "1"\r\nage: 3\r\n\r\n',
	"not modified, with a length":
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 47\r\n\r\n",
	"early hints": `HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${httpHead(200, "content-length: 2")}ok`,
	"until the end": "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
	"until the end, of HTTP/1.0":
		"HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6 Python/3.13\r\nContent-type: text/html\r\n\r\n<p>hello</p>",
	"kept, of HTTP/1.0":
		"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello",
	"a redirect":
		"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
	"without a reason": "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
	"without a reason or a space": "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
	"a reason in UTF-8":
		"HTTP/1.1 500 \xd0\x9d\xd0\xb5\xd1\x82\r\nContent-Length: 2\r\n\r\nok",
	"fields of one name":
		"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nVary: a\r\nset-cookie: b=2; Path=/\r\nvary: b\r\nCache-Control:   max-age=3  \r\nX-Empty:\r\nX-Latin: \xe9\xff\r\nContent-Length: 2\r\n\r\nok",
	"names of every character":
		"HTTP/1.1 200 OK\r\n!#$%&'*+-.^_`|~09azAZ: 1\r\n__proto__: 2\r\ncontent-length: 2\r\n\r\nok",
	"upgradable, as Apache says":
		"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade, Keep-Alive\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 2\r\n\r\nok",
	zipped: `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${zipped.length}\r\n\r\n${zipped}`,
	"zipped in chunks": `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n${zipped.length.toString(16)}\r\n${zipped}\r\n0\r\n\r\n`,
	"a body that looks like another answer": `${httpHead(200, "content-length: 38")}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n`,
	"two answers": `${httpHead(200, "content-length: 2")}ok${httpHead(200, "content-length: 6")}secret`,
	"a status of its own": "HTTP/1.1 599 No\r\nContent-Length: 2\r\n\r\nok",
};

/** By name, each as the answer to a GET, and to a HEAD where that changes what it is. */
export const answers: ReadonlyMap<string, Sent> = new Map(
	Object.entries(recorded).flatMap(([name, text]): [string, Sent][] => {
		const bytes = Buffer.from(text, "latin1");
		return [
			[name, { bytes, method: "GET" }],
			[`${name}, to HEAD`, { bytes, method: "HEAD" }],
		];
	}),
);

/** Numbers below `below`, always the same for one seed. */
export type Random = (below: number) => number;

/** Mulberry32. */
export function createRandom(seed: number): Random {
	let state = seed | 0;
	return (below) => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
	};
}

const all = [...answers.values()];

/** An answer with one to three things wrong with it; some of them make no difference. */
export function spoiled(random: Random): Sent {
	const { bytes, method } = pick(all, random);
	let text = bytes.toString("latin1");
	for (let times = 1 + random(3); times > 0; times--) {
		text = pick(spoilers, random)(text, random);
	}
	return { bytes: Buffer.from(text.slice(0, 40_000), "latin1"), method };
}

function pick<T>(list: readonly T[], random: Random): T {
	return list[random(list.length)] as T;
}

type Spoil = (text: string, random: Random) => string;

/** Replaces `length` characters at a place by others. */
function splice(text: string, at: number, length: number, by: string): string {
	return text.slice(0, at) + by + text.slice(at + length);
}

/** A place in the head more often than in the body. */
function place(text: string, random: Random): number {
	const head = text.indexOf("\r\n\r\n") + 4;
	return random(1 + (head > 4 && random(4) > 0 ? head : text.length));
}

/** Where a line begins. */
function line(text: string, random: Random): number {
	const lines = text.split("\r\n").length;
	let at = 0;
	for (let skip = random(lines); skip > 0; skip--) {
		at = text.indexOf("\r\n", at) + 2;
	}
	return at;
}

const oddCharacters =
	'\0\x01\t\n\v\r "#(),-/0159:;<=>AFGHTXZ\\afgtxz{\x7f\x80\xa0\xff';

const oddLines = [
	"Content-Length: 2\r\n",
	"content-length: 47\r\n",
	"Content-Length: 00002\r\n",
	"Content-Length: +2\r\n",
	"Content-Length: -1\r\n",
	"Content-Length: 0x2\r\n",
	"Content-Length: 2, 2\r\n",
	"Content-Length: 2 2\r\n",
	"Content-Length: 99999999999999999999\r\n",
	"Content-Length:\r\n",
	"Content-Length : 2\r\n",
	"Transfer-Encoding: chunked\r\n",
	"transfer-encoding:chunked \r\n",
	"Transfer-Encoding: identity\r\n",
	"Transfer-Encoding: gzip, chunked\r\n",
	"Transfer-Encoding: chunked, gzip\r\n",
	"Transfer-Encoding: xchunked\r\n",
	"Transfer-Encoding:\r\n",
	"Transfer-Encoding\r\n",
	"Connection: close\r\n",
	"Connection: keep-alive, close\r\n",
	"Connection: upgrade\r\nUpgrade: x\r\n",
	"Proxy-Connection: close\r\n",
	"Keep-Alive: timeout=0\r\n",
	": nameless\r\n",
	" folded: 1\r\n",
	"\tfolded\r\n",
	"no colon\r\n",
	"a b: 1\r\n",
	"x:\r\n",
	"x: a\rb\r\n",
	"x: a\nb: c\r\n",
	"x: \0\r\n",
	"\r\n",
	"\n",
	"\r",
	"0\r\n",
	"0\r\n\r\n",
	"3\r\nabc\r\n",
	"fffffffffffffffff\r\n",
	"1;\r\n",
	"1; a=b\r\n",
	'1;a="b\r\n',
	"HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
	"HTTP/1.1 103 Early Hints\r\n\r\n",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 200 OK\r\n",
];

const spoilers: readonly Spoil[] = [
	(text, random) =>
		splice(text, place(text, random), 1, pick([...oddCharacters], random)),
	(text, random) =>
		splice(text, place(text, random), 0, pick([...oddCharacters], random)),
	(text, random) => splice(text, place(text, random), 1, ""),
	(text, random) =>
		splice(text, place(text, random), random(text.length + 1), ""),
	(text, random) => text.slice(0, random(text.length + 1)),
	(text, random) => splice(text, line(text, random), 0, pick(oddLines, random)),
	(text, random) => splice(text, line(text, random), 0, pick(oddLines, random)),
	// A line twice.
	(text, random) => {
		const at = line(text, random);
		const end = text.indexOf("\r\n", at) + 2;
		return end < 2 ? text : splice(text, at, 0, text.slice(at, end));
	},
	// Half a line break.
	(text, random) => {
		const at = text.indexOf("\r\n", place(text, random));
		return at < 0 ? text : splice(text, at, 2, pick(["\n", "\r"], random));
	},
	(text, random) => {
		const at = text.search(/\d/);
		return at < 0 ? text : splice(text, at, 1, String(random(12)));
	},
	(text, random) =>
		text.replace(/content-length: *\d+/i, `Content-Length: ${random(60)}`),
	(text, random) =>
		text.replace(/\r\n\r\n[0-9a-f]+/i, `\r\n\r\n${random(70).toString(16)}`),
	(text) => text.toUpperCase(),
	(text) => text.toLowerCase(),
	(text, random) =>
		splice(text, line(text, random), 0, `x: ${"y".repeat(random(20_000))}\r\n`),
	(text, random) =>
		splice(text, line(text, random), 0, "x: y\r\n".repeat(random(300))),
	(text, random) =>
		text.replace(
			/\r\n\r\n[0-9a-f]+/i,
			(size) => `${size};${"e".repeat(random(2_000))}`,
		),
	(text, random) =>
		text.replace(
			/\r\n\r\n(?=[0-9a-f]+)/i,
			(blank) => blank + "0".repeat(random(20)),
		),
	(text, random) => text + pick(all, random).bytes.toString("latin1"),
	(text, random) => {
		const other = pick(all, random).bytes.toString("latin1");
		return text.slice(0, line(text, random)) + other.slice(line(other, random));
	},
];
