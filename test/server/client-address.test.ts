import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClientAddress } from "../../src/server/client-address.ts";
import { serve } from "../kit/serve.ts";

const trusting = createClientAddress(["10.0.0.0/8", "fd00::1"]);
const peer = "10.0.0.1";

/** What is made of the fields of a request that came from a trusted proxy. */
function clientOf(...headers: string[]): string {
	return trusting(peer, headers);
}

const xff = "X-Forwarded-For";

describe("the client's address", () => {
	test("is the peer's where no proxy is trusted, or not this one", () => {
		const claim = [xff, "1.1.1.1", "forwarded", "for=1.1.1.1"];
		assert.equal(createClientAddress([])(peer, claim), peer);
		for (const other of ["11.0.0.1", "fd00::2", "2001:db8::1", ""]) {
			assert.equal(trusting(other, claim), other);
		}
	});

	test("is the peer's where a trusted proxy says nothing", () => {
		assert.equal(clientOf("x", "1.1.1.1"), peer);
	});

	const believed: Record<string, readonly [headers: string[], ip: string]> = {
		"one address": [[xff, "1.1.1.1"], "1.1.1.1"],
		"one of IPv6": [[xff, "2001:DB8:0::1"], "2001:db8::1"],
		"one of IPv4 in IPv6": [[xff, "::ffff:1.1.1.1"], "1.1.1.1"],
		"the same in figures": [[xff, "::ffff:101:101"], "1.1.1.1"],
		"with a port": [[xff, "1.1.1.1:80"], "1.1.1.1"],
		"of IPv6 with a port": [[xff, "[2001:db8::1]:80"], "2001:db8::1"],
		"the last that is not trusted": [[xff, "6.6.6.6, 1.1.1.1"], "1.1.1.1"],
		"past trusted ones": [[xff, "6.6.6.6,1.1.1.1, 10.9.9.9"], "1.1.1.1"],
		"past a trusted one of IPv6": [[xff, "1.1.1.1, FD00:0::1"], "1.1.1.1"],
		"past a mapped one": [[xff, "1.1.1.1, ::ffff:10.0.0.2"], "1.1.1.1"],
		"the first where all are trusted": [
			[xff, "10.1.1.1, 10.2.2.2"],
			"10.1.1.1",
		],
		"what a client wrote before is not looked at": [
			[xff, "nonsense, 1.1.1.1"],
			"1.1.1.1",
		],
		"fields in turn": [
			[xff, "6.6.6.6", "x-forwarded-for", "1.1.1.1"],
			"1.1.1.1",
		],
		"of RFC 7239": [
			["forwarded", "for=1.1.1.1;proto=http;by=10.0.0.1"],
			"1.1.1.1",
		],
		"of RFC 7239, quoted": [["Forwarded", 'FOR="1.1.1.1:80"'], "1.1.1.1"],
		"of RFC 7239, IPv6": [
			["forwarded", 'proto=https ; for="[2001:db8::1]:80"'],
			"2001:db8::1",
		],
		"of RFC 7239, escaped": [["forwarded", 'for="1.1.\\1.1"'], "1.1.1.1"],
		"of RFC 7239, past trusted ones": [
			["forwarded", "for=6.6.6.6, for=1.1.1.1", "forwarded", "for=10.0.0.3"],
			"1.1.1.1",
		],
		"both saying the same": [
			[xff, "1.1.1.1", "forwarded", "for=1.1.1.1"],
			"1.1.1.1",
		],
	};
	for (const [name, [headers, ip]] of Object.entries(believed)) {
		test(`is believed: ${name}`, () => assert.equal(clientOf(...headers), ip));
	}

	const doubted: Record<string, string[]> = {
		"no address": [xff, "nonsense"],
		nothing: [xff, ""],
		"an empty element": [xff, "1.1.1.1,"],
		"a name": [xff, "localhost"],
		"a zone": [xff, "fe80::1%eth0"],
		"a short form": [xff, "1.1"],
		"a number with zeros": [xff, "01.1.1.1"],
		"an odd port": [xff, "1.1.1.1:x"],
		"a bracket alone": [xff, "[2001:db8::1"],
		"what is hidden": ["forwarded", "for=_hidden"],
		"what is unknown": ["forwarded", "for=unknown"],
		"an element without for": ["forwarded", "for=1.1.1.1, proto=http"],
		"for said twice": ["forwarded", "for=1.1.1.1;for=2.2.2.2"],
		"a quote without end": ["forwarded", 'for="x, for=1.1.1.1'],
		"IPv6 without quotes": ["forwarded", "for=[2001:db8::1]"],
		"a comma too many": ["forwarded", "for=1.1.1.1,"],
		"an unknown hop on the way": [xff, "1.1.1.1, unknown, 10.0.0.2"],
		"the two headers differing": [xff, "1.1.1.1", "forwarded", "for=6.6.6.6"],
		"one of them broken": [xff, "1.1.1.1", "forwarded", "for"],
	};
	for (const [name, headers] of Object.entries(doubted)) {
		test(`is the peer's where it cannot be told: ${name}`, () => {
			assert.equal(clientOf(...headers), peer);
		});
	}

	test("is told in time also of a field made to be hard to read", () => {
		const started = performance.now();
		for (const value of [
			`for="${"\\a".repeat(8000)}`,
			" ".repeat(16_000),
			"for=a;".repeat(3000),
			`${"[".repeat(8000)}:1`,
		]) {
			assert.equal(clientOf("forwarded", value), peer);
			assert.equal(clientOf(xff, value), peer);
		}
		assert.ok(performance.now() - started < 500);
	});

	test("is what routes read", async () => {
		const config = (proxies: string) => `
server: { trustedProxies: ${proxies} }
routes: { GET /ip: { respond: "\${request.ip}" } }
`;
		const headers = { "x-forwarded-for": "192.0.2.7" };
		for (const [proxies, ip] of [
			["[127.0.0.0/8]", "192.0.2.7"],
			['["::ffff:127.0.0.1"]', "192.0.2.7"],
			["[]", "127.0.0.1"],
			["[127.0.0.2]", "127.0.0.1"],
		] as const) {
			await using gateway = await serve(config(proxies));
			assert.equal((await gateway.get("/ip", { headers })).json, ip);
		}
	});
});
