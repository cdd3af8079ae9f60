import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../../src/core/errors.ts";
import { hasContent } from "../../../src/core/http/status.ts";
import { cache } from "../../../src/policy/cache/cache.ts";
import {
	promised,
	promisedStream,
	toldStream,
} from "../../../src/policy/promised.ts";
import { openScope, virtualClock } from "../../../src/tasks/index.ts";
import {
	contextOf,
	played,
	requestOf,
	streamRequestOf,
} from "../../kit/policy.ts";

/** What comes of the last request: a kept answer, the upstream's next one, or a kept one that the upstream confirmed. */
type Outcome = "kept" | "new" | "confirmed" | "fails";

/** One answer of the upstream. Its body is its number. */
interface Answer {
	readonly status?: number;
	readonly headers: readonly string[];
}

/** A request, asked for so many milliseconds after the one before. */
interface Asks {
	readonly method?: "GET" | "POST" | "PUT" | "DELETE";
	readonly headers?: readonly string[];
	readonly target?: string;
	readonly afterMs?: number;
}

/** The upstream's answers, one after another; null is none. What is asked, and what comes of the last request. */
interface Case {
	readonly answers: readonly (Answer | null)[];
	readonly asks: readonly Asks[];
	readonly outcome: Outcome;
}

const faces = ["a call", "a stream"] as const;

/** Asks all in turn. Gives the body and the status of the last answer, and what the upstream was asked. */
async function carryOut({ answers, asks }: Case, face: (typeof faces)[number]) {
	const clock = virtualClock();
	const sent: (readonly string[])[] = [];
	const next = (headers: readonly string[], method: string) => {
		const answer = answers[sent.length] ?? null;
		sent.push(headers);
		if (answer === null) throw new GatewayError("upstream_unreachable", "down");
		const { status = 200 } = answer;
		const empty = !hasContent(status) || method !== "GET";
		const body = new TextEncoder().encode(empty ? "" : String(sent.length));
		return { status, headers: answer.headers, body };
	};
	const guard = cache(
		{
			forMs: null,
			staleMs: 0,
			ifErrorMs: 0,
			bytesMax: 100_000,
			entriesMax: 100,
			answerBytesMax: 1000,
		},
		{
			...contextOf(clock),
			origins: ["http://weather.test"],
			credentials: new Map(),
			coalesced: false,
			scope: openScope({ clock }),
		},
	);
	const call = promised(
		guard.call(played(async ({ headers, method }) => next(headers, method))),
	);
	const wire = toldStream(async ({ headers, method, onHead }) => {
		const { body, ...head } = next(headers, method);
		const pieces = async function* () {
			yield body;
		};
		const { length } = body;
		onHead({ ...head, body: { length, [Symbol.asyncIterator]: pieces } });
	});
	const stream = promisedStream(guard.stream(wire));
	const ask = async ({ method = "GET", headers = [], target = "/a" }: Asks) => {
		const scope = openScope({ clock });
		if (face === "a call") {
			const safe = method === "GET";
			const request = requestOf({ method, headers, target, safe });
			const { status, body } = await call(request, scope);
			return { status, text: new TextDecoder().decode(body) };
		}
		const last = { status: 0, text: "" };
		let read = Promise.resolve();
		const readAll = async (body: AsyncIterable<Uint8Array>) => {
			for await (const piece of body)
				last.text += String.fromCharCode(...piece);
		};
		await stream(
			streamRequestOf({
				method,
				headers,
				target,
				cached: true,
				onHead({ status, body }) {
					last.status = status;
					read = readAll(body);
				},
			}),
			scope,
		);
		await read;
		return last;
	};
	let last: { status: number; text: string } | null = null;
	for (const asked of asks) {
		await clock.advance(asked.afterMs ?? 0);
		last = await ask(asked).catch(() => null);
	}
	return { sent, last };
}

/** The outcome by what the upstream saw: another request than the last is always answered by the upstream. */
function outcomeOf(
	{ answers, asks }: Case,
	{ sent, last }: Awaited<ReturnType<typeof carryOut>>,
): Outcome {
	if (last === null) return "fails";
	if (sent.length < asks.length) return "kept";
	const { status = 200 } = answers[sent.length - 1] ?? { status: 0 };
	if (status === 304 && last.status !== 304) return "confirmed";
	return last.status === status ? "new" : "kept";
}

