import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClientAddress } from "../../src/server/client-address.ts";
import { computing } from "../kit/blocked.ts";
import { problemsOf } from "../kit/problems.ts";
import { serve } from "../kit/serve.ts";

const trustedProxies = ["10.0.0.0/8", "fd00::1"];
const peer = "10.0.0.1";
const nobody = "unknown";

/** What is made of the fields of a request that came from a trusted proxy, which writes `addressHeader`. */
function clientOf(addressHeader: string, headers: string[]): string {
	return createClientAddress({ trustedProxies, addressHeader })(peer, headers);
}

type Case = readonly [lines: string[], ip: string];

function testAll(header: string, cases: Readonly<Record<string, Case>>): void {
	for (const [name, [lines, ip]] of Object.entries(cases)) {
		test(`of ${header}, ${name}: ${ip}`, () => {
			const headers = lines.flatMap((line) => [header, line]);
			assert.equal(clientOf(header.toLowerCase(), headers), ip);
		});
	}
}

describe("the client's address", () => {
	test("is the peer's where no proxy is trusted, or not this one", () => {
		const claim = ["x-forwarded-for", "1.1.1.1", "forwarded", "for=1.1.1.1"];
		const alone = createClientAddress({
			trustedProxies: null,
			addressHeader: null,
		});
		assert.equal(alone(peer, claim), peer);
		const trusting = createClientAddress({
			trustedProxies,
			addressHeader: "x-forwarded-for",
		});
		for (const other of ["11.0.0.1", "fd00::2", "2001:db8::1"]) {
			assert.equal(trusting(other, claim), other);
		}
		assert.equal(alone("", claim), nobody, "whose connection is gone");
		assert.equal(trusting("", claim), nobody, "whose connection is gone");
	});

	testAll("X-Forwarded-For", {
		"one address": [["1.1.1.1"], "1.1.1.1"],
		"one of IPv6": [["2001:DB8:0::1"], "2001:db8::1"],
		"one of IPv4 in IPv6": [["::ffff:1.1.1.1"], "1.1.1.1"],
		"the same in figures": [["::ffff:101:101"], "1.1.1.1"],
		"with a port": [["1.1.1.1:80"], "1.1.1.1"],
		"of IPv6 with a port": [["[2001:db8::1]:80"], "2001:db8::1"],
		"the last that is not trusted": [["6.6.6.6, 1.1.1.1"], "1.1.1.1"],
		"past trusted ones": [["6.6.6.6,1.1.1.1, 10.9.9.9"], "1.1.1.1"],
		"past a trusted one of IPv6": [["1.1.1.1, FD00:0::1"], "1.1.1.1"],
		"past a mapped one": [["1.1.1.1, ::ffff:10.0.0.2"], "1.1.1.1"],
		"what a client wrote before": [["nonsense, 1.1.1.1"], "1.1.1.1"],
		"lines in turn": [["6.6.6.6", "1.1.1.1"], "1.1.1.1"],
		"an empty element behind": [["203.0.113.9,"], "203.0.113.9"],
		"empty elements anywhere": [[", ,1.1.1.1, ,10.0.0.2 ,,"], "1.1.1.1"],
		"an empty line behind": [["1.1.1.1", ""], "1.1.1.1"],
		"trusted ones alone": [["10.1.1.1, 10.2.2.2"], nobody],
		"no line": [[], nobody],
		"an empty line": [[""], nobody],
		"empty elements alone": [[",,"], nobody],
		"no address": [["nonsense"], nobody],
		"a name": [["localhost"], nobody],
		"a zone": [["fe80::1%eth0"], nobody],
		"a short form": [["1.1"], nobody],
		"a number with zeros": [["01.1.1.1"], nobody],
		"an odd port": [["1.1.1.1:x"], nobody],
		"a bracket alone": [["[2001:db8::1"], nobody],
		"an unknown hop on the way": [["1.1.1.1, unknown, 10.0.0.2"], nobody],
	});

	testAll("Forwarded", {
		"one address": [["for=1.1.1.1;proto=http;by=10.0.0.1"], "1.1.1.1"],
		quoted: [['FOR="1.1.1.1:80"'], "1.1.1.1"],
		"of IPv6": [['proto=https ; for="[2001:db8::1]:80"'], "2001:db8::1"],
		escaped: [['for="1.1.\\1.1"'], "1.1.1.1"],
		"past trusted ones": [
			["for=6.6.6.6, for=1.1.1.1", "for=10.0.0.3"],
			"1.1.1.1",
		],
		"an empty element behind": [["for=1.1.1.1, ,"], "1.1.1.1"],
		"empty pairs": [[";for=1.1.1.1;;proto=http;"], "1.1.1.1"],
		"a comma in quotes": [['for=1.1.1.1;x="a, for=6.6.6.6"'], "1.1.1.1"],
		"a quote in quotes": [
			['for=1.1.1.1;x="\\", for=6.6.6.6, \\\\"'],
			"1.1.1.1",
		],
		"a quote that a client left open": [['for="x, for=1.1.1.1'], "1.1.1.1"],
		"nonsense that a client wrote": [["x, =;=, for=1.1.1.1"], "1.1.1.1"],
		"no line": [[], nobody],
		"no pair": [["x"], nobody],
		"a name without a value": [["for"], nobody],
		"what is hidden": [["for=_hidden"], nobody],
		"what is unknown": [["for=unknown"], nobody],
		"an element without for": [["for=1.1.1.1, proto=http"], nobody],
		"semicolons alone": [["for=1.1.1.1, ;"], nobody],
		"for said twice": [["for=1.1.1.1;for=2.2.2.2"], nobody],
		"a quote without end": [['for=1.1.1.1, for="x'], nobody],
		"IPv6 without quotes": [["for=[2001:db8::1]"], nobody],
		"trusted ones alone": [["for=10.0.0.7"], nobody],
	});

	testAll("CF-Connecting-IP", {
		"one address": [["1.1.1.1"], "1.1.1.1"],
		"of IPv6": [[" 2001:DB8::1 "], "2001:db8::1"],
		"two lines": [["1.1.1.1", "1.1.1.1"], nobody],
		"two addresses": [["1.1.1.1, 2.2.2.2"], nobody],
		"a trusted one": [["10.0.0.7"], nobody],
		"no address": [["x"], nobody],
		"no line": [[], nobody],
	});

	test("is told by the header that the proxies write, whatever stands in others", () => {
		const forged = ["x", "for", "for=6.6.6.6", "", '"', "for=10.0.0.1"];
		for (const value of forged) {
			const both = ["x-forwarded-for", "1.1.1.1", "forwarded", value];
			assert.equal(clientOf("x-forwarded-for", both), "1.1.1.1", value);
			const other = ["forwarded", "for=1.1.1.1", "x-forwarded-for", value];
			assert.equal(clientOf("forwarded", other), "1.1.1.1", value);
			assert.equal(clientOf("x-real-ip", [...both, ...other]), nobody, value);
		}
	});

	test("is told in time also of a field made to be hard to read", () => {
		const computed = computing();
		for (const value of [
			`for="${"\\a".repeat(8000)}`,
			" ".repeat(16_000),
			`for=a;${" ".repeat(16_000)}@`,
			"for=a;".repeat(3000),
			'"'.repeat(16_000),
			`${"\\".repeat(16_000)}"`,
			`"${'\\"'.repeat(8000)}`,
			",".repeat(16_000),
			" ,".repeat(8000),
			`${"[".repeat(8000)}:1`,
		]) {
			for (const header of ["forwarded", "x-forwarded-for", "x-real-ip"]) {
				assert.equal(clientOf(header, [header, value]), nobody);
			}
		}
		assert.ok(computed() < 500);
	});

	test("is what routes read", async () => {
		const config = (proxies: string) => `
server: { trustedProxies: ${proxies}, addressHeader: X-Forwarded-For }
routes: { GET /ip: { respond: "\${request.ip}" } }
`;
		const headers = { "x-forwarded-for": "192.0.2.7", forwarded: "x" };
		for (const [proxies, ip] of [
			["[127.0.0.0/8]", "192.0.2.7"],
			['["::ffff:127.0.0.1"]', "192.0.2.7"],
			["[127.0.0.2]", "127.0.0.1"],
			["[]", "127.0.0.1"],
		] as const) {
			await using gateway = await serve(config(proxies));
			assert.equal((await gateway.get("/ip", { headers })).json, ip);
		}
		await using trusting = await serve(config("[127.0.0.0/8]"));
		assert.equal((await trusting.get("/ip")).json, nobody);
		await using alone = await serve(
			'routes: { GET /ip: { respond: "${request.ip}" } }',
		);
		assert.equal((await alone.get("/ip", { headers })).json, "127.0.0.1");
	});

	const faults: [server: string, message: RegExp][] = [
		[
			"{ trustedProxies: [10.0.0.7] }",
			/`trustedProxies` needs `addressHeader`/,
		],
		["{ addressHeader: forwarded }", /counts only from `trustedProxies`/],
		["{ trustedProxies: [] }", /`trustedProxies` needs `addressHeader`/],
		[
			"{ trustedProxies: [10.0.0.7], addressHeader: 'x y' }",
			/`addressHeader` takes the name of a header/,
		],
	];
	for (const [server, message] of faults) {
		test(`is not guessed where a config says ${server}`, () => {
			const problems = problemsOf(
				`server: ${server}\nroutes: { GET /x: { respond: 1 } }`,
			);
			assert.equal(problems.length, 1, problems.join("\n"));
			assert.match(problems[0] ?? "", message);
		});
	}
});
