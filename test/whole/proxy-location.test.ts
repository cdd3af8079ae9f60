import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { startNginx, withoutNginx } from "../kit/nginx.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";

/** The addresses in an upstream's answer lead its client through the gateway, or are left out. */

let stack: AsyncDisposableStack;
let upstream: RealUpstream;
let gateway: ServedGateway;
/** The answer's fields, given the upstream's own origin. */
let fields: (origin: string) => Record<string, string | string[]>;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	upstream = stack.use(
		await startUpstream((_, response) => {
			response.writeHead(302, fields(upstream.url));
			response.end();
		}),
	);
	gateway = stack.use(
		await serve(
			`
upstreams:
  web:
    urls: ["${upstream.url}/v1", "${second()}/v1"]
    query: { api_key: "\${env.KEY}", lang: de, empty: "" }
  root: { url: "${upstream.url}" }
routes:
  GET /f/{rest*}: { proxy: { to: "web/base/{rest*}", pass: [link, refresh, set-cookie] } }
  GET /{tenant}/t/{rest*}: { proxy: "web/t/\${params.tenant}/{rest*}" }
  GET /one/{id}: { proxy: "web/items/\${params.id}" }
  GET /{rest*}: { proxy: { to: "root/{rest*}", pass: [set-cookie] } }
`,
			{ KEY: "S3CRET/+ é" },
		),
	);
});

afterEach(() => stack.disposeAsync());

async function locationFor(
	path: string,
	location: string,
): Promise<string | undefined> {
	fields = (origin) => ({
		location: location
			.replaceAll("ORIGIN", origin)
			.replaceAll("SECOND", second().slice("http://".length)),
	});
	return (await gateway.get(path)).headers.location;
}

/** The same upstream by another name. */
function second(): string {
	return upstream.url.replace("127.0.0.1", "localhost");
}

const secret = encodeURIComponent("S3CRET/+ é");

describe("an upstream's own `Location`", () => {
	for (const [asked, location, wanted] of [
		// Absolute, relative to the scheme, to the host, to the request.
		["/f/a", "ORIGIN/v1/base/b/c?x=1#top", "/f/b/c?x=1#top"],
		["/f/a", "http://SECOND/v1/base/b", "/f/b"],
		["/f/a", "HTTP://SECOND/v1/base/b", "/f/b"],
		["/f/a", "http://user:word@SECOND/v1/base/b", "/f/b"],
		["/f/a", "//SECOND/v1/base/b", "/f/b"],
		["/f/a", "\\\\SECOND\\v1\\base\\b", "/f/b"],
		["/f/a", "/v1/base/b", "/f/b"],
		["/f/a/b", "c", "/f/a/c"],
		["/f/a/b", "../c", "/f/c"],
		["/f/a", "?page=2", "/f/a?page=2"],
		["/f/a?x=1", "#part", "/f/a?x=1#part"],
		["/f/dir", "ORIGIN/v1/base/dir/", "/f/dir/"],
		["/f/a%2Fb", "/v1/base/a%2fc", "/f/a%2fc"],
		// The upstream's own parameters.
		["/f/a", `/v1/base/a/?api_key=${secret}&lang=de&empty=&x=1`, "/f/a/?x=1"],
		["/f/a", `/v1/base/a/?API_KEY=${secret};lang[]=de`, "/f/a/"],
		["/f/a", `?api_key=other`, "/f/a"],
		// What a client's own path says.
		["/me/t/a", "/v1/t/me/b", "/me/t/b"],
		["/m%65/t/a", "/v1/t/me/b", "/m%65/t/b"],
		["/one/7", "/v1/items/7?x=1", "/one/7?x=1"],
		["/a/b", "ORIGIN/c/d", "/c/d"],
		["/a/b", "/", "/"],
	] as const) {
		it(`leads through the gateway: ${location} for ${asked}`, async () => {
			assert.equal(await locationFor(asked, location), wanted);
		});
	}

	for (const [asked, location] of [
		["/f/a", "/v1/other"],
		["/f/a", "/v1/base"],
		["/f/a", "/v1/basement/b"],
		["/f/a", "/v1/base/../other"],
		["/f/a", "/v1/base/b//c"],
		["/f/a", "/v1/base/%252e%252e/c"],
		["/f/a", "ORIGIN"],
		["/me/t/a", "/v1/t/you/b"],
		["/one/7", "/v1/items/8"],
		["/one/7", "/v1/items/7/"],
		["/a", "ORIGIN//evil.example/x"],
		["/a", "/.//evil.example/x"],
		["/f/a", "http://[bad"],
		// The same host, but another service on it.
		["/f/a", "http://localhost/login"],
		["/f/a", "https://SECOND/v1/base/b"],
		["/f/a", "ftp://localhost./file"],
		// Its parameters and hosts within others.
		["/f/a", `/v1/base/login?next=/v1/base/a?api_key=${secret}`],
		[
			"/f/a",
			`/v1/base/login?next=${encodeURIComponent(`/v1/base/a?api_key=${secret}`)}`,
		],
		[
			"/f/a",
			`https://sso.example/?to=${encodeURIComponent(encodeURIComponent(`/a?x&api_key=${secret}`))}`,
		],
		["/f/a", "https://sso.example/?to=http%3A%2F%2Flocalhost%3A81%2Fv1"],
		["/f/a", `/v1/base/a#api_key=${secret}`],
	] as const) {
		it(`is left out if no client could go there: ${location} for ${asked}`, async () => {
			assert.equal(await locationFor(asked, location), undefined);
		});
	}
});

