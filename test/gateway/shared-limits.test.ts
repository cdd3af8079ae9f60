import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { serveAdmin } from "../../src/admin/admin.ts";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import type { StoreChanged } from "../../src/core/events.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import type { StoreState } from "../../src/store/store.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { ask } from "../kit/serve.ts";
import {
	startStore,
	type TestStore,
	untilUp,
	withoutStore,
} from "../kit/store.ts";

const skip = withoutStore();

/** A gateway whose store is known. Nothing waits for a real network but the store's own answers. */
async function opened(config: object, url: string) {
	const store = { url: "${env.STORE}", timeout: "1s" };
	const env = { STORE: url };
	const gateway = createGateway(
		configOrThrow(checkValue({ store, overload: false, ...config }, "t", env)),
	);
	const told: StoreChanged[] = [];
	gateway.events.storeChanged.push((change) => told.push(change));
	const { settled } = gateway;
	const state = () => gateway.state().store as StoreState;
	await untilUp({ settled, state }, gateway.events.storeChanged);
	told.length = 0;
	return {
		...gateway,
		told,
		async get(path: string, headers: Record<string, string> = {}) {
			const answer = await gateway.fetch(
				new Request(`http://gateway${path}`, { headers }),
			);
			await answer.bytes();
			return answer;
		},
		[Symbol.asyncDispose]: () => gateway.close(),
	};
}

const hourly = (limit: number, more: object = {}) => ({
	rateLimit: { limit, per: "1h", by: "all", ...more },
});

const hello = { routes: { "GET /hello": { respond: "hello" } } };

