import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import {
	type Behaviour,
	type TestGateway,
	testGateway,
} from "../kit/gateway.ts";
import { askThrough } from "../kit/tokens.ts";

/** Clients whose claims overlap, so that many agree in a part and differ in another. */
const clients = ["ada", "bob", "cyd", "dan"].map((sub, at) => {
	const { key, hash } = createApiKey();
	const claims = { tenant: at % 2 === 0 ? "acme" : "initech", level: at };
	return { sub, key, claims, entry: { name: sub, hash, claims } };
});

type Client = (typeof clients)[number];

/** What of a client a route reads, and what is then its own. */
const reads: Readonly<
	Record<
		string,
		{ readonly text: string; readonly of: (who: Client) => string }
	>
> = {
	nothing: { text: "all", of: () => "all" },
	sub: { text: "${auth.sub}", of: ({ sub }) => sub },
	key: { text: "${auth.key}", of: ({ sub }) => sub },
	tenant: {
		text: "${auth.claims.tenant}",
		of: ({ claims }) => claims.tenant,
	},
	"by index": {
		text: "${auth.claims['tenant']}",
		of: ({ claims }) => claims.tenant,
	},
	"by a value": {
		text: "${auth.claims[params.name]}",
		of: ({ claims }) => String(claims.level),
	},
	"all of it": {
		text: "${[auth].map(a => a.sub)[0]}",
		of: ({ sub }) => sub,
	},
};

/** Where it goes on its way to the answer. */
const ways: Readonly<Record<string, (text: string) => object>> = {
	"its answer": (text) => ({ respond: { is: text } }),
	"a path": (text) => ({
		steps: { one: { get: `api/of/${text}` } },
		respond: { is: "${one.is}" },
	}),
	"a query": (text) => ({
		steps: { one: { get: "api/of", query: { who: text } } },
		respond: { is: "${one.is}" },
	}),
	"a header field": (text) => ({
		steps: { one: { get: "api/of", headers: { "x-who": text } } },
		respond: { is: "${one.is}" },
	}),
	"all header fields": (text) => ({
		steps: {
			one: {
				get: "api/of",
				headers: `\${{ 'x-who': ${text.startsWith("${") ? text.slice(2, -1) : `'${text}'`} }}`,
			},
		},
		respond: { is: "${one.is}" },
	}),
	"a header field, by a step between": (text) => ({
		steps: {
			before: { value: { who: text } },
			one: { get: "api/of", headers: { "x-who": "${before.who}" } },
		},
		respond: { is: "${one.is}" },
	}),
	"a body": (text) => ({
		steps: { one: { post: "api/of", body: { who: text }, safe: true } },
		respond: { is: "${one.is}" },
	}),
	"a header field of its answer": (text) => ({
		respond: 1,
		headers: { "x-is": text },
	}),
};

/** What upstreams say of their answers; the worst forget that these depend on who asks. */
const controls: readonly (readonly string[])[] = [
	[],
	["cache-control", "max-age=60"],
	["cache-control", "public, max-age=60"],
	["cache-control", "max-age=60", "vary", "accept"],
];

/** An upstream that answers with what it was asked for, wherever that stands. */
function echo(control: readonly string[]): Behaviour {
	return ({ request }) => {
		const { target, headers, body } = request;
		const at = headers.findIndex((name) => name.toLowerCase() === "x-who");
		const given = at < 0 ? null : headers[at + 1];
		const [path = "", query] = target.split("?");
		const inQuery = new URLSearchParams(query).get("who");
		const inBody = body === null ? null : JSON.parse(body).who;
		const inPath = path.split("/")[2] ?? null;
		const is = given ?? inBody ?? inQuery ?? inPath;
		return {
			json: { is: is === null ? null : String(is) },
			headers: ["content-type", "application/json", ...control],
			afterMs: 10,
		};
	};
}

function gatewayOf(
	way: string,
	read: string,
	control: readonly string[],
	live: boolean,
): TestGateway {
	const made = ways[way]?.(reads[read]?.text ?? "") ?? {};
	return testGateway(
		{
			auth: { keys: { keys: { list: clients.map(({ entry }) => entry) } } },
			upstreams: {
				api: {
					...{ url: "http://api.test", coalesce: true },
					cache: { for: "1m", stale: "1m" },
				},
			},
			routes: {
				"GET /x/{name}": {
					...{ auth: "keys", ...made },
					...(live && { live: { every: "10s" } }),
				},
			},
		},
		echo(control),
	);
}

const whos = fc.array(fc.nat({ max: clients.length - 1 }), {
	minLength: 2,
	maxLength: 8,
});

describe("what is made for one client", () => {
	test("is never given to another, by a cache, a shared call or a watch", async () => {
		const ways_ = fc.constantFrom(...Object.keys(ways));
		const reads_ = fc.constantFrom(...Object.keys(reads));
		const property = fc.asyncProperty(
			...([ways_, reads_, fc.constantFrom(...controls), fc.boolean()] as const),
			...([whos, fc.boolean()] as const),
			async (way, read, control, live, order, together) => {
				const gateway = gatewayOf(way, read, control, live);
				const ask = async (at: number) => {
					const who = clients[at] as Client;
					const headers = ["x-api-key", who.key];
					if (live) headers.push("prefer", "wait=1", "if-none-match", '"no"');
					const answer = await askThrough(gateway, "/x/level", { headers });
					assert.equal(answer.status, 200, answer.text);
					const own = String(reads[read]?.of(who));
					const told =
						answer.header("x-is") ?? (answer.json as { is: unknown }).is;
					assert.equal(String(told), own, `${way}, ${read}, ${who.sub}`);
				};
				if (together) await Promise.all(order.map(ask));
				else for (const at of order) await ask(at);
				await gateway.gateway.close();
			},
		);
		await fc.assert(property, { numRuns: 50 });
	});

	test("is shared by those for whom it is the same", async () => {
		const gateway = gatewayOf(
			"a header field",
			"tenant",
			controls[1] ?? [],
			false,
		);
		for (const { key } of clients) {
			const headers = ["x-api-key", key];
			await askThrough(gateway, "/x/level", { headers });
		}
		assert.equal(gateway.calls.length, 2);
	});

	test("is one run for all who watch what does not read who asks", async () => {
		const count = async (read: string) => {
			const gateway = gatewayOf(
				"a path",
				read,
				["cache-control", "no-store"],
				true,
			);
			const all = clients.map(({ key }) => {
				const headers = ["x-api-key", key, "prefer", "wait=1"];
				return askThrough(gateway, "/x/level", { headers });
			});
			await Promise.all(all);
			const { length } = gateway.calls;
			await gateway.gateway.close();
			return length;
		};
		assert.equal(await count("nothing"), 1);
		assert.equal(await count("tenant"), 2);
		assert.equal(await count("sub"), 4);
	});
});
