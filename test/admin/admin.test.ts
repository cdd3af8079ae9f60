import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { type AdminOptions, serveAdmin } from "../../src/admin/admin.ts";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { serve } from "../../src/server/serve.ts";
import { folderWith, sluice } from "../kit/cli.ts";
import { readEvents } from "../kit/events.ts";
import { ask } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const token = "a-token-of-20-letters";

const simple = `
routes:
  GET /hello: { respond: hello }
`;

async function started(
	options: AdminOptions = {},
	yaml = simple,
	env: Record<string, string> = {},
) {
	const config = configOrThrow(checkText(yaml, "test.yaml", env));
	const gateway = createGateway(config);
	const admin = await serveAdmin(gateway, { port: 0, ...options });
	return {
		gateway,
		url: admin.url,
		get: (path: string, given: Parameters<typeof ask>[1] = {}) =>
			ask(admin.url + path, given),
		async [Symbol.asyncDispose]() {
			await admin.close();
			await gateway.close();
		},
	};
}

const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

describe("the admin server", () => {
	it("answers that the process lives, and that it is ready", async () => {
		await using admin = await started();
		for (const path of ["/health/live", "/health/ready"]) {
			const { status, json } = await admin.get(path);
			assert.deepEqual([status, json], [200, { status: "ok" }], path);
		}
	});

	it("answers no other path, and none of the gateway's routes", async () => {
		await using admin = await started();
		for (const path of [
			"/hello",
			"/-/health",
			"/config/",
			"/health",
			"/assets/",
		]) {
			assert.equal((await admin.get(path)).status, 404, path);
		}
	});

	it("refuses a host that does not mean this machine, as after DNS rebinding", async () => {
		await using admin = await started();
		for (const path of ["/config", "/health/live", "/traffic", "/nothing"]) {
			for (const host of ["evil.test", "evil.test:8081", "192.0.2.1"]) {
				const { status, text } = await admin.get(path, { headers: { host } });
				assert.equal(status, 421, `${path} ${host}`);
				assert.ok(!text.includes("routes"));
			}
		}
		const local = { headers: { host: "localhost:1" } };
		assert.equal((await admin.get("/config", local)).status, 200);
	});

	it("answers only for the hosts that it is told", async () => {
		await using admin = await started({ hosts: ["admin.test"] });
		const status = async (host: string) =>
			(await admin.get("/config", { headers: { host } })).status;
		assert.equal(await status("admin.test"), 200);
		assert.equal(await status("localhost"), 421);
	});

	it("refuses every request that does not only read, as a page of another origin can send it", async () => {
		await using admin = await started();
		const headers = {
			origin: "https://evil.test",
			"content-type": "text/plain",
			"sec-fetch-site": "cross-site",
		};
		for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
			for (const path of ["/config", "/health/live", "/try", "/nothing"]) {
				const answer = await admin.get(path, { method, headers, body: "x" });
				assert.equal(answer.status, 401, `${method} ${path}`);
				assert.equal(answer.headers["access-control-allow-origin"], undefined);
			}
		}
	});

	it("tells probes without the token that it lives and is ready, and nothing else", async () => {
		await using admin = await started({ token });
		for (const path of ["/health/live", "/health/ready"]) {
			const { status, json, headers } = await admin.get(path);
			assert.deepEqual([status, json], [200, { status: "ok" }], path);
			assert.equal(headers["cache-control"], "no-store");
			const written = await admin.get(path, { method: "POST" });
			assert.equal(written.status, 401, path);
		}
	});

	it("wants the token for everything else if it has one", async () => {
		await using admin = await started({ token });
		const status = async (headers: Record<string, string>, path = "/config") =>
			(await admin.get(path, { headers })).status;
		for (const path of ["/config", "/metrics", "/state", "/x"]) {
			assert.equal(await status({}, path), 401, path);
		}
		assert.equal(await status(bearer(token)), 200);
		assert.equal(await status({ authorization: `bearer  ${token}` }), 200);
		for (const wrong of [
			token.slice(0, -1),
			`${token}x`,
			token.toUpperCase(),
			"",
			`${token} ${token}`,
		]) {
			assert.equal(await status(bearer(wrong)), 401, wrong);
		}
		assert.equal(await status({ authorization: token }), 401);
		assert.equal(await status({ authorization: `Basic ${token}` }), 401);
		assert.equal(await status({ cookie: `token=${token}` }), 401);
		assert.equal(await status({}, `/config?token=${token}`), 401);
		const { headers } = await admin.get("/config");
		assert.equal(headers["www-authenticate"], "Bearer");
	});

	it("has nothing to write, with the token too", async () => {
		await using admin = await started({ token });
		const headers = bearer(token);
		const answer = await admin.get("/config", { method: "POST", headers });
		assert.equal(answer.status, 405);
		assert.equal(answer.headers.allow, "GET, HEAD");
	});

	it("does not open for other machines without a token", async () => {
		for (const host of ["0.0.0.0", "::", "192.0.2.1", "admin.test"]) {
			await assert.rejects(
				started({ host }),
				(error) =>
					error instanceof GatewayError && error.code === "config_invalid",
				host,
			);
		}
	});

	it("answers HEAD with the head that GET has", async () => {
		await using admin = await started();
		for (const path of ["/config", "/traffic", "/plan", "/nothing"]) {
			const head = await admin.get(path, { method: "HEAD" });
			const { status, headers, text } = await admin.get(path);
			assert.deepEqual([head.status, head.text], [status, ""], path);
			assert.equal(Number(headers["content-length"]), text.length);
			assert.equal(head.headers["content-length"], `${text.length}`);
		}
	});

	it("says with every answer that nobody may keep, frame, run or sniff it", async () => {
		await using admin = await started({ token });
		const given = { headers: bearer(token) };
		for (const [path, options] of [
			["/config", given],
			["/health/live", given],
			["/nothing", given],
			["/config", {}],
		] as const) {
			const { headers } = await admin.get(path, options);
			assert.equal(headers["cache-control"], "no-store", path);
			assert.equal(headers["x-content-type-options"], "nosniff");
			assert.match(
				`${headers["content-security-policy"]}`,
				/^default-src 'none'/,
			);
			assert.equal(headers["cross-origin-resource-policy"], "same-origin");
			assert.equal(headers["set-cookie"], undefined);
			assert.equal(headers["access-control-allow-origin"], undefined);
		}
	});

	it("closes a connection whose client sends no request, and answers others meanwhile", async () => {
		await using admin = await started();
		const slow = connect(Number(new URL(admin.url).port), "127.0.0.1");
		await new Promise((resolve) => slow.once("connect", resolve));
		slow.write("GET /config HTTP/1.1\r\nHost: local");
		assert.equal((await admin.get("/health/live")).status, 200);
		const chunks: Buffer[] = [];
		slow.on("data", (chunk: Buffer) => chunks.push(chunk));
		await new Promise((resolve) => slow.once("close", resolve));
		assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 408 /);
	});

	it("refuses a head that is longer than 8 KiB, and the 51st field", async () => {
		await using admin = await started();
		const long = { headers: { x: "x".repeat(8 * 1024) } };
		assert.equal((await admin.get("/health/live", long)).status, 431);
		const fields = (count: number) => ({
			headers: Object.fromEntries(
				Array.from({ length: count }, (_, at) => [`x-${at}`, "1"]),
			),
		});
		// Node's client adds `Host` and `Connection`.
		assert.equal((await admin.get("/health/live", fields(48))).status, 200);
		assert.equal((await admin.get("/health/live", fields(49))).status, 431);
	});
});

