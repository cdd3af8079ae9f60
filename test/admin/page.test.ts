import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { serveAdmin } from "../../src/admin/admin.ts";
import type { Page } from "../../src/admin/handle.ts";
import { pagesOfFiles } from "../../src/admin/page-files.ts";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { folderWith } from "../kit/cli.ts";
import { ask } from "../kit/serve.ts";

const simple = "routes: { GET /hello: { respond: hello } }";

async function started() {
	const config = configOrThrow(checkText(simple, "test.yaml", {}));
	const gateway = createGateway(config);
	const token = "a-token-of-20-letters";
	const admin = await serveAdmin(gateway, { port: 0, token });
	return {
		url: admin.url,
		async [Symbol.asyncDispose]() {
			await admin.close();
			await gateway.close();
		},
	};
}

async function filesOf(folder: string) {
	const pages = pagesOfFiles(pathToFileURL(`${folder}/`));
	const files: [string, string, string][] = [];
	for (const [path, page] of pages) {
		const { type, body } = await page.answer(...([] as unknown as Asked));
		files.push([path, type, Buffer.from(body as Uint8Array).toString()]);
	}
	return files.toSorted();
}

/** The files are the same whatever is asked. */
type Asked = Parameters<Page["answer"]>;

describe("the page", () => {
	it("is given without the token, because a browser that opens an address cannot send one", async () => {
		await using admin = await started();
		const { status, headers } = await ask(admin.url);
		assert.equal(status, 200);
		assert.match(`${headers["content-type"]}`, /^text\/(html|plain); charset/);
		assert.equal((await ask(`${admin.url}/?from=mail`)).status, 200);
		assert.equal((await ask(`${admin.url}/config`)).status, 401);
	});

	it("may run its own files alone, ask its own server alone, and be framed by nobody", async () => {
		await using admin = await started();
		const { headers } = await ask(admin.url);
		assert.equal(
			headers["content-security-policy"],
			"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
		);
		assert.equal(headers["cache-control"], "no-store");
		assert.equal(headers["x-content-type-options"], "nosniff");
		assert.equal(headers["cross-origin-resource-policy"], "same-origin");
		assert.equal(headers["set-cookie"], undefined);
		assert.equal(headers["access-control-allow-origin"], undefined);
	});

	it("has no body for HEAD, takes nothing else, and is for the server's hosts alone", async () => {
		await using admin = await started();
		const head = await ask(admin.url, { method: "HEAD" });
		assert.deepEqual([head.status, head.text], [200, ""]);
		assert.equal((await ask(admin.url, { method: "POST" })).status, 401);
		const other = { headers: { host: "evil.test" } };
		assert.equal((await ask(admin.url, other)).status, 421);
	});
});

describe("the page's files", () => {
	it("are those of the built folder with a type that the page has", async () => {
		using folder = folderWith({
			"index.html": "<p>",
			"icon.svg": "<svg/>",
			"assets/a-1.js": "1",
			"assets/a-2.css": "a{}",
			"assets/a-1.js.map": "{}",
			"secret.txt": "x",
		});
		assert.deepEqual(await filesOf(folder.path), [
			["/", "text/html; charset=utf-8", "<p>"],
			["/assets/a-1.js", "text/javascript; charset=utf-8", "1"],
			["/assets/a-2.css", "text/css; charset=utf-8", "a{}"],
			["/icon.svg", "image/svg+xml", "<svg/>"],
			["/index.html", "text/html; charset=utf-8", "<p>"],
		]);
	});

	it("are a text that says how to build them, where they are not built", async () => {
		using folder = folderWith({});
		for (const path of [folder.path, `${folder.path}/none`]) {
			const [file, ...others] = await filesOf(path);
			assert.deepEqual(others, []);
			const [at, type, text] = file ?? assert.fail();
			assert.deepEqual([at, type], ["/", "text/plain; charset=utf-8"]);
			assert.match(text, /npm run build:ui/);
		}
	});
});
