import assert from "node:assert/strict";
import { Agent } from "node:http";
import { test } from "node:test";
import { serve } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

/** What the page of a user is made of: calls that wait for others, one per item, and a group of them. */
const route = {
	steps: {
		user: { get: "api/users/7" },
		orders: { get: "api/orders", query: { user: "${user.id}" } },
		items: {
			each: "${orders}",
			parallel: 2,
			get: "api/items/${item}",
			optional: true,
		},
		friends: {
			each: "${user.friends}",
			as: "friend",
			steps: {
				one: { get: "api/users/${friend}" },
				many: { get: "api/orders", query: { user: "${one.id}" } },
			},
			value: "${{ name: one.name, orders: many.length }}",
		},
		later: { get: "api/slow", within: "10s", fallback: null },
	},
	respond: {
		name: "${user.name}",
		items: "${items}",
		friends: "${friends}",
		later: "${later}",
	},
};

/** Counts what the global constructor makes while `work` runs. */
async function controllersMadeBy(work: () => Promise<void>): Promise<number> {
	const { AbortController } = globalThis;
	let made = 0;
	globalThis.AbortController = class extends AbortController {
		constructor() {
			super();
			made++;
		}
	};
	try {
		await work();
	} finally {
		globalThis.AbortController = AbortController;
	}
	return made;
}

type Run = (args: unknown, given: { signal: AbortSignal }) => unknown;

/** Asks for the page so many hundred times, ten at once; gives how many controllers that made. */
async function askHundreds(hundreds: number, run?: Run): Promise<number> {
	await using api = await startUpstream(({ target }, response) => {
		if (target === "/orders?user=7") json(response, [1, 2, 3]);
		else if (target.startsWith("/orders")) json(response, [4]);
		else if (target === "/items/2") json(response, null, 500);
		else if (target === "/slow") setTimeout(json, 2, response, "late");
		else json(response, { id: 7, name: "Ada", friends: [8, 9] });
	});
	const steps = { ...route.steps, ...(run && { own: { run } }) };
	await using served = await serve({
		// On a busy machine optional items would be left out.
		overload: false,
		upstreams: { api: { url: api.url } },
		routes: { "GET /page": { ...route, steps } },
	});
	using agent = keepAlive();
	const made = await controllersMadeBy(async () => {
		for (let turn = 0; turn < 10 * hundreds; turn++) {
			const asked = Array.from({ length: 10 }, () =>
				served.get("/page", { agent }),
			);
			for (const { status, json } of await Promise.all(asked)) {
				assert.equal(status, 200);
				assert.deepEqual(json, {
					name: "Ada",
					items: [
						{ id: 7, name: "Ada", friends: [8, 9] },
						null,
						{
							id: 7,
							name: "Ada",
							friends: [8, 9],
						},
					],
					friends: [
						{ name: "Ada", orders: 3 },
						{ name: "Ada", orders: 3 },
					],
					later: "late",
				});
			}
		}
	});
	assert.equal(served.ended.length, 100 * hundreds);
	assert.equal(api.seen.length, 1000 * hundreds);
	return made;
}

function keepAlive(): Agent & Disposable {
	const agent = new Agent({ keepAlive: true });
	return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
}

test("a thousand composed requests make no AbortController", async () => {
	assert.equal(await askHundreds(10), 0);
});

test("a function of the author's that reads its signal makes one a request", async () => {
	const run: Run = (_args, { signal }) => signal.aborted;
	assert.equal(await askHundreds(1, run), 100);
});
