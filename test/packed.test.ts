import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { folderWith, runNode } from "./kit/cli.ts";
import { type Packed, packSluice, programs } from "./kit/packed.ts";
import { ask } from "./kit/serve.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const source = join(root, "bin/sluice.js");

describe("the packed command", () => {
	let packed: Packed;

	before(async () => {
		packed = await packSluice();
	});
	after(() => packed[Symbol.dispose]());

	/** What a command prints and how it ends, of the source and of the packed one. */
	async function both(...args: string[]) {
		const ran = [source, packed.bin].map(async (bin) => {
			const run = runNode([bin, ...args], { cwd: root });
			return { code: await run.ended, said: run.stdout() + run.stderr() };
		});
		const [bySource, byPacked] = await Promise.all(ran);
		return { bySource, byPacked };
	}

	for (const args of [
		["--version"],
		["--help"],
		["schema"],
		["check", "examples/weather/sluice.yaml"],
		["check", "package.json"],
		["nothing"],
	]) {
		it(`says the same as the source: sluice ${args.join(" ")}`, async () => {
			const { bySource, byPacked } = await both(...args);
			assert.deepEqual(byPacked, bySource);
			assert.notEqual(bySource?.said, "");
		});
	}

	it("serves with its workers, threads and page", async () => {
		using folder = folderWith({
			"f.js": "export const one = () => process.argv[1];\n",
			"sluice.yaml": `
admin: { port: 0 }
server: { port: 0, workers: 2, drainDelay: 20ms }
history: { file: ./kept.db, requests: all }
routes: { GET /x: { steps: { one: { run: f.js#one } }, respond: "\${one}" } }
`,
		});
		const run = runNode([packed.bin, "serve"], { cwd: folder.path });
		await run.printed('"msg":"started"');
		const [, url] = /listening on (\S+)/.exec(run.stdout()) ?? [];
		const [, admin] = /admin page: (\S+)/.exec(run.stdout()) ?? [];
		const { json } = await ask(`${url}/x`);
		// The worker is a packed one, too.
		assert.match(
			String(json),
			/packed-\w+\/dist\/cli\/workers\/worker-process/,
		);
		assert.equal((await ask(`${admin}/`)).status, 200);
		run.process.kill("SIGTERM");
		assert.equal(await run.ended, 0, run.stderr());
		assert.doesNotMatch(run.stderr(), /"level":[45]0/);
	});

	it("has every file that runs in a process or a thread of its own", () => {
		const started = globSync("src/**/*.ts", { cwd: root }).flatMap((file) => {
			const text = readFileSync(join(root, file), "utf8");
			const names = text.matchAll(
				/`\.\/([\w-]+)\$\{extname\(import\.meta\.url\)/g,
			);
			return Array.from(names, ([, name = ""]) =>
				join(file, "..", name).slice("src/".length),
			);
		});
		assert.ok(started.length > 0);
		assert.deepEqual(programs.toSorted(), ["cli/main", ...started].toSorted());
	});
});
