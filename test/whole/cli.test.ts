import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { folderWith, runNode, sluice } from "../kit/cli.ts";
import { ask } from "../kit/serve.ts";
import { testPair } from "../kit/transport.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const secret = "planted-s3cret-value";
const hello = `
upstreams:
  users:
    url: \${env.USERS_URL}
    headers: { authorization: "Bearer \${env.USERS_KEY}" }
    query: { key: "\${env.USERS_KEY}" }
    timeout: 500ms
routes:
  GET /hello/{id}:
    steps:
      user: { get: "users/users/\${params.id}" }
    respond: { hello: "\${user.name}" }
  GET /wrong:
    steps:
      user: { get: users/users/1 }
    respond: \${user.name.repeat(-1)}
admin: false
`;

/** Reads the port a served command printed. */
function urlOf(stdout: string): string {
	return /listening on (\S+)/.exec(stdout)?.[1] ?? "";
}

describe("sluice check", () => {
	it("finds the config by itself and says what is in it", async () => {
		using folder = folderWith({ "sluice.yaml": hello });
		const command = sluice(["check"], {
			cwd: folder.path,
			env: { USERS_URL: "http://u.test", USERS_KEY: secret },
		});
		assert.equal(await command.ended, 0);
		assert.equal(
			command.stdout(),
			"sluice.yaml is valid: 2 routes, 1 upstream\n",
		);
		assert.equal(command.stderr(), "");
	});

	it("counts channels, if there are any", async () => {
		using folder = folderWith({
			"sluice.yaml":
				"channels: { room: {} }\nroutes: { GET /room: { listen: room } }\n",
		});
		const command = sluice(["check"], { cwd: folder.path });
		assert.equal(await command.ended, 0, command.stderr());
		assert.equal(
			command.stdout(),
			"sluice.yaml is valid: 1 route, 0 upstreams, 1 channel\n",
		);
	});

	it("lists every problem with its place and exits with 2", async () => {
		const many = readFileSync(
			new URL("../golden/problems/many.yaml", import.meta.url),
			"utf8",
		);
		using folder = folderWith({ "many.yaml": many });
		const command = sluice(["check", "many.yaml"], { cwd: folder.path });
		assert.equal(await command.ended, 2);
		const expected = readFileSync(
			new URL("../golden/problems/many.txt", import.meta.url),
			"utf8",
		);
		const lines = expected.trimEnd().split("\n");
		assert.ok(lines.length >= 12);
		assert.equal(
			command.stderr(),
			`${expected}${lines.length} problems in many.yaml\n`,
		);
	});

	it("names a variable that is missing, and never shows the value of one that is there", async () => {
		using folder = folderWith({
			"sluice.yaml": hello.replace(
				"timeout: 500ms",
				"timeout: ${env.USERS_KEY}",
			),
		});
		const command = sluice(["check"], {
			cwd: folder.path,
			env: { USERS_KEY: secret },
		});
		assert.equal(await command.ended, 2);
		assert.match(
			command.stderr(),
			/sluice.yaml:4:10: the environment variable USERS_URL is not set/,
		);
		assert.match(command.stderr(), /what USERS_KEY holds is not a duration/);
		assert.ok(!(command.stdout() + command.stderr()).includes(secret));
	});

	it("takes a config of JavaScript, found by itself, and tells its problems by path", async () => {
		const routes = '{ "GET /x": { respond: 1, statu: 2 } }';
		using folder = folderWith({
			"sluice.ts": `export default { routes: ${routes} };`,
		});
		const wrong = sluice(["check"], { cwd: folder.path });
		assert.equal(await wrong.ended, 2);
		assert.match(
			wrong.stderr(),
			/^sluice.ts:1:52: routes\["GET \/x"\].statu: unknown key `statu` in a route — did you mean `status`\?\n1 problem in sluice.ts\n$/,
		);
		using both = folderWith({
			"sluice.ts": "throw new Error('not this one');",
			"sluice.yml": "routes: { GET /x: { respond: 1 } }",
		});
		const yaml = sluice(["check"], { cwd: both.path });
		assert.equal(await yaml.ended, 0);
		assert.match(yaml.stdout(), /^sluice.yml is valid/);
	});

	it("says what to do where there is no config, and where the file cannot be read", async () => {
		using folder = folderWith({});
		const none = sluice(["check"], { cwd: folder.path });
		assert.equal(await none.ended, 2);
		assert.match(
			none.stderr(),
			/there is no sluice.yaml, .yml, .json, .ts or .js here/,
		);
		const missing = sluice(["check", "other.yaml"], { cwd: folder.path });
		assert.equal(await missing.ended, 2);
		assert.match(missing.stderr(), /^other.yaml: /);
	});
});

describe("sluice", () => {
	it("teaches with its help, and suggests a command for a misspelt one", async () => {
		using folder = folderWith({});
		const help = sluice(["--help"], { cwd: folder.path });
		assert.equal(await help.ended, 0);
		assert.match(help.stdout(), /GET \/hello/);
		assert.match(help.stdout(), /Exit codes/);
		const misspelt = sluice(["chekc"], { cwd: folder.path });
		assert.equal(await misspelt.ended, 1);
		assert.match(misspelt.stderr(), /Did you mean check/);
	});
});

