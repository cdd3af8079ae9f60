import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
	createApiKey,
	hashOfPassword,
} from "../../src/config/keys/auth-hash.ts";
import { folderWith, type RunningCommand, sluice } from "../kit/cli.ts";
import { type Collector, startCollector } from "../kit/collector.ts";
import { readEvents } from "../kit/events.ts";
import { ask, type GetOptions, type HttpAnswer } from "../kit/serve.ts";
import {
	audience,
	createIssuerKey,
	hmacSigned,
	issuer,
} from "../kit/tokens.ts";
import { connectTo } from "../kit/transport.ts";
import {
	type RealUpstream,
	type SeenRequest,
	startUpstream,
} from "../kit/upstream.ts";

/**
 * Secrets from every place that one can come from, through a real process: no output of it but the answers that carry them
 * on purpose holds one.
 */

const apiKey = createApiKey();
const password = "planted-password";
const hmacKey = Buffer.from("planted-hmac-key-of-32-characters");
const jwk = { kty: "oct", alg: "HS256", k: hmacKey.toString("base64url") };
const token = hmacSigned(hmacKey);
const badToken = hmacSigned("planted-other-hmac-key");

/** One word for each place, so that a failure says where it came from. */
const secrets = {
	upstreamKey: "planted-upstream-key",
	adminToken: "planted-admin-token-of-letters",
	authorization: "planted-authorization",
	cookie: "planted-cookie",
	param: "planted-param",
	query: "planted-query",
	undeclared: "planted-undeclared",
	body: "planted-body",
	header: "planted-header",
	path: "planted-path",
	upstreamBody: "planted-upstream-body",
	upstreamText: "planted-upstream-text",
	upstreamField: "planted-upstream-field",
	upstreamReason: "planted-upstream-reason",
	upstreamPlace: "planted-upstream-place",
	collectorKey: "planted-collector-key",
	clientSecret: "planted-client-secret",
	issuedToken: "planted-issued-token",
	exchangedToken: "planted-exchanged-token",
	endpointWords: "planted-endpoint-words",
	bearerToken: "planted-bearer-token",
	servicePassword: "planted-service-password",
	signingSecret: "planted-signing-secret",
	apiKey: apiKey.key,
	badApiKey: "planted-api-key",
	password,
	pair: Buffer.from(`ada:${password}`).toString("base64"),
	badPassword: Buffer.from("ada:planted-wrong").toString("base64"),
	hmacKey: hmacKey.toString(),
	jwk: jwk.k,
	token: token.split(".")[2] ?? "",
	claims: token.split(".")[1] ?? "",
	badToken: badToken.split(".")[2] ?? "",
} as const;

const otherKeys = JSON.stringify(createIssuerKey("a", "ES256").jwk);

/** Of another operator, for commands that need one. */
const otherToken = "another-token-of-letters";

