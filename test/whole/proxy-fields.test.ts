import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { until } from "../kit/until.ts";
import { asking, openClient } from "../server/client.ts";
import { httpHead, openPeer, type Peer } from "../upstream/peer.ts";

/** Which header fields pass a proxied route, and with which bytes. */

let stack: AsyncDisposableStack;
let peer: Peer;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	peer = stack.use(await openPeer());
});

afterEach(() => stack.disposeAsync());

const serveProxy = async (
	proxy = "",
	{ server = "", upstream = "", env = {} } = {},
): Promise<ServedGateway> =>
	stack.use(
		await serve(
			`
server: { hosts: ["*"]${server} }
upstreams:
  up: { url: "${peer.origin}"${upstream} }
routes:
  ANY /f/{rest*}: { proxy: { to: "up/{rest*}"${proxy} } }
  GET /read:
    request: { headers: { x-name?: { type: string } } }
    steps: { a: { get: up/a, decode: text, pick: "\${response.headers.x_name}" } }
    respond: [ "\${headers.x_name}", "\${a}" ]
  GET /made:
    request: { headers: { x-name: { type: string } } }
    respond: 1
    headers: { x-made: "\${headers.x_name}" }
`,
			env,
		),
	);

/** The lines of the answer's head that the client gets, if the upstream sends these; without those of the server. */
async function linesOf(
	gateway: ServedGateway,
	status: number,
	fields: readonly string[],
	request: readonly string[] = [],
): Promise<readonly string[]> {
	using client = await openClient(Number(new URL(gateway.url).port));
	client.send(asking("GET /f/a", [...request, "connection: close"]));
	const { socket } = await peer.request();
	socket.write(
		Buffer.from(httpHead(status, "content-length: 0", ...fields), "latin1"),
	);
	const [head = ""] = (await client.gone()).split("\r\n\r\n");
	assert.match(head, new RegExp(`^HTTP/1.1 ${status} `));
	return head
		.split("\r\n")
		.slice(1)
		.filter(
			(line) =>
				!/^(date|content-length|x-request-id):|^connection: close/i.test(line),
		);
}

const close = "connection: close";

