import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createHosts } from "../../src/server/hosts.ts";
import { listen } from "../../src/server/server.ts";
import { realClock } from "../../src/tasks/clock.ts";
import { folderWith, sluice } from "../kit/cli.ts";
import { problemsOf } from "../kit/problems.ts";
import { ask } from "../kit/serve.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { openClient } from "./client.ts";

/** Whether a server that listens on `host`, with these `hosts`, answers for what `Host` says. */
function answers(
	host: string,
	hosts: readonly string[] | null,
	named: string | null,
	url = "/",
): boolean {
	const headers = named === null ? [] : ["Host", named];
	return createHosts({ host, hosts })?.(url, headers) ?? true;
}

const local = [
	"localhost",
	"LOCALHOST:8080",
	"localhost.",
	"app.localhost:1",
	"a.b.localhost",
	"127.0.0.1:8080",
	"127.8.8.8",
	"[::1]:8080",
	"[0:0:0:0:0:0:0:1]",
	"[::ffff:127.0.0.1]",
];

const elsewhere = [
	"evil.test",
	"evil.test:8080",
	"localhost.evil.test",
	"127.0.0.1.evil.test",
	"127.evil.test",
	"evillocalhost",
	".localhost",
	"0.0.0.0:8080",
	"192.0.2.1",
	"[::]",
	"[::2]",
	"2130706433",
	"127.1",
	"",
];

describe("the hosts that a server answers for", () => {
	for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "::1"]) {
		it(`are the machine's own where it listens on ${host}`, () => {
			for (const name of local) {
				assert.equal(answers(host, null, name), true, name);
			}
			for (const name of elsewhere) {
				assert.equal(answers(host, null, name), false, name);
			}
			assert.equal(answers(host, null, null), true, "HTTP/1.0 without a host");
		});
	}

	it("are any where it listens elsewhere, or where `*` is among them", () => {
		for (const name of [...local, ...elsewhere]) {
			for (const host of ["0.0.0.0", "::", "192.0.2.1", "gateway.test"]) {
				assert.equal(answers(host, null, name), true, name);
			}
			assert.equal(answers("127.0.0.1", ["a.test", "*"], name), true, name);
		}
	});

	it("are those of the list and no others, wherever it listens", () => {
		const hosts = ["api.test", "*.app.test", "192.0.2.1", "2001:db8::1"];
		for (const host of ["127.0.0.1", "0.0.0.0"]) {
			for (const name of [
				"api.test",
				"API.test.:443",
				"a.app.test",
				"a.b.app.test:1",
				"192.0.2.1:8080",
				"[2001:DB8:0::1]:8080",
			]) {
				assert.equal(answers(host, hosts, name), true, name);
			}
			for (const name of [
				...elsewhere.filter((one) => one !== "192.0.2.1"),
				...local,
				"app.test",
				".app.test",
				"xapp.test",
				"a.api.test",
				"*.app.test.evil.test",
				"2001:db8::1",
			]) {
				assert.equal(answers(host, hosts, name), false, name);
			}
		}
	});

	it("are looked at in the target too, where it names one", () => {
		const at = (url: string, named: string | null) =>
			answers("127.0.0.1", null, named, url);
		assert.equal(at("http://localhost:1/x", "localhost"), true);
		assert.equal(at("http://localhost/x", null), true);
		assert.equal(at("http://evil.test/x", "localhost"), false);
		assert.equal(at("http://localhost/x", "evil.test"), false);
		assert.equal(at("http://evil.test", null), false);
	});

	it("are judged anew for each request of a connection", () => {
		const answersFor = createHosts({ host: "127.0.0.1", hosts: null });
		const asked = ["localhost", "evil.test", "localhost", "127.0.0.1", "x"];
		assert.deepEqual(
			asked.map((host) => answersFor?.("/", ["host", host])),
			[true, false, true, true, false],
		);
	});

	it("say in a 421 which key to write, and leave the connection open", async () => {
		let handled = 0;
		const server = await listen({
			...serverDefaults,
			hosts: null,
			cors: {
				origins: ["*"],
				methods: ["GET"],
				headers: [],
				expose: [],
				credentials: false,
				maxAgeMs: 1000,
			},
			host: "127.0.0.1",
			port: 0,
			clock: realClock(),
			handle: async () => {
				handled++;
				return { status: 200, headers: [], body: "ok" };
			},
		});
		try {
			using client = await openClient(server.port);
			const asked = async (line: string, host: string, more = "") => {
				client.send(`${line} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`);
				return client.answer();
			};
			const refused = await asked("GET /x", "evil.test");
			assert.equal(refused.status, 421);
			assert.deepEqual(JSON.parse(refused.body).code, "misdirected");
			assert.deepEqual(JSON.parse(refused.body).errors, [
				{
					at: "headers.host",
					message: "names a host that this server's `hosts` does not have",
				},
			]);
			const preflight =
				"Origin: http://evil.test\r\nAccess-Control-Request-Method: GET\r\n";
			assert.equal(
				(await asked("OPTIONS /x", "evil.test", preflight)).status,
				421,
			);
			assert.equal(
				(await asked("GET http://evil.test/x", "localhost")).status,
				421,
			);
			assert.equal(handled, 0);
			assert.equal((await asked("GET /-/health", "evil.test")).status, 200);
			assert.equal((await asked("GET /x", "localhost")).body, "ok");
			assert.equal(handled, 1);
		} finally {
			await server.close();
		}
	});

	it("are those of the address that `--host` names", async () => {
		using folder = folderWith({
			"sluice.yaml":
				"admin: false\nserver: { host: 0.0.0.0 }\nroutes: { GET /x: { respond: 1 } }",
		});
		const serving = sluice(["serve", "--port", "0", "--host", "127.0.0.1"], {
			cwd: folder.path,
		});
		await serving.printed("listening on");
		const url = /http:\S+/.exec(serving.stdout())?.[0];
		const statusOf = async (host: string) =>
			(await ask(`${url}/x`, { headers: { host } })).status;
		assert.equal(await statusOf("evil.test"), 421);
		assert.equal(await statusOf("localhost"), 200);
		serving.process.kill("SIGTERM");
		await serving.ended;
	});

	const faults: [hosts: string, message: RegExp][] = [
		["api.test", /`hosts` takes a list of hosts/],
		["[]", /`hosts` takes at least one, or leave the key out/],
		["['api.test:80']", /an item of `hosts` takes a host without a port/],
		["['http://api.test']", /an item of `hosts` takes a host without a port/],
		["['a.*.test']", /an item of `hosts` takes a host without a port/],
		["['*.']", /an item of `hosts` takes a host without a port/],
		["['a.test.']", /an item of `hosts` takes a host without a port/],
		["[7]", /an item of `hosts` takes a host without a port/],
	];
	for (const [hosts, message] of faults) {
		it(`are no ${hosts}`, () => {
			const problems = problemsOf(
				`server: { hosts: ${hosts} }\nroutes: { GET /x: { respond: 1 } }`,
			);
			assert.equal(problems.length, 1, problems.join("\n"));
			assert.match(problems[0] ?? "", message);
		});
	}
});