function are(title: string, cases: Readonly<Record<string, Case>>): void {
	describe(title, () => {
		for (const [name, one] of Object.entries(cases)) {
			for (const face of faces) {
				it(`${name}: ${one.outcome}, to ${face}`, async () => {
					const ended = await carryOut(one, face);
					assert.equal(outcomeOf(one, ended), one.outcome);
				});
			}
		}
	});
}

/** Asked for twice, three seconds apart: the answer comes with these fields. */
const twice = (outcome: Outcome, ...headers: string[]): Case => ({
	answers: [{ headers }, { headers }],
	asks: [{}, { afterMs: 3000 }],
	outcome,
});
const control = (said: string) => ["cache-control", said];
const now = Date.UTC(2026, 0, 2);
const at = (seconds: number) => new Date(now + 1000 * seconds).toUTCString();
const date = ["date", at(0)];

are("Cache-Control says how long", {
	"nothing is said": twice("new"),
	"max-age": twice("kept", ...control("max-age=3600")),
	"max-age is over": twice("new", ...control("max-age=2")),
	"max-age=0": twice("new", ...control("max-age=0")),
	"max-age beyond 32 bits": twice("kept", ...control("max-age=99999999999")),
	"max-age with zeros before it": twice("kept", ...control("max-age=003600")),
	"max-age in other letters": twice("kept", ...control("MaX-aGe=3600")),
	"max-age beside what nobody knows": twice("kept", ...control("x, max-age=9")),
	"max-age in quotes": twice("kept", ...control('max-age="3600"')),
	"a negative max-age": twice("new", ...control("max-age=-3600")),
	"max-age in single quotes": twice("new", ...control("max-age='3600'")),
	"max-age with a fraction": twice("new", ...control("max-age=3600.0")),
	"max-age and space": twice("new", ...control("max-age =3600")),
	"max-age within a quoted text": twice(
		"new",
		...control('x="max-age=3600", max-age=1'),
	),
	"two that differ": twice("new", ...control("max-age=1800, max-age=3600")),
	"s-maxage before max-age": twice("kept", ...control("max-age=1, s-maxage=9")),
	"a short s-maxage": twice("new", ...control("s-maxage=1, max-age=3600")),
	"s-maxage in a line of its own": twice(
		"new",
		...control("max-age=3600"),
		...control("s-maxage=1"),
	),
	"max-age before an Expires that is over": twice(
		"kept",
		...[...control("max-age=3600"), "expires", at(-9), ...date],
	),
	"max-age=0 before a later Expires": twice(
		"new",
		...[...control("max-age=0"), "expires", at(3600), ...date],
	),
});

are("Expires says how long", {
	later: twice("kept", "expires", at(3600), ...date),
	over: twice("new", "expires", at(-3600), ...date),
	"as old as Date": twice("new", "expires", at(0), ...date),
	"no date": twice("new", "expires", "0", ...date),
	"two that differ": twice(
		"new",
		...["expires", at(3600), "expires", at(3601), ...date],
	),
	"in the old form of RFC 850": twice(
		"kept",
		...["expires", "Thursday, 18-Aug-50 02:01:18 GMT", ...date],
	),
	"in the form of asctime": twice(
		"kept",
		...["expires", "Thu Aug  8 02:01:18 2050", ...date],
	),
	"in other letters": twice(
		"kept",
		...["expires", "THU, 18 AUG 2050 02:01:18 gmt", ...date],
	),
	"with another zone": twice(
		"new",
		...["expires", "Thu, 18 Aug 2050 02:01:18 UTC", ...date],
	),
	"far ahead of a Date that is no date": twice(
		"kept",
		...["expires", "Thu, 18 Aug 2050 02:01:18 GMT", "date", "soon"],
	),
});

are("Age is taken off", {
	"more than max-age": twice("new", ...control("max-age=9"), "age", "20"),
	"no number": twice("kept", ...control("max-age=9"), "age", "old"),
	"the first of two": twice("new", ...control("max-age=9"), "age", "20, 0"),
	"the first line of two": twice(
		"kept",
		...[...control("max-age=9"), "age", "0", "age", "20"],
	),
});

