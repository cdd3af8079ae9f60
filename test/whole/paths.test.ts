import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { checkText } from "../../src/config/load.ts";
import { testGateway } from "../kit/gateway.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { asking, openClient } from "../server/client.ts";
import { openPeer, type Peer } from "../upstream/peer.ts";

/** Paths that not all servers read in one way, as routes and through them. */

function problemsIn(text: string): readonly { readonly message: string }[] {
	const checked = checkText(text, "a.yaml", {});
	return "problems" in checked ? checked.problems : [];
}

describe("a route's path", () => {
	const routes = {
		"GET /{lang}.json": { respond: ["json", "${params.lang}"] },
		"GET /{lang}-x.json": { respond: ["x", "${params.lang}"] },
		"GET /{id}": { respond: ["id", "${params.id}"] },
		"GET /en.json": { respond: ["en"] },
		"GET /погода": { respond: ["погода"] },
		"GET /a%20b": { respond: ["a b"] },
		"GET /%C3%A9/{id}.v1/end": { respond: ["é", "${params.id}"] },
	};

	for (const [path, expected] of [
		["/en.json", ["en"]],
		["/de.json", ["json", "de"]],
		["/de-x.json", ["x", "de"]],
		["/de.json.json", ["json", "de.json"]],
		["/a%2Fb.json", ["json", "a/b"]],
		["/%D0%BC.json", ["json", "м"]],
		["/de.jsonx", ["id", "de.jsonx"]],
		["/dejson", ["id", "dejson"]],
		["/%D0%BF%D0%BE%D0%B3%D0%BE%D0%B4%D0%B0", ["погода"]],
		["/%d0%bf%D0%BE%D0%B3%D0%BE%D0%B4%D0%B0", ["погода"]],
		["/a%20b", ["a b"]],
		["/a+b", ["id", "a+b"]],
		["/%c3%a9/7.v1/end", ["é", "7"]],
	] as const) {
		test(`answers ${path}`, async () => {
			const answer = await testGateway({ routes }).ask(path);
			assert.deepEqual(answer.json, expected);
		});
	}

	test("is one route, however it is written", () => {
		const problems = problemsIn(
			"routes:\n  GET /é/{a}.x: { respond: 1 }\n  GET /%C3%A9/{b}.x: { respond: 1 }\n  GET /é/{b}.y: { respond: 1 }\n",
		);
		assert.equal(problems.length, 1);
		assert.match(problems[0]?.message ?? "", /are the same route/);
	});

	for (const path of [
		"/a%2Fb",
		"/a%25b",
		"/a%3Fb",
		"/a%2Ab",
		"/caf%E9",
		"/%zz",
		"/a%00b",
		"/a%0Ab",
		"/{a}(b)",
		"/{a}:b",
		"/x{a}",
		"/{a}.{b}",
	]) {
		test(`cannot be ${path}`, () => {
			const text = `routes:\n  "GET ${path}": { respond: 1 }\n`;
			assert.equal(problemsIn(text).length, 1);
		});
	}
});

describe("a path with `paths: raw`", () => {
	let stack: AsyncDisposableStack;
	let peer: Peer;
	let gateway: ServedGateway;

	beforeEach(async () => {
		stack = new AsyncDisposableStack();
		peer = stack.use(await openPeer());
		gateway = stack.use(
			await serve(`
upstreams:
  up: { url: "${peer.origin}" }
routes:
  ANY /r/{rest*}: { proxy: { to: "up/x/{rest*}", paths: raw } }
  ANY /c/{rest*}: { proxy: { to: "up/x/{rest*}" } }
`),
		);
	});

	afterEach(() => stack.disposeAsync());

	async function ask(target: string) {
		const client = stack.use(
			await openClient(Number(new URL(gateway.url).port)),
		);
		client.send(asking(`GET ${target}`));
		return client.answer();
	}

	for (const rest of [
		"img/https://cdn/a.png",
		"a//b",
		"/a",
		"//",
		"caf%E9",
		"%ff%FE/%D0",
		"a%2Fb//c%E9?q=%E9",
	]) {
		test(`passes as it came: ${rest}`, async () => {
			const answer = ask(`/r/${rest}`);
			const { head, answer: send } = await peer.request();
			assert.equal(head[0], `GET /x/${rest} HTTP/1.1`);
			send("", `location: ${peer.origin}/x/a//b`);
			const { headers } = await answer;
			assert.equal(headers["location"], "/r/a//b");
			assert.equal((await ask(`/c/${rest}`)).status, 400);
		});
	}

	for (const rest of [
		"..",
		"a//../b",
		"%2e%2e//x",
		"..%2fadmin",
		"caf%E9/../x",
		"%c0%ae%c0%ae/x",
		"a%00b",
		"%zz",
		"a%",
	]) {
		test(`is refused still: ${rest}`, async () => {
			assert.equal((await ask(`/r/${rest}`)).status, 400);
			assert.equal(peer.connections, 0);
		});
	}
});
