import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { allHeadersOf, headerOf } from "../../src/core/http/headers.ts";
import { askInLines } from "../kit/lines.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";

/**
 * W3C Trace Context, Level 1: each of the 39 tests of the public suite (w3c/trace-context, `test/test.py`), and the limits
 * of the text. Each line is a field that the client sends.
 */

const id = "12345678901234567890123456789012";
const parent = "1234567890123456";
const given = `00-${id}-${parent}-01`;

/** Where the trace of a request goes on, and where one begins. */
const traceparents: readonly (readonly [string, readonly string[], boolean])[] =
	[
		["there is none", [], false],
		["it is well-formed", [`traceparent: ${given}`], true],
		["its name has capitals", [`TraceParent: ${given}`], true],
		["its name is in another case", [`TrAcEpArEnT: ${given}`], true],
		["its name is in capitals", [`TRACEPARENT: ${given}`], true],
		[
			"there are two",
			[`traceparent: ${given}`, `traceparent: ${given.replace("1", "2")}`],
			false,
		],
		[
			"the same one is there twice",
			[`traceparent: ${given}`, `traceparent: ${given}`],
			false,
		],
		["its name has a dash", [`trace-parent: ${given}`], false],
		["its name has a dot", [`trace.parent: ${given}`], false],
		["version 00 has more behind", [`traceparent: ${given}.`], false],
		[
			"version 00 has parts more",
			[`traceparent: ${given}-what-the-future-will-be-like`],
			false,
		],
		["version 00 ends in a dash", [`traceparent: ${given}-`], false],
		["the version is cc", [`traceparent: cc${given.slice(2)}`], true],
		[
			"the version is cc, with a part more",
			[`traceparent: cc${given.slice(2)}-what-the-future-will-be-like`],
			true,
		],
		[
			"the version is cc, with the flags longer",
			[`traceparent: cc${given.slice(2)}.what-the-future-will-not-be-like`],
			false,
		],
		["the version is ff", [`traceparent: ff${given.slice(2)}`], false],
		[
			"the version has a dot first",
			[`traceparent: .0${given.slice(2)}`],
			false,
		],
		["the version has a dot last", [`traceparent: 0.${given.slice(2)}`], false],
		["the version is in capitals", [`traceparent: CC${given.slice(2)}`], false],
		["the version has 3 digits", [`traceparent: 0${given}`], false],
		["the version has 4 digits", [`traceparent: 00${given}`], false],
		["the version has 1 digit", [`traceparent: ${given.slice(1)}`], false],
		[
			"the id is zero",
			[`traceparent: 00-${"0".repeat(32)}-${parent}-01`],
			false,
		],
		[
			"the id has a dot",
			[`traceparent: 00-.${id.slice(1)}-${parent}-01`],
			false,
		],
		[
			"the id has a dot last",
			[`traceparent: 00-${id.slice(1)}.-${parent}-01`],
			false,
		],
		[
			"the id is in capitals",
			[`traceparent: 00-A${id.slice(1)}-${parent}-01`],
			false,
		],
		["the id has 33 digits", [`traceparent: 00-${id}3-${parent}-01`], false],
		[
			"the id has 31 digits",
			[`traceparent: 00-${id.slice(1)}-${parent}-01`],
			false,
		],
		[
			"the parent is zero",
			[`traceparent: 00-${id}-${"0".repeat(16)}-01`],
			false,
		],
		[
			"the parent has a dot",
			[`traceparent: 00-${id}-.${parent.slice(1)}-01`],
			false,
		],
		[
			"the parent has a dot last",
			[`traceparent: 00-${id}-${parent.slice(1)}.-01`],
			false,
		],
		[
			"the parent has 17 digits",
			[`traceparent: 00-${id}-${parent}7-01`],
			false,
		],
		[
			"the parent has 15 digits",
			[`traceparent: 00-${id}-${parent.slice(1)}-01`],
			false,
		],
		[
			"the flags have a dot first",
			[`traceparent: 00-${id}-${parent}-.0`],
			false,
		],
		[
			"the flags have a dot last",
			[`traceparent: 00-${id}-${parent}-0.`],
			false,
		],
		[
			"the flags are in capitals",
			[`traceparent: 00-${id}-${parent}-0A`],
			false,
		],
		["the flags have 3 digits", [`traceparent: 00-${id}-${parent}-001`], false],
		["the flags have 1 digit", [`traceparent: 00-${id}-${parent}-1`], false],
		["there is a space before it", [`traceparent:  ${given}`], true],
		["there is a tab before it", [`traceparent:\t${given}`], true],
		["there is a space behind it", [`traceparent: ${given} `], true],
		["there is a tab behind it", [`traceparent: ${given}\t`], true],
		["there are blanks around it", [`traceparent: \t ${given} \t`], true],
		["it is empty", ["traceparent:"], false],
	];

