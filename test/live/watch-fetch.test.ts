import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createGateway } from "../../src/gateway/gateway.ts";
import { virtualClock } from "../../src/tasks/clock.ts";

/** A live route whose answer is the time of its run. */
function liveGateway() {
	const clock = virtualClock();
	const config = {
		routes: {
			"GET /x": {
				live: { every: "10s" },
				steps: { n: { run: () => clock.now() } },
			},
		},
	};
	return { clock, gateway: createGateway(config, { clock }) };
}

const headers = { accept: "text/event-stream" };
const url = "http://gateway.test/x";

describe("a live route by `fetch` of a gateway", () => {
	it("is a stream that goes on, and ends when its reader leaves", async () => {
		const { clock, gateway } = liveGateway();
		const response = await gateway.fetch(new Request(url, { headers }));
		assert.equal(response.headers.get("content-type"), "text/event-stream");
		assert.ok(response.body);
		const reader = response.body
			.pipeThrough(new TextDecoderStream())
			.getReader();
		assert.match((await reader.read()).value ?? "", /event: answer\ndata: 0\n/);
		const next = reader.read();
		await clock.advance(10_000);
		assert.match((await next).value ?? "", /event: answer\ndata: 10000\n/);
		await reader.cancel();
		await clock.advance(60_000);
		assert.equal(gateway.state().live[0]?.watchers, 0);
		assert.equal(gateway.state().live[0]?.watches, 0);
		assert.equal(clock.pending, 0);
		assert.equal(gateway.memory.held, 0);
	});

	it("ends when its request is aborted", async () => {
		const { clock, gateway } = liveGateway();
		const controller = new AbortController();
		const { signal } = controller;
		const response = await gateway.fetch(new Request(url, { headers, signal }));
		assert.equal(gateway.state().live[0]?.watchers, 1);
		controller.abort();
		await clock.advance(60_000);
		assert.equal(gateway.state().live[0]?.watchers, 0);
		assert.equal(clock.pending, 0);
		await assert.rejects(response.text(), { code: "client_closed" });
	});

	it("ends with the gateway", async () => {
		const { clock, gateway } = liveGateway();
		const response = await gateway.fetch(new Request(url, { headers }));
		await gateway.close();
		assert.match(
			await response.text(),
			/event: end\ndata: \{"reason":"closed"\}\n\n$/,
		);
		assert.equal(clock.pending, 0);
	});
});