const config = `
upstreams:
  api:
    url: "\${env.API_URL}"
    headers: { authorization: "Bearer \${env.API_KEY}" }
    query: { key: "\${env.API_KEY}" }
    retry: { attempts: 2 }
    breaker: true
  asked:
    url: "\${env.API_URL}"
    auth: { oauth2: { token: "\${env.API_URL}/token", client: shop, secret: "\${env.CLIENT_SECRET}" } }
  exchanged:
    url: "\${env.API_URL}"
    auth: { exchange: { token: "\${env.API_URL}/token", client: shop, secret: "\${env.CLIENT_SECRET}", post: true } }
  untold:
    url: "\${env.API_URL}"
    auth: { oauth2: { token: "\${env.API_URL}/refused", client: shop, secret: "\${env.CLIENT_SECRET}" } }
  bearing: { url: "\${env.API_URL}", auth: { bearer: "\${env.BEARER}" } }
  basic: { url: "\${env.API_URL}", auth: { basic: { user: shop, password: "\${env.PASSWORD}" } } }
  signed: { url: "\${env.API_URL}", auth: { sign: { hmac: { key: k1, secret: "\${env.SIGNING}" } } } }
  passing: { url: "\${env.API_URL}", auth: { pass: true } }
auth:
  users: { jwt: { issuer: "${issuer}", audience: "${audience}", keys: "\${env.TOKEN_KEYS}" } }
  asking: { keys: { list: [{ name: acme, hash: "${apiKey.hash}" }], query: key } }
  partners: { keys: { list: [{ name: acme, hash: "${apiKey.hash}" }] } }
  staff: { basic: { list: [{ name: ada, hash: "${hashOfPassword(password, { N: 2 ** 14, r: 8, p: 1 })}" }] } }
defaults: { deadline: 2s, timeout: 300ms }
admin: { port: 0, token: "\${env.ADMIN_TOKEN}" }
log: { requests: all, clientErrors: true, format: json }
history: { file: ./kept.db }
routes:
  GET /good/{id}:
    request:
      query: { q: { type: string } }
      headers: { x-note: { type: string } }
      cookies: { sid: { type: string } }
    steps:
      one:
        get: api/good/\${params.id}
        query: { q: "\${query.q}" }
        headers: { x-note: "\${headers.x_note}", x-sid: "\${cookies.sid}" }
    respond: { ok: "\${one.text.length}" }
  POST /send:
    request: { body: { type: object, properties: { n: { type: integer } }, required: [n] } }
    steps:
      sent: { post: api/send, body: "\${body}" }
    respond: { ok: "\${sent.text.length}" }
  POST /write:
    request: { body: { type: object } }
    steps:
      sent: { post: api/failing, body: "\${body}" }
    respond: { ok: "\${sent.text.length}" }
  GET /number:
    request: { query: { n: { type: integer } } }
    respond: { n: "\${query.n}" }
  GET /known: { auth: [users, partners, staff, asking], respond: "\${auth.by}" }
  GET /forbidden: { auth: [users, partners], require: "\${auth.sub === 'x'}", respond: 1 }
  GET /known/{rest*}: { auth: asking, proxy: "api/{rest*}" }
  GET /failing: { steps: { one: { get: api/failing } }, respond: "\${one}" }
  GET /partial:
    steps:
      one: { get: api/failing, optional: true }
      two: { get: api/garbled, optional: true }
      three: { get: api/moved, optional: true }
      four: { get: api/spoiled, optional: true }
    respond: ["\${one}", "\${two}", "\${three}", "\${four}"]
  GET /garbled: { steps: { one: { get: api/garbled } }, respond: "\${one}" }
  GET /spoiled: { steps: { one: { get: api/spoiled } }, respond: "\${one}" }
  GET /moved: { steps: { one: { get: api/moved } }, respond: "\${one}" }
  GET /computed:
    steps: { one: { get: api/text } }
    respond: { n: "\${Number(one.text) / 1}", at: "\${one.text.at.deeper}" }
  GET /expected:
    steps: { one: { get: api/text, expect: "\${answer.text === 'other'}" } }
    respond: "\${one}"
  GET /slow: { steps: { one: { get: api/slow } }, respond: "\${one}" }
  GET /pass/{rest*}: { proxy: "api/{rest*}" }
  GET /as/asked: { steps: { one: { get: asked/echo } }, respond: "\${one}" }
  GET /as/exchanged: { steps: { one: { get: exchanged/echo } }, respond: "\${one}" }
  GET /as/untold: { steps: { one: { get: untold/echo } }, respond: "\${one}" }
  GET /as/bearing: { steps: { one: { get: bearing/echo } }, respond: "\${one}" }
  GET /as/basic: { steps: { one: { get: basic/echo } }, respond: "\${one}" }
  GET /as/signed: { steps: { one: { get: signed/echo } }, respond: "\${one}" }
  GET /as/passing: { steps: { one: { get: passing/echo } }, respond: "\${one}" }
`;

let upstream: RealUpstream;
let collector: Collector;
let folder: ReturnType<typeof folderWith>;
let gateway: RunningCommand;
let url: string;
let adminUrl: string;
const answers: (HttpAnswer | undefined)[] = [];

