import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { testPair, testTls, trusting } from "../kit/transport.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";

/** Trailers of HTTP/2. Those of HTTP/1.1 are in `bounds/framing.test.ts`. */

let upstream: RealUpstream;
let served: ServedGateway;
let session: ClientHttp2Session;

before(async () => {
	upstream = await startUpstream(({ body }, response) => {
		response.writeHead(200, {
			"content-type": "application/json",
			trailer: "x-sum",
		});
		response.write(body || "1");
		response.addTrailers({ "x-sum": "planted" });
		response.end();
	});
	const config = configOrThrow(
		checkText(
			`
server: { maxHeaders: 20, maxHeaderBytes: 2KiB }
overload: false
upstreams: { up: { url: "${upstream.url}" } }
routes:
  POST /body:
    request: { body: {} }
    steps: { up: { post: up/body, body: "\${body}" } }
    respond: \${up}
  POST /passed: { proxy: up/passed }
`,
			"test.yaml",
			{},
		),
	);
	served = await serve({
		...config,
		server: { ...config.server, tls: testTls },
	});
	const url = served.url.replace("127.0.0.1", "localhost");
	session = connect(url, {
		ca: testPair.cert,
		servername: trusting.servername,
	});
});

after(async () => {
	session?.destroy();
	await served?.[Symbol.asyncDispose]();
	await upstream?.[Symbol.asyncDispose]();
});

/** A request whose body has these trailers behind it. */
async function posted(
	path: string,
	trailers: Record<string, string | string[]>,
) {
	const stream = session.request(
		{ ":method": "POST", ":path": path, "content-type": "application/json" },
		{ waitForTrailers: true },
	);
	stream.on("wantTrailers", () => stream.sendTrailers(trailers));
	let came: unknown = null;
	stream.on("trailers", (fields) => {
		came = fields;
	});
	const answered = once(stream, "response");
	stream.end('{"a":1}');
	const [{ ":status": status }] = await answered;
	return { status, body: await text(stream), came };
}

const many = (count: number) =>
	Object.fromEntries(
		Array.from({ length: count }, (_, at) => [`x-${at}`, "y"]),
	);

describe("trailers over HTTP/2", () => {
	for (const path of ["/body", "/passed"]) {
		test(`do not pass, neither of a request nor of an answer: ${path}`, async () => {
			const { status, body, came } = await posted(path, {
				"x-sum": "planted",
				"x-user": "admin",
			});
			assert.deepEqual([status, body, came], [200, '{"a":1}', null]);
			const request = upstream.seen.at(-1);
			assert.equal(request?.body, '{"a":1}');
			assert.doesNotMatch(
				String(request?.rawHeaders),
				/planted|admin|trailer/i,
			);
		});

		test(`count among the fields of the request: ${path}`, async () => {
			// With the two of the head: `content-type`, and `host` of `:authority`.
			assert.equal((await posted(path, many(18))).status, 200);
			assert.equal((await posted(path, many(19))).status, 431);
			const long = { "x-long": "y".repeat(2048) };
			assert.equal((await posted(path, long)).status, 431);
			assert.equal((await posted(path, {})).status, 200);
		});
	}
});
