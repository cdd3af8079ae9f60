import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";

/** A proxied route that chooses among several targets. */

let stack: AsyncDisposableStack;
let gateway: ServedGateway;
let old: RealUpstream;
let current: RealUpstream;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	old = stack.use(await startUpstream(named("old")));
	current = stack.use(await startUpstream(named("current")));
});

afterEach(() => stack.disposeAsync());

/** Says who answers, and how it was asked. `moved` leads to its own `there`. */
function named(name: string): Parameters<typeof startUpstream>[0] {
	return ({ target, rawHeaders }, response) => {
		const key = rawHeaders[rawHeaders.indexOf("x-key") + 1];
		response.writeHead(target.includes("moved") ? 302 : 200, {
			location: `/${name}/there`,
			"cache-control": "max-age=60",
		});
		response.end(
			`${name} ${target} ${rawHeaders.includes("x-key") ? key : null}`,
		);
	};
}

async function start(proxy: object, route: object = {}): Promise<void> {
	const upstreams = {
		old: { url: `${old.url}/old`, headers: { "x-key": "1" }, cache: true },
		current: { url: `${current.url}/current`, cache: true },
	};
	const routes = {
		"ANY /f/{rest*}": {
			request: { query: { version: { type: "integer", default: 2 } } },
			proxy,
			...route,
		},
	};
	gateway = stack.use(await serve({ upstreams, routes }));
}

const to = [
	{ when: "${query.version === 1}", to: "old/files/{rest*}" },
	{ when: "${query.version === 0 ? null : false}", to: "old/none" },
	"current/{rest*}",
];

describe("a proxied route with several targets", () => {
	test("passes a request on to the first whose condition holds, else to the last", async () => {
		await start({ to, query: {} });
		for (const [version, text] of [
			["1", "old /old/files/a 1"],
			["0", "current /current/a null"],
			["2", "current /current/a null"],
		]) {
			const answer = await gateway.get(`/f/a?version=${version}`);
			assert.equal(answer.text, text);
		}
		assert.equal((await gateway.get("/f/a")).text, "current /current/a null");
	});

	test("leads clients back through itself, whichever upstream sends them on", async () => {
		await start({ to, query: {} });
		for (const version of ["1", "2"]) {
			const path = `/f/moved?version=${version}`;
			const { headers } = await gateway.get(path);
			// The old one's files are below another path, which no client can reach.
			const expected = version === "1" ? undefined : "/f/there";
			assert.equal(headers.location, expected);
		}
	});

	test("never gives one target's kept answer for another's", async () => {
		await start({ to, query: {}, cache: true });
		for (const name of ["old", "current", "old", "current"]) {
			const path = `/f/a?version=${name === "old" ? 1 : 2}`;
			assert.match((await gateway.get(path)).text, new RegExp(`^${name} `));
		}
		assert.equal(old.seen.length + current.seen.length, 2);
	});

	test("answers 400 or 502 if a condition cannot be computed, and asks nobody", async () => {
		const cases = [
			["${[][0] + 1 > 1}", 502],
			["${query.missing + 1 > 1}", 400],
		] as const;
		for (const [when, status] of cases) {
			await start(
				{ to: [{ when, to: "old/x" }, "current/x"] },
				{
					request: {
						query: {
							version: { type: "integer", default: 2 },
							"missing?": { type: "integer" },
						},
					},
				},
			);
			assert.equal((await gateway.get("/f/a")).status, status);
		}
		assert.equal(old.seen.length + current.seen.length, 0);
	});
});