it("a real nginx's redirect leads through the gateway, and shows no secret", {
	skip: withoutNginx(),
}, async () => {
	await using nginx = await startNginx(`
		location /v1/base/dir/ { proxy_pass http://127.0.0.1:9/; }
		location /v1/base/login { return 302 /v1/base/form?next=$request_uri; }
		location / { return 200 ok; }`);
	await using served = await serve(
		`
upstreams: { web: { url: "${nginx.url}/v1", query: { api_key: "\${env.KEY}" } } }
routes: { "GET /f/{rest*}": { proxy: "web/base/{rest*}" } }`,
		{ KEY: "S3CRET" },
	);
	const slash = await served.get("/f/dir?x=1");
	assert.deepEqual(
		[slash.status, slash.headers.location],
		[301, "/f/dir/?x=1"],
	);
	const login = await served.get("/f/login");
	assert.deepEqual([login.status, login.headers.location], [302, undefined]);
});

it("a path that the environment gave is shown nowhere", async () => {
	await using served = await serve(
		`
upstreams: { bot: { url: "\${env.BOT}", cache: true } }
routes: { "GET /b/{rest*}": { proxy: { to: "bot/{rest*}", cache: true } } }`,
		{ BOT: `${upstream.url}/bot123:S3CRET` },
	);
	for (const [location, wanted] of [
		["/bot123:S3CRET/a?x=1", "/b/a?x=1"],
		["/bot123:S3CRET/login?next=/bot123%3AS3CRET/a", undefined],
		["https://sso.example/?to=%2Fbot123%253AS3CRET", undefined],
	] as const) {
		fields = () => ({ location, "cache-control": "max-age=60" });
		const before = upstream.seen.length;
		for (const _ of ["from the upstream", "from the cache"]) {
			const { headers } = await served.get(`/b/a?n=${before}`);
			assert.equal(headers.location, wanted);
		}
		assert.equal(upstream.seen.length, before + 1);
	}
});

it("a `Location` of another origin stays as it is", async () => {
	for (const location of [
		"https://example.com/v1/base/b?api_key=theirs&lang=de-AT#x",
		"//example.com:81/a b",
		"http://localhost.example.com/a",
		"mailto:somebody@example.com",
	]) {
		assert.equal(await locationFor("/f/a", location), location);
	}
});