describe("limits of several gateways", { skip }, () => {
	const inside = async (work: (server: TestStore) => Promise<void>) => {
		await using server = await startStore();
		await work(server);
	};

	it("count who asks together, whichever gateway and route is asked", () =>
		inside(async ({ url }) => {
			const [ada, bob] = [createApiKey(), createApiKey()];
			const list = [
				{ name: "ada", hash: ada.hash },
				{ name: "bob", hash: bob.hash },
			];
			const config = {
				auth: { partners: { keys: { list } } },
				defaults: { auth: "partners" },
				...hourly(2, { by: "${auth.sub}" }),
				routes: { "GET /a": { respond: 1 }, "GET /b": { respond: 1 } },
			};
			await using one = await opened(config, url);
			await using two = await opened(config, url);
			const asked = async (gateway: typeof one, path: string, key: string) =>
				(await gateway.get(path, { "x-api-key": key })).status;
			assert.equal(await asked(one, "/a", ada.key), 200);
			assert.equal(await asked(two, "/b", ada.key), 200);
			assert.equal(await asked(one, "/b", ada.key), 429);
			assert.equal(await asked(two, "/a", bob.key), 200);
		}));

	it("are counted together, and each answer tells what is left of all", () =>
		inside(async ({ url }) => {
			const config = { ...hello, ...hourly(4) };
			await using one = await opened(config, url);
			await using two = await opened(config, url);
			const seen = [];
			for (const gateway of [one, two, one, two, one, two]) {
				const { status, headers } = await gateway.get("/hello");
				const left = headers.get("ratelimit");
				const after = headers.get("retry-after");
				seen.push([status, left?.slice(0, 13), after]);
			}
			assert.deepEqual(seen, [
				[200, '"gateway";r=3', null],
				[200, '"gateway";r=2', null],
				[200, '"gateway";r=1', null],
				[200, '"gateway";r=0', null],
				[429, '"gateway";r=0', "900"],
				[429, '"gateway";r=0', "900"],
			]);
		}));

	it("are others for another limit, another route or another prefix", () =>
		inside(async ({ url }) => {
			const routes = {
				"GET /a": { respond: "a", ...hourly(1) },
				"GET /b": { respond: "b", ...hourly(1) },
			};
			const statuses = async (config: object, path: string) => {
				await using gateway = await opened(config, url);
				return (await gateway.get(path)).status;
			};
			assert.equal(await statuses({ routes }, "/a"), 200);
			assert.equal(await statuses({ routes }, "/b"), 200);
			assert.equal(await statuses({ routes }, "/a"), 429);
			const other = {
				routes: { "GET /a": { respond: "a", ...hourly(2) } },
			};
			assert.equal(await statuses(other, "/a"), 200);
			const store = { url, prefix: "other" };
			assert.equal(await statuses({ routes, store }, "/a"), 200);
		}));

	it("cost one round trip for a request, with all limits of the gateway and the route", () =>
		inside(async (server) => {
			const twice = {
				rateLimit: [
					{ limit: 100, per: "1h", by: "all" },
					{ limit: 50, per: "1m" },
				],
			};
			const routes = { "GET /x": { respond: "x", ...twice } };
			await using gateway = await opened({ routes, ...twice }, server.url);
			await gateway.get("/x");
			const before = gateway.state().store?.calls.answered ?? 0;
			const { headers } = await gateway.get("/x");
			assert.equal(
				headers.get("ratelimit-policy"),
				'"gateway";q=100;w=3600, "gateway-2";q=50;w=60, "route";q=100;w=3600, "route-2";q=50;w=60',
			);
			assert.equal(gateway.state().store?.calls.answered, before + 1);
		}));

	it("refuse in the order in which one gateway refuses", () =>
		inside(async ({ url }) => {
			const routes = {
				"GET /x": { respond: "x", ...hourly(1) },
				"GET /n": {
					respond: "n",
					request: { query: { who: { type: "integer" } } },
					...hourly(5, { by: "${query.who}" }),
				},
			};
			const local = createGateway(
				configOrThrow(
					checkValue({ routes, ...hourly(7), overload: false }, "t", {}),
				),
			);
			await using shared = await opened({ routes, ...hourly(7) }, url);
			const paths = ["/none", "/x", "/x", "/n", "/n?who=a", "/n?who=1"];
			for (const path of [...paths, ...paths]) {
				const answers = await Promise.all([
					local.fetch(new Request(`http://gateway${path}`)),
					shared.get(path),
				]);
				const [expected, got] = answers.map(({ status, headers }) => [
					status,
					headers.get("ratelimit-policy"),
					headers.get("ratelimit")?.replaceAll(/t=\d+/g, ""),
				]);
				assert.deepEqual(got, expected, path);
			}
			await local.close();
		}));

	it("are not waited for by a request without a limit", () =>
		inside(async (server) => {
			const routes = {
				"GET /free": { respond: "free" },
				"GET /x": { respond: "x", ...hourly(1) },
			};
			await using gateway = await opened({ routes }, server.url);
			server.stop();
			assert.equal((await gateway.get("/free")).status, 200);
			assert.equal(gateway.state().store?.state, "up");
			server.goOn();
		}));

	it("leave a client that goes while it waits for the store", () =>
		inside(async (server) => {
			await using gateway = await opened(
				{ ...hello, ...hourly(9) },
				server.url,
			);
			server.stop();
			const leaving = new AbortController();
			const answer = gateway.fetch(
				new Request("http://gateway/hello", { signal: leaving.signal }),
			);
			leaving.abort();
			server.goOn();
			assert.equal((await answer).status, 499);
		}));

	it("are told of by metrics, state and health, and the secret by none of them", () =>
		inside(async (server) => {
			await server.command("CONFIG", "SET", "requirepass", "planted-secret");
			const url = server.url.replace("//", "//:planted-secret@");
			await using gateway = await opened({ ...hello, ...hourly(9) }, url);
			const metrics = createMetrics(gateway);
			const admin = await serveAdmin(gateway, { port: 0, metrics });
			const pages = async () => {
				const paths = ["/metrics", "/state", "/config", "/health/ready"];
				const all = await Promise.all(
					paths.map((path) => ask(admin.url + path)),
				);
				for (const { text } of all) {
					assert.ok(!text.includes("planted-secret"));
					assert.ok(!text.includes(String(server.port)));
				}
				return all.map(({ status, text }) => ({ status, text }));
			};
			await gateway.get("/hello");
			const [numbers, state] = await pages();
			assert.match(numbers?.text ?? "", /^sluice_store_up 1$/m);
			assert.match(
				numbers?.text ?? "",
				/^sluice_store_calls_total\{outcome="answered"\} 1$/m,
			);
			const took = "sluice_store_call_duration_seconds";
			for (const line of ['_bucket{le="+Inf"} 1', "_count 1"]) {
				assert.ok(numbers?.text.includes(`\n${took}${line}\n`), line);
			}
			assert.match(numbers?.text ?? "", /_call_duration_seconds_sum 0\.\d+\n/);
			const { store } = JSON.parse(state?.text ?? "");
			assert.deepEqual(
				{ ...store, forMs: 0 },
				{
					...{ state: "up", reason: null, forMs: 0 },
					calls: { answered: 1, slow: 0, failed: 0 },
					local: { limits: 0, answers: 0, channels: 0 },
				},
			);
			await server.kill();
			assert.equal((await gateway.get("/hello")).status, 200);
			assert.equal(gateway.told[0]?.state, "away");
			const [after, stateAfter, , ready] = await pages();
			assert.match(after?.text ?? "", /^sluice_store_up 0$/m);
			assert.match(
				after?.text ?? "",
				/^sluice_store_away_total\{reason="closed"\} 1$/m,
			);
			assert.match(
				after?.text ?? "",
				/^sluice_store_local_total\{use="limits"\} 1$/m,
			);
			assert.equal(JSON.parse(stateAfter?.text ?? "").store.state, "away");
			assert.equal(ready?.status, 200);
			await admin.close();
			metrics.detach();
		}));
});

describe("a gateway without a store", () => {
	it("has none in its state, and is settled at once", async () => {
		const gateway = createGateway(configOrThrow(checkValue(hello, "t", {})));
		await gateway.settled;
		assert.equal(gateway.state().store, null);
		assert.doesNotMatch(
			createMetrics(gateway).print("prometheus"),
			/sluice_store/,
		);
		await gateway.close();
	});
});
