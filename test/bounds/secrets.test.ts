import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { checkText } from "../../src/config/load.ts";
import { folderWith, runNode, sluice } from "../kit/cli.ts";
import type { Ran } from "../kit/run-commands.ts";
import { ask } from "../kit/serve.ts";
import { startUpstream } from "../kit/upstream.ts";
import { openPeer, type Peer } from "../upstream/peer.ts";

/** Nothing that came from the environment is ever printed, however a config or a call fails. */

/** A text that is found again in every form: in small letters, in capitals, percent-encoded, in a URL. */
const token = `canary${randomBytes(8).toString("hex")}`;

/** Values as they stand in an environment by mistake: each is wrong for most of the holes below. */
const values: Readonly<Record<string, string>> = {
	"a bare token": token,
	"a token with a line break": `${token}\n${token}`,
	"a token beyond ASCII": `${token}é`,
	"a key without its first line": `${token}\n-----END PRIVATE KEY-----\n`,
	"a key that is none": `-----BEGIN PRIVATE KEY-----\n${token}\n-----END PRIVATE KEY-----\n`,
	"a file that is not there": `./${token}/key.pem`,
	"a URL with a user": `https://${token}:${token}@127.0.0.1:9/`,
	"a URL with a password alone": `https://:${token}@127.0.0.1:9/`,
	"a URL with a query": `https://127.0.0.1:9/?key=${token}`,
	"a URL with a token in its path": `https://127.0.0.1:9/${token}/v1`,
	"a URL of a host that is not known": `https://${token}.invalid/`,
	"a URL of another scheme": `ftp://${token}/`,
	"a URL that is none": `https://${token}:port/`,
	"a number with more": `30${token}`,
	"control characters": `\x1b]0;${token}\x07\x9b31m`,
};

/** The holes of an upstream, each filled alone; the others are as they should be. */
const holes: Readonly<Record<string, string>> = {
	url: `url: "\${env.CANARY}"`,
	"part of a url": `url: "https://\${env.CANARY}.invalid/v1"`,
	"the user of a url": `url: "https://\${env.CANARY}@127.0.0.1:9/v1"`,
	"one of several urls": `urls: ["https://127.0.0.1:9/v1", "\${env.CANARY}"]`,
	"the path of one of several urls": `urls: ["https://127.0.0.1:9/v1", "https://127.0.0.2:9/\${env.CANARY}"]`,
	"the same url twice": `urls: ["\${env.CANARY}", "\${env.CANARY}"]`,
	query: `url: https://127.0.0.1:9/, query: { key: "\${env.CANARY}", list: ["\${env.CANARY}", b] }`,
	headers: `url: https://127.0.0.1:9/, headers: { authorization: "Bearer \${env.CANARY}" }`,
	timeout: `url: https://127.0.0.1:9/, timeout: "\${env.CANARY}"`,
	connections: `url: https://127.0.0.1:9/, connections: "\${env.CANARY}"`,
	streams: `url: https://127.0.0.1:9/, streams: "\${env.CANARY}"`,
	maxBody: `url: https://127.0.0.1:9/, maxBody: "\${env.CANARY}"`,
	maxValues: `url: https://127.0.0.1:9/, maxValues: "\${env.CANARY}"`,
	ca: `url: https://127.0.0.1:9/, tls: { ca: "\${env.CANARY}" }`,
	key: `url: https://127.0.0.1:9/, tls: { cert: "\${env.CANARY}", key: "\${env.CANARY ?? './client.key'}" }`,
	"a setting that is wrong otherwise": `url: http://127.0.0.1:9/, tls: { key: "\${env.CANARY.repeat(-1)}" }, timout: "\${env.CANARY}"`,
};

/** The same of a server. `serve` listens nowhere with any of the values. */
const serverHoles: Readonly<Record<string, string>> = {
	"the host of a server": `host: "\${env.CANARY}"`,
	"part of the host of a server": `host: "a.\${env.CANARY}"`,
	"the port of a server": `port: "\${env.CANARY}"`,
};

const routes = `
routes:
  GET /x: { steps: { a: { get: up/a } }, respond: "\${a}" }
`;

