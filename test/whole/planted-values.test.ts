import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createClient, RESP_TYPES } from "@redis/client";
import { unpacked } from "../../src/store/answer-value.ts";
import { folderWith, type RunningCommand, sluice } from "../kit/cli.ts";
import { type Collector, startCollector } from "../kit/collector.ts";
import { readEvents } from "../kit/events.ts";
import { ask, type HttpAnswer } from "../kit/serve.ts";
import { startStore, type TestStore, withoutStore } from "../kit/store.ts";
import { until } from "../kit/stores.ts";
import {
	type RealUpstream,
	type SeenRequest,
	startUpstream,
} from "../kit/upstream.ts";

/**
 * Here secrets come out where no rule by name keeps them back: an upstream repeats them, a user's function throws, prints and
 * records them, in every form. Outputs know them by their values. What clients get is data, and has them.
 */

const random = () => randomBytes(15).toString("base64url");

/** Each comes from another place. They are others in each run. */
const secrets = {
	header: `h/${random()}+&"<é`,
	query: random(),
	path: random(),
	mounted: `${random()} ${random()}`,
	password: random(),
	bearer: random(),
	signing: random(),
	admin: random(),
	store: random(),
	jwk: randomBytes(32).toString("base64url"),
	named: random(),
	collector: random(),
	webhook: randomBytes(24).toString("base64"),
	issued: `${random()}.${random()}.${random()}`,
	exchanged: random(),
} as const;

/** It takes the place of the mounted one. */
const remounted = random();

// What stands in a header is visible ASCII.
const headerSecret = secrets.header.replace("é", "e");
const all = { ...secrets, header: headerSecret };
const parts = [
	...Object.values({ ...all, issued: "" }).filter((text) => text !== ""),
	...secrets.issued.split(".").slice(1),
];

/** Everything that an output could make of a secret. */
function writingsOf(text: string): string[] {
	const base64 = (written: string) => Buffer.from(written).toString("base64");
	return [
		...plainForms(text),
		...[base64(text), base64(`a${text}`), base64(`ab${text}z`)],
		Buffer.from(`a${text}`).toString("base64url"),
	];
}

/** What is in no output. Of base64 that is the part that does not depend on what stands around. */
function formsOf(text: string): string[] {
	const coded = (before: string) => {
		const bytes = Buffer.from(before + text);
		const from = Math.ceil((8 * before.length) / 6);
		const to = Math.floor((8 * bytes.length) / 6);
		return bytes.toString("base64").slice(from, to);
	};
	// No upstream says it in small letters, and no output may make them.
	const small = text.toLowerCase();
	return [...plainForms(text), small, coded(""), coded("a"), coded("ab")];
}

function plainForms(text: string): string[] {
	const percent = encodeURIComponent(text);
	return [
		...[text, JSON.stringify(text).slice(1, -1), percent],
		percent.replace(/%../g, (octet) => octet.toLowerCase()),
		Buffer.from(text).toString("hex"),
	];
}

const fetched = [secrets.exchanged, ...secrets.issued.split(".")];
const lasting = parts.filter((text) => !fetched.includes(text));

/** What the upstream repeats. The tokens come back to whoever sends them. */
const words = lasting.flatMap(writingsOf);