it("other fields with addresses lead through the gateway, too", async () => {
	fields = (origin) => ({
		"content-location": `${origin}/v1/base/a.de?api_key=${secret}`,
		refresh: `5; url='/v1/base/b?api_key=${secret}'`,
		link: [
			`</v1/base/?page=2&api_key=${secret}>; rel="next, or so", <${origin}/admin>; rel=up`,
			"<https://example.com/a,b>; rel=x",
		],
		"set-cookie": [
			"a=1; Path=/v1/base; Domain=127.0.0.1; HttpOnly",
			"b=2; path=/v1/base/sub/",
			"c=3; Path=/; domain=example.com",
			"d=4; Path=/v1",
			"e=5; Path=/elsewhere",
		],
	});
	let { headers } = await gateway.get("/f/a");
	assert.equal(headers["content-location"], "/f/a.de");
	assert.equal(headers["refresh"], "5; url=/f/b");
	assert.equal(
		headers["link"],
		'</f/?page=2>; rel="next, or so", <https://example.com/a,b>; rel=x',
	);
	assert.deepEqual(headers["set-cookie"], [
		"a=1; Path=/f; HttpOnly",
		"b=2; Path=/f/sub/",
		"c=3; Path=/; domain=example.com",
		"d=4; Path=/f",
		"e=5; Path=/elsewhere",
	]);
	fields = () => ({
		refresh: "0;/admin",
		link: "</v1/base/a>; rel=next; <broken",
		"set-cookie": "a=1; Path=/b",
	});
	({ headers } = await gateway.get("/f/a"));
	assert.equal(headers["refresh"], undefined);
	assert.equal(headers["link"], undefined);
});

it("whatever a `Location` says, it has no secret, and leads nowhere that the upstream did not say", async () => {
	const piece = fc.constantFrom(
		...["/", "//", "\\", "..", ".", "v1", "base", "a", "%2e", "%2F", "?", "#"],
		...["&", ";", "=", "@", ":", "api_key", "S3CRET", `api_key=${secret}`],
		...["http:", "https:", "ORIGIN", "localhost", ":81", "example.com"],
		...["next=", "%3F", "%26", "%3D", "%", " ", "\t"],
	);
	const location = fc
		.array(piece, { maxLength: 12 })
		.map((all) => all.join(""));
	await fc.assert(
		fc.asyncProperty(location, async (text) => {
			const got = await locationFor("/f/a", text);
			if (got === undefined) return;
			let plain = got;
			for (let level = 0; level < 6; level++) {
				assert.ok(!/api_key=S3CRET\/\+ é/i.test(plain), got);
				assert.ok(
					!/\/\/(?:[^/]*@)?(?:127\.0\.0\.1|second\.internal)\.?(?=[:/?#]|$)/i.test(
						plain,
					),
					got,
				);
				plain = decodeURIComponentLenient(plain);
			}
			const to = new URL(got, "http://gateway.test/f/a");
			if (to.origin === "http://gateway.test")
				assert.match(to.pathname, /^\/f\//);
		}),
		{ numRuns: Number(process.env["RUNS"] ?? 300) },
	);
});

function decodeURIComponentLenient(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

it("leads each client to its own address, also if the upstream answers both the same", async () => {
	await using single = await serve(`
upstreams:
  web: { url: "${upstream.url}" }
routes:
  GET /{tenant}/t/{rest*}: { proxy: "web/t/\${params.tenant}/{rest*}" }
`);
	fields = (origin) => ({
		location: `${origin}/t/acme/b`,
		date: "Mon, 30 Nov 2026 10:00:00 GMT",
	});
	for (const tenant of ["acme", "other", "acme"]) {
		const { headers } = await single.get(`/${tenant}/t/a`);
		const leads = headers.location === "/acme/t/b";
		assert.equal(leads, tenant === "acme", tenant);
	}
});
