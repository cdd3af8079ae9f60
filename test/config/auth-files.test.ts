import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import { inspectConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { folderWith } from "../kit/cli.ts";

/** What `check` says of entries in a file, or in the config itself. */
async function said(entries: string, inConfig = false): Promise<string[]> {
	const kind = inConfig ? `{ list: ${entries} }` : "{ file: ./keys.yaml }";
	using folder = folderWith({
		"keys.yaml": entries,
		"sluice.yaml": `
auth:
  partners:
    keys: ${kind}
routes:
  GET /me: { auth: partners, respond: "\${auth.sub}" }
`,
	});
	const file = join(folder.path, "sluice.yaml");
	const { problems } = await inspectConfig(file, {});
	return problems.map((one) =>
		printProblem(one).replace(`${folder.path}/`, ""),
	);
}

const { hash } = createApiKey();
const over = `{ name: old, hash: "${hash}", expires: 2020-01-01 }`;
const words =
	"the key of `old` has expired, at 2020-01-01T00:00:00.000Z: remove it, or make another with `sluice key`";

describe("a file of keys", () => {
	test("is told with all its faults, each with its line", async () => {
		const faulty = `- name: acme
  hash: none
  expire: 2030-01-01
- name: "a:b"
  hash: "${hash}"
`;
		const all = await said(faulty);
		assert.equal(all.length, 1, all.join("\n"));
		const told = all.join().split("; ");
		assert.equal(told.length, 3, all.join());
		const [first = "", second = "", third = ""] = told;
		assert.match(first, /^sluice\.yaml:4:19: \.\/keys\.yaml: line 2: .*hash/);
		assert.match(second, /^line 3: unknown key `expire`/);
		assert.match(third, /^line 4: .*none of them a colon/);
	});

	test("may hold a key that is over, of which is warned", async () => {
		assert.deepEqual(await said(`- ${over}\n`), [
			`sluice.yaml:4:19: warning: ./keys.yaml: ${words}`,
		]);
		assert.deepEqual(await said(`- ${over.replace("2020", "2120")}\n`), []);
	});
});

test("a key of the config itself that is over is warned of", async () => {
	assert.deepEqual(await said(`[${over}]`, true), [
		`sluice.yaml:4:20: warning: ${words}`,
	]);
});