const members = (count: number) =>
	Array.from({ length: count }, (_, at) => `m${at}=${at}`).join(",");
const keyCharacters = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
const valueCharacters = Array.from({ length: 0x5f }, (_, at) =>
	String.fromCharCode(0x20 + at),
)
	.filter((character) => character !== "," && character !== "=")
	.join("");

/** The lines of `tracestate`, and what goes on; null if nothing does. */
const tracestates: readonly (readonly [
	string,
	readonly string[],
	string | null,
])[] = [
	["there is none", [], null],
	["is well-formed", ["tracestate: foo=1,bar=2"], "foo=1,bar=2"],
	["has capitals in its name", ["TraceState: foo=1"], "foo=1"],
	["has its name in another case", ["TrAcEsTaTe: foo=1"], "foo=1"],
	["has its name in capitals", ["TRACESTATE: foo=1"], "foo=1"],
	["has another name", ["trace-state: foo=1", "trace.state: foo=1"], null],
	["has an empty line behind", ["tracestate: foo=1", "tracestate:"], "foo=1"],
	["has an empty line before", ["tracestate:", "tracestate: foo=1"], "foo=1"],
	["is empty", ["tracestate:"], null],
	["has empty members", ["tracestate: foo=1,,bar=2, ,"], "foo=1,bar=2"],
	[
		"comes in lines",
		[
			"tracestate: foo=1,bar=2",
			"tracestate: rojo=1,congo=2",
			"tracestate: baz=3",
		],
		"foo=1,bar=2,rojo=1,congo=2,baz=3",
	],
	// Whose entries they are only their systems know. Level 2 (3.5) leaves it open, and so does the newest suite.
	["has an entry twice", ["tracestate: foo=1,foo=1"], "foo=1,foo=1"],
	["has a key twice", ["tracestate: foo=1,foo=2"], "foo=1,foo=2"],
	[
		"has an entry twice in two lines",
		["tracestate: foo=1", "tracestate: foo=1"],
		"foo=1,foo=1",
	],
	[
		"has a key twice in two lines",
		["tracestate: foo=1", "tracestate: foo=2"],
		"foo=1,foo=2",
	],
	[
		"has every character of a key",
		[`tracestate: ${keyCharacters}=1`],
		`${keyCharacters}=1`,
	],
	[
		"has every character of a tenant's key",
		[`tracestate: ${keyCharacters}@a-z0-9_-*/=1`],
		`${keyCharacters}@a-z0-9_-*/=1`,
	],
	[
		"has every character of a value",
		[`tracestate: foo=${valueCharacters}`],
		`foo=${valueCharacters}`,
	],
	[
		"has every character of a key and of a value",
		[`tracestate: ${keyCharacters}=${valueCharacters}`],
		`${keyCharacters}=${valueCharacters}`,
	],
	[
		"has blanks around members",
		["tracestate: foo=1 \t , \t bar=2, \t baz=3 \t"],
		"foo=1,bar=2,baz=3",
	],
	[
		"has tabs around commas",
		["tracestate: foo=1\t \t,\t \tbar=2,\t \tbaz=3"],
		"foo=1,bar=2,baz=3",
	],
	["has a space before it", ["tracestate:  foo=1"], "foo=1"],
	["has a tab before it", ["tracestate:\tfoo=1"], "foo=1"],
	["has a space behind it", ["tracestate: foo=1 "], "foo=1"],
	["has a tab behind it", ["tracestate: foo=1\t"], "foo=1"],
	["has blanks around it", ["tracestate: \t foo=1 \t"], "foo=1"],
	["has a blank before `=`", ["tracestate: foo =1"], null],
	["has a key in capitals", ["tracestate: FOO=1"], null],
	["has a dot in a key", ["tracestate: foo.bar=1"], null],
	["has no system behind @", ["tracestate: foo@=1,bar=2"], null],
	["has no tenant before @", ["tracestate: @foo=1,bar=2"], null],
	["has two @ together", ["tracestate: foo@@bar=1,bar=2"], null],
	["has two @", ["tracestate: foo@bar@baz=1,bar=2"], null],
	["has 32 members", [`tracestate: ${members(32)}`], members(32)],
	["has 33 members", [`tracestate: ${members(33)}`], null],
	[
		"has 32 members in two lines",
		[`tracestate: ${members(31)}`, "tracestate: z=1"],
		`${members(31)},z=1`,
	],
	[
		"has 33 members in two lines",
		[`tracestate: ${members(32)}`, "tracestate: z=1"],
		null,
	],
	[
		"has a key of 256",
		[`tracestate: ${"z".repeat(256)}=1`],
		`${"z".repeat(256)}=1`,
	],
	["has a key of 257", [`tracestate: ${"z".repeat(257)}=1`], null],
	[
		"has a line behind it with a key of 256",
		["tracestate: foo=1", `tracestate: ${"z".repeat(256)}=1`],
		`foo=1,${"z".repeat(256)}=1`,
	],
	[
		"has a line behind it with a key of 257",
		["tracestate: foo=1", `tracestate: ${"z".repeat(257)}=1`],
		null,
	],
	[
		"has a line behind it with a tenant of 242",
		["tracestate: foo=1", `tracestate: ${"t".repeat(242)}@v=1`],
		null,
	],
	[
		"has a line behind it with a system of 15",
		["tracestate: foo=1", `tracestate: t@${"v".repeat(15)}=1`],
		null,
	],
	[
		"has a tenant of 241 and a system of 14",
		[`tracestate: ${"t".repeat(241)}@${"v".repeat(14)}=1`],
		`${"t".repeat(241)}@${"v".repeat(14)}=1`,
	],
	["has a tenant of 242", [`tracestate: ${"t".repeat(242)}@v=1`], null],
	["has a system of 15", [`tracestate: t@${"v".repeat(15)}=1`], null],
	[
		"has a value of 256",
		[`tracestate: foo=${"v".repeat(256)}`],
		`foo=${"v".repeat(256)}`,
	],
	["has a value of 257", [`tracestate: foo=${"v".repeat(257)}`], null],
	["has `=` in a value", ["tracestate: foo=bar=baz"], null],
	["has an empty value", ["tracestate: foo=,bar=3"], null],
	["has a member without `=`", ["tracestate: foo"], null],
];

