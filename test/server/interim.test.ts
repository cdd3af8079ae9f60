import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { sendInterim } from "../../src/server/interim.ts";
import { asking, openClient } from "./client.ts";

/** A response without the method that Node 24 does not have. */
function ofNode24(response: ServerResponse): ServerResponse {
	return new Proxy(response, {
		get: (target, name) => {
			if (name === "writeInformation") return undefined;
			const value: unknown = Reflect.get(target, name);
			return typeof value === "function" ? value.bind(target) : value;
		},
	});
}

/** What a client is told before the answer: status and fields. Null: nothing. */
async function told(status: number, headers: readonly string[]) {
	const server = createServer((_request, response) => {
		sendInterim(ofNode24(response), status, headers);
		response.end("ok");
	});
	await once(server.listen(0, "127.0.0.1"), "listening");
	try {
		await using client = await openClient(
			(server.address() as AddressInfo).port,
		);
		client.send(asking("GET /a", ["connection: close"]));
		const first = await client.answer();
		if (first.status === 200) return null;
		assert.equal((await client.answer()).status, 200);
		return { status: first.status, ...first.headers };
	} finally {
		await new Promise((resolve) => server.close(resolve));
	}
}

test("Node 24 sends 103 with links, and with all other fields", async () => {
	const [a, b] = ["</a.css>; rel=preload; as=style", "</b.js>; rel=preload"];
	const both = { status: 103, link: `${a}, ${b}` };
	assert.deepEqual(await told(103, ["link", `${a}, ${b}`]), both);
	assert.deepEqual(await told(103, ["Link", a, "LINK", b]), both);
	assert.deepEqual(await told(103, ["x-a", "1", "link", a, "X-A", "2"]), {
		status: 103,
		link: a,
		"x-a": "1, 2",
	});
	const named = await told(103, ["link", a, "constructor", "x"]);
	assert.equal(named?.["constructor" as "status"], "x");
});

test("Node 24 drops what it cannot send, and the answer comes", async () => {
	for (const [status, headers] of [
		[103, ["link", '</a>; rel=next; title="a b"']],
		[103, ["link", "</a,b>; rel=next"]],
		[103, ["link", ""]],
		[103, ["x-hint", "a b"]],
		[103, []],
		[102, ["link", "</a>; rel=next"]],
		[199, ["link", "</a>; rel=next"]],
	] as const) {
		assert.equal(await told(status, headers), null, `${status} ${headers}`);
	}
});
