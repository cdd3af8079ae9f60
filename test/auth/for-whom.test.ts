import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { UserContext } from "../../src/config/config.ts";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import { compile } from "../../src/plan/compile.ts";
import { compresses } from "../../src/plan/compresses.ts";
import {
	type Behaviour,
	type TestGateway,
	testGateway,
} from "../kit/gateway.ts";
import { begin, type ShownJob, serveJobs } from "../kit/jobs.ts";
import { askThrough } from "../kit/tokens.ts";

/** For whom an answer is: each way to depend on a client × each feature that gives an answer to several, or keeps it. */

const clients = ["ada", "bob"].map((sub) => {
	const { key, hash } = createApiKey();
	const claims = { tenant: `tenant of ${sub}` };
	return { sub, key, entry: { name: sub, hash, claims } };
});

type Client = (typeof clients)[number];
const [ada, bob] = clients as [Client, Client];

/** A way in which a route depends on its client, and what follows from it. */
interface Reading {
	/** The text that differs from client to client. */
	readonly text: string;
	readonly is: (of: Client) => string;
	readonly route?: object;
	readonly upstreamAuth?: object;
	/** Whether clients may share what is made for one of them. */
	readonly shared: boolean;
	/** What caches before the gateway are told. */
	readonly told: {
		readonly control: string | null;
		readonly vary: string | null;
	};
	readonly compresses: boolean;
	/** Whether a job may be made of it, and who may see it. */
	readonly job: "its client" | "whoever has its id" | "refused";
}

const declared = (request: object) => ({ request });
const text = { type: "string" };
const ofKey = { auth: "partners" };
const endpoint = {
	...{ token: "https://id.test/token", client: "shop", secret: "${env.S}" },
};

const readings: Readonly<Record<string, Reading>> = {
	"reads nothing": {
		...{ text: "all", is: () => "all", shared: true, compresses: true },
		told: { control: null, vary: null },
		job: "whoever has its id",
	},
	"has `auth` and reads nothing of it": {
		...{ text: "all", is: () => "all", shared: true, route: ofKey },
		told: { control: "private", vary: "x-api-key" },
		...{ compresses: false, job: "its client" },
	},
	"reads `auth.sub`": {
		...{ text: "${auth.sub}", is: ({ sub }) => sub, shared: false },
		...{ route: ofKey, told: { control: "private", vary: "x-api-key" } },
		...{ compresses: false, job: "its client" },
	},
	"reads a claim": {
		...{ text: "${auth.claims.tenant}", shared: false, route: ofKey },
		is: ({ entry }) => entry.claims.tenant,
		told: { control: "private", vary: "x-api-key" },
		...{ compresses: false, job: "its client" },
	},
	"reads a cookie": {
		...{ text: "${cookies.session}", is: ({ sub }) => sub, shared: false },
		route: declared({ cookies: { session: text } }),
		told: { control: "private", vary: null },
		...{ compresses: false, job: "whoever has its id" },
	},
	"reads `authorization`": {
		...{ text: "${headers.authorization}", shared: false },
		is: ({ sub }) => `Bearer ${sub}`,
		route: declared({ headers: { authorization: text } }),
		told: { control: "private", vary: "authorization" },
		...{ compresses: false, job: "whoever has its id" },
	},
	"asks an upstream with `auth: pass`": {
		...{ text: "${me.is}", is: ({ sub }) => `Bearer ${sub}`, shared: false },
		upstreamAuth: { pass: true },
		told: { control: "private", vary: "authorization" },
		...{ compresses: false, job: "refused" },
	},
	"asks an upstream with `auth: exchange`": {
		...{ text: "${me.is}", is: ({ sub }) => `Bearer for-${sub}` },
		...{ shared: false, upstreamAuth: { exchange: endpoint } },
		told: { control: "private", vary: "authorization" },
		...{ compresses: false, job: "refused" },
	},
};

const env = { S: "secret-of-the-shop" };

/** It answers with what it was told, and lets anybody keep that; the worst that an upstream can say. */
const echo: Behaviour = ({ upstream, request }) => {
	const { headers, body } = request;
	if (upstream.endsWith(".auth")) {
		const subject = new URLSearchParams(body ?? "").get("subject_token");
		const access_token = `for-${subject}`;
		return { json: { access_token, token_type: "Bearer", expires_in: 60 } };
	}
	const is = headerOf(headers, "x-who") ?? headerOf(headers, "authorization");
	const control = ["cache-control", "public, max-age=60"];
	return {
		json: { is },
		headers: ["content-type", "application/json", ...control],
		afterMs: 10,
	};
};

const call = (path: string, who: string) => ({
	get: path,
	headers: { "x-who": who },
});

/** Where what differs goes. Each ends in `is` of the answer. */
const features: Readonly<
	Record<
		string,
		{
			readonly cache?: true;
			readonly coalesce?: true;
			readonly route: (text: string) => object;
		}
	>
