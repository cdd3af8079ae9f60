import assert from "node:assert/strict";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	readdirSync,
	statSync,
	symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";

/** Starts a command of a user with this home, whose temporary directory is `home/shared`. */
async function start(home: string): Promise<void> {
	mkdirSync(join(home, "shared"), { recursive: true });
	const command = sluice(["--version"], {
		cwd: home,
		env: { HOME: home, TMPDIR: join(home, "shared"), NODE_COMPILE_CACHE: "" },
	});
	assert.equal(await command.ended, 0, command.stderr());
}

function cacheOf(home: string): string {
	return join(home, ".cache/sluice");
}

describe("what Node has compiled", () => {
	test("is kept in a folder that only the user can write to", async () => {
		using home = folderWith({});
		await start(home.path);
		assert.notDeepEqual(readdirSync(cacheOf(home.path)), []);
		assert.equal(statSync(cacheOf(home.path)).mode & 0o777, 0o700);
	});

	test("is never in the temporary directory, which all users share", async () => {
		using home = folderWith({});
		await start(home.path);
		assert.deepEqual(readdirSync(join(home.path, "shared")), []);
	});

	for (const [name, folder] of [
		["the folder itself", ".cache/sluice"],
		["a folder around it", ".cache"],
	] as const) {
		test(`is not kept if others can write to ${name}`, async () => {
			using home = folderWith({});
			mkdirSync(cacheOf(home.path), { recursive: true });
			chmodSync(join(home.path, folder), 0o777);
			await start(home.path);
			assert.deepEqual(readdirSync(cacheOf(home.path)), []);
		});
	}

	test("is not kept behind a link to a folder that others can write to", async () => {
		using home = folderWith({ "open/file": "" });
		chmodSync(join(home.path, "open"), 0o777);
		mkdirSync(join(home.path, ".cache"));
		symlinkSync(join(home.path, "open"), cacheOf(home.path));
		await start(home.path);
		assert.deepEqual(readdirSync(join(home.path, "open")), ["file"]);
	});

	test("is not kept for a user without a home", async () => {
		using home = folderWith({ ".cache": "a file" });
		await start(home.path);
		assert.equal(existsSync(cacheOf(home.path)), false);
	});
});