before(async () => {
	upstream = await startUpstream(answer);
	collector = await startCollector();
	folder = folderWith({ "sluice.yaml": config });
	const env = {
		API_URL: upstream.url,
		API_KEY: secrets.upstreamKey,
		ADMIN_TOKEN: secrets.adminToken,
		CLIENT_SECRET: secrets.clientSecret,
		BEARER: secrets.bearerToken,
		PASSWORD: secrets.servicePassword,
		SIGNING: secrets.signingSecret,
		TOKEN_KEYS: JSON.stringify(jwk),
		OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
		OTEL_EXPORTER_OTLP_HEADERS: `authorization=${secrets.collectorKey}`,
		OTEL_BSP_SCHEDULE_DELAY: "0",
	};
	gateway = sluice(["serve", "--port", "0"], { cwd: folder.path, env });
	await gateway.printed('"started"');
	[, url = ""] = /listening on (\S+)/.exec(gateway.stdout()) ?? [];
	const started = JSON.parse(gateway.stderr().split("\n")[0] ?? "");
	adminUrl = started.admin;
	for (const request of requests) answers.push(await request());
});

after(async () => {
	gateway.process.kill("SIGKILL");
	await gateway.ended;
	await upstream[Symbol.asyncDispose]();
	await collector[Symbol.asyncDispose]();
	folder[Symbol.dispose]();
});

function answer(
	{ target, rawHeaders }: SeenRequest,
	response: ServerResponse,
): void {
	const { socket } = response;
	const path = target.split("?", 1)[0];
	const type = { "content-type": "application/json" };
	const field = { "x-answer": secrets.upstreamField };
	switch (path) {
		case "/failing":
			response.writeHead(500, secrets.upstreamReason, { ...type, ...field });
			response.end(JSON.stringify({ error: secrets.upstreamBody }));
			return;
		case "/garbled":
			response.writeHead(200, { ...type, ...field });
			response.end(`{"text": ${secrets.upstreamText}`);
			return;
		case "/moved":
			response.writeHead(302, {
				location: `http://127.0.0.1:1/${secrets.upstreamPlace}`,
			});
			response.end();
			return;
		case "/spoiled":
			socket?.end(`HTTP/1.1 200 OK\r\n${secrets.upstreamField} : 1\r\n\r\n`);
			return;
		case "/slow":
			return;
		case "/token": {
			// The client's secret stands in the body of an exchange.
			const access_token = `${rawHeaders}`.includes("Basic ")
				? secrets.issuedToken
				: secrets.exchangedToken;
			response.writeHead(200, type);
			response.end(JSON.stringify({ access_token, token_type: "Bearer" }));
			return;
		}
		case "/refused":
			response.writeHead(400, type);
			response.end(
				JSON.stringify({
					error: secrets.endpointWords,
					error_description: `${secrets.endpointWords} ${rawHeaders}`,
				}),
			);
			return;
		case "/echo":
			// It refuses everybody, and says all that it was asked.
			response.writeHead(401, secrets.upstreamReason, type);
			response.end(JSON.stringify({ rawHeaders }));
			return;
		default:
			response.writeHead(200, { ...type, ...field });
			response.end(JSON.stringify({ text: secrets.upstreamText }));
	}
}

const given = {
	headers: {
		authorization: `Bearer ${secrets.authorization}`,
		cookie: `sid=${secrets.cookie}`,
		"x-note": secrets.header,
	},
};

function get(path: string, options: GetOptions = {}) {
	return () =>
		ask(url + path, {
			...options,
			headers: { ...given.headers, ...options.headers },
		});
}

function known(headers: Record<string, string>) {
	return get("/known", { headers });
}

function post(path: string, body: string) {
	const headers = { "content-type": "application/json" };
	return get(path, { method: "POST", body, headers });
}

/** A client that leaves as soon as its call has arrived. */
async function leave(): Promise<undefined> {
	const { length } = upstream.seen;
	const aborting = new AbortController();
	const asked = get("/slow", { signal: aborting.signal })();
	await upstream.arrived(length + 1);
	aborting.abort();
	await assert.rejects(asked);
	await upstream.aborted(1);
}

