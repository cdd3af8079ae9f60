import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { serve } from "../../src/server/serve.ts";
import { asking, openClient } from "../server/client.ts";

/** How many requests: two million, or as many as `REQUESTS` says. */
const requests = Number(process.env["REQUESTS"] ?? 2_000_000);

/** By then everything is compiled and has its size. */
const warmUp = Math.ceil(requests / 10);

/** What may be more in the end, whatever the number of requests: of two million a third of a byte each. */
const grownMax = 600_000;

const clients = 16;

/** After so many requests a connection is another one. Some leave in the middle of their last. */
const perConnection = 500;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Where data is. The other spaces have code, which comes and goes as V8 compiles: some 300 kB up and down. */
const dataSpaces: ReadonlySet<string> = new Set([
	...["new_space", "old_space", "new_large_object_space", "large_object_space"],
]);

function dataBytes(): number {
	collect();
	collect();
	return getHeapSpaceStatistics()
		.filter(({ space_name }) => dataSpaces.has(space_name))
		.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
}

const upstream = createServer((request, response) => {
	request.resume().once("end", () => {
		response.writeHead(request.url === "/fails" ? 500 : 200, {
			...{ "content-type": "application/json", "content-length": 11 },
		});
		response.end('{"one":"1"}');
	});
});
upstream.listen(0, "127.0.0.1");
await once(upstream, "listening");
const { port } = upstream.address() as AddressInfo;
const config = configOrThrow(
	checkValue(
		{
			overload: false,
			// Where many others compute, a call may wait for long.
			defaults: { deadline: "10m", timeout: "9m" },
			server: { hosts: ["*"] },
			upstreams: {
				web: { url: `http://127.0.0.1:${port}`, retry: { attempts: 2 } },
			},
			routes: {
				"GET /merged": {
					steps: { a: { get: "web/a" }, b: { get: "web/b/${a.one}" } },
					respond: { a: "${a}", b: "${b.one}" },
				},
				"GET /partial": {
					steps: { a: { get: "web/fails", optional: true } },
					respond: { a: "${a}" },
				},
				"POST /sent": {
					request: { body: { type: "object" } },
					steps: { a: { post: "web/sent", body: "${body}" } },
					respond: "${a}",
				},
				"ANY /pass/{rest*}": { proxy: "web/{rest*}" },
			},
		},
		"heap",
		{},
	),
);
const gateway = createGateway(config, { env: {} });
const server = await serve(gateway, { host: "127.0.0.1", port: 0 });

after(async () => {
	await server.close();
	await gateway.close();
	upstream.closeAllConnections();
	upstream.close();
});

const body = '{"some":"thing"}';
const sent = [
	"content-type: application/json",
	`content-length: ${body.length}`,
];
const kinds: readonly (readonly [status: number, text: string])[] = [
	[200, asking("GET /merged")],
	[200, asking("GET /pass/x")],
	[404, asking("GET /nowhere")],
	[200, asking("POST /sent", sent, body)],
	[200, asking("GET /partial")],
	[400, asking("POST /sent", sent, "}".repeat(body.length))],
	[500, asking("GET /pass/fails")],
	[200, asking("POST /pass/x", ["transfer-encoding: chunked"], "0\r\n\r\n")],
];

let left = 0;
let asked = 0;

/** Asks on a connection, in which node:http reads from the first chunks on. */
async function askOnOne(): Promise<void> {
	using client = await openClient(server.port);
	for (let count = 0; count < perConnection && left > 0; count++) {
		left--;
		const kind = kinds[asked++ % kinds.length] as (typeof kinds)[number];
		const [status, text] = kind;
		client.send(text);
		const leaves = count === perConnection - 1 && asked % 2 === 0;
		if (leaves) return client.reset();
		assert.equal((await client.answer()).status, status, text);
	}
}

async function askMany(count: number): Promise<void> {
	left = count;
	const one = async () => {
		while (left > 0) await askOnOne();
	};
	await Promise.all(Array.from({ length: clients }, one));
	// Those whose clients have left end soon.
	while (gateway.memory.held > 0) {
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

test(`${requests} requests of many kinds leave the heap where it was`, async (t) => {
	await askMany(warmUp);
	const before = dataBytes();
	await askMany(requests - warmUp);
	const grown = dataBytes() - before;
	t.diagnostic(`${before} bytes of data, ${grown} more after ${requests}`);
	assert.ok(grown < grownMax, `${grown} bytes more`);
	assert.equal(gateway.clock.pending, 0);
});
