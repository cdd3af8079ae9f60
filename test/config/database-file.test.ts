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

describe("the file of jobs", () => {
	const routes = "routes: { GET /x: { job: true, respond: 1 } }\n";
	const told = async (config: string) => {
		using folder = folderWith({ "sluice.yaml": config });
		const file = join(folder.path, "sluice.yaml");
		const { config: made, problems } = await inspectConfig(file, {});
		const printed = problems.map(printProblem);
		assert.equal(made === null, printed.length > 0);
		return printed.map((text) => text.replace(file, ""));
	};

	test("is a problem at its place if its folder is not there", async () => {
		assert.deepEqual(await told(`${routes}jobs:\n  file: none/jobs.db\n`), [
			":3:9: `file`: its folder is not there: make it, or name another",
		]);
	});

	test("is not looked at if no route makes jobs, or a store has them", async () => {
		const store = "store: redis://127.0.0.1\njobs: { file: none/jobs.db }\n";
		assert.deepEqual(await told(`${routes}${store}`), []);
	});

	test("is found in the config's folder", async () => {
		using folder = folderWith({
			"sluice.yaml": `${routes}jobs: { file: jobs.db }\n`,
		});
		const file = join(folder.path, "sluice.yaml");
		const { config } = await inspectConfig(file, {});
		assert.equal(config?.jobs?.file, join(folder.path, "jobs.db"));
	});
});

describe("what a config names on the disk", () => {
	test("is looked at whatever else is wrong, and each fault is told", async () => {
		using folder = folderWith({
			"sluice.yaml": [
				"server: { port: '${env.NOPE}', tls: { cert: ./none.pem, key: ./none.key } }",
				"history: { file: none/kept.db }",
				"jobs: { file: none/jobs.db }",
				"auth: { users: { keys: { file: ./none.yaml } } }",
				"routes: { GET /x: { auth: users, job: true, steps: { a: { run: ./none.ts#f } }, respond: '${a}' } }",
			].join("\n"),
		});
		const file = join(folder.path, "sluice.yaml");
		const { config, problems } = await inspectConfig(file, {});
		assert.equal(config, null);
		assert.deepEqual(
			problems.map(({ line, column }) => `${line}:${column}`).toSorted(),
			["1:17", "1:45", "1:62", "2:18", "3:15", "4:32", "5:64"],
		);
	});
});
