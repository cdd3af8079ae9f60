import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import fc from "fast-check";
import type { UserContext } from "../../src/config/config.ts";
import { type Canary, startCanary } from "../kit/canary.ts";
import { hostileStrings } from "../kit/hostile.ts";
import { couldStepUp } from "../kit/lenient.ts";
import { anyText } from "../kit/random.ts";
import {
	type RawMessage,
	type RawUpstream,
	sendRaw,
	startRawUpstream,
} from "../kit/raw.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";

/**
 * Data from every place it can come from, in every place it can stand: it arrives as the data it is, or the request is
 * refused and nothing is sent.
 */

/** A way for data to reach an expression. */
interface Carrier {
	readonly expression: string;
	readonly declares: object;
	/** The client's request with the data in it; null where no client could say it. */
	readonly carry: (data: string) => ClientRequest | null;
	/** The data as it is after the way here. Default: unchanged. */
	readonly arrives?: (data: string) => string;
	/** Stands in every route: a step that gets the data from an upstream. */
	readonly step?: object;
}

interface ClientRequest {
	readonly path?: string;
	readonly query?: string;
	readonly headers?: readonly string[];
	readonly body?: unknown;
	/** What the upstream answers to `fed`. */
	readonly fed?: Buffer;
}

/** Each byte a character, as header fields are read. */
const latin1 = (text: string) => Buffer.from(text).toString("latin1");
const isWhole = (text: string) => text.isWellFormed();
/** What a line of a head can hold at all; else it would be another head, which is the server's to judge. */
const fitsLine = (text: string) => !/[\0-\x08\x0a-\x1f\x7f]/.test(text);
/** Fields that the gateway reads unasked, or that others believe. */
const besides = (data: string) =>
	fitsLine(data)
		? ["Traceparent", "X-Request-Id", "X-Forwarded-Host"].map(
				(name) => `${name}: ${latin1(data).slice(0, 500)}`,
			)
		: [];
const trimmed = (text: string) => text.replace(/^[ \t]+|[ \t]+$/g, "");
const field = { type: "string" };

const clientCarriers: Record<string, Carrier> = {
	params: {
		expression: "params.v",
		declares: {},
		carry: (data) =>
			isWhole(data) && data !== ""
				? { path: `/${encodeURIComponent(data).replaceAll(".", "%2E")}` }
				: null,
	},
	query: {
		expression: "query.v",
		declares: { query: { v: field } },
		carry: (data) =>
			isWhole(data) ? { query: `?v=${encodeURIComponent(data)}` } : null,
	},
	header: {
		expression: "headers.x_v",
		declares: { headers: { "x-v": field } },
		carry: (data) =>
			fitsLine(data) ? { headers: [`X-V: ${latin1(data)}`] } : null,
		arrives: (data) => trimmed(Buffer.from(data).toString()),
	},
	cookie: {
		expression: "cookies.v",
		declares: { cookies: { v: field } },
		carry: (data) =>
			fitsLine(data) && !data.includes(";")
				? { headers: [`Cookie: v="${latin1(data)}"`] }
				: null,
		arrives: (data) => Buffer.from(data).toString(),
	},
};

const carriers: Record<string, Carrier> = {
	...clientCarriers,
	body: {
		expression: "body.nested.v",
		declares: { body: { type: "object" } },
		carry: (data) => ({
			body: { [data]: { polluted: true }, nested: { v: data } },
		}),
	},
	answer: {
		expression: "fed.v",
		declares: {},
		step: { get: "up/feed" },
		carry: (data) => ({
			fed: jsonAnswer({ [data]: { polluted: true }, v: data }),
		}),
	},
	"an answer's header": {
		expression: "fed",
		declares: {},
		step: { get: "up/feed", pick: "${response.headers.x_v}" },
		carry: (data) =>
			/^[\t\x20-\x7e]*$/.test(data)
				? { fed: jsonAnswer(null, `X-V: ${data}\r\n`) }
				: null,
		arrives: trimmed,
	},
};