const fresh = control("max-age=3600");
const cdn = (said: string) => ["cdn-cache-control", said];
are("CDN-Cache-Control goes before the rest", {
	alone: twice("kept", ...cdn("max-age=3600")),
	longer: twice("kept", ...control("max-age=1"), ...cdn("max-age=3600")),
	shorter: twice("new", ...fresh, ...cdn("max-age=1")),
	"no-store": twice("new", ...fresh, ...cdn("no-store")),
	"before no-store": twice("kept", ...control("no-store"), ...cdn("max-age=9")),
	"no structured field": twice(
		"new",
		...control("no-store"),
		...cdn("max-age=9, &"),
	),
	"a text for a number": twice(
		"new",
		...control("no-store"),
		...cdn('max-age="9"'),
	),
});

const tag = ["etag", '"1"'];
are("an answer is not given again", {
	"no-store": twice("new", ...control("no-store, max-age=3600")),
	private: twice("new", ...control("private, max-age=3600")),
	"private, of a field": twice("new", ...control('private="x", max-age=3600')),
	"no-cache": twice("new", ...control("no-cache, max-age=3600")),
	"no-cache, of a field": twice(
		"new",
		...control('no-cache="x", max-age=3600'),
	),
	"a cookie": twice("new", ...fresh, "set-cookie", "a=b"),
	"Vary: *": twice("new", ...fresh, "vary", "*"),
	"a part": {
		...twice("new"),
		answers: [{ status: 206, headers: fresh }, { headers: fresh }],
	},
});

/** The answer to a request with some fields, asked for again with others. */
const other = (
	outcome: Outcome,
	one: readonly string[],
	others: readonly string[],
	...headers: string[]
): Case => ({
	answers: [{ headers }, { headers }],
	asks: [{ headers: one }, { headers: others }],
	outcome,
});
const varies = (name: string) => [...fresh, "vary", name];
const login = ["authorization", "Basic YTpi"];
are("an answer to other fields", {
	"that it does not vary by": other(
		"kept",
		["y", "1"],
		["y", "2"],
		...varies("x"),
	),
	"with the same value": other("kept", ["x", "1"], ["x", "1"], ...varies("x")),
	"with another value": other("new", ["x", "1"], ["x", "2"], ...varies("x")),
	"with none": other("new", ["x", "1"], [], ...varies("x")),
	"with one where there was none": other("new", [], ["x", "1"], ...varies("x")),
	"with one of three missing in both": other(
		"kept",
		["x", "1", "z", "3"],
		["x", "1", "z", "3"],
		...varies("x, y, z"),
	),
	"with a list in two lines": other(
		"kept",
		["x", "1, 2"],
		["x", "1", "x", "2"],
		...varies("x"),
	),
	"with a list and less space": other(
		"kept",
		["x", "1, 2"],
		["x", "1,2"],
		...varies("x"),
	),
	"with languages in other letters": other(
		"kept",
		["accept-language", "en, de"],
		["accept-language", "eN, De"],
		...varies("accept-language"),
	),
	"with languages in another order": other(
		"new",
		["accept-language", "en, de"],
		["accept-language", "de, en"],
		...varies("accept-language"),
	),
	"of another user": other("new", login, [], ...fresh),
	"of the same user, who is not everybody": other(
		"new",
		login,
		login,
		...fresh,
	),
	"of the same user, if it is public": other(
		"kept",
		login,
		login,
		...control("public, max-age=9"),
	),
	"of another user, though it is public": other(
		"new",
		login,
		[],
		...control("public, max-age=9"),
	),
	"of another session": other("new", [], ["cookie", "a=b"], ...fresh),
});

are("an answer's status does not matter if it says how long", {
	...Object.fromEntries(
		[
			200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 405, 410, 499, 500,
			502, 503, 504, 599,
		].flatMap((status) => {
			const both = (headers: readonly string[]) => [
				{ status, headers },
				{ status, headers },
			];
			const asks = [{}, {}];
			return [
				[`${status}`, { answers: both(fresh), asks, outcome: "kept" }],
				[
					`${status}, over`,
					{
						answers: both(["expires", at(-9), ...date]),
						asks,
						outcome: "new",
					},
				],
			] as const;
		}),
	),
	"599 that must be understood": {
		answers: [
			{ status: 599, headers: control("max-age=9, no-store, must-understand") },
			{ headers: [] },
		],
		asks: [{}, {}],
		outcome: "new",
	},
	"200 that must be understood": twice(
		"kept",
		...control("max-age=9, no-store, must-understand"),
	),
});