describe("sluice serve", () => {
	it("bounds its clients as the config says", async () => {
		using folder = folderWith({
			"sluice.yaml": `
admin: false
server:
  port: 0
  connections: 1
  trustedProxies: [127.0.0.1]
  addressHeader: x-forwarded-for
  cors: { origins: [https://app.example.com] }
routes:
  GET /ip: { respond: "\${request.ip}" }
`,
		});
		const command = sluice(["serve"], { cwd: folder.path });
		await command.printed("listening on");
		const url = `${urlOf(command.stdout())}/ip`;
		const agent = new Agent({ keepAlive: true });
		const answer = await ask(url, {
			agent,
			headers: {
				origin: "https://app.example.com",
				"x-forwarded-for": "192.0.2.7",
			},
		});
		assert.equal(answer.json, "192.0.2.7");
		assert.equal(
			answer.headers["access-control-allow-origin"],
			"https://app.example.com",
		);
		// The first connection is still open.
		assert.equal((await ask(url)).status, 503);
		agent.destroy();
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
	});

	it("serves until it is told to end, and shows a secret nowhere", async () => {
		await using users = await startUpstream(
			({ target, rawHeaders }, response) => {
				assert.ok(
					target.includes(secret) && rawHeaders.includes(`Bearer ${secret}`),
				);
				if (target.startsWith("/users/2"))
					return response.socket?.resetAndDestroy();
				if (target.startsWith("/users/3"))
					return json(response, { error: `no ${secret}` }, 500);
				json(response, { name: "Ann" });
			},
		);
		using folder = folderWith({ "sluice.yaml": hello });
		const env = { USERS_URL: users.url, USERS_KEY: secret };
		const command = sluice(["serve", "--port", "0"], { cwd: folder.path, env });
		await command.printed("listening on ");
		const url = urlOf(command.stdout());
		const answers = [
			await ask(`${url}/hello/1`),
			await ask(`${url}/hello/2`),
			await ask(`${url}/hello/3`),
			await ask(`${url}/wrong`),
			await ask(`${url}/nope?token=${secret}-of-client`),
			await ask(`${url}/-/health`),
		];
		assert.deepEqual(
			answers.map(({ status }) => status),
			[200, 502, 502, 500, 404, 200],
		);
		assert.deepEqual(answers[0]?.json, { hello: "Ann" });
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
		const shown = JSON.stringify(answers) + command.stdout() + command.stderr();
		assert.ok(!shown.includes(secret));
		const lines = command
			.stderr()
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line));
		assert.deepEqual(
			lines.map(({ msg, code, step }) => [msg, code, step]),
			[
				["started", undefined, undefined],
				["request failed", "upstream_unreachable", "user"],
				["request failed", "upstream_status", "user"],
				["request failed", "step_failed", undefined],
				["draining", undefined, undefined],
				["stopped", undefined, undefined],
			],
		);
	});

	it("finishes what runs when it is told to end, answering the health check with 503", async () => {
		const { promise: released, resolve: release } =
			Promise.withResolvers<void>();
		await using users = await startUpstream((_request, response) => {
			void released.then(() => json(response, { name: "Ann" }));
		});
		using folder = folderWith({ "sluice.yaml": hello.replace("500ms", "10s") });
		const env = { USERS_URL: users.url, USERS_KEY: secret };
		const command = sluice(["serve", "--port", "0"], { cwd: folder.path, env });
		await command.printed("listening on ");
		const answer = ask(`${urlOf(command.stdout())}/hello/1`);
		await users.arrived(1);
		command.process.kill("SIGTERM");
		await command.printed("draining");
		release();
		assert.equal((await answer).status, 200);
		assert.equal(await command.ended, 0);
	});

	it("cuts what runs longer than the drain, and exits with 1", async () => {
		await using users = await startUpstream(() => {});
		using folder = folderWith({
			"sluice.yaml": `${hello.replace("500ms", "10s")}\nserver: { drain: 100ms }\n`,
		});
		const env = { USERS_URL: users.url, USERS_KEY: secret };
		const command = sluice(["serve", "--port", "0"], { cwd: folder.path, env });
		await command.printed("listening on ");
		const answer = ask(`${urlOf(command.stdout())}/hello/1`).catch(
			(error: Error) => error,
		);
		await users.arrived(1);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 1);
		assert.ok((await answer) instanceof Error);
	});

	it("fails its health check first when it is told to end, and takes requests for `drainDelay`", async () => {
		using folder = folderWith({
			"sluice.yaml":
				"admin: false\nserver: { port: 0, drainDelay: 1h }\nroutes: { GET /x: { respond: 1 } }\n",
		});
		const command = sluice(["serve"], { cwd: folder.path });
		await command.printed("listening on ");
		const url = urlOf(command.stdout());
		assert.equal((await ask(`${url}/-/health`)).status, 200);
		command.process.kill("SIGTERM");
		await command.printed("draining");
		assert.equal((await ask(`${url}/-/health`)).status, 503);
		assert.equal((await ask(`${url}/x`)).status, 200);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 1);
	});

	for (const signal of ["SIGHUP", "SIGQUIT", "SIGINT"] as const) {
		it(`drains at ${signal}, and ignores SIGUSR1 and SIGUSR2`, async () => {
			using folder = folderWith({
				"sluice.yaml":
					"admin: false\nserver: { port: 0, host: 0.0.0.0, drainDelay: 50ms }\nroutes: { GET /x: { respond: 1 } }\n",
			});
			const command = sluice(["serve"], { cwd: folder.path });
			await command.printed("listening on ");
			const url = urlOf(command.stdout());
			command.process.kill("SIGUSR1");
			command.process.kill("SIGUSR2");
			assert.equal((await ask(`${url}/x`)).status, 200);
			command.process.kill(signal);
			assert.equal(await command.ended, 0);
			assert.match(command.stderr(), /"finished":true,"msg":"stopped"/);
			assert.doesNotMatch(command.stderr(), /[Dd]ebugger/);
		});
	}

	it("does not wait for `drainDelay` at Ctrl-C", async () => {
		using folder = folderWith({
			"sluice.yaml":
				"admin: false\nserver: { port: 0, drainDelay: 1h }\nroutes: { GET /x: { respond: 1 } }\n",
		});
		const command = sluice(["serve"], { cwd: folder.path });
		await command.printed("listening on ");
		command.process.kill("SIGINT");
		assert.equal(await command.ended, 0);
	});

	it("ends at once at a second signal", async () => {
		await using users = await startUpstream(() => {});
		using folder = folderWith({ "sluice.yaml": hello.replace("500ms", "10s") });
		const env = { USERS_URL: users.url, USERS_KEY: secret };
		const command = sluice(["serve", "--port", "0"], { cwd: folder.path, env });
		await command.printed("listening on ");
		ask(`${urlOf(command.stdout())}/hello/1`).catch(() => {});
		await users.arrived(1);
		command.process.kill("SIGTERM");
		await command.printed("draining");
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 1);
	});

	it("says in words which port is taken, and by what it is chosen", async () => {
		await using other = await startUpstream(() => {});
		const port = new URL(other.url).port;
		const tls = `{ cert: cert.pem, key: key.pem, redirect: ${port} }`;
		using folder = folderWith({
			"sluice.yaml": `admin: false\nserver: { port: 0, tls: ${tls} }\nroutes: { GET /x: { respond: 1 } }\n`,
			"cert.pem": testPair.cert,
			"key.pem": testPair.key,
		});
		const example = (name: string) =>
			fileURLToPath(
				new URL(`../../examples/${name}/start.ts`, import.meta.url),
			);
		const cwd = folder.path;
		const started = [
			[sluice(["serve"], { cwd }), "as `server.tls.redirect`"],
			[
				runNode([example("weather")], { cwd, env: { PORT: port } }),
				"with `PORT=9000 npm start`",
			],
			[
				runNode([example("chat")], { cwd, env: { PORT: port } }),
				"with `PORT=9000 npm run chat`",
			],
		] as const;
		for (const [command, how] of started) {
			assert.equal(await command.ended, 1);
			const words = `port ${port} is taken by another process: stop it, or choose another ${how}\n`;
			assert.ok(command.stderr().endsWith(words), command.stderr());
		}
	});

	it("says which port redirects to that of https", async () => {
		const holder = await startUpstream(() => {});
		const port = Number(new URL(holder.url).port);
		await holder[Symbol.asyncDispose]();
		const tls = `{ cert: cert.pem, key: key.pem, redirect: ${port} }`;
		using folder = folderWith({
			"sluice.yaml": `admin: false\nserver: { port: 0, drainDelay: 1ms, tls: ${tls} }\nroutes: { GET /x: { respond: 1 } }\n`,
			"cert.pem": testPair.cert,
			"key.pem": testPair.key,
		});
		const command = sluice(["serve"], { cwd: folder.path });
		await command.printed('"msg":"started"');
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
		const line = `\nredirecting from port ${port}\n`;
		assert.ok(command.stdout().includes(line), command.stdout());
		assert.match(
			command.stderr(),
			new RegExp(`"redirect":${port},.*"started"`),
		);
	});

	it("says in words that the port is taken, that the port is none, and that the config has problems", async () => {
		await using other = await startUpstream(() => {});
		using folder = folderWith({
			"sluice.yaml": hello,
			"bad.yaml": "routes: 1\n",
		});
		const env = { USERS_URL: other.url, USERS_KEY: secret };
		const port = new URL(other.url).port;
		const taken = sluice(["serve", "--port", port], { cwd: folder.path, env });
		assert.equal(await taken.ended, 1);
		assert.match(taken.stderr(), /is taken by another process/);
		const none = sluice(["serve", "--port", "http"], { cwd: folder.path, env });
		assert.equal(await none.ended, 1);
		assert.match(none.stderr(), /--port takes a number/);
		const bad = sluice(["serve", "bad.yaml"], { cwd: folder.path, env });
		assert.equal(await bad.ended, 2);
		assert.match(bad.stderr(), /bad.yaml:1:9: `routes` takes a map of routes/);
	});
});