describe("an answer's field", () => {
	const passing = [
		'www-authenticate: Bearer realm="a", Basic realm="b"',
		"allow: GET, PUT",
		"retry-after: 3",
		"strict-transport-security: max-age=60",
		"content-security-policy: default-src 'self'",
		"x-frame-options: DENY",
		"referrer-policy: no-referrer",
		"cross-origin-opener-policy: same-origin",
		"authentication-info: a",
		"accept-patch: application/json",
		"preference-applied: return=minimal",
		"deprecation: @1688169599",
		"sunset: Sat, 31 Dec 2033 23:59:59 GMT",
		"warning: 199 - a",
		"dav: 1",
		"access-control-allow-origin: https://a.example",
		"x-other: 1",
		"x-other: 2",
	];

	for (const status of [200, 401, 405, 429, 503]) {
		test(`passes with ${status}, as often as it came`, async () => {
			const gateway = await serveProxy();
			assert.deepEqual(await linesOf(gateway, status, passing), [...passing]);
		});
	}

	test("`Upgrade` passes with 426 and no other status", async () => {
		const gateway = await serveProxy();
		const asks = ["upgrade: TLS/1.3, HTTP/2.0", "connection: upgrade"];
		assert.deepEqual(await linesOf(gateway, 426, asks), [
			"upgrade: TLS/1.3, HTTP/2.0",
			"connection: upgrade",
		]);
		assert.deepEqual(await linesOf(gateway, 200, asks), []);
	});

	const withheld = [
		"set-cookie: a=1",
		'alt-svc: h3=":443"',
		'clear-site-data: "*"',
		"nel: {}",
		"report-to: {}",
		"service-worker-allowed: /",
		"server: secret/1.2",
		"x-powered-by: PHP",
		"x-accel-redirect: /inner",
		"x-sendfile: /etc/passwd",
		'ratelimit: "a";r=1',
	];
	const never = [
		"connection: x-hop",
		"x-hop: 1",
		"keep-alive: timeout=5",
		"via: 1.1 inner",
		"proxy-authenticate: Basic",
		"trailer: x",
		"sluice-complete: ?0",
		"x-request-id: theirs",
	];

	test("that holds for the whole host, or tells of the upstream, passes by name only", async () => {
		const none = await serveProxy();
		const sent = [...withheld, ...never];
		assert.deepEqual(await linesOf(none, 200, sent), []);
		const names = withheld.map((line) => line.split(":")[0]);
		const some = await serveProxy(`, pass: [${names.join()}]`);
		assert.deepEqual(await linesOf(some, 200, sent), [...withheld]);
	});

	test("does not pass if `drop` names it, whatever else is said", async () => {
		const gateway = await serveProxy(
			", drop: [X-Other, etag, dav], pass: [dav]",
		);
		const sent = ["x-other: 1", 'etag: "1"', "dav: 1", "x-more: 1"];
		assert.deepEqual(await linesOf(gateway, 200, sent), ["x-more: 1"]);
	});

	test("does not pass if it names the upstream or its secrets, unless its name is given", async () => {
		const upstream = ", query: { appid: topsecret }";
		const own = [
			`x-next: ${peer.origin}/b`,
			"x-self: /a?appid=topsecret&x=1",
			"x-back: /login?to=%2Fa%3Fappid%3Dtopsecret",
			`sourcemap: ${peer.origin}/a.map`,
		];
		const gateway = await serveProxy("", { upstream });
		assert.deepEqual(await linesOf(gateway, 200, own), []);
		const named = await serveProxy(", pass: [x-next]", { upstream });
		assert.deepEqual(await linesOf(named, 200, own), [own[0]]);
	});

	const key = "kq/7+aZ9 x1";
	const digits = "4f1d0c9b7a6e";
	const named = ["x-named", "set-cookie", "x-accel-redirect"];
	const coded = encodeURIComponent(key);
	const showing = [
		`x-c: key ${key}`,
		`etag: "${key}"`,
		`location: http://other.example/?k=${coded}`,
		`location: http://other.example/?to=${encodeURIComponent(`/a?k=${coded}`)}`,
		`location: /a?again=${coded}`,
		`link: <http://other.example/?k=${coded}>; rel="next"`,
		`refresh: 5; url=http://other.example/${coded}`,
		`content-disposition: attachment; filename="${key}.txt"`,
		`content-type: text/plain; key="${key}"`,
		`www-authenticate: Bearer realm="${key}"`,
		"x-echo: Bearer tok-0123-abcd-4567",
		`x-base: ${Buffer.from(`shop:${key}`).toString("base64")}`,
		`set-cookie: a=${coded}`,
		`x-named: ${key}`,
		`x-accel-redirect: /${coded}`,
		`x-${digits}: 1`,
	];

	test("does not pass if it shows a secret of the config, also if its name is given", async () => {
		const env = { K2: key, DIGITS: digits, TOKEN: "tok-0123-abcd-4567" };
		const upstream = `, query: { appid: "\${env.K2}", d: "\${env.DIGITS}" }, auth: { bearer: "\${env.TOKEN}" }`;
		const pass = `, pass: [${named.join()}]`;
		const gateway = await serveProxy(pass, { upstream, env });
		for (const line of showing) {
			const sent = [line, "x-other: 1"];
			assert.deepEqual(await linesOf(gateway, 200, sent), ["x-other: 1"], line);
		}
		// It is data where nothing says that it is secret.
		const none = await serveProxy(pass);
		for (const line of showing) {
			assert.equal((await linesOf(none, 200, [line])).length, 1, line);
		}
	});

	test("does not show a secret of the config before the answer", async () => {
		const env = { K2: key };
		const upstream = `, query: { appid: "\${env.K2}" }`;
		const gateway = await serveProxy("", { upstream, env });
		using client = await openClient(Number(new URL(gateway.url).port));
		client.send(asking("GET /f/a", ["connection: close"]));
		const { socket } = await peer.request();
		const hint = `link: <http://other.example/?k=${coded}>; rel=preload`;
		const good = "link: </a.css>; rel=preload";
		socket.write(Buffer.from(httpHead(103, hint, good), "latin1"));
		socket.write(Buffer.from(httpHead(200, "content-length: 0"), "latin1"));
		const text = await client.gone();
		assert.ok(text.includes("103"), text);
		assert.ok(!text.includes(coded), text);
	});

	test("`Link` leads through the route", async () => {
		const gateway = await serveProxy();
		const link = `link: <${peer.origin}/b>; rel="next"`;
		assert.deepEqual(await linesOf(gateway, 200, [link]), [
			'link: </f/b>; rel="next"',
		]);
	});

	test("that cannot be made ends the call as failed, whether the body is there or not", async () => {
		for (const [rest, text] of [
			["", "down"],
			["late", ""],
		]) {
			const made =
				', answer: { headers: { x-made: "${response.headers.x_none}" } }';
			const { gateway, get } = await serveProxy(made);
			const ends: (string | null)[] = [];
			gateway.events.callEnded.push(({ error }) => {
				ends.push(error?.code ?? null);
			});
			const asked = get(`/f/${rest}`);
			const { socket } = await peer.request();
			socket.write(`${httpHead(200, "content-length: 4")}${text}`);
			assert.equal((await asked).status, 502);
			await until(() => ends.length > 0);
			assert.deepEqual(ends, ["reference_missing"]);
		}
	});

	test("about other origins is the gateway's own if it has `cors`", async () => {
		const server = ", cors: { origins: [https://b.example] }";
		const gateway = await serveProxy("", { server });
		const sent = ["access-control-allow-origin: *", "x-other: 1"];
		assert.deepEqual(await linesOf(gateway, 200, sent), [
			"x-other: 1",
			"vary: origin",
		]);
	});
});

