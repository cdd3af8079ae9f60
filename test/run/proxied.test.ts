import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	byPath,
	hanging,
	type Reply,
	type TestGateway,
	testRoute,
} from "../kit/gateway.ts";

/** A route whose steps run before its request is passed on. */

const steps = {
	token: { get: "users/token" },
	plan: { get: "orders/plan", optional: true },
};

const proxy = {
	to: "search/files/${token.id}/{rest*}",
	headers: {
		authorization: "Bearer ${token.value}",
		"x-plan?": "${plan.name}",
	},
	query: { plan: "${plan.name ?? 'none'}" },
};

const good: Record<string, Reply> = {
	"/token": { json: { id: 7, value: "t" }, afterMs: 10 },
	"/plan": { json: { name: "gold" }, afterMs: 20 },
	"/files/7/a": { text: "file", afterMs: 5, headers: ["etag", '"1"'] },
};

function start(
	replies: Record<string, Reply> = {},
	route: object = {},
	upstreams: object = {},
): TestGateway {
	return testRoute(
		{ steps, proxy, ...route },
		byPath({ ...good, ...replies }),
		{ key: "GET /f/{rest*}", upstreams },
	);
}

const passed = ({ calls }: TestGateway) =>
	calls.filter(({ request }) => request.target.startsWith("/files"));

