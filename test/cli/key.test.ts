import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";
import { serve } from "../kit/serve.ts";

async function made(cwd: string, ...args: string[]) {
	const command = sluice(["key", ...args], { cwd });
	const code = await command.ended;
	return {
		...{ code, entry: command.stderr() },
		key: command.stdout().trimEnd(),
	};
}

describe("sluice key", () => {
	test("makes a key and a password that let in by their entries, and are in none", async () => {
		using folder = folderWith({});
		const { path } = folder;
		const key = await made(
			...([path, "acme", "--expires", "90d", "--scope", "read"] as const),
		);
		const password = await made(path, "ada", "--password");
		for (const one of [key, password]) {
			assert.equal(one.code, 0, one.entry);
			assert.ok(!one.entry.includes(one.key));
			assert.ok(one.key.length >= 22 && !one.key.includes("\n"));
		}
		writeFileSync(join(path, "keys.yaml"), key.entry);
		writeFileSync(join(path, "staff.yaml"), password.entry);
		await using gateway = await serve({
			auth: {
				keys: { keys: { file: join(path, "keys.yaml") } },
				staff: { basic: { file: join(path, "staff.yaml") } },
			},
			routes: {
				"GET /me": { auth: ["keys", "staff"], respond: "${auth}" },
			},
		});
		const me = async (headers: Record<string, string>) => {
			const { status, json } = await gateway.get("/me", { headers });
			assert.equal(status, 200);
			return json as Record<string, unknown>;
		};
		const partner = await me({ "x-api-key": key.key });
		assert.deepEqual([partner.sub, partner.scope], ["acme", ["read"]]);
		const pair = Buffer.from(`ada:${password.key}`).toString("base64");
		assert.equal((await me({ authorization: `Basic ${pair}` })).sub, "ada");
		const { status } = await gateway.get("/me", {
			headers: {
				authorization: `Basic ${Buffer.from("ada:x").toString("base64")}`,
			},
		});
		assert.equal(status, 401);
	});

	test("says what is wrong with how it is used", async () => {
		using folder = folderWith({});
		for (const [args, words] of [
			[["a:b"], /none of them a colon/],
			[["a\nb"], /a control character such as a line break/],
			[["a", "--expires", "soon"], /takes a number of days/],
			[["a", "--expires", "2020-01-01"], /2020-01-01 is over already/],
			[["a", "--expires", "0d"], /0d is over already/],
			[["a", "--password", "--expires", "1d"], /a password does not expire/],
		] as const) {
			const { code, entry } = await made(folder.path, ...args);
			assert.equal(code, 1);
			assert.match(entry, words);
		}
	});
});
