import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { longestTurn } from "../kit/blocked.ts";
import { testRoute } from "../kit/gateway.ts";
import { slowness } from "../kit/slowness.ts";

/** The expression of a step that visits some `thousands` of nodes. */
function visiting(thousands: number, list = "list"): string {
	// For each item the parameter, the four nodes of the body, and half a node for its place in the slice.
	const items = Math.floor((thousands * 1000) / 5.5);
	return `\${${list}.slice(0, ${items}).every(x => [x] !== x) && ${thousands}}`;
}

/** A route with a list that is there at once, and with these steps. */
function route(steps: object, more: object = {}) {
	const behave = () => ({ json: Array.from({ length: 220_000 }, () => 1) });
	return testRoute(
		{
			steps: { list: { get: "users/" }, ...steps },
			...more,
		},
		behave,
		{
			upstreams: {
				users: { url: "http://users.test", maxValues: 300_000 },
				search: { url: "http://x.test", maxValues: 300_000, safe: true },
			},
		},
	);
}

/** Steps of one value each. */
function valuesOf(count: number, thousands: number, more: object = {}): object {
	return Object.fromEntries(
		Array.from({ length: count }, (_, index) => [
			`s${index}`,
			{ value: visiting(thousands), ...more },
		]),
	);
}

function allOf(count: number): string[] {
	return Array.from({ length: count }, (_, index) => `\${s${index}}`);
}

describe("what a request computes", () => {
	it("is a million nodes in one piece and not more", async () => {
		for (const [thousands, status] of [
			[990, 200],
			[1010, 500],
		] as const) {
			const { ask } = route(valuesOf(1, thousands), { respond: "${s0}" });
			const answer = await ask("/x");
			assert.equal(answer.status, status);
			if (status === 500) assert.equal(answer.code, "limit_exceeded");
		}
	});

	it("is ten million nodes in all pieces and not more", async () => {
		for (const [count, status] of [
			[10, 200],
			[11, 500],
		] as const) {
			const { ask } = route(valuesOf(count, 950), { respond: allOf(count) });
			const answer = await ask("/x");
			assert.equal(answer.status, status);
			if (status === 500) assert.equal(answer.code, "limit_exceeded");
		}
	});

	it("is a million nodes more for the answer", async () => {
		const { ask } = route(valuesOf(10, 990), {
			respond: [...allOf(10), visiting(900)],
		});
		assert.equal((await ask("/x")).status, 200);
	});

	it("shares one piece among the expressions of one template", async () => {
		const { ask } = route(
			{ s: { value: [visiting(600), visiting(600)] } },
			{ respond: "${s}" },
		);
		assert.equal((await ask("/x")).code, "limit_exceeded");
	});

	it("fails the step, which `optional` or `fallback` fills in", async () => {
		const { ask } = route(
			{
				a: { value: visiting(1010), optional: true },
				b: { value: visiting(1010), fallback: "little" },
			},
			{ respond: { a: "${a}", b: "${b}" } },
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, { a: null, b: "little" });
		assert.equal(
			answer.header("sluice-missing"),
			"a;error=limit_exceeded, b;error=limit_exceeded",
		);
	});

	it("is the client's fault where only its input is read", async () => {
		const { ask } = testRoute(
			{
				request: { body: { type: "array" } },
				steps: { s: { value: visiting(1010, "body") } },
				respond: "${s}",
			},
			undefined,
			{ key: "POST /x", server: { maxValues: 300_000 } },
		);
		const body = Array.from({ length: 210_000 }, () => 1);
		const answer = await ask("/x", { method: "POST", body });
		assert.equal(answer.status, 400);
		assert.equal(answer.code, "limit_exceeded");
	});

	it("counts over the items of an `each`", async () => {
		const { ask } = route(
			{
				all: {
					each: "${list.slice(0, 20)}",
					value: visiting(900),
				},
			},
			{ respond: "${all}" },
		);
		assert.equal((await ask("/x")).code, "limit_exceeded");
	});

	it("counts what a call sends, and what is made of its answer", async () => {
		for (const step of [
			{ body: visiting(900) },
			{ pick: visiting(900, "answer"), after: ["list"] },
			{ expect: visiting(900, "answer"), pick: "1", after: ["list"] },
		]) {
			const steps = Object.fromEntries(
				Array.from({ length: 12 }, (_, index) => [
					`s${index}`,
					{ post: "search/", ...step },
				]),
			);
			const { ask } = route(steps, {
				respond: ["${list.length}", ...allOf(12)],
			});
			assert.equal((await ask("/x")).code, "limit_exceeded");
		}
	});

	it("counts the printing of what is small in memory and large on paper", async () => {
		const twice = "${list.slice(0, 1600)}";
		const { ask } = route(
			{ row: { value: twice } },
			{ respond: "${row.map(x => row)}" },
		);
		assert.equal((await ask("/x")).code, "limit_exceeded");
	});

	it("answers the same however many compute beside it", async () => {
		const { send, settle } = route(valuesOf(9, 950), { respond: allOf(9) });
		const sent = Array.from({ length: 4 }, () => send("/x"));
		await settle();
		for (const { answer } of sent) {
			assert.deepEqual((await answer).json, Array(9).fill(950));
		}
	});
});

describe("a turn of the loop", () => {
	/** `each` over a long list of the client. */
	function gatewayOf(config: object) {
		return createGateway(
			configOrThrow(checkText(JSON.stringify(config), "test.json", {})),
			{ env: {} },
		);
	}
	const heavy = {
		deadline: "1s",
		request: { body: { type: "array" } },
		steps: {
			all: {
				each: "${body}",
				max: 100_000,
				value: "${body.slice(0, index % 1000).filter(x => x === item).length}",
			},
		},
		respond: "${all.length}",
	};
	const light = { steps: { s: { value: 1 } }, respond: "${s}" };

	function post(path: string, length: number): Request {
		const headers = { "content-type": "application/json" };
		const body = JSON.stringify(Array.from({ length }, () => 123_456));
		return new Request(`http://x${path}`, { method: "POST", headers, body });
	}

	it("ends before 100 ms of computing have passed, and others are answered", async () => {
		const gateway = gatewayOf({
			routes: { "POST /heavy": heavy, "GET /light": light },
		});
		const slow = slowness();
		let heavyEnded = false;
		let answered = 0;
		const { turnMs, value } = await longestTurn(async () => {
			const answer = gateway.fetch(post("/heavy", 20_000)).then((response) => {
				heavyEnded = true;
				return response;
			});
			while (!heavyEnded) {
				const { status } = await gateway.fetch(new Request("http://x/light"));
				assert.equal(status, 200);
				answered++;
				await new Promise((resolve) => setImmediate(resolve));
			}
			return answer;
		});
		const { status } = value as Response;
		assert.ok(status === 400 || status === 504, `${status}`);
		assert.ok(answered > 3, `${answered} answered meanwhile`);
		assert.ok(turnMs < 100 * slow, `${turnMs} ms`);
	});

	it("is followed by the deadline, where an `each` computes until then", async () => {
		const map = "Object.fromEntries(body.map((x, i) => ['k' + i, x]))";
		const all = { each: "${body}", max: 900, value: `\${${map}.k1}` };
		const gateway = gatewayOf({
			routes: {
				"POST /heavy": { ...heavy, deadline: "30ms", steps: { all } },
			},
		});
		// The nodes of one request take some 90 ms, and would end in a 400.
		const { status } = await gateway.fetch(post("/heavy", 900));
		assert.equal(status, 504);
	});
});