test("an upstream may answer preflights, if the route passes what browsers ask with", async () => {
	const asks = [
		"origin: https://a.example",
		"access-control-request-method: PUT",
		"access-control-request-headers: x-a",
	];
	const names = asks.map((line) => line.split(":")[0]);
	const gateway = await serveProxy(`, pass: [${names.join()}]`);
	using client = await openClient(Number(new URL(gateway.url).port));
	client.send(asking("OPTIONS /f/a", asks));
	const { head, socket } = await peer.request();
	assert.equal(head[0], "OPTIONS /a HTTP/1.1");
	for (const line of asks) assert.ok(head.includes(line), line);
	const permission = [
		"access-control-allow-origin: https://a.example",
		"access-control-allow-methods: PUT",
		"access-control-max-age: 5",
	];
	socket.write(httpHead(204, ...permission));
	const { status, headers } = await client.answer();
	assert.equal(status, 204);
	assert.equal(headers["access-control-allow-methods"], "PUT");
	assert.equal(headers["access-control-allow-origin"], "https://a.example");
});

describe("a request's field", () => {
	const sent = [
		"accept: a/b",
		"authorization: secret",
		"cookie: a=1",
		"origin: https://a.example",
		"prefer: wait=1",
		"user-agent: client",
		"x-other: 1",
		"x-other: 2",
	];
	const lies = [
		"x-forwarded-for: 1.2.3.4",
		"x-forwarded-host: a",
		"forwarded: for=1.2.3.4",
		"x-real-ip: 1.2.3.4",
		"cf-connecting-ip: 1.2.3.4",
		"x-remote-user: root",
		"remote-user: root",
		"x-original-url: /admin",
		"x-rewrite-url: /admin",
		"x-http-method-override: DELETE",
		"x_api_key: theirs",
		"x-api-key: theirs",
		"x-hop: 1",
		"te: trailers",
		"keep-alive: 1",
		"proxy-authorization: secret",
	];

	async function receivedOf(
		gateway: ServedGateway,
	): Promise<readonly string[]> {
		using client = await openClient(Number(new URL(gateway.url).port));
		client.send(
			asking("GET /f/a", [...sent, ...lies, "connection: x-hop, close"]),
		);
		const { head, answer } = await peer.request();
		answer("");
		await client.answer();
		return head
			.slice(1)
			.filter(
				(line) => !/^(host|connection|via|x-request-id|trace\w+):/.test(line),
			);
	}

	const upstream = ", headers: { x-api-key: ours }";

	test("passes with `pass: all`, unless clients could lie with it", async () => {
		const gateway = await serveProxy(", pass: all", { upstream });
		assert.deepEqual(await receivedOf(gateway), ["x-api-key: ours", ...sent]);
	});

	test("passes without `pass` only if it is about the answer", async () => {
		const gateway = await serveProxy("", { upstream });
		assert.deepEqual(await receivedOf(gateway), [
			"x-api-key: ours",
			"accept: a/b",
			"user-agent: sluice",
		]);
	});

	test("with `pass: all` brings the answer's cookies back, and nothing else that is withheld", async () => {
		const gateway = await serveProxy(", pass: all");
		const fields = ["set-cookie: a=1; Path=/", "server: x", "alt-svc: a"];
		const [cookie, ...others] = await linesOf(gateway, 200, fields);
		assert.match(cookie ?? "", /^set-cookie: a=1/);
		assert.deepEqual(others, []);
	});
});