/** What no parser takes. */
function spoil(): Promise<undefined> {
	return new Promise((resolve, reject) => {
		const { port } = new URL(url);
		const socket = connectTo(Number(port), "127.0.0.1");
		socket.on("error", reject);
		socket.on("close", () => resolve(undefined));
		socket.end(
			`GET /${secrets.path} HTTP/1.1\r\n${secrets.header} : 1\r\n\r\n`,
		);
		socket.resume();
	});
}

const requests: (() => Promise<HttpAnswer | undefined>)[] = [
	known({ authorization: `Bearer ${token}` }),
	known({ authorization: `Bearer ${badToken}` }),
	known({ "x-api-key": apiKey.key }),
	known({ "x-api-key": secrets.badApiKey }),
	known({ authorization: `Basic ${secrets.pair}` }),
	known({ authorization: `Basic ${secrets.badPassword}` }),
	get(`/known?key=${apiKey.key}`),
	get(`/known?key=${secrets.badApiKey}`),
	get("/forbidden", { headers: { authorization: `Bearer ${token}` } }),
	get("/forbidden", { headers: { "x-api-key": apiKey.key } }),
	get(`/good/${secrets.param}?q=${secrets.query}&other=${secrets.undeclared}`),
	post("/send", JSON.stringify({ n: 1, word: secrets.body })),
	post("/send", JSON.stringify({ n: secrets.body, [secrets.body]: 1 })),
	post("/send", `{"n": ${secrets.body}`),
	post("/write", JSON.stringify({ word: secrets.body })),
	get(`/number?n=${secrets.query}`),
	get(`/${secrets.path}?a=${secrets.query}`),
	get("/good/x", { method: "PLANTED" }),
	get("/failing"),
	get("/partial"),
	get("/garbled"),
	get("/spoiled"),
	get("/moved"),
	get("/computed"),
	get("/expected"),
	get(`/known/failing?key=${apiKey.key}`),
	get("/slow"),
	get("/as/asked"),
	get("/as/exchanged"),
	get("/as/untold"),
	get("/as/bearing"),
	get("/as/basic"),
	get("/as/signed"),
	get("/as/passing"),
	get(`/pass/failing?key=${secrets.query}`),
	get(`/pass/${secrets.path}?key=${secrets.query}`),
	leave,
	spoil,
];

const asOperator = { authorization: `Bearer ${secrets.adminToken}` };

/** Asks the admin server as its operator. */
async function shown(path: string): Promise<string> {
	const { status, text } = await ask(adminUrl + path, { headers: asOperator });
	assert.equal(status, 200, path);
	return text;
}

/** The records of all requests that are kept. */
async function records(): Promise<string> {
	const { requests } = JSON.parse(await shown("/traffic"));
	const ids: string[] = requests.map(({ id }: { id: string }) => id);
	let all = "";
	// One after the other: the admin server answers only so many at once.
	for (const id of ids) all += await shown(`/traffic/${id}`);
	return all;
}

/** The requests that are kept as events. */
async function events(): Promise<string> {
	const reader = await readEvents(`${adminUrl}/traffic`, {
		...asOperator,
		"last-event-id": "before",
	});
	await reader.next("rates");
	reader.leave();
	return JSON.stringify(reader.seen);
}

/** The requests in the database, once its last one is there. */
async function kept(): Promise<string> {
	const read = () => shown("/history?limit=200");
	let text = await read();
	while (!text.includes("GET /slow")) text = await read();
	return text;
}

/** What a command of the same config prints, without its environment's values being asked for. */
async function printed(...args: string[]): Promise<string> {
	await kept();
	const env = {
		API_URL: "http://a",
		API_KEY: "k",
		ADMIN_TOKEN: otherToken,
		TOKEN_KEYS: otherKeys,
		...{ CLIENT_SECRET: "s", BEARER: "b", PASSWORD: "p" },
		SIGNING: otherToken,
	};
	const command = sluice(args, { cwd: folder.path, env });
	assert.equal(await command.ended, 0, command.stderr());
	return command.stdout() + command.stderr();
}

/** The files of the database as they lie on the disk. */
async function keptBytes(): Promise<string> {
	await kept();
	const files = readdirSync(folder.path).filter((name) =>
		name.startsWith("kept.db"),
	);
	return files
		.map((name) => readFileSync(join(folder.path, name), "latin1"))
		.join("");
}