> = {
	"a cache": {
		cache: true,
		route: (who) => ({
			steps: {
				between: { value: { who } },
				one: call("api/of", "${between.who}"),
			},
			respond: { is: "${one.is}" },
		}),
	},
	"a cache, by a function's call": {
		cache: true,
		route: (who) => ({
			steps: {
				one: {
					run: async ({ who }: { who: string }, { call }: UserContext) =>
						(await call("api/of", { headers: { "x-who": who } })).body,
					args: { who },
				},
			},
			respond: { is: "${one.is}" },
		}),
	},
	"a cache of proxied answers": {
		cache: true,
		route: (who) => ({
			proxy: { to: "api/of", cache: true, headers: { "x-who": who } },
		}),
	},
	"a shared call": {
		coalesce: true,
		route: (who) => ({
			steps: { one: call("api/of", who) },
			respond: { is: "${one.is}" },
		}),
	},
	"a watch": {
		route: (who) => ({
			live: { every: "10s" },
			steps: { one: call("api/of", who) },
			respond: { is: "${one.is}" },
		}),
	},
};

type Feature = (typeof features)[string];

/** A call, and an answer that says nothing to caches. */
const plain = features["a shared call"] as Feature;

/** No call at all. */
const answering: Feature = { route: (who) => ({ respond: { is: who } }) };

function configOf(
	{ upstreamAuth: auth, text, route = {} }: Reading,
	{ cache, coalesce, route: routeOf }: Feature,
	others: object = {},
): object {
	const made = routeOf(text) as { readonly steps?: object };
	const me = auth === undefined ? {} : { me: { get: "me/of" } };
	const own = { url: "http://me.test", ...(auth && { auth }) };
	const steps = { ...me, ...made.steps };
	return {
		auth: { partners: { keys: { list: clients.map(({ entry }) => entry) } } },
		upstreams: {
			me: { ...own, ...(cache && { cache: true }) },
			api: {
				url: "http://api.test",
				...(cache && { cache: true }),
				...(coalesce && { coalesce: true }),
			},
		},
		routes: {
			"GET /x": {
				...{ ...route, ...made, ...others },
				...(Object.keys(steps).length > 0 && { steps }),
			},
		},
	};
}

function fieldsOf({ sub, key }: Client) {
	const cookie = `session=${sub}`;
	return { "x-api-key": key, cookie, authorization: `Bearer ${sub}` };
}

function askAs(gateway: TestGateway, client: Client, live: boolean) {
	const face = live ? ["prefer", "wait=1", "if-none-match", '"no"'] : [];
	const headers = [...Object.entries(fieldsOf(client)).flat(), ...face];
	return askThrough(gateway, "/x", { headers });
}

for (const [reading, row] of Object.entries(readings)) {
	describe(`what a route makes that ${reading}`, () => {
		for (const [name, feature] of Object.entries(features)) {
			for (const together of [false, true]) {
				const when = together ? "at once" : "one after the other";
				test(`is each client's own in ${name}, if they ask ${when}`, async () => {
					const gateway = testGateway(configOf(row, feature), echo, env);
					const ask = async (client: Client) => {
						const answer = await askAs(gateway, client, name === "a watch");
						assert.equal(answer.status, 200, answer.text);
						assert.deepEqual(answer.json, { is: row.is(client) });
					};
					if (together) await Promise.all(clients.map(ask));
					else for (const client of clients) await ask(client);
					const shares = feature.cache ? !together : together;
					const made = gateway.calls.filter(
						({ upstream }) => upstream === "api",
					);
					if (shares) assert.equal(made.length, row.shared ? 1 : 2);
					await gateway.gateway.close();
				});
			}
		}

		test("says to other caches whose it is", async () => {
			const gateway = testGateway(configOf(row, plain), echo, env);
			const answer = await askAs(gateway, ada, false);
			const control = answer.header("cache-control");
			assert.deepEqual({ control, vary: answer.header("vary") }, row.told);
			await gateway.gateway.close();
		});

		test(`is ${row.compresses ? "" : "not "}compressed beside what others choose`, () => {
			const given = row.route as { readonly request?: object } | undefined;
			const request = { ...given?.request, query: { q: text } };
			const config = configOf(row, plain, declared(request));
			const plan = compile(configOrThrow(checkValue(config, "test", env)));
			const [route] = plan.routes;
			assert.ok(route);
			assert.equal(compresses(route, plan.upstreams), row.compresses);
		});

		test(`${row.job === "refused" ? "is" : "may be"} ${
			row.job === "refused" ? "refused as a job" : `a job for ${row.job}`
		}`, async () => {
			if (row.job === "refused") {
				const config = { ...configOf(row, plain, { job: true }), jobs: {} };
				assert.throws(
					() => configOrThrow(checkValue(config, "test", env)),
					/needs the client's own token/,
				);
				return;
			}
			const config = configOf(row, answering, { job: { always: true } });
			await using served = await serveJobs(
				Object.entries(config)
					.map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
					.join(""),
			);
			const { url } = await begin(served, "/x", { headers: fieldsOf(ada) });
			let answerUrl: string | null = null;
			while (answerUrl === null) {
				const headers = { ...fieldsOf(ada), prefer: "wait=5" };
				const { json } = await served.get(url, { headers });
				answerUrl = (json as ShownJob).answer;
			}
			const answerTo = (client: Client) =>
				served.get(`${answerUrl}`, { headers: fieldsOf(client) });
			assert.deepEqual((await answerTo(ada)).json, { is: row.is(ada) });
			const { status } = await answerTo(bob);
			assert.equal(status, row.job === "its client" ? 404 : 200);
		});
	});
}
