import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";
import { ask } from "../kit/serve.ts";

const routes = `
routes:
  GET /hello: { summary: Says hello, respond: hello }
  GET /users/{id}: { respond: "\${params.id}" }
`;
const list = "  GET /hello       Says hello\n  GET /users/{id}\n";

/** Serves a config, and gives its output and what is answered to each request. */
async function serving<T>(
	yaml: string,
	use: (url: string, stdout: string) => Promise<T>,
): Promise<T> {
	using folder = folderWith({ "sluice.yaml": yaml });
	const command = sluice(["serve"], { cwd: folder.path });
	try {
		await command.printed("listening on");
		const url = /http:\S+/.exec(command.stdout())?.[0] ?? "";
		return await use(url, command.stdout());
	} finally {
		command.process.kill("SIGINT");
		await command.ended;
	}
}

describe("sluice serve", () => {
	it("prints where it listens, its routes and the admin server's address, and says the routes at `/`", () =>
		serving(
			`server: { port: 0 }\nadmin: { port: 0 }${routes}`,
			async (url, stdout) => {
				const admin = /admin page: (\S+)/.exec(stdout)?.[1] ?? "";
				assert.equal(
					stdout,
					`listening on ${url}\n${list}admin page: ${admin}\n`,
				);
				assert.equal((await ask(`${admin}/health/live`)).status, 200);
				const answer = await ask(`${url}/`);
				assert.equal(answer.status, 404);
				assert.equal(
					answer.text,
					`This gateway has no route \`/\`. It answers:\n\n${list}`,
				);
				const head = await ask(`${url}/`, { method: "HEAD" });
				assert.deepEqual([head.status, head.text], [404, ""]);
				// Others may stand behind whoever says that.
				for (const name of ["x-forwarded-for", "forwarded", "via"]) {
					const { text: body } = await ask(`${url}/`, {
						headers: { [name]: "x" },
					});
					assert.equal(JSON.parse(body).code, "route_not_found", name);
				}
				const { text: body } = await ask(`${url}/nothing`);
				assert.equal(JSON.parse(body).code, "route_not_found");
			},
		));

	for (const [what, server] of [
		["other machines may ask", "host: 0.0.0.0"],
		["its hosts are named", "hosts: [localhost, 127.0.0.1]"],
		[
			"proxies stand before it",
			"trustedProxies: [10.0.0.7], addressHeader: x-real-ip",
		],
	]) {
		it(`says nothing at \`/\` if ${what}`, () =>
			serving(
				`server: { port: 0, ${server} }\nadmin: false${routes}`,
				async (url) => {
					const port = new URL(url).port;
					const { text: body } = await ask(`http://127.0.0.1:${port}/`);
					assert.equal(JSON.parse(body).code, "route_not_found");
				},
			));
	}

	for (const key of ["GET /", "GET /{name}"]) {
		it(`leaves \`/\` to the config's own route, and to nobody else: ${key}`, () =>
			serving(
				`server: { port: 0 }\nadmin: false\nroutes: { "${key}": { respond: mine } }`,
				async (url) => {
					const { text: body } = await ask(`${url}/`);
					if (key === "GET /") assert.equal(body, '"mine"');
					else assert.match(body, /It answers:\n\n {2}GET \/\{name\}/);
				},
			));
	}
});
