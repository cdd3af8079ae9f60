import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { folderWith, runNode } from "../kit/cli.ts";

const serving = new URL("../../src/cli/serving.ts", import.meta.url).href;

/** Loads all that a process serves with, and says which of Node's own modules came with it. */
const program = `
await import(${JSON.stringify(serving)});
console.log(process.moduleLoadList.filter((name) => name.startsWith("NativeModule ")).join("\\n"));
`;

describe("the start of the command", () => {
	it("does not load Node's fetch, which nothing of it uses", async () => {
		using folder = folderWith({ "load.mjs": program });
		const command = runNode(["load.mjs"], { cwd: folder.path });
		assert.equal(await command.ended, 0, command.stderr());
		const loaded = command.stdout().split("\n");
		assert.ok(loaded.includes("NativeModule http"));
		const unused = loaded.filter((name) => /undici/.test(name));
		assert.deepEqual(unused, []);
	});
});
