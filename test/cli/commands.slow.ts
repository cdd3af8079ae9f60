import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { describe, it } from "node:test";
import {
	startLibreTranslate,
	startOpenWeather,
} from "../../examples/weather/upstreams.ts";
import { folderWith, sluice } from "../kit/cli.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const root = new URL("../../", import.meta.url).pathname;
const example = readFileSync(`${root}examples/weather/sluice.yaml`, "utf8");
const secret = "planted-s3cret-value";
const orders = `
upstreams:
  users:
    url: \${env.USERS_URL}
    headers: { authorization: "Bearer \${env.USERS_KEY}" }
routes:
  GET /users/{id}:
    request: { headers: { accept-language?: { type: string, maxLength: 20 } } }
    steps:
      user: { get: "users/users/\${params.id}", query: { "lang?": "\${headers.accept_language}" } }
    respond: { name: "\${user.name}" }
  POST /orders:
    request: { body: { type: object } }
    steps:
      order: { post: users/orders, body: "\${body}" }
    status: 201
    respond: \${order}
  GET /text:
    headers: { content-type: text/plain }
    respond: plain
server: { maxBody: 1KiB }
`;

interface Ran {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

async function ran(
	args: readonly string[],
	options: { cwd: string; env?: Record<string, string> },
): Promise<Ran> {
	const command = sluice(args, options);
	const code = await command.ended;
	return { code, stdout: command.stdout(), stderr: command.stderr() };
}

/** The command in a folder with the weather example, over the example's two services. */
async function weather() {
	const latencyMs = [0, 5] as const;
	const openweather = await startOpenWeather({ latencyMs, key: secret });
	const translate = await startLibreTranslate({ latencyMs });
	const folder = folderWith({ "sluice.yaml": example });
	const env = {
		OPENWEATHER_URL: openweather.url,
		OPENWEATHER_KEY: secret,
		TRANSLATE_URL: translate.url,
	};
	return {
		run: (...args: string[]) => ran(args, { cwd: folder.path, env }),
		async [Symbol.asyncDispose]() {
			folder[Symbol.dispose]();
			await Promise.all([openweather.close(), translate.close()]);
		},
	};
}

describe("sluice call", () => {
	it("answers a route of the example without a server, its body on stdout and its head on stderr", async () => {
		await using example = await weather();
		const answer = await example.run("call", "GET /weather?city=Москва");
		const { stderr, ...rest } = answer;
		assert.deepEqual(rest, {
			code: 0,
			stdout: '{"city":"Москва","weather":"облачно"}',
		});
		assert.match(
			stderr,
			/^200 OK\nx-content-type-options: nosniff\ncontent-type: application\/json; charset=utf-8\nsluice-complete: \?1\ncache-control: max-age=5\d\nvary: accept\netag: ".+"\n\n$/,
		);
	});

	it("prints the head to stdout with --include, and no body for HEAD", async () => {
		await using example = await weather();
		const words = ["sluice.yaml", "HEAD", "/weather?city=London"];
		const head = await example.run("call", "-i", ...words);
		assert.equal(head.code, 0);
		assert.match(head.stdout, /^200 OK\n(.+: .+\n)+\n$/);
		assert.equal(head.stderr, "");
	});

	it("says why parts are missing, and shows a secret nowhere", async () => {
		await using example = await weather();
		const answer = await example.run("call", "/weather/compare?city=Atlantis");
		assert.equal(answer.code, 0);
		assert.match(answer.stderr, /^sluice-complete: \?0$/m);
		assert.match(
			answer.stderr,
			/^cities\[0\]: upstream_status: openweather answered 404$/m,
		);
		assert.ok(!(answer.stdout + answer.stderr).includes(secret));
	});

	it("sends header fields and bodies, and exits with 1 for a status of 400 and above", async () => {
		await using users = await startUpstream(({ target, body }, response) => {
			if (target === "/users/2") return json(response, {}, 500);
			json(response, body === "" ? { name: target } : JSON.parse(body));
		});
		using folder = folderWith({
			"sluice.yaml": orders,
			"order.json": '{"item":8}',
			"long.json": `{"item":"${"x".repeat(1024)}"}`,
		});
		const env = { USERS_URL: users.url, USERS_KEY: secret };
		const call = (...args: string[]) =>
			ran(["call", ...args], { cwd: folder.path, env });

		const [german, created, long, failed, plain] = await Promise.all([
			call("/users/7", "-H", "Accept-Language: de"),
			call("POST /orders", "--data", "@order.json"),
			call("/orders", "--data", "@long.json"),
			call("/users/2"),
			call("/text"),
		]);
		assert.equal(german.stdout, '{"name":"/users/7?lang=de"}');
		assert.deepEqual([created.code, created.stdout], [0, '{"item":8}']);
		assert.match(created.stderr, /^201 Created$/m);
		assert.deepEqual([long.code, JSON.parse(long.stdout).status], [1, 413]);
		assert.deepEqual([failed.code, JSON.parse(failed.stdout).status], [1, 502]);
		assert.match(failed.stderr, /^user: upstream_status: users answered 500$/m);
		assert.equal(plain.stdout, "plain");
	});

	it("aborts the request at Ctrl-C, as if the client had left", async () => {
		await using users = await startUpstream(() => {});
		using folder = folderWith({ "sluice.yaml": orders });
		const env = { USERS_URL: users.url, USERS_KEY: secret };
		const command = sluice(["call", "/users/7"], { cwd: folder.path, env });
		await users.arrived(1);
		command.process.kill("SIGINT");
		await users.aborted(1);
		assert.equal(await command.ended, 1);
		assert.match(command.stderr(), /client_closed/);
	});

	it("shows each event of a live route as it comes, until Ctrl-C", async () => {
		const live = `
routes:
  GET /now:
    live: { every: 100ms }
    respond: { time: "\${request.time}" }
`;
		using folder = folderWith({ "sluice.yaml": live });
		const args = ["call", "/now", "-H", "accept: text/event-stream"];
		const command = sluice(args, { cwd: folder.path });
		const events = () => command.stdout().match(/^event: answer$/gm) ?? [];
		while (events().length < 3) {
			await once(command.process.stdout as Readable, "data");
		}
		command.process.kill("SIGINT");
		assert.equal(await command.ended, 0);
		assert.match(
			command.stdout(),
			/^id: ".+"\nevent: answer\ndata: \{"time":\d+\}\n\n/,
		);
		assert.match(command.stderr(), /^200 OK\n/);
	});

	it("exits with 1 for what is no request, and with 2 for a config with problems", async () => {
		using folder = folderWith({ "bad.yaml": "a: 1\n" });
		const call = (...args: string[]) =>
			ran(["call", ...args], { cwd: folder.path });
		const [none, bad] = await Promise.all([
			call("users/7"),
			call("bad.yaml", "/users/7"),
		]);
		assert.deepEqual([none.code, none.stdout], [1, ""]);
		assert.match(none.stderr, /^a request is a method and a path/);
		assert.deepEqual([bad.code, bad.stdout], [2, ""]);
		assert.match(bad.stderr, /^bad.yaml:1:1: unknown key `a`/);
	});
});

describe("sluice explain", () => {
	it("explains every route of the config in the folder, or the one that is named", async () => {
		await using example = await weather();
		const all = await example.run("explain");
		assert.deepEqual([all.code, all.stderr], [0, ""]);
		assert.match(all.stdout, /^GET \/weather — .*^GET \/weather\/compare$/ms);
		for (const words of [["/weather"], ["sluice.yaml", "get", "/weather"]]) {
			const one = await example.run("explain", ...words);
			assert.equal(one.stdout, `${all.stdout.split("\n\nGET ")[0]}\n`);
		}
		assert.ok(!all.stdout.includes(secret));
	});

	it("prints JSON for scripts and a flowchart, but not both", async () => {
		await using example = await weather();
		const asJson = await example.run("explain", "/weather", "--json");
		const { routes } = JSON.parse(asJson.stdout);
		assert.equal(routes.length, 1);
		assert.deepEqual(routes[0].longestChain, {
			steps: ["city_en", "now", "weather"],
			ms: 2900,
		});
		const chart = await example.run("explain", "--mermaid");
		assert.match(chart.stdout, /^flowchart LR\n/);
		const both = await example.run("explain", "--mermaid", "--json");
		assert.equal(both.code, 1);
		assert.match(both.stderr, /choose one/);
	});

	it("knows timeouts that come from the environment", async () => {
		using folder = folderWith({
			"sluice.yaml":
				"upstreams: { up: { url: 'http://u.test', timeout: '${env.TIMEOUT}' } }\nroutes: { GET /r: { steps: { a: { get: up/a } } } }\n",
		});
		const env = { TIMEOUT: "1234ms" };
		const { stdout } = await ran(["explain"], { cwd: folder.path, env });
		assert.match(stdout, /0–1234 ms/);
	});

	it("suggests the route that answers a path with values", async () => {
		using folder = folderWith({
			"sluice.yaml":
				"upstreams: { up: { url: 'http://u.test' } }\nroutes: { 'GET /home/{id}': { respond: 1 }, POST /open: { respond: 1 }, 'ANY /files/{rest*}': { proxy: { to: 'up/{rest*}' } } }\n",
		});
		const hints: Readonly<Record<string, string>> = {
			"/home/7": "GET /home/{id}",
			"get /home/7": "GET /home/{id}",
			"PUT /files/a/b": "ANY /files/{rest*}",
			"GET /opn": "/open",
		};
		for (const [name, hint] of Object.entries(hints)) {
			const { stderr } = await ran(["explain", name], { cwd: folder.path });
			const [first] = stderr.split("\n");
			assert.equal(
				first,
				`there is no route \`${name}\` — did you mean \`${hint}\`?`,
			);
		}
		for (const name of ["/nowhere", "PUT /home/7"]) {
			const { stderr } = await ran(["explain", name], { cwd: folder.path });
			assert.match(stderr, /^there is no route `[^`]*`\nThe routes:\n/, name);
		}
	});

	it("suggests a route for a misspelt one and lists them all", async () => {
		await using example = await weather();
		const answer = await example.run("explain", "/weathr");
		assert.equal(answer.code, 1);
		assert.equal(
			answer.stderr,
			"there is no route `/weathr` — did you mean `GET /weather`?\nThe routes:\n  GET /weather\n  GET /weather/compare\n  GET /board\n",
		);
	});
});

describe("sluice schema", () => {
	it("prints a JSON Schema, whatever the folder", async () => {
		using folder = folderWith({});
		const { code, stdout, stderr } = await ran(["schema"], {
			cwd: folder.path,
		});
		assert.deepEqual([code, stderr], [0, ""]);
		assert.equal(JSON.parse(stdout).$id, "urn:sluice:schema:config");
	});
});

describe("sluice --help", () => {
	it("teaches a command with examples", async () => {
		using folder = folderWith({});
		const { code, stdout } = await ran(["call", "--help"], {
			cwd: folder.path,
		});
		assert.equal(code, 0);
		assert.match(stdout, /^ {2}sluice call 'GET \/weather\?city=Москва'$/m);
	});

	it("ends without a fault when its reader has seen enough", async () => {
		using folder = folderWith({});
		const running = sluice(["--help"], { cwd: folder.path });
		running.process.stdout?.destroy();
		assert.equal(await running.ended, 0);
		assert.equal(running.stderr(), "");
	});
});
