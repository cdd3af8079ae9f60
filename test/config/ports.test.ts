import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";
import { problemsOf } from "../kit/problems.ts";

/** What is said of ports, and nothing of TLS's files. */
function said(top: string, env: Record<string, string> = {}): string[] {
	return problemsOf(`${top}\nroutes: { GET /x: { respond: 1 } }`, env);
}

const tls = (redirect: number | string) =>
	`tls: { cert: ./c.pem, key: ./k.pem, redirect: ${redirect} }`;

describe("two ports of one gateway", () => {
	test("that are one are refused", () => {
		assert.deepEqual(said(`server: { port: 8443, ${tls(8443)} }`), [
			"test.yaml:1:69: `server.tls.redirect` is 8443, and so is `server.port`: choose another",
		]);
		assert.deepEqual(said("server: { port: 9000 }\nadmin: { port: 9000 }"), [
			"test.yaml:2:16: `admin.port` is 9000, and so is `server.port`: choose another",
		]);
		assert.deepEqual(
			said(
				`server: { port: 8443, ${tls("'\${env.PLAIN}'")} }\nadmin: { port: 8080 }`,
				{ PLAIN: "8080" },
			),
			[
				"test.yaml:2:16: `admin.port` is 8080, and so is `server.tls.redirect`: choose another",
			],
		);
	});

	test("are one also if one of them takes all addresses", () => {
		for (const host of ["0.0.0.0", "'::'"]) {
			const config = `server: { port: 9000, host: ${host} }\nadmin: { port: 9000 }`;
			assert.equal(said(config).length, 1, host);
		}
	});

	test("are warned of if the server's is the default, which `--port` may replace", () => {
		assert.deepEqual(said("admin: { port: 8080 }"), [
			"test.yaml:1:16: warning: `admin.port` is 8080, and so is `server.port`, the default: choose another",
		]);
	});

	test("may be any free ones, or those of two addresses", () => {
		for (const config of [
			"server: { port: 0 }\nadmin: { port: 0 }",
			`server: { port: 8443, ${tls(8080)} }\nadmin: { port: 8081 }`,
			"server: { port: 9000, host: 10.0.0.1 }\nadmin: { port: 9000 }",
			"server: { port: 8081 }",
		]) {
			assert.deepEqual(said(config), [], config);
		}
	});

	test("are refused before anything is begun if the command line makes them one", async () => {
		const routes = "routes: { GET /x: { respond: 1 } }";
		for (const [top, words, message] of [
			[
				"admin: { port: 18731 }",
				["--port", "18731"],
				"`admin.port` is 18731, and so is `--port`: choose another\n",
			],
			[
				"server: { port: 18731, host: 127.0.0.2 }\nadmin: { port: 18731 }",
				["--host", "0.0.0.0"],
				"`admin.port` is 18731, and so is `server.port`: choose another\n",
			],
		] as const) {
			using folder = folderWith({ "sluice.yaml": `${top}\n${routes}` });
			for (const workers of ["1", "2"]) {
				const args = ["serve", ...words, "--workers", workers];
				const command = sluice(args, { cwd: folder.path });
				assert.equal(await command.ended, 2);
				assert.equal(command.stderr(), message);
				assert.equal(command.stdout(), "");
			}
		}
	});
});
