import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { brotliDecompressSync } from "node:zlib";
import fc from "fast-check";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import {
	type Answer,
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

const passedOn = "a header field of a request that is passed on";

/** Where it goes on its way to the answer, which an upstream gives at `target`. */
const ways: Readonly<Record<string, (text: string, target: string) => object>> =
	{
		"its answer": (text) => ({ respond: { is: text } }),
		"a path": (text, target) => ({
			steps: { one: { get: `${target}/${text}` } },
			respond: { is: "${one.is}" },
		}),
		"a query": (text, target) => ({
			steps: { one: { get: target, query: { who: text } } },
			respond: { is: "${one.is}" },
		}),
		"a header field": (text, target) => ({
			steps: { one: { get: target, headers: { "x-who": text } } },
			respond: { is: "${one.is}" },
		}),
		"all header fields": (text, target) => ({
			steps: {
				one: {
					get: target,
					headers: `\${{ 'x-who': ${text.startsWith("${") ? text.slice(2, -1) : `'${text}'`} }}`,
				},
			},
			respond: { is: "${one.is}" },
		}),
		"a header field, by a step between": (text, target) => ({
			steps: {
				before: { value: { who: text } },
				one: { get: target, headers: { "x-who": "${before.who}" } },
			},
			respond: { is: "${one.is}" },
		}),
		"a header field of a call whose answer is given as it is": (
			text,
			target,
		) => ({
			steps: { one: { get: target, headers: { "x-who": text } } },
			respond: "${one}",
		}),
		[passedOn]: (text, target) => ({
			proxy: { to: target, headers: { "x-who": text }, cache: true },
		}),
		"a body": (text, target) => ({
			steps: { one: { post: target, body: { who: text }, safe: true } },
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
	["cache-control", "no-store"],
];

/** An upstream that answers with what it was asked for, wherever that stands. The first part of its path says which `controls` it sends. */
const echo: Behaviour = ({ request }) => {
	const { target, headers, body } = request;
	const at = headers.findIndex((name) => name.toLowerCase() === "x-who");
	const given = at < 0 ? null : headers[at + 1];
	const [path = "", query] = target.split("?");
	const [, control, , , inPath = null] = path.split("/");
	const inQuery = new URLSearchParams(query).get("who");
	const inBody = body === null ? null : JSON.parse(body).who;
	const is = given ?? inBody ?? inQuery ?? inPath;
	return {
		json: { is: is === null ? null : String(is) },
		headers: [
			...["content-type", "application/json"],
			...(controls[Number(control)] as readonly string[]),
		],
		afterMs: 10,
	};
};

/** A route: what it reads of who asks, where that goes, and whether it is live. */
interface Kind {
	readonly way: string;
	readonly read: string;
	readonly live: boolean;
}

const kinds: readonly Kind[] = Object.keys(ways).flatMap((way) =>
	Object.keys(reads).flatMap((read) =>
		(way === passedOn ? [false] : [false, true]).map((live) => {
			return { way, read, live };
		}),
	),
);

function idOf({ way, read, live }: Kind): string {
	const at = [Object.keys(ways).indexOf(way), Object.keys(reads).indexOf(read)];
	return [live ? "live" : "whole", ...at].join("-");
}

/** The draw is in each path, the client's and that of its calls, so that no draw finds the answers of another. */
function pathOf(kind: Kind, control: number, draw: number): string {
	return `/${idOf(kind)}/${control}/${draw}/level`;
}

/** A gateway with these kinds of routes. To make one for each draw would cost more than its requests. */
function gatewayOf(some: readonly Kind[]): TestGateway {
	const target = "api/${params.control}/${params.draw}/of";
	const routes = some.map((kind) => [
		`GET /${idOf(kind)}/{control}/{draw}/{name}`,
		{
			...{ auth: "keys", compress: true },
			...ways[kind.way]?.(reads[kind.read]?.text ?? "", target),
			...(kind.live && { live: { every: "10s" } }),
		},
	]);
	return testGateway(
		{
			auth: { keys: { keys: { list: clients.map(({ entry }) => entry) } } },
			upstreams: {
				api: {
					...{ url: "http://api.test", coalesce: true },
					cache: { for: "1m", stale: "1m" },
				},
			},
			routes: Object.fromEntries(routes),
		},
		echo,
	);
}

function plainOf(answer: Answer): { readonly is: unknown } {
	const isPlain = answer.header("content-encoding") === null;
	if (isPlain) return answer.json as { is: unknown };
	const bytes = brotliDecompressSync(answer.body as Uint8Array);
	return JSON.parse(bytes.toString());
}

const whos = fc.array(fc.nat({ max: clients.length - 1 }), {
	minLength: 2,
	maxLength: 8,
});

describe("what is made for one client", () => {
	test("is never given to another, by a cache, a shared call or a watch, compressed or not", async () => {
		const gateway = gatewayOf(kinds);
		const kinds_ = fc.constantFrom(...kinds);
		const controls_ = fc.nat({ max: controls.length - 1 });
		let draw = 0;
		const property = fc.asyncProperty(
			...([kinds_, controls_, whos, fc.boolean(), fc.boolean()] as const),
			async (kind, control, order, together, coded) => {
				draw += 1;
				const path = pathOf(kind, control, draw);
				const { way, read, live } = kind;
				const ask = async (at: number) => {
					const who = clients[at] as Client;
					const headers = ["x-api-key", who.key];
					// What comes piece by piece is read as a text here.
					const isWhole = way !== passedOn || !together;
					if (coded && isWhole)
						headers.push("accept-encoding", "br, identity;q=0");
					if (live) headers.push("prefer", "wait=1", "if-none-match", '"no"');
					const answer = await askThrough(gateway, path, { headers });
					assert.equal(answer.status, 200, answer.text);
					const own = String(reads[read]?.of(who));
					const told = answer.header("x-is") ?? plainOf(answer).is;
					assert.equal(String(told), own, `${way}, ${read}, ${who.sub}`);
				};
				if (together) await Promise.all(order.map(ask));
				else for (const at of order) await ask(at);
			},
		);
		await fc.assert(property, { numRuns: 150 });
		await gateway.gateway.close();
	});

	test("is shared by those for whom it is the same", async () => {
		const kind = { way: "a header field", read: "tenant", live: false };
		const gateway = gatewayOf([kind]);
		const path = pathOf(kind, controlOf("max-age=60"), 1);
		for (const { key } of clients) {
			await askThrough(gateway, path, { headers: ["x-api-key", key] });
		}
		assert.equal(gateway.calls.length, 2);
	});

	test("is one run for all who watch what does not read who asks", async () => {
		const count = async (read: string) => {
			const kind = { way: "a path", read, live: true };
			const gateway = gatewayOf([kind]);
			const path = pathOf(kind, controlOf("no-store"), 1);
			const all = clients.map(({ key }) => {
				const headers = ["x-api-key", key, "prefer", "wait=1"];
				return askThrough(gateway, path, { headers });
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

/** The place in `controls` of an answer with this field alone. */
function controlOf(value: string): number {
	return controls.findIndex(
		(fields) => fields.length === 2 && fields[1] === value,
	);
}