let upstream: RealUpstream;
let gateways: {
	readonly untraced: ServedGateway;
	readonly traced: ServedGateway;
};

before(async () => {
	upstream = await startUpstream((_request, response) => response.end("{}"));
	const config = `
upstreams:
  own: { url: "${upstream.url}" }
  theirs: { url: "${upstream.url}", headers: { traceparent: mine, via: mine, x-request-id: mine } }
routes:
  GET /composed: { steps: { a: { get: own/a } } }
  GET /three: { steps: { a: { get: own/a }, b: { get: own/b }, c: { get: own/c } }, respond: ["\${a}", "\${b}", "\${c}"] }
  GET /theirs: { steps: { a: { get: theirs/a } } }
  GET /proxied: { proxy: own/a }
  GET /proxied-theirs: { proxy: theirs/a }
`;
	gateways = { untraced: await serve(config), traced: await serve(config) };
	gateways.traced.gateway.events.tracers.push({
		spansMax: 100,
		samples: (_traceId, parent) => parent === null || isSampled(parent.flags),
		ended() {},
		state: () => assert.fail(),
	});
});

const isSampled = (flags: string) => (Number(flags) & 1) === 1;

after(async () => {
	await gateways.untraced[Symbol.asyncDispose]();
	await gateways.traced[Symbol.asyncDispose]();
	await upstream[Symbol.asyncDispose]();
});

/** The fields of the calls that a request with these lines led to. */
async function sent(
	path: string,
	lines: readonly string[],
	by: keyof typeof gateways = "untraced",
) {
	const before = upstream.seen.length;
	const answer = await askInLines(gateways[by].url, path, lines);
	assert.match(answer, /^HTTP\/1\.1 200 /);
	return upstream.seen.slice(before).map(({ rawHeaders }) => rawHeaders);
}

