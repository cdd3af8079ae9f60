import assert from "node:assert/strict";
import { test } from "node:test";
import { readRequest } from "../../src/cli/request.ts";
import { folderWith } from "../kit/cli.ts";

test("a body that cannot be read is named, with the reason", () => {
	using folder = folderWith({ "a.json": "{}" });
	const { path } = folder;
	for (const [file, words] of [
		[`${path}/none`, `there is no file \`${path}/none\``],
		[`${path}/a.json/b`, `there is no file \`${path}/a.json/b\``],
		[path, `\`${path}\` is a folder: name a file`],
		["x\0y", "`x\0y` cannot be read: ERR_INVALID_ARG_VALUE"],
	] as const) {
		assert.throws(() => readRequest(["/a"], { data: `@${file}` }), {
			message: `--data: ${words}`,
		});
	}
	const { body } = readRequest(["/a"], { data: `@${path}/a.json` });
	assert.equal(String(Buffer.from(body)), "{}");
});
