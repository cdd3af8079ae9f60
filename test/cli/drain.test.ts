import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { describe, it } from "node:test";
import { folderWith, type RunningCommand, sluice } from "../kit/cli.ts";
import { ask } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const saga = `
admin: false
server: { port: 0, drain: 10s }
upstreams:
  orders: { url: "\${env.ORDERS_URL}" }
routes:
  POST /orders:
    steps:
      order:
        post: orders/orders
        undo: { delete: "orders/orders/\${answer.id}" }
      payment: { post: "orders/charges/\${order.id}" }
    respond: { id: "\${order.id}" }
`;

const config = (drain: string) => `
admin: false
server: { port: 0, drain: ${drain} }
upstreams:
  orders: { url: "\${env.ORDERS_URL}" }
routes:
  POST /orders:
    steps:
      order: { post: orders/orders }
      payment: { post: "orders/charges/\${order.id}" }
      confirmed: { put: "orders/orders/\${order.id}", body: "\${payment.id}" }
    respond: { id: "\${order.id}" }
`;

/** An order whose client leaves while the payment runs, and SIGTERM in the middle of that. */
async function drainedWhilePaying(drain: string, pays: boolean) {
	const { promise: released, resolve: release } = Promise.withResolvers<void>();
	await using orders = await startUpstream(({ target }, response) => {
		if (!target.startsWith("/charges")) return json(response, { id: 7 });
		void released.then(() => json(response, { id: "p1" }));
	});
	using folder = folderWith({ "sluice.yaml": config(drain) });
	const command = sluice(["serve"], {
		cwd: folder.path,
		env: { ORDERS_URL: orders.url },
	});
	await command.printed("listening on ");
	const [, url] = /listening on (\S+)/.exec(command.stdout()) ?? [];
	const client = httpRequest(`${url}/orders`, { method: "POST", agent: false });
	client.on("error", () => {});
	client.end();
	await orders.arrived(2);
	client.destroy();
	// The gateway answers on another connection when it has seen that one go.
	command.process.kill("SIGTERM");
	await command.printed('"draining"');
	if (pays) release();
	const code = await command.ended;
	const calls = orders.seen.map(({ method, target }) => `${method} ${target}`);
	return { code, calls, lines: linesOf(command) };
}

function linesOf(command: RunningCommand) {
	return command
		.stderr()
		.trim()
		.split("\n")
		.map((line) => JSON.parse(line));
}

describe("SIGTERM in the middle of a write whose client has left", () => {
	it("waits until the run has ended, and says so", async () => {
		const { code, calls, lines } = await drainedWhilePaying("10s", true);
		assert.deepEqual(calls, [
			"POST /orders",
			"POST /charges/7",
			"PUT /orders/7",
		]);
		assert.equal(code, 0);
		assert.equal(lines.at(-1).finished, true);
	});

	it("cuts it after `drain`, and tells what was cut and what was written", async () => {
		const { code, lines } = await drainedWhilePaying("200ms", false);
		assert.equal(code, 1);
		const cut = lines.find(({ code }) => code === "gateway_draining");
		assert.deepEqual(
			[cut.level, cut.step, cut.call, cut.wrote, cut.mayHaveWritten],
			[
				50,
				"payment",
				"POST orders/charges/${order.id}",
				["order"],
				["payment"],
			],
		);
		assert.equal(lines.find(({ msg }) => msg === "stopped").finished, false);
	});
});

describe("SIGTERM while a write is undone", () => {
	it("waits for it", async () => {
		const { promise: drains, resolve: drain } = Promise.withResolvers<void>();
		await using orders = await startUpstream(({ method, target }, response) => {
			if (target.startsWith("/charges")) return json(response, {}, 402);
			if (method === "POST") return json(response, { id: 7 });
			void drains.then(() => json(response, {}));
		});
		using folder = folderWith({ "sluice.yaml": saga });
		const command = sluice(["serve"], {
			cwd: folder.path,
			env: { ORDERS_URL: orders.url },
		});
		await command.printed("listening on ");
		const [, url] = /listening on (\S+)/.exec(command.stdout()) ?? [];
		const { status } = await ask(`${url}/orders`, { method: "POST" });
		assert.equal(status, 502);
		await orders.arrived(3);
		command.process.kill("SIGTERM");
		await command.printed('"draining"');
		drain();
		assert.equal(await command.ended, 0);
		const lines = linesOf(command);
		assert.deepEqual(
			lines.map(({ msg }) => msg),
			[
				"started",
				"request failed",
				"draining",
				"a write was undone",
				"stopped",
			],
		);
		assert.equal(lines.at(-1).finished, true);
	});
});
