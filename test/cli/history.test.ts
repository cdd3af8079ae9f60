import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sqlite from "node:sqlite";
import { describe, it } from "node:test";
import { prepareSchema } from "../../src/telemetry/history/schema.ts";
import { folderWith, sluice } from "../kit/cli.ts";

const config = `upstreams: { users: { url: "http://127.0.0.1:1" } }
history: { file: ./kept.db }
routes: { GET /a: { steps: { a: { get: users/a } } } }
`;

const nothingYet =
	"the file holds no history: the gateway has written nothing yet, or it was moved without the `-wal` file that stands beside it\n";
const unreadable = "the history cannot be read: ";

/** What there is to read, and what is said of it. */
const faulty: readonly [string, (file: string) => void, string | RegExp][] = [
	["an empty file", (file) => writeFileSync(file, ""), nothingYet],
	["one that was moved without its `-wal`", movedAlone, nothingYet],
	[
		"a folder",
		(file) => mkdirSync(file),
		`${unreadable}this is a folder, so name a file\n`,
	],
	[
		"a text",
		(file) => writeFileSync(file, "x".repeat(5000)),
		`${unreadable}file is not a database\n`,
	],
	[
		"one that is damaged in the middle",
		damaged,
		/^the history cannot be read: [^\n]*malformed[^\n]*\n$/,
	],
	[
		"nothing",
		() => {},
		"there is no history yet: the gateway makes the file when it is first asked\n",
	],
];

describe("`sluice history`", () => {
	for (const [what, make, words] of faulty) {
		it(`says in one line that it cannot read ${what}`, async () => {
			using folder = folderWith({ "sluice.yaml": config });
			make(join(folder.path, "other.db"));
			const { code, stdout, stderr } = await ran(
				folder.path,
				...["--file", "other.db"],
			);
			assert.equal(stdout, "");
			if (typeof words === "string") assert.equal(stderr, words);
			else assert.match(stderr, words);
			assert.equal(code, 1);
		});
	}

	it("doubts a route or an upstream that the config does not have, if nothing is kept", async () => {
		using folder = folderWith({ "sluice.yaml": config });
		made(join(folder.path, "kept.db")).close();
		const none = "no request is kept that fits";
		const all = await Promise.all(
			[
				["--upstream", "user"],
				["--upstream", "nope", "--route", "/a"],
				["--upstream", "users", "--route", "GET /a"],
			].map((args) => ran(folder.path, ...args)),
		);
		assert.deepEqual(
			all.map(({ code, stderr }) => [code, stderr]),
			[
				[
					0,
					`${none}, and the config has no upstream \`user\` — did you mean \`users\`?\n`,
				],
				[
					0,
					`${none}, and the config has no route \`/a\`: write \`GET /a\`, and the config has no upstream \`nope\`\n`,
				],
				[0, `${none}\n`],
			],
		);
	});
});

async function ran(cwd: string, ...args: string[]) {
	const command = sluice(["history", ...args], { cwd });
	const code = await command.ended;
	return { code, stdout: command.stdout(), stderr: command.stderr() };
}

function made(file: string): InstanceType<typeof sqlite.DatabaseSync> {
	const db = new sqlite.DatabaseSync(file);
	db.exec("PRAGMA journal_mode = WAL");
	prepareSchema(db, []);
	return db;
}

/** All that was written stands in the `-wal` file. */
function movedAlone(file: string): void {
	const db = made(`${file}.first`);
	copyFileSync(`${file}.first`, file);
	db.close();
}

/** Its head is sound, and its table is not. */
function damaged(file: string): void {
	const db = made(file);
	db.exec(
		"INSERT INTO request VALUES (1, 'a', 1, NULL, 200, 1, 'whole', NULL, NULL, '[]', NULL)",
	);
	const { rootpage } = db
		.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'request'")
		.get() as { rootpage: number };
	const { page_size: size } = db.prepare("PRAGMA page_size").get() as {
		page_size: number;
	};
	db.exec("PRAGMA journal_mode = DELETE");
	db.close();
	const bytes = readFileSync(file);
	bytes.fill(0xff, (rootpage - 1) * size, rootpage * size);
	writeFileSync(file, bytes);
}