describe("a proxied route with steps", () => {
	it("passes the request on when its steps have ended, with what they gave", async () => {
		const kit = start();
		const answer = await kit.ask("/f/a?x=1");
		assert.equal(answer.text, "file");
		assert.equal(answer.atMs, 25);
		assert.equal(answer.header("sluice-complete"), "?1");
		assert.equal(answer.header("etag"), '"1"');
		const [{ request, startedMs } = assert.fail()] = passed(kit);
		assert.equal(startedMs, 20);
		assert.equal(request.target, "/files/7/a?plan=gold");
		assert.deepEqual(request.headers.slice(0, 4), [
			...["authorization", "Bearer t"],
			...["x-plan", "gold"],
		]);
	});

	it("says what its steps lack, and that nobody may keep the answer", async () => {
		const kit = start({
			"/plan": { status: 500 },
			"/files/7/a": { text: "file", headers: ["cache-control", "max-age=60"] },
		});
		const answer = await kit.ask("/f/a");
		assert.equal(answer.status, 200);
		assert.equal(answer.header("sluice-complete"), "?0");
		assert.equal(answer.header("sluice-missing"), "plan;error=upstream_status");
		assert.equal(answer.header("cache-control"), "no-store");
		assert.equal(passed(kit)[0]?.request.target, "/files/7/a?plan=none");
		assert.deepEqual(
			kit.ended[0]?.missing.map(({ step }) => step),
			["plan"],
		);
	});

	it("passes nothing on if a required step fails", async () => {
		for (const [reply, code, atMs] of [
			[{ status: 403 }, "upstream_status", 0],
			[{ text: "<html>" }, "upstream_invalid", 0],
			[hanging, "upstream_timeout", 2000],
			[{ json: { id: null } }, "reference_missing", 20],
			[{ json: { id: ".." } }, "step_failed", 20],
		] as const) {
			const kit = start({ "/token": reply });
			const answer = await kit.ask("/f/a");
			assert.equal(answer.code, code);
			assert.equal(answer.atMs, atMs);
			assert.deepEqual(passed(kit), []);
		}
	});

	it("passes nothing on if a step replies", async () => {
		const deny = {
			when: "${token.id === 7}",
			reply: { status: 403, body: { denied: true } },
		};
		const kit = start({}, { steps: { ...steps, deny } });
		const answer = await kit.ask("/f/a");
		assert.deepEqual([answer.status, answer.json], [403, { denied: true }]);
		assert.equal(answer.atMs, 10);
		assert.deepEqual(passed(kit), []);
	});

	it("waits for a step that nothing reads if `after` names it, and fails with it", async () => {
		const route = {
			steps: { ...steps, entitled: { get: "users/entitled" } },
			proxy: { ...proxy, after: ["entitled"] },
		};
		const slow = start({ "/entitled": { afterMs: 30 } }, route);
		assert.equal((await slow.ask("/f/a")).atMs, 35);
		assert.equal(passed(slow)[0]?.startedMs, 30);
		const refused = start({ "/entitled": { status: 404 } }, route);
		assert.equal((await refused.ask("/f/a")).code, "upstream_status");
		assert.deepEqual(passed(refused), []);
	});

	it("has one deadline for its steps and the head of the answer", async () => {
		const route = { deadline: "100ms" };
		for (const [replies, code] of [
			[{ "/token": hanging }, "deadline_exceeded"],
			[
				{ "/files/7/a": { ...good["/files/7/a"], afterMs: 81 } },
				"deadline_exceeded",
			],
			[{ "/files/7/a": { ...good["/files/7/a"], afterMs: 79 } }, null],
		] as const) {
			const kit = start(replies, route);
			const answer = await kit.ask("/f/a");
			assert.equal(answer.status, code === null ? 200 : 504);
			assert.equal(answer.atMs, code === null ? 99 : 100);
			if (code !== null) assert.equal(answer.code, code);
		}
	});

	it("passes nothing on at the deadline, although a fallback fills in then", async () => {
		const kit = start({ "/plan": hanging }, { deadline: "100ms" });
		const answer = await kit.ask("/f/a");
		assert.equal(answer.code, "deadline_exceeded");
		assert.equal(answer.atMs, 100);
		assert.deepEqual(passed(kit), []);
	});

	it("passes nothing on for a client that has left, and aborts what it passed on", async () => {
		for (const [atMs, count] of [
			[5, 0],
			[15, 0],
			[22, 1],
		] as const) {
			const kit = start();
			const { leave, answer } = kit.send("/f/a");
			kit.clock.after(atMs, leave);
			await kit.settle();
			assert.equal((await answer).code, "client_closed");
			assert.equal(passed(kit).length, count);
			for (const { aborted } of passed(kit)) assert.notEqual(aborted, null);
			kit.assertNothingLeft();
		}
	});

	it("goes on without its client once a step has written, and passes nothing on", async () => {
		const kit = start(
			{ "/log": { afterMs: 5 } },
			{ steps: { ...steps, log: { post: "users/log", after: ["token"] } } },
		);
		const { leave, answer } = kit.send("/f/a");
		kit.clock.after(12, leave);
		await kit.settle();
		assert.equal((await answer).code, "client_closed");
		const plan = kit.calls.find(({ upstream }) => upstream === "orders");
		assert.deepEqual([plan?.endedMs, plan?.aborted], [20, null]);
		assert.deepEqual(passed(kit), []);
		kit.assertNothingLeft();
	});

	it("says in its trail where it was passed on, as the config has it", async () => {
		const kit = start();
		await kit.ask("/f/a");
		const templates = kit.callsEnded.map(({ trail }) => trail.template);
		assert.deepEqual(templates, [
			"/token",
			"/plan",
			"/files/${token.id}/{rest*}",
		]);
	});

	it("counts the passed request among its calls", async () => {
		for (const [calls, code] of [
			[2, "limit_exceeded"],
			[3, null],
			[4, null],
		] as const) {
			const kit = start({}, { calls });
			const answer = await kit.ask("/f/a");
			if (code === null) assert.equal(answer.text, "file");
			else assert.equal(answer.code, code);
			assert.equal(passed(kit).length, code === null ? 1 : 0);
		}
	});

	it("tries its steps again as their upstreams say, and the passed request never", async () => {
		const retry = { retry: { attempts: 2 } };
		const kit = start(
			{ "/token": { status: 503 } },
			{},
			{
				users: { url: "http://users.test", ...retry },
			},
		);
		assert.equal((await kit.ask("/f/a")).code, "upstream_status");
		const tokens = kit.calls.filter(({ upstream }) => upstream === "users");
		assert.equal(tokens.length, 2);
		const once = start(
			{ "/files/7/a": { status: 503 } },
			{},
			{
				search: { url: "http://search.test", ...retry },
			},
		);
		assert.equal((await once.ask("/f/a")).status, 503);
		assert.equal(passed(once).length, 1);
	});

	it("refuses a path, a query and a protocol that it cannot pass on before its steps run", async () => {
		const plain = {
			steps,
			proxy: { to: "search/files/${token.id}/{rest*}", after: ["plan"] },
		};
		for (const [target, headers, status] of [
			["/f/a/../b", [], 400],
			["/f/%2e%2e", [], 400],
			["/f/a//b", [], 400],
			["/f/a?x=\u00e9", [], 400],
			["/f/a", ["connection", "upgrade", "upgrade", "websocket"], 501],
		] as const) {
			const kit = start({}, plain);
			const answer = await kit.ask(target, { headers });
			assert.equal(answer.status, status, target);
			assert.deepEqual(kit.calls, []);
		}
	});

	it("is asked for again each time if a service decides, unless its steps only compute", async () => {
		const cached = {
			...good["/files/7/a"],
			headers: ["cache-control", "max-age=60"],
		};
		const asked = start({ "/files/7/a": cached });
		const controls = (await asked.ask("/f/a")).headers.filter(
			(_, at, list) => list[at - 1] === "cache-control",
		);
		assert.deepEqual(controls, ["max-age=60", "no-cache"]);
		const computed = start(
			{ "/files/7/a": cached },
			{
				steps: {
					token: { value: { id: 7 } },
					never: { when: "${token.id === 8}", reply: { body: 1 } },
					group: { steps: { inner: { value: 1 } }, optional: true },
				},
				proxy: { to: "search/files/${token.id}/{rest*}", after: ["group"] },
			},
		);
		const answer = await computed.ask("/f/a");
		assert.equal(answer.header("cache-control"), "max-age=60");
	});

	it("keeps answers by what the steps made of the request, and asks its steps each time", async () => {
		let user = 0;
		const kit = testRoute(
			{
				steps: { token: { get: "users/token" } },
				proxy: {
					to: "search/files/a",
					headers: { authorization: "Bearer ${token.value}" },
					cache: true,
				},
			},
			({ request: { target, headers } }) =>
				target === "/token"
					? { json: { value: `t${user++ % 2}` } }
					: {
							text: `of ${headers[1]}`,
							headers: ["cache-control", "public, max-age=60"],
						},
			{
				key: "GET /f",
				upstreams: { search: { url: "http://search.test", cache: true } },
			},
		);
		const texts: string[] = [];
		for (let count = 0; count < 4; count++) {
			texts.push((await kit.ask("/f")).text);
		}
		const [first, second] = ["of Bearer t0", "of Bearer t1"];
		assert.deepEqual(texts, [first, second, first, second]);
		assert.equal(passed(kit).length, 2);
		assert.equal(kit.calls.length, 6);
	});

	it("chooses its target by what a step gave", async () => {
		for (const [region, upstream] of [
			["eu", "orders"],
			["us", "search"],
			["http://evil.test", "search"],
		]) {
			const kit = start(
				{
					"/token": { json: { id: 7, region } },
					"/files/7/a": { text: "file" },
				},
				{
					proxy: {
						to: [
							{
								when: "${token.region === 'eu'}",
								to: "orders/files/${token.id}/{rest*}",
							},
							"search/files/${token.id}/{rest*}",
						],
						after: ["plan"],
					},
				},
			);
			assert.equal((await kit.ask("/f/a")).text, "file");
			assert.equal(passed(kit)[0]?.upstream, upstream);
		}
	});
});