const config = `
upstreams:
  api:
    url: "\${env.API_URL}/\${env.PATH_KEY}"
    headers: { x-key: "\${env.HEADER_KEY}" }
    query: { key: "\${env.QUERY_KEY}" }
    cache: { for: 1h }
  mounted: { url: "\${env.API_URL}", headers: { authorization: "Bearer \${env.MOUNTED}" } }
  basic: { url: "\${env.API_URL}", auth: { basic: { user: shop, password: "\${env.PASSWORD}" } } }
  bearing: { url: "\${env.API_URL}", auth: { bearer: "\${env.BEARER}" } }
  signed: { url: "\${env.API_URL}", auth: { sign: { hmac: { key: k1, secret: "\${env.SIGNING}" } } } }
  asked:
    url: "\${env.API_URL}"
    auth: { oauth2: { token: "\${env.API_URL}/token", client: shop, secret: "\${env.PASSWORD}" } }
  exchanged:
    url: "\${env.API_URL}"
    auth: { exchange: { token: "\${env.API_URL}/exchanged", client: shop, secret: "\${env.PASSWORD}" } }
auth: { users: { jwt: { issuer: a, audience: b, keys: "\${env.TOKEN_KEYS}" } } }
defaults: { deadline: 30s, timeout: 20s }
admin: { port: 0, token: "\${env.ADMIN_TOKEN}" }
log: { requests: all, clientErrors: true, format: FORMAT }
history: { file: ./kept.db }
STORE
jobs: { secret: "\${env.WEBHOOK}" }
routes:
  GET /known: { auth: users, respond: 1 }
  GET /tokens:
    steps:
      own: { get: asked/echo }
      one: { get: exchanged/echo }
      thrown: { run: ./spill.ts#spill, args: { words: "\${own.concat(one)}" }, optional: true }
    respond: ["\${own}", "\${one}"]
    record: { own: "\${own}", one: "\${one}", thrown: "\${thrown}" }
  GET /said:
    steps: { words: { get: api/words } }
    respond: "\${words}"
    record: { words: "\${words}", first: "\${words[0]}", pasted: "PASTED" }
  GET /typed: { steps: { one: { get: bearing/typed } }, respond: "\${one}" }
  GET /public: { steps: { one: { get: api/public } }, respond: "\${one}" }
  GET /mounted:
    steps:
      own: { get: mounted/echo }
      thrown: { run: ./spill.ts#mounted, args: { words: "\${own}" } }
    respond: "\${thrown}"
  GET /threw:
    steps:
      words: { get: api/words }
      thrown: { run: ./spill.ts#spill, args: { words: "\${words}" } }
    respond: "\${thrown}"
  GET /threw/thread:
    steps:
      words: { get: api/words }
      thrown: { run: ./spill.ts#spill, worker: true, args: { words: "\${words}" } }
    respond: "\${thrown}"
  GET /partial:
    steps:
      words: { get: api/words }
      thrown: { run: ./spill.ts#spill, args: { words: "\${words}" }, optional: true }
    respond: "\${thrown}"
  GET /left:
    steps:
      words: { get: api/words }
      left: { run: ./spill.ts#leave, args: { words: "\${words}" } }
    respond: 1
  POST /later:
    job: true
    steps: { words: { get: api/words } }
    respond: { count: "\${words.length}" }
    record: { words: "\${words}" }
  POST /faults:
    request: { body: { type: object, additionalProperties: { type: integer } } }
    respond: "PASTED"
  GET /crash:
    steps:
      words: { get: api/words }
      crashed: { run: ./spill.ts#crash, args: { words: "\${words}" } }
    respond: 1
`;

const spill = `
export function spill({ words }) {
	console.log("out", words.join(" "));
	console.error("err", ...words, process.env.UNREAD_TOKEN);
	throw new Error("spilled " + words.join(" ") + process.env.UNREAD_TOKEN);
}
export function mounted({ words }) {
	throw new Error("mounted " + words.join(" "));
}
export function leave({ words }) {
	void Promise.reject(new Error("left " + words.join(" ")));
	return 1;
}
export function crash({ words }) {
	setTimeout(() => { throw Object.assign(new Error("crashed " + words.join(" ")), { words }); });
	return 1;
}
`;

/** What an upstream makes of the token that it got. That of the gateway's own comes in every form. */
function heard(authorization: string): string[] {
	const token = authorization.replace("Bearer ", "");
	return token === secrets.exchanged
		? [token, authorization]
		: [token, ...token.split(".").slice(1).flatMap(writingsOf)];
}

function answer(
	{ target, rawHeaders }: SeenRequest,
	response: ServerResponse,
): void {
	const [path] = target.split("?", 1);
	const json = { "content-type": "application/json" };
	const sent = rawHeaders[rawHeaders.indexOf("authorization") + 1] ?? "";
	if (path === "/typed") {
		response.setHeader("content-type", `text/${sent.replace(" ", "-")}`);
		response.end("no JSON");
		return;
	}
	response.writeHead(200, json);
	const token = (access_token: string) =>
		response.end(JSON.stringify({ access_token, token_type: "Bearer" }));
	if (path === "/token") token(secrets.issued);
	else if (path === "/exchanged") token(secrets.exchanged);
	else if (path === "/echo") response.end(JSON.stringify(heard(sent)));
	else if (path?.endsWith("/public")) response.end('{"is":"public"}');
	else response.end(JSON.stringify(words));
}

