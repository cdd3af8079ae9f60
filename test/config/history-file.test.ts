import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sqlite from "node:sqlite";
import { describe, test } from "node:test";
import { inspectConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { folderWith } from "../kit/cli.ts";

function database(file: string, sql: string): void {
	const db = new sqlite.DatabaseSync(file);
	db.exec(sql);
	db.close();
}

const cases: readonly [
	string,
	string,
	(file: string) => void,
	string | null,
][] = [
	["that is not there yet", "kept.db", () => {}, null],
	["that is empty", "kept.db", (file) => writeFileSync(file, ""), null],
	[
		"that is a history",
		"kept.db",
		(file) =>
			database(
				file,
				"PRAGMA application_id = 0x536c7563; PRAGMA user_version = 1",
			),
		null,
	],
	[
		"whose folder is not there",
		"none/kept.db",
		() => {},
		"`file`: its folder is not there: make it, or name another",
	],
	[
		"that is a folder",
		"kept.db",
		(file) => mkdirSync(file),
		"`file` is no file: name one, such as `./sluice.db`",
	],
	[
		"that is a text",
		"kept.db",
		(file) => writeFileSync(file, "some text"),
		"`file` is no database, and nothing is written over it: name another",
	],
	[
		"of another program",
		"kept.db",
		(file) => database(file, "PRAGMA user_version = 7"),
		"`file` is a database of something else: name another",
	],
	[
		"of a newer version",
		"kept.db",
		(file) =>
			database(
				file,
				"PRAGMA application_id = 0x536c7563; PRAGMA user_version = 2",
			),
		"`file` was written by a newer version: take that one, or another file",
	],
];

describe("the file of a history", () => {
	for (const [title, name, prepare, message] of cases) {
		test(`${title} ${message === null ? "is taken" : "is a problem at its place"}`, async () => {
			using folder = folderWith({
				"sluice.yaml": `routes: { GET /x: { respond: 1 } }\nhistory:\n  file: ${name}\n`,
			});
			prepare(join(folder.path, name));
			const config = join(folder.path, "sluice.yaml");
			const loaded = await inspectConfig(config, {});
			assert.deepEqual(
				loaded.problems.map(printProblem),
				message === null ? [] : [`${config}:3:9: ${message}`],
			);
			const file = loaded.config?.history?.file ?? null;
			assert.equal(file, message === null ? join(folder.path, name) : null);
		});
	}

	test("is looked for in the config's folder also without the key", async () => {
		using folder = folderWith({
			"sluice.yaml": "history: true\nroutes: { GET /x: { respond: 1 } }\n",
			"sluice.db": "some text",
		});
		const config = join(folder.path, "sluice.yaml");
		const { problems } = await inspectConfig(config, {});
		assert.equal(problems[0]?.line, 1);
		assert.match(problems[0]?.message ?? "", /is no database/);
	});
});
