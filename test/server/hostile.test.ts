import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { asking, openClient } from "./client.ts";
import { type RawUpstream, startRawUpstream } from "./raw-upstream.ts";

/** Every way in leads to the upstream: what it receives is all that was understood. */
const config = (url: string, times: string) => `
server: { ${times} }
upstreams: { up: { url: "${url}", connections: 1 } }
routes:
  GET /get:
    request: { query: { a?: { type: string, maxLength: 80 } } }
    steps: { up: { get: up/get, query: { "a?": "\${query.a}" } } }
  POST /post:
    request: { body: {} }
    steps: { up: { post: up/post, body: "\${body}" } }
`;

let upstream: RawUpstream;
let served: ServedGateway;
/** For clients that are to be late: on a busy machine others would be, too. */
let hasty: ServedGateway;

before(async () => {
	upstream = await startRawUpstream();
	const { url } = upstream;
	served = await serve(
		config(url, "headersTimeout: 1m, requestTimeout: 1m, idleTimeout: 1m"),
	);
	hasty = await serve(
		config(
			url,
			"headersTimeout: 300ms, requestTimeout: 600ms, idleTimeout: 300ms",
		),
	);
});

after(async () => {
	await served[Symbol.asyncDispose]();
	await hasty[Symbol.asyncDispose]();
	assert.equal(upstream.taken(), "", "something came late");
	await upstream[Symbol.asyncDispose]();
});

/** The requests the upstream got, as they were sent but for what names it and us. */
function passedOn(): string {
	return upstream
		.taken()
		.replaceAll(/^(?!content-length)[\w-]+: [^\r]*\r\n/gim, "");
}