for (const [path, by] of [
	["/composed", "untraced"],
	["/composed", "traced"],
	["/proxied", "untraced"],
	["/proxied", "traced"],
] as const) {
	describe(`the trace of a request to ${path.slice(1)} routes, ${by}`, () => {
		for (const [when, lines, goesOn] of traceparents) {
			const does = goesOn ? "goes on" : "is a new one";
			test(`${does} where of traceparent ${when}`, async () => {
				const [call = []] = await sent(path, lines, by);
				assert.equal(allHeadersOf(call, "traceparent").length, 1);
				const value = headerOf(call, "traceparent") ?? "";
				assert.match(value, /^00-[\da-f]{32}-[\da-f]{16}-0[0-3]$/);
				const [, trace, span, flags] = value.split("-");
				assert.equal(trace === id, goesOn, value);
				assert.notEqual(span, parent);
				assert.doesNotMatch(`${trace}-${span}`, /^0+-|-0+$/);
				assert.equal(flags, goesOn || by === "traced" ? "01" : "00");
			});
		}

		for (const [when, lines, goesOn] of tracestates) {
			test(`has its state ${goesOn === null ? "dropped" : "go on"} where it ${when}`, async () => {
				const all = [`traceparent: ${given}`, ...lines];
				const [call = []] = await sent(path, all, by);
				const values = allHeadersOf(call, "tracestate");
				assert.deepEqual(values, goesOn === null ? [] : [goesOn]);
				assert.match(headerOf(call, "traceparent") ?? "", RegExp(`^00-${id}-`));
			});
		}

		test("has no state without a parent", async () => {
			for (const lines of [[], ["traceparent: 00-x"]]) {
				for (const state of ["foo=1", "foo=1,bar=2"]) {
					const all = [...lines, `tracestate: ${state}`];
					const [call = []] = await sent(path, all, by);
					assert.equal(headerOf(call, "tracestate"), null);
				}
			}
		});

		test("keeps the flags that are known, and no other", async () => {
			for (const [from, to] of [
				["00", "00"],
				["02", "02"],
				["ff", "03"],
			]) {
				const line = `traceparent: 00-${id}-${parent}-${from}`;
				const [call = []] = await sent(path, [line], by);
				const value = headerOf(call, "traceparent") ?? "";
				assert.equal(value.slice(-2), to);
			}
		});
	});
}

for (const [when, lines, goesOn] of [
	["begins", [], false],
	["goes on", [`traceparent: ${given}`], true],
	["begins anew", [`traceparent: 00-${"0".repeat(32)}-${parent}-01`], false],
] as const) {
	for (const by of ["untraced", "traced"] as const)
		test(`each call has a parent id of its own in one trace that ${when}, ${by}`, async () => {
			const calls = await sent("/three", lines, by);
			const values = calls.map((call) => headerOf(call, "traceparent") ?? "");
			const ids = new Set(values.map((value) => value.split("-")[1]));
			assert.equal(ids.size, 1);
			assert.equal(ids.has(id), goesOn);
			assert.equal(new Set(values.map((value) => value.split("-")[2])).size, 3);
		});
}

test("a request without a trace begins another each time", async () => {
	const [first = []] = await sent("/composed", []);
	const [second = []] = await sent("/composed", []);
	assert.notEqual(
		headerOf(first, "traceparent")?.slice(0, 35),
		headerOf(second, "traceparent")?.slice(0, 35),
	);
});

for (const [path, by] of [
	["/theirs", "untraced"],
	["/theirs", "traced"],
	["/proxied-theirs", "untraced"],
	["/proxied-theirs", "traced"],
] as const) {
	test(`what an upstream's own headers say of a trace is what ${path} sends, ${by}`, async () => {
		const lines = [`traceparent: ${given}`, "tracestate: a=1", "via: 1.1 x"];
		const [call = []] = await sent(path, lines, by);
		for (const name of ["traceparent", "via", "x-request-id"]) {
			assert.deepEqual(allHeadersOf(call, name), ["mine"], name);
		}
		assert.equal(headerOf(call, "tracestate"), null);
	});
}
