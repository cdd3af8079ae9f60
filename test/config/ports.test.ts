import assert from "node:assert/strict";
import { describe, test } from "node:test";
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
});