const got = (query = "") => `GET /get${query} HTTP/1.1\r\n\r\n`;
const posted = (body: string) =>
	`POST /post HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

const get = asking("GET /get");
const post = (headers: readonly string[], body = "") =>
	asking("POST /post", ["content-type: application/json", ...headers], body);
const chunked = "transfer-encoding: chunked";
const fields = (count: number) =>
	Array.from({ length: count }, (_, at) => `x-${at}: y`);
/** What a smuggler hides: the upstream must never see it as a request. */
const hidden = asking("GET /get?a=smuggled");

interface Case {
	readonly sends: string;
	/** The statuses of the answers, in order; the connection then ends. */
	readonly answers: readonly number[];
	/** The same if it comes byte by byte, and is answered before it is all there. */
	readonly answersToBytes?: readonly number[];
	/** What the upstream gets; nothing where it is left out. */
	readonly passes?: string;
}

const closing = asking("GET /get", ["connection: close"]);

const cases: Record<string, Case> = {
	"a request": { sends: closing, answers: [200], passes: got() },
	"a request in the absolute form": {
		sends: asking("GET http://other.example:80/get?a=1", ["connection: close"]),
		answers: [200],
		passes: got("?a=1"),
	},
	"a body in chunks": {
		sends: post(
			[chunked, "connection: close"],
			"1\r\n[\r\n1;x=y\r\n]\r\n0\r\n\r\n",
		),
		answers: [200],
		passes: posted("[]"),
	},
	"a body that is a request": {
		sends: post(
			[`content-length: ${JSON.stringify(hidden).length}`, "connection: close"],
			JSON.stringify(hidden),
		),
		answers: [200],
		passes: posted(JSON.stringify(hidden)),
	},
	"100 fields": {
		sends: asking("GET /get", ["connection: close", ...fields(98)]),
		answers: [200],
		passes: got(),
	},
	"101 fields": { sends: asking("GET /get", fields(100)), answers: [431] },
	"1,000 fields": { sends: asking("GET /get", fields(1000)), answers: [431] },
	"a framing field after 200 others": {
		sends: post([...fields(200), chunked], `0\r\n\r\n${hidden}`),
		answers: [431],
	},
	"a field of 20 KiB": {
		sends: asking("GET /get", [`x: ${"y".repeat(20 * 1024)}`]),
		answers: [431],
	},
	"a target of 20 KiB": {
		sends: asking(`GET /get?a=${"y".repeat(20 * 1024)}`),
		answers: [431],
	},
	"trailers of 20 KiB": {
		sends: post(
			[chunked],
			`2\r\n[]\r\n0\r\nx: ${"y".repeat(20 * 1024)}\r\n\r\n`,
		),
		answers: [431],
	},
	"chunk extensions of 20 KiB": {
		sends: post([chunked], `2;x=${"y".repeat(20 * 1024)}\r\n[]\r\n0\r\n\r\n`),
		answers: [413],
	},
	"two Hosts": { sends: asking("GET /get", ["host: b"]), answers: [400] },
	"no Host": { sends: "GET /get HTTP/1.1\r\n\r\n", answers: [400] },
	...each(
		"a Host",
		["", "a b", "a,b:c", "a@b", "a/b", "a:b", "[::1", "ä"],
		(host) => ({
			sends: `GET /get HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
			answers: [400],
		}),
	),
	...each("a Host", ["a", "a:80", "[::1]:80", "a_b.c"], (host) => ({
		sends: `GET /get HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
		answers: [200],
		passes: got(),
	})),
	"two lengths": {
		sends: post(["content-length: 2", "content-length: 30"], `[]${hidden}`),
		answers: [400],
	},
	"two equal lengths": {
		sends: post(["content-length: 2", "content-length: 2"], `[]${hidden}`),
		answers: [400],
	},
	...each(
		"a length",
		["+2", "-1", "2, 2", "0x2", "2.0", "1 2", "9".repeat(30), ""],
		(length) => ({
			sends: post([`content-length: ${length}`], `[]${hidden}`),
			answers: [400],
		}),
	),
	"a length with chunks": {
		sends: post(["content-length: 2", chunked], `0\r\n\r\n${hidden}`),
		answers: [400],
	},
	"chunks with a length": {
		sends: post([chunked, "content-length: 2"], `0\r\n\r\n${hidden}`),
		answers: [400],
	},
	...each(
		"transfer-encoding:",
		[
			",chunked",
			"chunked,",
			"chunked, identity",
			"identity",
			"gzip",
			"chunked, gzip",
			"chunked, chunked",
			"gzip, chunked, chunked",
			"a b, chunked",
			"xchunked",
			"chunked;q=1",
			'"chunked"',
			"\x0bchunked",
			"",
		],
		(coding) => ({
			sends: post([`transfer-encoding: ${coding}`], `0\r\n\r\n${hidden}`),
			answers: [400],
		}),
	),
	...each(
		"transfer-encoding:",
		["gzip, chunked", "identity, chunked", "X-One,Chunked"],
		(coding) => ({
			sends: post([`transfer-encoding: ${coding}`], `0\r\n\r\n${hidden}`),
			answers: [501],
		}),
	),
	"a coding in a line before that of chunks": {
		sends: post(["transfer-encoding: gzip", chunked], `0\r\n\r\n${hidden}`),
		answers: [400],
	},
	"another coding than chunks on HTTP/1.0": {
		sends: `POST /post HTTP/1.0\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n${hidden}`,
		answers: [400],
	},
	"chunks announced twice": {
		sends: post([chunked, chunked], `0\r\n\r\n${hidden}`),
		answers: [400],
	},
	...each(
		"a name",
		[
			"Content_Length",
			"transfer_encoding",
			"Content-Length ",
			"transfer-encoding\t",
			"transfer\x00-encoding",
			"content-lengthä",
		],
		(name) => ({ sends: post([`${name}: 2`], `[]${hidden}`), answers: [400] }),
	),
	...each(
		"a name that some take for another",
		["content_length", "Transfer_Encoding", "Proxy_Connection", "keep_alive"],
		(name) => ({
			sends: asking("GET /get", [`${name}: 2`, "connection: close"]),
			answers: [400],
		}),
	),
	"HTTP/2.0 in the request line": {
		sends: "GET /get HTTP/2.0\r\nhost: a\r\n\r\n",
		answers: [505],
	},
	"HTTP/0.9 in the request line": {
		sends: "GET /get HTTP/0.9\r\nhost: a\r\n\r\n",
		answers: [400],
	},
	"HTTP/1.2 in the request line": {
		sends: "GET /get HTTP/1.2\r\nhost: a\r\n\r\n",
		answers: [505],
	},
	"the preface of HTTP/2": {
		sends: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		answers: [505],
	},
	"HTTP/1.0": {
		sends: "GET /get HTTP/1.0\r\n\r\n",
		answers: [200],
		passes: got(),
	},
	"HTTP/1.0 with chunks": {
		sends: `POST /post HTTP/1.0\r\ncontent-type: application/json\r\n${chunked}\r\n\r\n0\r\n\r\n${hidden}`,
		answers: [400],
	},
	// RFC 9112, 3 lets a reader take them for one. The upstream gets one.
	...each(
		"several spaces in the request line:",
		["GET  /get HTTP/1.1", "GET /get  HTTP/1.1", "GET   /get   HTTP/1.1"],
		(line) => ({
			sends: `${line}\r\nhost: a\r\nconnection: close\r\n\r\n`,
			answers: [200],
			passes: got(),
		}),
	),
	...each(
		"no space in the request line:",
		["GET\t/get HTTP/1.1", "GET /get\tHTTP/1.1", "GET /get HTTP/1.1 "],
		(line) => ({
			sends: `${line}\r\nhost: a\r\n\r\n`,
			answers: [400],
		}),
	),
	"no version": { sends: "GET /get\r\n\r\n", answers: [400] },
	"no version, but fields": {
		sends: "GET /get\r\nhost: a\r\n\r\n",
		answers: [400],
	},
	...each(
		"an unknown method",
		["BREW", "GETT", "get", "PROPFINDS", "X-1", "M$"],
		(method) => ({ sends: asking(`${method} /get`), answers: [501] }),
	),
	"an unknown method of HTTP/1.1 that another protocol has": {
		sends: asking("DESCRIBE /get"),
		answers: [501],
	},
	"an unknown method behind a request": {
		sends: get + asking("BREW /get"),
		answers: [200],
		passes: got(),
	},
	'no method: "G@T /get"': { sends: asking("G@T /get"), answers: [400] },
	...each(
		"no method:",
		["BREW", "BREW /get HTTP/9.9\r\nhost: a\r\n", "hello\r\n"],
		(line) => ({
			sends: line.endsWith("\n") ? line : asking(line),
			answers: [400],
			// After two letters it may still become a request with a method that we do not know.
			answersToBytes: [501],
		}),
	),
	CONNECT: {
		sends: "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
		answers: [405],
	},
	...each(
		"the options of the server:",
		["*", "http://a", "HTTPS://a:1"],
		(target) => ({
			sends: asking(`OPTIONS ${target}`, ["connection: close"]),
			answers: [204],
		}),
	),
	"anything else of the server": { sends: asking("GET *"), answers: [400] },
	"a bare LF behind the request line": {
		sends: "GET /get HTTP/1.1\nhost: a\r\n\r\n",
		answers: [400],
	},
	"a bare LF behind a field": {
		sends: "GET /get HTTP/1.1\r\nhost: a\nx: y\r\n\r\n",
		answers: [400],
	},
	"a bare LF at the end of the head": {
		sends: "GET /get HTTP/1.1\r\nhost: a\r\n\n",
		answers: [400],
	},
	"a bare LF behind a chunk's size": {
		sends: post([chunked], `2\n[]\r\n0\r\n\r\n${hidden}`),
		answers: [400],
	},
	"a bare LF behind a chunk": {
		sends: post([chunked], `2\r\n[]\n0\r\n\r\n${hidden}`),
		answers: [400],
	},
	"a bare LF in a chunk's extension": {
		sends: post([chunked], `2;x=\n[]\r\n0\r\n\r\n${hidden}`),
		answers: [400],
	},
	"a bare CR in a value": {
		sends: asking("GET /get", ["x: a\rb: c"]),
		answers: [400],
	},
	"a folded field": {
		sends: asking("GET /get", ["x: a\r\n b"]),
		answers: [400],
	},
	"a folded first field": {
		sends: "GET /get HTTP/1.1\r\n host: a\r\n\r\n",
		answers: [400],
	},
	"NUL in a value": { sends: asking("GET /get", ["x: a\0b"]), answers: [400] },
	"NUL in the target": { sends: asking("GET /get?a=\0"), answers: [400] },
	"a raw letter in the target": {
		sends: asking("GET /get?a=é"),
		answers: [400],
	},
	"a tab in the target": { sends: asking("GET /get?a=\t"), answers: [400] },
	"a user in the target": {
		sends: asking("GET http://u@a/get"),
		answers: [400],
	},
	"another scheme": { sends: asking("GET ftp://a/get"), answers: [400] },
	"a chunk's size that is none": {
		sends: post([chunked], `0x2\r\n[]\r\n0\r\n\r\n${hidden}`),
		answers: [400],
	},
	"a chunk's size beyond all": {
		sends: post([chunked], `${"f".repeat(17)}2\r\n[]\r\n0\r\n\r\n${hidden}`),
		answers: [400],
	},
	"a length shorter than the body": {
		sends: post(["content-length: 2"], "[]]"),
		answers: [200],
		passes: posted("[]"),
	},
	"a body over the limit, announced": {
		sends: post(["content-length: 1048577"]) + hidden,
		answers: [413],
	},
	"a body over the limit, found out": {
		sends: post([chunked], `100001\r\n${"x".repeat(1024 ** 2 + 1)}`),
		answers: [413],
	},
	"16 requests at once": {
		sends: get.repeat(15) + closing,
		answers: Array(16).fill(200),
		passes: got().repeat(16),
	},
	"a request behind the last": {
		sends: closing + hidden,
		answers: [200],
		passes: got(),
	},
	"a request behind a refused one": {
		sends: asking("GET /get", ["host: b"]) + hidden,
		answers: [400],
	},
	"nonsense behind a request": {
		sends: `${get}nonsense\r\n\r\n`,
		answers: [200],
		passes: got(),
	},
	"a head that never ends": {
		sends: "GET /get HTTP/1.1\r\nhost: a\r\n",
		answers: [408],
	},
	"a body that never comes": {
		sends: post(["content-length: 2"]),
		answers: [408],
	},
	"a body that never ends": {
		sends: post([chunked], "1\r\n[\r\n"),
		answers: [408],
	},
	silence: { sends: "", answers: [] },
};

/** A case for each of several texts. */
function each(
	what: string,
	texts: readonly string[],
	caseOf: (text: string) => Case,
): Record<string, Case> {
	return Object.fromEntries(
		texts.map((text) => [`${what} ${JSON.stringify(text)}`, caseOf(text)]),
	);
}

async function answersTo(
	sends: readonly string[],
	gateway: ServedGateway,
): Promise<number[]> {
	using client = await openClient(portOf(gateway));
	for (const text of sends) {
		await new Promise((resolve) => {
			client.socket.write(text, "latin1", resolve);
		});
		// The system has it. The server reads it when the event loop comes round.
		await new Promise(setImmediate);
	}
	const statuses: number[] = [];
	for (;;) {
		const answer = await client.answer().catch(() => null);
		if (answer === null) break;
		statuses.push(answer.status);
		if (answer.status >= 400) {
			const { status, instance } = JSON.parse(answer.body);
			assert.equal(status, answer.status);
			assert.equal(instance, answer.headers["x-request-id"]);
			assert.equal(answer.headers["content-type"], "application/problem+json");
		}
	}
	assert.equal(await client.gone(), "", "the rest of an answer came");
	return statuses;
}

describe("what a client sends is refused, or served as what it is", () => {
	for (const [name, one] of Object.entries(cases)) {
		const { sends, answers, answersToBytes = answers, passes = "" } = one;
		const isLate = answers.length === 0 || answers[0] === 408;
		const by = () => (isLate ? hasty : served);
		test(`whole: ${name}`, async () => {
			assert.deepEqual(await answersTo([sends], by()), answers);
			assert.equal(passedOn(), passes);
		});

		if (sends.length > 2000 || isLate) continue;
		test(`byte by byte: ${name}`, async () => {
			assert.deepEqual(await answersTo([...sends], by()), answersToBytes);
			assert.equal(passedOn(), passes);
		});
	}
});

function portOf({ url }: ServedGateway): number {
	return Number(new URL(url).port);
}

test("raw letters in a target are refused with what to do, however they come", async () => {
	for (const parts of [
		["GET /get?a=Москва HTTP/1.1\r\nhost: a\r\n\r\n"],
		["GET /get?a=", "Москва HTTP/1.1\r\nhost: a\r\n\r\n"],
		["GET /Москва HTTP/1.1\r\nhost: a\r\n\r\n"],
		["GET /", "é"],
	]) {
		using client = await openClient(portOf(served));
		for (const part of parts) {
			await new Promise((resolve) => client.socket.write(part, resolve));
		}
		const { status, body } = await client.answer();
		assert.equal(status, 400);
		const { errors } = JSON.parse(body);
		assert.equal(errors[0].at, "target");
		assert.match(errors[0].message, /percent-encode/);
	}
});

test("a request that is completed after it was answered 408 is not handled", async () => {
	using client = await openClient(portOf(hasty));
	client.send(get.slice(0, -2));
	assert.equal((await client.answer()).status, 408);
	client.send("\r\n", hidden);
	client.socket.end();
	assert.equal(await client.gone(), "");
	assert.equal(passedOn(), "");
});

test("a slow second request does not keep the first from its answer", async () => {
	using client = await openClient(portOf(hasty));
	client.send(get, get.slice(0, -2));
	assert.equal((await client.answer()).status, 200);
	assert.equal((await client.answer()).status, 408);
	assert.equal(await client.gone(), "");
	assert.equal(passedOn(), got());
});

test("a client that ends its side in the middle of a request is not answered", async () => {
	for (const text of [
		get.slice(0, -2),
		post(["content-length: 4"], "[1"),
		"",
	]) {
		using client = await openClient(portOf(served));
		client.send(text);
		client.socket.end();
		assert.equal(await client.gone(), "");
	}
	assert.equal(passedOn(), "");
});
