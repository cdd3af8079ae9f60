import assert from "node:assert/strict";
import { test } from "node:test";
import { allHeadersOf, type HeaderList } from "../../src/core/http/headers.ts";
import { askInLines } from "../kit/lines.ts";
import { problemsOf } from "../kit/problems.ts";
import { serve } from "../kit/serve.ts";
import { startUpstream } from "../kit/upstream.ts";

/** For whom a call is made, as its upstream hears it. */

const names = [
	"forwarded",
	"x-forwarded-for",
	"x-forwarded-host",
	"x-forwarded-proto",
];

/** What a client that is no proxy may write, in every form. */
const lies = [
	"Forwarded: for=6.6.6.6;proto=https;host=evil.test",
	"X-Forwarded-For: 6.6.6.6",
	"x-forwarded-host: evil.test",
	"X-FORWARDED-PROTO: https",
];

const configOf = (url: string, server = "", headers = "") => `
server: { hosts: ["*"]${server} }
upstreams: { own: { url: "${url}", forwarded: true${headers} } }
routes:
  GET /composed: { steps: { a: { get: own/a } } }
  GET /proxied: { proxy: own/a }
  GET /passing: { proxy: { to: own/a, pass: [${names}] } }
`;

const behind =
	", trustedProxies: [127.0.0.1], addressHeader: x-forwarded-for, schemeHeader: x-forwarded-proto";

const saidOf = (fields: HeaderList) =>
	names.map((name) => allHeadersOf(fields, name));

for (const path of ["/composed", "/proxied", "/passing"]) {
	const said = async (
		lines: readonly string[],
		server?: string,
		headers?: string,
	) => {
		await using upstream = await startUpstream((_, response) =>
			response.end("{}"),
		);
		await using gateway = await serve(configOf(upstream.url, server, headers));
		assert.match(
			await askInLines(gateway.url, path, lines),
			/^HTTP\/1\.1 200 /,
		);
		return saidOf(upstream.seen[0]?.rawHeaders ?? []);
	};

	test(`a call of ${path} says what the gateway knows, whatever the client says`, async () => {
		for (const lines of [[], lies]) {
			assert.deepEqual(await said(lines), [
				['for=127.0.0.1;host="x";proto=http'],
				["127.0.0.1"],
				["x"],
				["http"],
			]);
		}
	});

	test(`a call of ${path} says what a trusted proxy knows, and nothing left of it`, async () => {
		const lines = [
			"x-forwarded-for: 6.6.6.6, 2001:db8::1",
			"x-forwarded-proto: https",
			"x-forwarded-host: evil.test",
		];
		assert.deepEqual(await said(lines, behind), [
			['for="[2001:db8::1]";host="x";proto=https'],
			["2001:db8::1"],
			["x"],
			["https"],
		]);
	});

	test(`a call of ${path} says no scheme that a trusted proxy does not say`, async () => {
		for (const lines of [
			[],
			["x-forwarded-proto: https", "x-forwarded-proto: http"],
			["x-forwarded-proto: https, http"],
			["x-forwarded-proto: javascript"],
		]) {
			const client = "x-forwarded-for: 192.0.2.1";
			assert.deepEqual(await said([client, ...lines], behind), [
				['for=192.0.2.1;host="x"'],
				["192.0.2.1"],
				["x"],
				[],
			]);
		}
	});

	test(`a call of ${path} says that its client is unknown`, async () => {
		const [forwarded, address] = await said([], behind);
		assert.deepEqual(forwarded, ['for=unknown;host="x"']);
		assert.deepEqual(address, ["unknown"]);
	});

	test(`a call of ${path} has what its upstream's headers say instead`, async () => {
		const own = ", headers: { x-forwarded-host: api.example.com }";
		const [, , host] = await said(lies, "", own);
		assert.deepEqual(host, ["api.example.com"]);
	});
}

test("a call says nothing of its client where its upstream does not ask for it", async () => {
	await using upstream = await startUpstream((_, response) =>
		response.end("{}"),
	);
	const config = configOf(upstream.url).replace(", forwarded: true", "");
	await using gateway = await serve(config);
	for (const path of ["/composed", "/proxied"]) {
		await askInLines(gateway.url, path, lies);
		const fields = upstream.seen.at(-1)?.rawHeaders ?? [];
		assert.deepEqual(saidOf(fields), [[], [], [], []]);
	}
});

test("what a call says of its client stands beside no cache, and no shared call", () => {
	for (const sharing of ["cache", "coalesce"]) {
		const config = configOf("http://a.test", "", `, ${sharing}: true`);
		assert.match(
			problemsOf(config).join("\n"),
			RegExp(`\`${sharing}\` gives one client's answer to others`),
		);
	}
	assert.deepEqual(
		problemsOf(configOf("http://a.test", "", ", cache: false")),
		[],
	);
});

test("a header for the scheme needs trusted proxies", () => {
	const problems = problemsOf(
		configOf("http://a.test", ", schemeHeader: x-forwarded-proto"),
	);
	assert.match(problems.join("\n"), /`schemeHeader` counts only from/);
});