/** All that an operator can read, and a word that proves that it tells of these requests. */
const outputs: Readonly<
	Record<string, { readonly read: () => Promise<string>; readonly has: string }>
> = {
	log: {
		read: async () => {
			await gateway.printed("GET /expected");
			return gateway.stderr();
		},
		has: "upstream_status",
	},
	traces: {
		read: async () => {
			const { requests: sent } = collector;
			const told = () => sent.map(({ body }) => body.toString("latin1")).join();
			// Its last one is of the client that left.
			while (!told().includes("GET /slow")) {
				await collector.asked(sent.length + 1);
			}
			return told();
		},
		has: "GET /expected",
	},
	stdout: { read: async () => gateway.stdout(), has: "listening on" },
	"/metrics": { read: () => shown("/metrics"), has: "/good/{id}" },
	"/config": { read: () => shown("/config"), has: "env.API_KEY" },
	"/state": { read: () => shown("/state"), has: "/good/{id}" },
	"/plan": { read: () => shown("/plan"), has: "/good/{id}" },
	"/traffic": { read: () => shown("/traffic"), has: "/good/{id}" },
	"/traffic/{id}": { read: records, has: "criticalPath" },
	"/traffic as events": { read: events, has: "/good/{id}" },
	"/history": { read: kept, has: "/good/{id}" },
	"the database": { read: keptBytes, has: "/good/{id}" },
	"sluice history": { read: () => printed("history"), has: "GET /failing" },
	"sluice history --json": {
		read: () => printed("history", "--json"),
		has: "upstream_status",
	},
	"sluice history --csv": {
		read: () => printed("history", "--csv"),
		has: "upstream_status",
	},
	"sluice explain": { read: () => printed("explain"), has: "GET /failing" },
	"sluice check": { read: () => printed("check"), has: "sluice.yaml" },
	"/health/ready": { read: () => shown("/health/ready"), has: "ok" },
};

describe("a planted secret", () => {
	for (const [name, { read, has }] of Object.entries(outputs)) {
		it(`is not in ${name}`, async () => {
			const text = await read();
			assert.ok(text.includes(has), `${name} does not tell of ${has}`);
			for (const [from, secret] of Object.entries(secrets)) {
				const at = text.indexOf(secret);
				const around = text.slice(Math.max(0, at - 200), at + 100);
				assert.equal(at, -1, `${from}: …${around}`);
			}
		});
	}

	it("was known as what lets in, and as nothing else", () => {
		const statuses = answers.slice(0, 10).map((one) => one?.status);
		const told = [200, 401, 200, 401, 200, 401, 200, 401, 403, 403];
		assert.deepEqual(statuses, told);
		// A key in the query goes no further.
		const passed = upstream.seen.filter(({ target }) =>
			target.startsWith("/failing"),
		);
		assert.ok(passed.length > 0);
		assert.ok(
			upstream.seen.every(({ target }) => !target.includes(apiKey.key)),
		);
	});

	it("has been sent as a credential, so that its absence says something", () => {
		const said = upstream.seen.map(({ rawHeaders }) => `${rawHeaders}`).join();
		for (const sent of [
			secrets.issuedToken,
			secrets.exchangedToken,
			secrets.bearerToken,
			secrets.authorization,
		]) {
			assert.ok(said.includes(`Bearer ${sent}`), sent);
		}
		const both = Buffer.from(`shop:${secrets.servicePassword}`).toString(
			"base64",
		);
		assert.ok(said.includes(`Basic ${both}`));
		assert.match(said, /signature,sluice=:/);
	});

	it("is in no problem document", () => {
		const problems = answers.filter(
			(one) => one?.headers["content-type"] === "application/problem+json",
		);
		assert.ok(problems.length >= 12, `${problems.length} problems`);
		for (const { text, headers } of problems as HttpAnswer[]) {
			const whole = text + JSON.stringify(headers);
			for (const [from, secret] of Object.entries(secrets)) {
				assert.ok(!whole.includes(secret), `${from}: ${whole}`);
			}
		}
	});
});