describe("/health/ready", () => {
	it("answers 503 as soon as the gateway drains, while requests are still taken", async () => {
		const config = configOrThrow(checkText(simple, "test.yaml", {}));
		const gateway = createGateway(config);
		const server = await serve(gateway, { port: 0 });
		const admin = await serveAdmin(gateway, { server, port: 0 });
		const ready = async () => (await ask(`${admin.url}/health/ready`)).status;
		assert.equal(await ready(), 200);
		const drained = server.drain(1_000, 60_000);
		assert.equal(await ready(), 503);
		assert.equal((await ask(`${admin.url}/health/live`)).status, 200);
		assert.equal((await ask(`${server.url}/hello`)).status, 200);
		await server.close();
		await drained;
		assert.equal(await ready(), 503);
		await admin.close();
		await gateway.close();
	});
});

describe("/config", () => {
	const canary = "planted-canary-0123456789";
	const yaml = `
upstreams:
  one:
    url: "\${env.ONE_URL}"
    headers:
      authorization: "Bearer \${env.KEY}"
      x-key: ${canary}
      x-default: "\${env.OTHER ?? '${canary}'}"
    query: { appid: ${canary}, key: "\${env.KEY}" }
  two: { url: "http://two.test/bot${canary}/v1" }
routes:
  GET /a:
    steps:
      first: { get: one/a, headers: { x: ${canary} }, query: { q: ${canary} } }
      nested:
        steps:
          inner: { post: two/b, body: { password: ${canary} }, undo: { delete: two/b, headers: { x: ${canary} } } }
    respond: "\${first}"
  ANY /p/{rest*}:
    proxy: { to: "two/{rest*}", headers: { x: ${canary} } }
admin: { port: 0, token: "\${env.ADMIN_TOKEN}" }
`;
	const env = {
		KEY: `env-${canary}`,
		ONE_URL: `http://${canary}.test/`,
		ADMIN_TOKEN: `admin-${canary}`,
	};

	it("shows which config is in force, and no secret, from the environment or written down", async () => {
		await using admin = await started({}, yaml, env);
		const { text, json } = await admin.get("/config");
		assert.ok(!text.includes("canary"), text);
		const { version, node, hash, loadedAt, plan } = json as {
			[key: string]: string;
		} & { plan: { upstreams: object; routes: object } };
		assert.match(version ?? "", /^\d+\.\d+\.\d+/);
		assert.equal(node, process.version);
		assert.match(hash ?? "", /^[\da-f]{64}$/);
		assert.ok(Math.abs(Date.parse(loadedAt ?? "") - Date.now()) < 60_000);
		assert.deepEqual(Object.keys(plan.routes), ["GET /a", "ANY /p/{rest*}"]);
		const { one, two } = plan.upstreams as Record<string, object>;
		assert.partialDeepStrictEqual(one, {
			url: "${env.ONE_URL}",
			headers: {
				authorization: "…${env.KEY}",
				"x-key": "…",
				"x-default": "${env.OTHER …}",
			},
			query: { appid: "…", key: "${env.KEY}" },
		});
		assert.partialDeepStrictEqual(two, { url: "http://two.test/…" });
	});

	it("has another hash if the plan is another", async () => {
		const hashOf = async (text: string) => {
			await using admin = await started({}, text);
			return ((await admin.get("/config")).json as { hash: string }).hash;
		};
		assert.equal(await hashOf(simple), await hashOf(simple));
		assert.notEqual(
			await hashOf(simple),
			await hashOf(simple.replace("respond: hello", "respond: bye")),
		);
	});
});