describe("what came from the environment", () => {
	const configs = {
		...mapped(holes, (settings) => `upstreams: { up: { ${settings} } }`),
		...mapped(
			serverHoles,
			(settings) =>
				`server: { ${settings} }\nupstreams: { up: { url: "http://127.0.0.1:9" } }`,
		),
	};
	const names = Object.keys(configs);
	const commands = names.flatMap((name, hole) =>
		Object.values(values).flatMap((value) => {
			const file = `${hole}.yaml`;
			const serving = name in serverHoles ? [["serve", file]] : [];
			const words = [
				["check", file],
				["explain", file],
				["call", file, "/x"],
			];
			return [...words, ...serving].map((args) => ({
				hole,
				args,
				env: { CANARY: value },
			}));
		}),
	);
	let ran: Ran[];

	before(async () => {
		const files = Object.values(configs).map((text, hole) => [
			`${hole}.yaml`,
			text + routes,
		]);
		using folder = folderWith({
			...Object.fromEntries(files),
			"commands.json": JSON.stringify(commands),
		});
		const running = runNode([runner, "commands.json"], { cwd: folder.path });
		assert.equal(await running.ended, 0, running.stderr());
		// The log writes to stderr by itself.
		assert.ok(!running.stderr().toLowerCase().includes(token));
		ran = JSON.parse(running.stdout());
		assert.equal(ran.length, commands.length);
	});

	for (const [at, name] of names.entries()) {
		it(`is printed by no command, whatever stands in ${name}`, () => {
			for (const [index, { code, printed }] of ran.entries()) {
				const { hole, args, env } = commands[index] ?? assert.fail();
				if (hole !== at) continue;
				const which = `${args} with ${JSON.stringify(env)}:\n${printed}`;
				assert.ok(code <= 2, which);
				assert.ok(printed.length > 10, which);
				assert.ok(!printed.toLowerCase().includes(token), which);
			}
		});
	}
});

function mapped(
	entries: Readonly<Record<string, string>>,
	change: (text: string) => string,
): Record<string, string> {
	return Object.fromEntries(
		Object.entries(entries).map(([name, text]) => [name, change(text)]),
	);
}

it("a URL with a password alone is refused, as one with a user is", () => {
	for (const user of [`:${token}`, `${token}`, `${token}:${token}`]) {
		const url = `https://${user}@127.0.0.1/`;
		for (const [written, env] of [
			[url, {}],
			["${env.URL}", { URL: url }],
		] as const) {
			const text = `upstreams: { up: { url: "${written}" } }${routes}`;
			const { config, problems } = checkText(text, "a.yaml", env);
			assert.equal(config, null);
			assert.match(problems[0]?.message ?? "", /without user, password/);
		}
	}
});

const runner = new URL("../kit/run-commands.ts", import.meta.url).pathname;

describe("what came from the environment and is wrong only when called", () => {
	let peer: Peer;
	before(async () => {
		const read = (name: string) =>
			readFileSync(
				new URL(`../upstream/tls/${name}.pem`, import.meta.url),
				"utf8",
			);
		peer = await openPeer({
			tls: { cert: read("cert"), key: read("key") },
			onRequest: ({ head, socket }) => socket.end(head.join("\r\n")),
		});
	});
	after(() => peer[Symbol.asyncDispose]());

	it("is in no answer and in no line of the log of `serve`", async () => {
		// It says all that it is asked, where no answer should have it, and where one should have it.
		await using echo = await startUpstream(
			({ target, rawHeaders }, response) => {
				response.writeHead(target.includes("ok") ? 200 : 500, {
					"content-type": "text/html",
				});
				response.end(`${target} ${rawHeaders}`);
			},
		);
		const env = {
			TOKEN: token,
			URL_UNKNOWN: `http://${token}.invalid/v1`,
			URL_REFUSED: `http://127.0.0.1:9/${token}`,
			URL_UNTRUSTED: `${peer.origin}/${token}`,
			URL_ECHO: `${echo.url}/${token}`,
		};
		const common = `query: { key: "\${env.TOKEN}" }, headers: { x-key: "\${env.TOKEN}" }`;
		const tls = new URL("../upstream/tls/cert.pem", import.meta.url).pathname;
		using folder = folderWith({
			"sluice.yaml": `
upstreams:
  unknown: { url: "\${env.URL_UNKNOWN}", ${common} }
  refused: { url: "\${env.URL_REFUSED}", ${common} }
  untrusted: { url: "\${env.URL_UNTRUSTED}", ${common} }
  trusted: { url: "\${env.URL_UNTRUSTED}", tls: { ca: ${tls} }, ${common} }
  echo: { url: "\${env.URL_ECHO}", ${common} }
routes:
${["unknown", "refused", "untrusted", "trusted", "echo"]
	.map(
		(name) => `
  GET /${name}: { steps: { a: { get: ${name}/a } }, respond: "\${a}" }
  GET /${name}/ok: { steps: { a: { get: ${name}/ok } }, respond: "\${a.b}" }
  GET /${name}/proxied: { proxy: ${name}/ok }`,
	)
	.join("")}
`,
		});
		const command = sluice(["serve", "--port", "0"], { cwd: folder.path, env });
		await command.printed("listening on");
		const url = /listening on (\S+)/.exec(command.stdout())?.[1] ?? "";
		for (const name of ["unknown", "refused", "untrusted", "trusted", "echo"]) {
			for (const path of [`/${name}`, `/${name}/ok`, `/${name}/proxied`]) {
				const { status, text, headers } = await ask(url + path);
				// A proxied page is the upstream's own.
				if (path === "/echo/proxied") continue;
				assert.ok(status >= 500, `${path} ${status} ${text}`);
				assert.ok(!JSON.stringify([text, headers]).includes(token), text);
			}
		}
		command.process.kill("SIGTERM");
		await command.ended;
		const log = command.stdout() + command.stderr();
		assert.ok(log.split("\n").length > 15, log);
		assert.ok(!log.toLowerCase().includes(token), log);
		// What may be said is said: which variable, and what is wrong.
		assert.match(log, /ENOTFOUND at what URL_UNKNOWN holds/);
		assert.match(log, /ECONNREFUSED at what URL_REFUSED holds/);
	});

	it("is not in the error of a port that cannot be listened on", async () => {
		const taken = createServer();
		await new Promise((resolve) =>
			taken.listen(0, "127.0.0.1", () => resolve(null)),
		);
		const { port } = taken.address() as { port: number };
		using folder = folderWith({
			"sluice.yaml": `upstreams: { up: { url: "\${env.CANARY}" } }${routes}`,
		});
		const command = sluice(["serve", "--port", `${port}`], {
			cwd: folder.path,
			env: { CANARY: `http://${token}.invalid/` },
		});
		assert.equal(await command.ended, 1);
		const said = command.stdout() + command.stderr();
		assert.match(said, /is taken by another process/);
		assert.ok(!said.includes(token), said);
		await new Promise((resolve) => taken.close(resolve));
	});
});