function jsonAnswer(value: unknown, header = ""): Buffer {
	const body = Buffer.from(JSON.stringify(value));
	return Buffer.concat([
		Buffer.from(
			`HTTP/1.1 200 OK\r\n${header}content-length: ${body.length}\r\n\r\n`,
		),
		body,
	]);
}

/** A place where data can stand. */
interface Place {
	/** The route's keys but for `request`; `v` is the expression of the data. */
	readonly route: (v: string) => object;
	/** Whether it has to be refused, and nothing sent. */
	readonly refuses: (data: string) => boolean;
	/** The one call that the data becomes; null where it goes outwards. */
	readonly sends: ((data: string) => Sent) | null;
	/** The answer's own header fields, and its body. */
	readonly answers?: (data: string) => Answered;
}

interface Sent {
	readonly method?: string;
	/** The path's segments, decoded. */
	readonly path?: readonly string[];
	readonly query?: readonly (readonly [string, string])[];
	readonly headers?: Readonly<Record<string, string>>;
	/** The body, decoded by what its content type says. */
	readonly body?: unknown;
}

interface Answered {
	readonly headers?: readonly (readonly [string, string])[];
	readonly body?: unknown;
	/** Where an upstream's answer passes that says no type. */
	readonly untyped?: boolean;
}

const never = () => false;
const cut = (data: string) => !isWhole(data);
const noSegment = (data: string) => data === "" || noPartOf(data);
const noPartOf = (data: string, before = "", behind = "") =>
	!isWhole(data) || couldStepUp(before + encodeURIComponent(data) + behind);