describe("bytes beyond ASCII in a field's value", () => {
	const name = 'attachment; filename="résumé.pdf"';
	const utf8 = Buffer.from(name, "utf8").toString("latin1");
	const forms: [string, string][] = [
		["UTF-8", utf8],
		["Latin-1", name],
		["no text at all", "\x80\xff\xc3"],
	];

	for (const [form, value] of forms) {
		test(`pass a proxied route as they are, in ${form}`, async () => {
			const gateway = await serveProxy(", pass: all");
			using client = await openClient(Number(new URL(gateway.url).port));
			const request = asking("POST /f/a", [
				`x-name: ${value}`,
				`content-disposition: ${value}`,
				"content-length: 2",
				close,
			]);
			client.socket.write(Buffer.from(`${request}ok`, "latin1"));
			const { head, socket } = await peer.request();
			assert.ok(head.includes(`x-name: ${value}`), head.join("\n"));
			assert.ok(head.includes(`content-disposition: ${value}`));
			const fields = [`content-disposition: ${value}`, `x-name: ${value}`];
			const answer = httpHead(200, "content-length: 2", ...fields);
			socket.write(Buffer.from(`${answer}ok`, "latin1"));
			const got = await client.gone();
			assert.match(got, /^HTTP\/1.1 200 /);
			for (const line of fields) assert.ok(got.includes(`${line}\r\n`), got);
		});
	}

	test("are text to a composed route: UTF-8 if they are, else Latin-1", async () => {
		const gateway = await serveProxy();
		for (const [form, value] of forms.slice(0, 2)) {
			using client = await openClient(Number(new URL(gateway.url).port));
			const request = asking("GET /read", [`x-name: ${value}`]);
			client.socket.write(Buffer.from(request, "latin1"));
			const { socket } = await peer.request();
			const answer = httpHead(200, "content-length: 0", `x-name: ${value}`);
			socket.write(Buffer.from(answer, "latin1"));
			const { body } = await client.answer();
			assert.deepEqual(JSON.parse(body), [name, name], form);
		}
	});

	test("are refused if a composed route would make such a field", async () => {
		const gateway = await serveProxy();
		using client = await openClient(Number(new URL(gateway.url).port));
		const request = asking("GET /made", [`x-name: ${utf8}`]);
		client.socket.write(Buffer.from(request, "latin1"));
		const { status, body } = await client.answer();
		assert.equal(status, 400);
		assert.match(body, /visible ASCII/);
	});
});
