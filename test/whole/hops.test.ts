import assert from "node:assert/strict";
import { test } from "node:test";
import { allHeadersOf, headerOf } from "../../src/core/http/headers.ts";
import { askInLines } from "../kit/lines.ts";
import { problemsOf } from "../kit/problems.ts";
import { serve } from "../kit/serve.ts";
import { startUpstream } from "../kit/upstream.ts";
import { openPeer } from "../upstream/peer.ts";

/** What a call tells its upstream of the way that it came: `Via`, `X-Request-Id` and `Host`. */

const routes = `
routes:
  GET /composed: { steps: { a: { get: own/a } } }
  GET /proxied: { proxy: own/a }
`;
const faces = ["/composed", "/proxied"];

for (const path of faces) {
	test(`a call of ${path} says by Via that it passed this gateway, behind those before`, async () => {
		await using upstream = await startUpstream((_, response) =>
			response.end("{}"),
		);
		await using gateway = await serve(
			`upstreams: { own: { url: "${upstream.url}" } }${routes}`,
		);
		const told = async (...lines: string[]) => {
			await askInLines(gateway.url, path, lines);
			return allHeadersOf(upstream.seen.at(-1)?.rawHeaders ?? [], "via");
		};
		const [own = ""] = await told();
		assert.match(own, /^1\.1 sluice-[\da-f]{12}$/);
		assert.deepEqual(await told(), [own]);
		assert.deepEqual(await told("via: 1.0 fred", "Via: 1.1 p.example (x)"), [
			`1.0 fred, 1.1 p.example (x), ${own}`,
		]);
		assert.deepEqual(await told("via:"), [own]);
	});

	test(`a call of ${path} says the request's id, a client's own or a new one`, async () => {
		await using upstream = await startUpstream((_, response) =>
			response.end("{}"),
		);
		await using gateway = await serve(
			`upstreams: { own: { url: "${upstream.url}" } }${routes}`,
		);
		for (const [line, expected] of [
			["x-request-id: mine-1", /^mine-1$/],
			["x-request-id: a b", /^[\da-f-]{36}$/],
			["x-other: 1", /^[\da-f-]{36}$/],
		] as const) {
			const answer = await askInLines(gateway.url, path, [line]);
			const [id = "", ...others] = allHeadersOf(
				upstream.seen.at(-1)?.rawHeaders ?? [],
				"x-request-id",
			);
			assert.match(id, expected);
			assert.deepEqual(others, []);
			assert.ok(answer.includes(`x-request-id: ${id}\r\n`), answer);
		}
	});

	test(`an upstream of ${path} that leads back to the gateway is asked once`, async () => {
		// Its port is known only when it listens, so the way back is over an upstream that passes everything on.
		const seen: string[] = [];
		let back = "";
		await using between = await startUpstream((request, response) => {
			seen.push(request.target);
			const via = headerOf(request.rawHeaders, "via") ?? "";
			void askInLines(back, path, [`via: ${via}, 1.1 between`]).then(
				(answer) => {
					const [, status = "500"] = answer.split(" ", 2);
					const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
					response.writeHead(Number(status));
					response.end(body);
				},
			);
		});
		await using gateway = await serve(
			`upstreams: { own: { url: "${between.url}" } }${routes}`,
		);
		back = gateway.url;
		const { status, json } = await gateway.get(path);
		assert.equal(seen.length, 1);
		const { code } = json as { code: string };
		const isProxied = path === "/proxied";
		assert.equal(status, isProxied ? 508 : 502);
		assert.equal(code, isProxied ? "loop_detected" : "upstream_status");
		const codes = gateway.ended.map(({ error }) => error?.code);
		assert.ok(codes.includes("loop_detected"), String(codes));
	});

	test(`two gateways in a row are no loop for ${path}`, async () => {
		await using upstream = await startUpstream((_, response) =>
			response.end('{"ok":true}'),
		);
		await using second = await serve(
			`upstreams: { own: { url: "${upstream.url}" } }
routes: { GET /a: { steps: { a: { get: own/a } } } }`,
		);
		await using first = await serve(
			`upstreams: { own: { url: "${second.url}" } }${routes}`,
		);
		assert.equal((await first.get(path)).status, 200);
		const [via = ""] = allHeadersOf(upstream.seen[0]?.rawHeaders ?? [], "via");
		assert.match(via, /^1\.1 sluice-[\da-f]{12}, 1\.1 sluice-[\da-f]{12}$/);
	});

	test(`an upstream's own host is the only one that a call of ${path} sends`, async () => {
		await using peer = await openPeer();
		const env = { NAME: "api.example.com:8443" };
		await using gateway = await serve(
			`upstreams: { own: { url: "${peer.origin}", headers: { Host: "\${env.NAME}", x-a: b } } }${routes}`,
			env,
		);
		const answer = gateway.get(path, { headers: { host: "client.test" } });
		const { head, answer: reply } = await peer.request();
		reply("{}");
		assert.equal((await answer).status, 200);
		assert.deepEqual(
			head.filter((line) => /^host:/i.test(line)),
			["host: api.example.com:8443"],
		);
		assert.ok(head.includes("x-a: b"));
	});
}

test("an address in a proxied answer that names the upstream by its own host leads through the route", async () => {
	await using peer = await openPeer();
	await using gateway = await serve(`
upstreams: { own: { url: "${peer.origin}/v1", headers: { host: api.example.com } } }
routes: { "GET /p/{rest*}": { proxy: "own/{rest*}" } }`);
	const answer = gateway.get("/p/a");
	(await peer.request()).answer("", "location: https://api.example.com/v1/b");
	assert.equal((await answer).headers.location, "/p/b");
});

test("a host that is none is refused at load, and only the variable is named", () => {
	for (const host of ["a/b", "a b", "u@a", "a:b", "a:99999", "", "a,b"]) {
		const written = `upstreams: { own: { url: "http://a.test", headers: { host: ${JSON.stringify(host)} } } }${routes}`;
		assert.match(
			problemsOf(written).join("\n"),
			/`host` is not one host/,
			host,
		);
		const read = written.replace(JSON.stringify(host), '"${env.NAME}"');
		const problems = problemsOf(read, { NAME: host }).join("\n");
		assert.match(problems, /what env\.NAME holds is not one host|NAME/, host);
		if (host.length > 2) assert.ok(!problems.includes(host), problems);
	}
});

test("a step cannot say the host, which data could choose", () => {
	const problems = problemsOf(`
upstreams: { own: { url: "http://a.test" } }
routes: { GET /a: { steps: { a: { get: own/a, headers: { host: "\${params.x}" } } } } }`);
	assert.match(problems.join("\n"), /only an upstream's `headers` may have it/);
});