describe("sluice serve", () => {
	const yaml = (admin: string, more = "") => `
server: { port: 0 }
admin: ${admin}
${more}
routes:
  GET /hello: { respond: hello }
`;
	const adminUrl = (log: string) => /"admin":"([^"]+)"/.exec(log)?.[1] ?? "";

	it("opens the admin server beside the gateway, which knows none of its paths", async () => {
		using folder = folderWith({ "sluice.yaml": yaml("{ port: 0 }") });
		const command = sluice(["serve"], { cwd: folder.path });
		await command.printed('"started"');
		const url = /listening on (\S+)/.exec(command.stdout())?.[1] ?? "";
		const admin = adminUrl(command.stderr());
		assert.equal((await ask(`${admin}/config`)).status, 200);
		for (const path of ["/config", "/metrics", "/health/live"]) {
			assert.equal((await ask(url + path)).status, 404, path);
		}
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
	});

	it("has none with `admin: false`", async () => {
		using folder = folderWith({ "sluice.yaml": yaml("false") });
		const command = sluice(["serve"], { cwd: folder.path });
		await command.printed('"started"');
		assert.equal(adminUrl(command.stderr()), "");
		assert.doesNotMatch(command.stdout(), /admin page/);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 0);
	});

	it("ends if a configured port is taken, and says which", async () => {
		await using other = await started();
		const { port } = new URL(other.url);
		using folder = folderWith({ "sluice.yaml": yaml(`{ port: ${port} }`) });
		const command = sluice(["serve"], { cwd: folder.path });
		assert.equal(await command.ended, 1);
		assert.match(command.stderr(), new RegExp(`admin.*${port}: EADDRINUSE`));
	});

	it("goes on without if the usual port is taken, and says so in the log", async () => {
		using folder = folderWith({ "sluice.yaml": yaml("{ }") });
		for (;;) {
			// Either another process has the port, or this test takes it.
			const own = await started({ port: 8081 }).catch(() => null);
			const command = sluice(["serve"], { cwd: folder.path });
			await command.printed('"started"');
			command.process.kill("SIGTERM");
			assert.equal(await command.ended, 0);
			await own?.[Symbol.asyncDispose]();
			// The other process may have ended meanwhile.
			if (own === null && adminUrl(command.stderr()) !== "") continue;
			assert.match(command.stderr(), /"level":40.*"port":8081.*admin\.port/);
			assert.equal(adminUrl(command.stderr()), "");
			return;
		}
	});

	it("keeps the admin server until the drain has ended, and then says so to those who listen", async () => {
		const { promise: released, resolve: release } =
			Promise.withResolvers<void>();
		await using up = await startUpstream((_, response) => {
			void released.then(() => json(response, 1));
		});
		using folder = folderWith({
			"sluice.yaml": `
server: { port: 0, drain: 30s }
admin: { port: 0 }
upstreams: { up: { url: "${up.url}" } }
routes:
  GET /slow: { steps: { a: { get: up/a } }, respond: "\${a}" }
`,
		});
		const command = sluice(["serve"], { cwd: folder.path });
		await command.printed('"started"');
		const url = /listening on (\S+)/.exec(command.stdout())?.[1] ?? "";
		const admin = adminUrl(command.stderr());
		const slow = ask(`${url}/slow`);
		await up.arrived(1);
		const events = await readEvents(`${admin}/traffic`);
		command.process.kill("SIGTERM");
		await command.printed('"draining"');
		assert.equal((await ask(`${admin}/health/ready`)).status, 503);
		assert.equal((await ask(`${admin}/health/live`)).status, 200);
		await assert.rejects(ask(`${url}/slow`));
		release();
		assert.equal((await slow).status, 200);
		assert.equal((await events.next("request")).data.route, "GET /slow");
		await events.next("end");
		await events.ended;
		assert.equal(await command.ended, 0);
		await assert.rejects(ask(`${admin}/health/live`));
	});
});

describe("/metrics", () => {
	it("counts what the gateway does, in the format that is asked for", async () => {
		await using admin = await started();
		await admin.gateway.handle({
			method: "GET",
			target: "/hello",
			headers: [],
		});
		const plain = await admin.get("/metrics");
		assert.match(
			`${plain.headers["content-type"]}`,
			/^text\/plain; version=0\.0\.4/,
		);
		assert.match(
			plain.text,
			/^http_server_request_duration_seconds_count\{.*\} 1$/m,
		);
		const open = await admin.get("/metrics", {
			headers: {
				accept: "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
			},
		});
		assert.match(
			`${open.headers["content-type"]}`,
			/^application\/openmetrics-text/,
		);
		assert.match(open.text, /# EOF\n$/);
	});

	it("leaves no listener when it is closed", async () => {
		const config = configOrThrow(checkText(simple, "test.yaml", {}));
		const gateway = createGateway(config);
		const admin = await serveAdmin(gateway, { port: 0 });
		assert.equal(gateway.events.requestEnded.length, 1);
		await admin.close();
		assert.equal(gateway.events.requestEnded.length, 0);
		await gateway.close();
	});
});