let upstream: RealUpstream;
let collector: Collector;
let store: TestStore | null = null;

before(async () => {
	upstream = await startUpstream(answer);
	collector = await startCollector();
	if (withoutStore() === false) {
		store = await startStore("--requirepass", secrets.store);
	}
});

after(async () => {
	await upstream[Symbol.asyncDispose]();
	await collector[Symbol.asyncDispose]();
	await store?.[Symbol.asyncDispose]();
});

function environment(folder: string): Record<string, string> {
	return {
		API_URL: upstream.url,
		PATH_KEY: secrets.path,
		HEADER_KEY: headerSecret,
		QUERY_KEY: secrets.query,
		MOUNTED_FILE: join(folder, "mounted"),
		PASSWORD: secrets.password,
		BEARER: secrets.bearer,
		SIGNING: secrets.signing,
		ADMIN_TOKEN: secrets.admin,
		TOKEN_KEYS: JSON.stringify({ kty: "oct", alg: "HS256", k: secrets.jwk }),
		UNREAD_TOKEN: secrets.named,
		WEBHOOK: `whsec_${secrets.webhook}`,
		STORE_URL: `redis://:${secrets.store}@127.0.0.1:${store?.port}`,
		OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
		OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${secrets.collector}`,
		OTEL_RESOURCE_ATTRIBUTES: `deployment=${secrets.named}`,
		OTEL_BSP_SCHEDULE_DELAY: "0",
	};
}

/** A gateway whose requests have spilled everything. */
async function spilled(format: "json" | "text", workers: number) {
	const yaml = config
		.replace("FORMAT", format)
		// An author may have written down what a variable holds.
		.replaceAll("PASTED", secrets.query)
		.replace("STORE", store ? 'store: "${env.STORE_URL}"' : "");
	const folder = folderWith({
		"sluice.yaml": yaml,
		"spill.ts": spill,
		mounted: secrets.mounted,
	});
	const env = environment(folder.path);
	const args = ["serve", "--port", "0", "--workers", String(workers)];
	const gateway = sluice(args, { cwd: folder.path, env });
	await gateway.printed("admin page");
	const [, url = ""] = /listening on (\S+)/.exec(gateway.stdout()) ?? [];
	const [, adminUrl = ""] = /admin page: (\S+)/.exec(gateway.stdout()) ?? [];
	const authorization = "Bearer client-token";
	const tracestate = `v=${secrets.query}`;
	const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
	const headers = { authorization, tracestate, traceparent };
	const get = (path: string) => ask(url + path, { headers });
	const post = (path: string, body: object) =>
		ask(url + path, {
			...{ method: "POST", body: JSON.stringify(body) },
			headers: { ...headers, "content-type": "application/json" },
		});
	// Before anything is told of them, the tokens are fetched.
	const answers = [await get("/tokens")];
	for (const path of [
		"/said",
		"/public",
		"/typed",
		"/threw",
		"/threw/thread",
		"/partial",
		"/left",
	]) {
		answers.push(await get(path));
	}
	const faults = Object.fromEntries(lasting.map((text) => [text, "none"]));
	const problem = await post("/faults", faults);
	// A client may call its request as it likes.
	await ask(`${url}/said`, { headers: { "x-request-id": secrets.query } });
	await post("/later", {});
	const asOperator = { authorization: `Bearer ${secrets.admin}` };
	const shown = async (path: string, type = "application/json") => {
		const accept = { ...asOperator, accept: type };
		const { status, text } = await ask(adminUrl + path, { headers: accept });
		assert.equal(status, 200, path);
		return text;
	};
	return {
		...{ folder, env, gateway, url, adminUrl, answers, problem, shown },
		...{ asOperator, get },
		async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM") {
			gateway.process.kill(signal);
			await gateway.ended;
			folder[Symbol.dispose]();
		},
	};
}

type Spilled = Awaited<ReturnType<typeof spilled>>;

function assertHidden(text: string, name: string, has: string): void {
	assert.ok(
		text.includes(has),
		`${name} does not tell of ${has}: ${text.slice(0, 2_000)}`,
	);
	for (const [from, secret] of Object.entries(all)) {
		const told = from === "issued" ? secret.split(".").slice(1) : [secret];
		for (const form of told.flatMap(
			from === "exchanged" ? plainForms : formsOf,
		)) {
			const at = text.indexOf(form);
			const around = text.slice(Math.max(0, at - 200), at + 100);
			assert.equal(at, -1, `${name}: ${from} as ${form}: …${around}`);
		}
	}
}

/** The log has told of everything. */
async function logged({ gateway }: Spilled): Promise<string> {
	await gateway.printed("/faults");
	await gateway.printed("left ***");
	await gateway.printed("/later");
	return gateway.stderr();
}

async function records({ shown }: Spilled): Promise<string> {
	const { requests } = JSON.parse(await shown("/traffic"));
	let text = "";
	for (const { id } of requests as { id: string }[]) {
		if (id === "***") continue;
		text += await shown(`/traffic/${id}`);
	}
	return text;
}

async function events({ adminUrl, asOperator }: Spilled): Promise<string> {
	const headers = { ...asOperator, "last-event-id": "before" };
	const reader = await readEvents(`${adminUrl}/traffic`, headers);
	await reader.next("rates");
	reader.leave();
	return JSON.stringify(reader.seen);
}

async function kept({ shown }: Spilled): Promise<string> {
	const read = () => shown("/history?limit=200");
	await until(async () => (await read()).includes("POST /faults"));
	return read();
}

async function databases(spilled: Spilled): Promise<string> {
	await kept(spilled);
	const { path } = spilled.folder;
	return readdirSync(path)
		.filter((name) => name.includes(".db"))
		.map((name) => readFileSync(join(path, name), "latin1"))
		.join("");
}

async function printed(
	{ folder, env }: Pick<Spilled, "folder" | "env">,
	...args: string[]
) {
	const command = sluice(args, { cwd: folder.path, env });
	await command.ended;
	return command.stdout() + command.stderr();
}

/** Every value of every key in the store, as it lies there, and answers as they are read. */
async function stored(): Promise<string> {
	const url = `redis://:${secrets.store}@127.0.0.1:${store?.port}`;
	const client = createClient({ url });
	await client.connect();
	const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
	let text = "";
	for (const key of await client.keys("*")) {
		const dumped = await bytes.dump(key);
		text += `${key} ${dumped.toString("latin1")}\n`;
		if (!key.startsWith("sluice:answer:")) continue;
		// Marks stand before it, and most of it is compressed.
		const value = await bytes.get(key);
		const from = 1 + (value?.[0] ?? 0);
		const answer = value && (await unpacked(value.subarray(from), 1024 ** 2));
		assert.ok(answer, key);
		text += `${answer.headers} ${answer.body.toString()}\n`;
	}
	client.destroy();
	return text;
}

for (const [format, workers] of [
	["json", 1],
	["text", 2],
] as const) {
	describe(`what comes out of a gateway with a log as ${format} and ${workers} workers`, () => {
		let spills: Spilled;
		before(async () => {
			spills = await spilled(format, workers);
		});
		after(() => spills.end());

		const outputs: Readonly<
			Record<string, [read: (of: Spilled) => Promise<string>, has: string]>
		> = {
			"the log": [logged, "the function threw: spilled ***"],
			stdout: [async ({ gateway }) => gateway.stdout(), "out ***"],
			stderr: [async ({ gateway }) => gateway.stderr(), "err ***"],
			"/metrics": [({ shown }) => shown("/metrics", "text/plain"), "/said"],
			"/config": [({ shown }) => shown("/config"), '"***"'],
			"/plan": [({ shown }) => shown("/plan"), "/said"],
			"/state": [({ shown }) => shown("/state"), "requests"],
			"/traffic": [({ shown }) => shown("/traffic"), "/said"],
			"/traffic/{id}": [records, "criticalPath"],
			"/traffic as events": [events, "/said"],
			"/history": [kept, '"***"'],
			"the databases": [databases, '"***"'],
			"sluice check": [(of) => printed(of, "check"), "is valid"],
			"sluice explain": [(of) => printed(of, "explain"), "GET /said"],
			"sluice explain --json": [
				(of) => printed(of, "explain", "--json"),
				"/said",
			],
			"sluice history": [(of) => printed(of, "history"), "GET /said"],
			"sluice history --json": [
				(of) => printed(of, "history", "--json"),
				'"***"',
			],
			"sluice history --csv": [
				(of) => printed(of, "history", "--csv"),
				"/said",
			],
			"sluice call": [(of) => printed(of, "call", "/threw"), "spilled ***"],
			traces: [
				async () => {
					const told = () =>
						collector.requests
							.map(({ body }) => body.toString("latin1"))
							.join();
					await until(async () => told().includes("POST /later"));
					return told();
				},
				"deployment",
			],
		};
		for (const [name, [read, has]] of Object.entries(outputs)) {
			it(`has no secret in ${name}`, async () => {
				assertHidden(await read(spills), name, has);
			});
		}

		it("has none in the store, where others read", {
			skip: withoutStore(),
		}, async () => {
			const text = await stored();
			assertHidden(text, "the store", "sluice:answer:");
		});

		it("hides what was mounted anew, when workers are started anew", async () => {
			if (workers === 1) return;
			const { folder, gateway, get } = spills;
			writeFileSync(join(folder.path, "mounted"), remounted);
			gateway.process.kill("SIGUSR2");
			await gateway.printed("restarted the workers");
			await get("/mounted");
			await gateway.printed("mounted ***");
			assert.ok(!gateway.stderr().includes(remounted));
		});

		it("shows no kept request that is a secret only for who reads it", async () => {
			const { requests } = JSON.parse(await kept(spills));
			const ids = requests.map((request: { id: string }) => request.id);
			// One was a secret already. Rows of several workers come in any order.
			const id = ids.find((one: string) => one !== "***") as string;
			const { folder, env } = spills;
			const readers = { ...env, READERS_TOKEN: id };
			for (const form of [["--json"], ["--csv"], []]) {
				const of = { folder, env: readers };
				const text = await printed(of, "history", ...form);
				assert.ok(text.includes("***"), text);
				// A table cuts ids.
				assert.ok(!text.includes(id.slice(0, 8)), text);
			}
		});

		it("tells nobody which of the guesses in a request is one", () => {
			const { status, text } = spills.problem;
			assert.equal(status, 400);
			const { errors } = JSON.parse(text) as { errors: { at: string }[] };
			const pointers = lasting.map(
				(guess) => `body/${guess.replaceAll("~", "~0").replaceAll("/", "~1")}`,
			);
			for (const pointer of pointers) {
				assert.ok(
					errors.some(({ at }) => at === pointer),
					pointer,
				);
			}
			assert.ok(!text.includes("***"));
		});

		it("has them where they are a client's data", () => {
			const [, said] = spills.answers as [HttpAnswer, HttpAnswer];
			assert.deepEqual(JSON.parse(said.text), words);
		});
	});
}

describe("the last words of a process", () => {
	for (const workers of [1, 2]) {
		it(`have no secret with ${workers} workers`, async () => {
			const spills = await spilled("json", workers);
			await spills.get("/crash").catch(() => {});
			await spills.gateway.printed("crashed ***");
			if (workers === 1) assert.equal(await spills.gateway.ended, 1);
			assertHidden(spills.gateway.stderr(), "stderr", "crashed ***");
			await spills.end("SIGKILL");
		});
	}

	it("have none before there is a config", async () => {
		const text = "throw new Error(`is ${process.env.SOME_API_KEY}`);";
		using folder = folderWith({ "sluice.ts": text });
		const env = { SOME_API_KEY: secrets.named };
		const check: RunningCommand = sluice(["check"], { cwd: folder.path, env });
		assert.equal(await check.ended, 2);
		assertHidden(check.stderr(), "stderr", "is ***");
	});
});