describe("control characters", () => {
	const evil = "\x1b[2J\x9b31m\u202ea\rb";
	const obeyed = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/;

	it("of a config, a file's name or the command line are shown, not sent", async () => {
		using folder = folderWith({
			"sluice.yaml": `
upstreams: { up: { url: "http://127.0.0.1:9" } }
routes:
  GET /x: { summary: ${JSON.stringify(`a ${evil}`)}, steps: { a: { get: up/a } }, respond: "\${a}" }
`,
			"bad.yaml": `
${JSON.stringify(`key ${evil}`)}: 1
upstreams: { up: { url: ${JSON.stringify(`http://${evil}`)}, timeout: ${JSON.stringify(evil)} } }
routes:
  ${JSON.stringify(`GET /${evil}\nsluice.yaml:1:1: forged`)}: { steps: { a: { get: up/a } } }
`,
		});
		const runs = [
			["check", "bad.yaml"],
			["check", `${evil}.yaml`],
			["explain", "sluice.yaml"],
			["explain", "sluice.yaml", "--json"],
			["explain", "sluice.yaml", `GET /${evil}`],
			["call", "sluice.yaml", `GET ${evil}`],
			["call", "sluice.yaml", "GET /x", "--header", evil],
			["serve", "--host", `${evil}.invalid`],
			["serve", "--port", evil],
			[evil],
		];
		for (const args of runs) {
			const command = sluice(args, { cwd: folder.path });
			await command.ended;
			const said = command.stdout() + command.stderr();
			assert.ok(said.length > 10);
			assert.doesNotMatch(said, obeyed, args.join(" "));
			if (!args.includes("sluice.yaml")) assert.match(said, /\\u001b/);
			assert.doesNotMatch(said, /^sluice.yaml:1:1: forged/m);
		}
	});

	it("of an upstream's answer are shown in the log", async () => {
		await using upstream = await startUpstream((_, response) => {
			response.writeHead(200, { "content-type": "application/json" });
			response.end(JSON.stringify(evil));
		});
		using folder = folderWith({
			"sluice.yaml": `
upstreams: { up: { url: "${upstream.url}" } }
routes:
  GET /x:
    steps:
      a: { get: up/a }
      b: { run: "./throw.ts#fail", args: ["\${a}"] }
    respond: "\${b}"
`,
			"throw.ts":
				"export function fail(text: string) { throw new Error(text); }",
		});
		const command = sluice(["serve", "--port", "0"], { cwd: folder.path });
		await command.printed("listening on");
		const url = /listening on (\S+)/.exec(command.stdout())?.[1] ?? "";
		assert.equal((await ask(`${url}/x`)).status, 500);
		command.process.kill("SIGTERM");
		await command.ended;
		assert.match(command.stderr(), /the function threw: \\u001b\[2J\\u009b/);
		assert.doesNotMatch(command.stderr(), obeyed);
	});
});

it("a host that cannot be listened on is named by its key, if it came from the environment", async () => {
	using folder = folderWith({
		"sluice.yaml": `server: { port: 0, host: "\${env.CANARY}" }\nroutes: { GET /x: { respond: 1 } }\n`,
	});
	for (const value of [`${token}.invalid`, `${token} ${token}`]) {
		const env = { CANARY: value };
		const command = sluice(["serve"], { cwd: folder.path, env });
		assert.equal(await command.ended, 1);
		assert.match(command.stderr(), /`server\.host`/);
		assert.ok(!(command.stdout() + command.stderr()).includes(token));
	}
});