const noHeader = (data: string) => /[^\t\x20-\x7e]/.test(data);
const framingNames =
	/^(connection|content-length|expect|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;
/** One step. */
const one = (step: object) => ({ steps: { it: step } });

const places: Record<string, Place> = {
	"a segment": {
		route: (v) => one({ get: `up/before/\${${v}}/after` }),
		refuses: noSegment,
		sends: (data) => ({ path: ["before", data, "after"] }),
	},
	"the last segment": {
		route: (v) => one({ delete: `up/before/\${${v}}` }),
		refuses: noSegment,
		sends: (data) => ({ method: "DELETE", path: ["before", data] }),
	},
	"part of a segment": {
		route: (v) => one({ get: `up/a-\${${v}}.json/after` }),
		refuses: (data) => noPartOf(data, "a-", ".json"),
		sends: (data) => ({ path: [`a-${data}.json`, "after"] }),
	},
	"beside a dot of a segment": {
		route: (v) => one({ get: `up/before/.\${${v}}` }),
		refuses: (data) => noPartOf(data, "."),
		sends: (data) => ({ path: ["before", `.${data}`] }),
	},
	"a parameter": {
		route: (v) => one({ get: "up/x", query: { fixed: "yes", v: `\${${v}}` } }),
		refuses: cut,
		sends: (data) => ({
			query: [
				["fixed", "yes"],
				["v", data],
			],
		}),
	},
	"part of a parameter": {
		route: (v) => one({ get: "up/x", query: { v: `a \${${v}} b` } }),
		refuses: cut,
		sends: (data) => ({ query: [["v", `a ${data} b`]] }),
	},
	"a parameter's list": {
		route: (v) => one({ get: "up/x", query: { v: `\${[${v}, 'x', ${v}]}` } }),
		refuses: cut,
		sends: (data) => ({
			query: [data, "x", data].map((value) => ["v", value]),
		}),
	},
	"a header": {
		route: (v) => one({ get: "up/x", headers: { "x-v": `\${${v}}` } }),
		refuses: noHeader,
		sends: (data) => ({ headers: { "x-v": data } }),
	},
	"part of a header": {
		route: (v) => one({ get: "up/x", headers: { "x-v": `a \${${v}} b` } }),
		refuses: noHeader,
		sends: (data) => ({ headers: { "x-v": `a ${data} b` } }),
	},
	"a call's authorization": {
		route: (v) =>
			one({ get: "up/x", headers: { authorization: `Bearer \${${v}}` } }),
		refuses: noHeader,
		sends: (data) => ({ headers: { authorization: `Bearer ${data}` } }),
	},
	"a form's field": {
		route: (v) => one({ post: "up/x", form: { fixed: "yes", v: `\${${v}}` } }),
		refuses: cut,
		sends: (data) => ({
			method: "POST",
			headers: { "content-type": "application/x-www-form-urlencoded" },
			body: [
				["fixed", "yes"],
				["v", data],
			],
		}),
	},
	"a JSON body": {
		route: (v) =>
			one({ post: "up/x", body: { v: `\${${v}}`, deep: [`a \${${v}}`] } }),
		refuses: never,
		sends: (data) => ({
			method: "POST",
			headers: { "content-type": "application/json" },
			body: { v: data, deep: [`a ${data}`] },
		}),
	},
	"a key of a JSON body": {
		route: (v) =>
			one({
				put: "up/x",
				body: { map: `\${Object.fromEntries([[${v}, { polluted: true }]])}` },
			}),
		refuses: never,
		sends: (data) => ({
			method: "PUT",
			headers: { "content-type": "application/json" },
			body: { map: Object.fromEntries([[data, { polluted: true }]]) },
		}),
	},
	"a text body": {
		route: (v) => one({ post: "up/x", text: `<\${${v}}>` }),
		refuses: cut,
		sends: (data) => ({
			method: "POST",
			headers: { "content-type": "text/plain; charset=utf-8" },
			body: `<${data}>`,
		}),
	},
	"items of each": {
		route: (v) => one({ each: `\${[${v}]}`, get: "up/items/${item}/after" }),
		refuses: noSegment,
		sends: (data) => ({ path: ["items", data, "after"] }),
		answers: () => ({ body: ["done"] }),
	},
	"a group's call": {
		route: (v) =>
			one({
				steps: {
					inner: {
						get: `up/before/\${${v}}`,
						query: { v: `\${${v}}` },
						headers: { "x-fixed": "yes" },
					},
				},
				value: "${inner}",
			}),
		refuses: noSegment,
		sends: (data) => ({
			path: ["before", data],
			query: [["v", data]],
			headers: { "x-fixed": "yes" },
		}),
	},
	"a function's encoded path": {
		route: running((v, call) =>
			call(`up/before/${encodeURIComponent(v)}/after`),
		),
		refuses: (data) => data !== "" && noSegment(data),
		sends: (data) => ({ path: ["before", data, "after"] }),
	},
	"a function's path": {
		route: running((v, call) => call(`up/before/${v}/after`)),
		// It is refused unless every character and step of it stands for itself.
		refuses: (data) =>
			couldStepUp(data) ||
			!/^([\w.~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*$/i.test(data),
		sends: (data) => ({
			path: ["before", ...data.split("/").map(decoded), "after"],
		}),
	},
	"a function's target": {
		route: running((v, call) => call(v)),
		refuses: () => true,
		sends: () => ({}),
	},
	"a function's parameters": {
		route: running((v, call) => call("up/x", { query: { v, [`n${v}`]: "1" } })),
		refuses: cut,
		sends: (data) => ({
			query: [
				["v", data],
				[`n${data}`, "1"],
			],
		}),
	},
	"a function's header": {
		route: running((v, call) => call("up/x", { headers: { "x-v": v } })),
		refuses: noHeader,
		sends: (data) => ({ headers: { "x-v": data } }),
	},
	"the name of a function's header": {
		route: running((v, call) => call("up/x", { headers: { [v]: "1" } })),
		refuses: (data) =>
			!/^[!#$%&'*+\-.^_`|~\w]+$/.test(data) || framingNames.test(data),
		sends: (data) => ({ headers: { [data.toLowerCase()]: "1" } }),
	},
	"a function's method": {
		route: running((v, call) => call("up/x", { method: v as "GET" })),
		refuses: () => true,
		sends: () => ({}),
	},
	"a function's body": {
		route: running((v, call) => call("up/x", { body: { v } })),
		refuses: never,
		sends: (data) => ({
			method: "POST",
			headers: { "content-type": "application/json" },
			body: { v: data },
		}),
	},
	"the answer": {
		route: (v) => ({
			respond: { v: `\${${v}}`, map: `\${Object.fromEntries([[${v}, 1]])}` },
		}),
		refuses: never,
		sends: null,
		answers: (data) => ({
			body: { v: data, map: Object.fromEntries([[data, 1]]) },
		}),
	},
	"the answer's text": {
		route: (v) => ({
			headers: { "content-type": "text/plain" },
			respond: `<\${${v}}>`,
		}),
		refuses: cut,
		sends: null,
		answers: (data) => ({
			headers: [["content-type", "text/plain"]],
			body: `<${data}>`,
		}),
	},
	"the answer's header": {
		route: (v) => ({
			headers: { "x-v": `\${${v}}`, location: `/to/\${${v}}` },
			respond: "ok",
		}),
		refuses: noHeader,
		sends: null,
		answers: (data) => ({
			headers: [
				["x-v", data],
				["location", `/to/${data}`],
			],
			body: "ok",
		}),
	},
	"the answer's list of headers": {
		route: (v) => ({
			headers: { "set-cookie": `\${['a=1', ${v}]}` },
			respond: "ok",
		}),
		refuses: noHeader,
		sends: null,
		answers: (data) => ({
			headers: [
				["set-cookie", "a=1"],
				["set-cookie", data],
			],
			body: "ok",
		}),
	},
	"a reply": {
		route: (v) => ({
			steps: {
				now: {
					reply: {
						status: 404,
						headers: { "x-v": `\${${v}}` },
						body: { v: `\${${v}}` },
					},
				},
			},
			respond: "late",
		}),
		refuses: noHeader,
		sends: null,
		answers: (data) => ({ headers: [["x-v", data]], body: { v: data } }),
	},
	"the status": {
		route: (v) => ({ status: `\${${v}}`, respond: "ok" }),
		refuses: () => true,
		sends: null,
	},
};

/** Routes that pass the request on, and the answer as it comes. */
const proxied: Record<string, Place> = {
	"a proxied segment": {
		route: (v) => ({ proxy: { to: `up/before/\${${v}}`, query: {} } }),
		refuses: noSegment,
		sends: (data) => ({ path: ["before", data] }),
	},
	"a proxied parameter": {
		route: (v) => ({ proxy: { to: "up/x", query: { v: `\${${v}}` } } }),
		refuses: cut,
		sends: (data) => ({ query: [["v", data]] }),
	},
	"a proxied header": {
		route: (v) => ({
			proxy: { to: "up/x", query: {}, headers: { "x-set": `\${${v}}` } },
		}),
		refuses: noHeader,
		sends: (data) => ({ headers: { "x-set": data } }),
	},
};

type Calls = (v: string, call: UserContext["call"]) => unknown;

function running(calls: Calls): Place["route"] {
	const run = async ({ v }: { v: string }, { call }: UserContext) => {
		await calls(v, call);
		return "done";
	};
	return (v) => one({ run, args: { v: `\${${v}}` } });
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return "not UTF-8";
	}
}

/** One route for each carrier in each place, in the order of the tables. */
const crossings = [
	...cross(places, carriers),
	...cross(proxied, clientCarriers),
].map((crossing, index) => ({ ...crossing, route: `/r${index}` }));

function cross(
	places: Record<string, Place>,
	carriers: Record<string, Carrier>,
) {
	return Object.entries(places).flatMap(([where, place]) =>
		Object.entries(carriers).map(([from, carrier]) => ({
			name: `${from} in ${where}`,
			where,
			place,
			carrier,
		})),
	);
}

type Crossing = (typeof crossings)[number];

const byPlace = Object.groupBy(crossings, ({ where }) => where) as Record<
	string,
	Crossing[]
>;

function routeOf({ place, carrier }: Crossing): object {
	const route = place.route(carrier.expression) as {
		steps?: object;
		respond?: unknown;
	};
	const request =
		Object.keys(carrier.declares).length > 0
			? { request: carrier.declares }
			: {};
	if (!carrier.step) return { ...request, ...route };
	const steps = { fed: carrier.step, ...route.steps };
	return { ...request, respond: "${it}", ...route, steps };
}

describe("data", () => {
	let stack: AsyncDisposableStack;
	let canary: Canary;
	let upstream: RawUpstream;
	let gateway: ServedGateway;
	let listed: readonly string[];
	let fed: Buffer | undefined;
	const ownPrototype = Reflect.ownKeys(Object.prototype);

	before(async () => {
		stack = new AsyncDisposableStack();
		canary = stack.use(await startCanary());
		listed = hostileStrings(canary.port);
		upstream = stack.use(
			await startRawUpstream(({ start }) =>
				start.includes("/base/feed?") && fed ? fed : jsonAnswer("done"),
			),
		);
		const routes = crossings.map((crossing) => {
			const end = crossing.carrier === clientCarriers.params ? "/{v}" : "";
			return [`POST ${crossing.route}${end}`, routeOf(crossing)] as const;
		});
		gateway = stack.use(
			await serve({
				defaults: { calls: 2 },
				upstreams: {
					up: {
						url: `${upstream.origin}/base`,
						query: { key: "ours" },
						headers: { "x-key": "secret" },
					},
				},
				routes: {
					...Object.fromEntries(routes),
					"ANY /proxy/{rest*}": {
						proxy: { to: "up/below/{rest*}", pass: ["x-v"] },
					},
				},
			}),
		);
	});

	after(() => stack.disposeAsync());

	afterEach(() => {
		assert.deepEqual(Reflect.ownKeys(Object.prototype), ownPrototype);
		assert.equal(({} as { polluted?: unknown }).polluted, undefined);
	});

	/** False where no client or upstream could say it. What fails says which case it was. */
	async function check(crossing: Crossing, data: string): Promise<boolean> {
		try {
			return await checkUnnamed(crossing, data);
		} catch (cause) {
			const message = `${crossing.name}: ${JSON.stringify(data)}`;
			throw new Error(message, { cause });
		}
	}

	async function checkUnnamed(
		crossing: Crossing,
		data: string,
	): Promise<boolean> {
		const { place, carrier } = crossing;
		const request = carrier.carry(data);
		if (request === null) return false;
		fed = request.fed;
		const headers = [...(request.headers ?? []), ...besides(data)];
		const answer = await send("POST", crossing.route, { ...request, headers });
		const value = carrier.arrives?.(data) ?? data;
		const sent = upstream
			.take()
			.filter(({ start }) => !start.startsWith("GET /base/feed?"));
		if (place.refuses(value)) {
			assertProblem(answer);
			assert.deepEqual(sent, []);
			return true;
		}
		assert.equal(sent.length, place.sends ? 1 : 0, answer.body.toString());
		const call = sent[0];
		if (call && place.sends) {
			const { path = ["x"], query = [], ...rest } = place.sends(value);
			assertCall(call, {
				...rest,
				path: ["base", ...path],
				query: [["key", "ours"], ...query],
				proxied: crossing.where in proxied,
			});
		}
		const untyped = crossing.where in proxied;
		assertAnswer(answer, { untyped, ...place.answers?.(value) });
		return true;
	}

	/** How a client writes it, byte for byte. */
	function send(
		method: string,
		route: string,
		{ path = "", query = "", headers = [], body }: ClientRequest,
	) {
		const text = body === undefined ? "" : JSON.stringify(body);
		const head = [
			`${method} ${route}${path}${query} HTTP/1.1`,
			"Host: gateway.test",
			"Connection: close",
			`Content-Length: ${Buffer.byteLength(text)}`,
			...(text === "" ? [] : ["Content-Type: application/json"]),
			...headers,
			"",
			"",
		].join("\r\n");
		const bytes = Buffer.concat([
			Buffer.from(head, "latin1"),
			Buffer.from(text),
		]);
		return sendRaw(gateway.url, bytes);
	}

	function assertCall(
		{ start, headers, body }: RawMessage,
		sent: Sent & { readonly proxied: boolean },
	): void {
		const [method, target = "", version, ...more] = start.split(" ");
		const expected = sent.method ?? (sent.proxied ? "POST" : "GET");
		assert.deepEqual([method, version, more], [expected, "HTTP/1.1", []]);
		assert.match(target, /^[\w.~!'()*/%?&=$+,;:@-]*$/);
		const [path = "", query = "", ...rest] = target.split("?");
		assert.deepEqual(rest, []);
		assert.deepEqual(path.split("/").slice(1).map(decoded), sent.path);
		const pairs = query
			.split("&")
			.map((pair) => pair.split("=").map(decodeURIComponent));
		assert.deepEqual(pairs, sent.query);
		const fields = Object.fromEntries(headers);
		const type = fields["content-type"];
		assert.equal(Object.keys(fields).length, headers.length, "a field twice");
		const framing = sent.body === undefined && !sent.proxied;
		assert.deepEqual(withoutSaid(fields), {
			...(sent.proxied
				? {}
				: { accept: "application/json", "accept-encoding": "identity" }),
			connection: "keep-alive",
			host: new URL(upstream.origin).host,
			"user-agent": "sluice",
			"x-key": "secret",
			...(framing ? {} : { "content-length": String(body.length) }),
			...trimmedAll(sent.headers ?? {}),
		});
		assert.deepEqual(bodyOf(body, type), sent.body);
	}

	it("from a client or an upstream arrives as data wherever it stands, for each hostile string", async () => {
		let cases = 0;
		for (const [index, data] of listed.entries()) {
			for (const ways of Object.values(byPlace)) {
				// The carriers take turns; where one cannot carry it the next one does.
				const from = index % ways.length;
				for (const way of [...ways.slice(from), ...ways.slice(0, from)]) {
					if (!(await check(way, data))) continue;
					cases++;
					break;
				}
			}
		}
		assert.ok(listed.length >= 80, `${listed.length} strings`);
		assert.ok(cases >= 1_500, `${cases} cases`);
	});

	/** Arbitrary texts, hostile ones, and pieces of either in a row. */
	const anyData = () => {
		const piece = fc.oneof(
			fc.constantFrom(...listed),
			anyText(20),
			fc.string({ maxLength: 20 }),
			fc.constantFrom("\ud83e", "\udd8a", "..", "/", "\r\n", "%", "2e"),
		);
		return fc
			.array(piece, { maxLength: 4 })
			.map((pieces) => pieces.join("").slice(0, 2500));
	};

	it("of any other kind does too", async () => {
		const property = fc.asyncProperty(
			fc.constantFrom(...crossings),
			anyData(),
			async (crossing, data) => {
				await check(crossing, data);
			},
		);
		await fc.assert(property, { numRuns: 400 });
	});

	/** What a client can put on the request line without ending it. */
	const rawly = (data: string) =>
		/^[\x21-\x7e]*$/.test(data) ? data : encodeURIComponent(data);

	async function checkProxied(data: string): Promise<void> {
		if (!isWhole(data)) return;
		for (const rest of [rawly(data), encodeURIComponent(data)]) {
			const answer = await send("GET", "/proxy/", {
				path: rest,
				query: `?fixed=${rest}&key=theirs&${rest}`,
				headers: [
					`X-V: ${encodeURIComponent(data)}`,
					`X-Key: ${encodeURIComponent(data)}`,
					`X-Unlisted: ${encodeURIComponent(data)}`,
				],
			});
			const sent = upstream.take();
			if (answer.status >= 400) {
				assertProblem(answer);
				assert.deepEqual(sent, []);
				continue;
			}
			assertAnswer(answer, { untyped: true });
			assert.equal(sent.length, 1);
			assertPassedOn(sent[0] as RawMessage, rest, data);
		}
	}

	function assertPassedOn(
		{ start, headers, body }: RawMessage,
		rest: string,
		data: string,
	): void {
		const whole = `${rest}?fixed=${rest}&key=theirs&${rest}`;
		const mark = whole.indexOf("?");
		const path = `/base/below/${whole.slice(0, mark)}`;
		const kept = whole
			.slice(mark + 1)
			.split("&")
			.filter((pair) => decoded(pair.split("=", 1)[0] ?? "") !== "key");
		const query = ["key=ours", ...kept].filter(
			(pair, at) => at === 0 || kept.length > 1 || pair !== "",
		);
		assert.equal(start, `GET ${path}?${query.join("&")} HTTP/1.1`);
		const climbed = new URL(path, "http://upstream.test");
		assert.ok(climbed.pathname.startsWith("/base/below/"), path);
		let plain = path;
		while (!["not UTF-8", plain].includes(decoded(plain))) {
			plain = decoded(plain);
		}
		assert.ok(!plain.split(/[/\\]/).includes(".."), path);
		assert.ok(!plain.includes("\0"), path);
		assert.deepEqual(withoutSaid(Object.fromEntries(headers)), {
			connection: "keep-alive",
			host: new URL(upstream.origin).host,
			"user-agent": "sluice",
			"x-key": "secret",
			"x-v": encodeURIComponent(data),
		});
		assert.equal(body.length, 0);
	}

	it("in the path and the query of a proxied route passes below the route's own, or not at all", async () => {
		for (const data of listed) await checkProxied(data);
		await fc.assert(fc.asyncProperty(anyData(), checkProxied), {
			numRuns: 100,
		});
	});
});

/** The fields of a call but those in which the gateway says to which request it belongs. */
function withoutSaid(
	fields: Readonly<Record<string, string>>,
): Record<string, string> {
	const {
		via,
		traceparent,
		tracestate,
		"x-request-id": id,
		...others
	} = fields;
	assert.match(via ?? "", /^1\.1 sluice-[\da-f]+$/);
	assert.match(traceparent ?? "", /^00-[\da-f]{32}-[\da-f]{16}-0[0-3]$/);
	assert.equal(tracestate, undefined);
	assert.match(id ?? "", /^[\w.-]{1,64}$/);
	return others;
}

function trimmedAll(
	fields: Readonly<Record<string, string>>,
): Record<string, string> {
	return Object.fromEntries(
		Object.entries(fields).map(([name, value]) => [name, trimmed(value)]),
	);
}

function bodyOf(bytes: Buffer, type: string | undefined): unknown {
	if (bytes.length === 0) return undefined;
	const text = new TextDecoder("utf-8", {
		fatal: true,
		ignoreBOM: true,
	}).decode(bytes);
	if (type?.includes("json")) return JSON.parse(text);
	if (!type?.includes("form")) return text;
	return text.split("&").map((pair) => pair.split("=").map(decodeURIComponent));
}

type RawAnswer = Awaited<ReturnType<typeof sendRaw>>;

const everyAnswers = [
	"connection",
	"content-length",
	"date",
	"x-content-type-options",
	"x-request-id",
];

/** What routes that declare a header or a cookie say of it, whatever it holds. */
const declared = new Set(["vary: x-v", "cache-control: private"]);

function assertProblem({ status, headers, body }: RawAnswer): void {
	assert.ok(status >= 400, `${status} ${body}`);
	assert.deepEqual(
		headers.map(([name]) => name).toSorted(),
		[...everyAnswers, "cache-control", "content-type"].toSorted(),
	);
	const { code } = JSON.parse(body.toString());
	// Another code would say that what refused it was not us, but what comes after us.
	assert.ok(["request_invalid", "step_failed"].includes(code), code);
}

function assertAnswer(
	{ headers, body }: RawAnswer,
	{ headers: own = [], body: value = "done", untyped = false }: Answered,
): void {
	const isLong = Number(Object.fromEntries(headers)["content-length"]) >= 1024;
	const rest = headers.filter(
		([name, text]) =>
			!everyAnswers.includes(name) &&
			name !== "sluice-complete" &&
			!declared.has(`${name}: ${text}`) &&
			// A long answer might have been compressed.
			!(isLong && `${name}: ${text}` === "vary: accept-encoding"),
	);
	const typed = untyped || own.some(([name]) => name === "content-type");
	const type = ["content-type", "application/json; charset=utf-8"] as const;
	assert.deepEqual(
		rest,
		[...own, ...(typed ? [] : [type])].map(([name, text]) => [
			name,
			trimmed(text),
		]),
	);
	const said = Object.fromEntries(headers)["content-type"];
	assert.deepEqual(bodyOf(body, untyped ? "json" : said), value);
	assert.match(
		Object.fromEntries(headers)["x-request-id"] ?? "",
		/^[\w.-]{1,64}$/,
	);
}