const unchanged = { status: 304, headers: tag };
const asksAnew = (headers: readonly string[], afterMs: number): Case => ({
	answers: [{ headers }, unchanged],
	asks: [{}, { afterMs }],
	outcome: "confirmed",
});
are("a kept answer is validated", {
	"by its tag": asksAnew([...control("max-age=2"), ...tag], 3000),
	"by a weak tag": {
		...asksAnew([...control("max-age=2"), "etag", 'W/"1"'], 3000),
		answers: [
			{ headers: [...control("max-age=2"), "etag", 'W/"1"'] },
			{ status: 304, headers: ["etag", 'W/"1"'] },
		],
	},
	"if it says no-cache": asksAnew([...control("no-cache"), ...tag], 0),
	"if it must be": asksAnew(
		[...control("max-age=2, must-revalidate"), ...tag],
		3000,
	),
	"by when it changed": {
		...asksAnew([], 0),
		answers: [
			{ headers: [...control("max-age=0"), "last-modified", at(-9)] },
			{ status: 304, headers: [] },
		],
	},
});

/** A stale answer whose upstream is down, or answers 503. */
const failing = (
	outcome: Outcome,
	said: string,
	failure: Answer | null = null,
): Case => ({
	answers: [{ headers: control(said) }, failure],
	asks: [{}, { afterMs: 3000 }],
	outcome,
});
are("a stale answer stands in", {
	"for nothing if it does not say so": failing("fails", "max-age=2"),
	"with stale-if-error": failing("kept", "max-age=2, stale-if-error=60"),
	"for a 503, with stale-if-error": failing(
		"kept",
		"max-age=2, stale-if-error=60",
		{ status: 503, headers: [] },
	),
	"for no 404": failing("new", "max-age=2, stale-if-error=60", {
		status: 404,
		headers: [],
	}),
	"not after its time": failing("fails", "max-age=1, stale-if-error=2"),
	"not if it must be validated": failing(
		"fails",
		"max-age=2, stale-if-error=60, must-revalidate",
	),
	"not with no-cache": failing("fails", "no-cache, stale-if-error=60"),
});

const wants = (outcome: Outcome, said: string, headers = fresh): Case => ({
	answers: [{ headers }, { headers }],
	asks: [{}, { afterMs: 3000, headers: control(said) }],
	outcome,
});
are("a request says what it wants", {
	"no-cache": wants("new", "no-cache"),
	"no-store": wants("new", "no-store"),
	"max-age=0": wants("new", "max-age=0"),
	"max-age=2": wants("new", "max-age=2"),
	"max-age=3": wants("kept", "max-age=3"),
	"min-fresh, of an answer that has less": wants("new", "min-fresh=7200"),
	"min-fresh, of an answer that has more": wants("kept", "min-fresh=60"),
	"max-stale, of a stale answer": wants(
		"kept",
		"max-stale=9",
		control("max-age=2"),
	),
	"max-stale, of one that is older": wants(
		"new",
		"max-stale=1",
		control("max-age=2"),
	),
	"max-stale, of one that must be validated": wants(
		"new",
		"max-stale=9",
		control("max-age=2, must-revalidate"),
	),
	"only-if-cached": wants("kept", "only-if-cached"),
	"only-if-cached, of a stale answer": wants(
		"fails",
		"only-if-cached",
		control("max-age=2"),
	),
	"a word that nobody knows": wants("kept", "x"),
});

/** A change between two requests of `/a`. */
const changed = (
	outcome: Outcome,
	method: "POST" | "PUT" | "DELETE",
	answer: Answer = { status: 204, headers: [] },
	target = "/a",
): Case => ({
	answers: [{ headers: fresh }, answer, { headers: fresh }],
	asks: [{}, { method, target }, {}],
	outcome,
});
const created = (name: string, url: string): Answer => ({
	status: 201,
	headers: [name, url],
});
are("what is done to an address drops its answers", {
	POST: changed("new", "POST"),
	PUT: changed("new", "PUT"),
	DELETE: changed("new", "DELETE"),
	"not if it fails": changed("kept", "PUT", { status: 500, headers: [] }),
	"not of another address": changed("kept", "PUT", undefined, "/b"),
	"but of one that Location names": changed(
		"new",
		"POST",
		created("location", "/a"),
		"/b",
	),
	"but of one that Content-Location names": changed(
		"new",
		"POST",
		created("content-location", "http://weather.test/a"),
		"/b",
	),
	"not of one at another host": changed(
		"kept",
		"POST",
		created("location", "http://other.test/a"),
		"/b",
	),
});
