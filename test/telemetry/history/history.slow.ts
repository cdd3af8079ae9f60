import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import sqlite from "node:sqlite";
import { describe, test } from "node:test";
import { folderWith, sluice } from "../../kit/cli.ts";
import { type KeptGateway, keptGateway, readSql } from "../../kit/history.ts";
import { ask } from "../../kit/serve.ts";
import { until } from "../../kit/until.ts";

const load = 20_000;

/** Asks so many times, some at once, as clients do. Gives how many were answered otherwise than 200. */
async function under(
	kept: Pick<KeptGateway, "gateway">,
	count: number,
	between: (asked: number) => unknown = () => {},
): Promise<number> {
	const { gateway } = kept;
	let wrong = 0;
	for (let asked = 0; asked < count; asked += 40) {
		const answers = await Promise.all(
			Array.from({ length: 40 }, (_, at) =>
				gateway.handle({
					...{ method: "GET", headers: [], ip: "127.0.0.1" },
					target: `/whole/${asked + at}`,
				}),
			),
		);
		wrong += answers.filter(({ status }) => status !== 200).length;
		await between(asked);
		await new Promise((resolve) => setImmediate(resolve));
	}
	return wrong;
}

/** All that were asked are there, or counted. */
function assertCounted(kept: KeptGateway, asked: number): number {
	const { written, dropped, waiting } = kept.history.state();
	const lost = Object.values(dropped).reduce((a, b) => a + b);
	assert.equal(written + lost + waiting, asked);
	return written;
}

function rowsIn(file: string): number {
	const [row] = readSql(file, "SELECT count(*) AS n FROM requests");
	return (row as { n: number }).n;
}

function sizeOf(file: string): number {
	return existsSync(file) ? statSync(file).size : 0;
}

const longRecord = {
	history: true,
	overload: false,
	routes: {
		"GET /whole/{id}": {
			respond: "${params.id}",
			record: { city: `\${'${"x".repeat(900)}' + params.id}` },
		},
	},
};

describe(`a history under a load of ${load} requests`, () => {
	test("has each that it has counted as written, and no other", async () => {
		await using kept = keptGateway({}, longRecord);
		assert.equal(await under(kept, load), 0);
		await kept.history.close();
		const written = assertCounted(kept, load);
		assert.equal(rowsIn(kept.file), written);
		assert.ok(written > load / 2, String(written));
	});

	test("keeps the newest within its bytes", async () => {
		const fileBytesMax = 8 * 1024 ** 2;
		await using kept = keptGateway({ fileBytesMax }, longRecord);
		let most = 0;
		const wrong = await under(kept, load, async (asked) => {
			// So that none is lost because the load is faster than any disk.
			await until(() => kept.history.state().waiting <= 900);
			if (asked % 400 !== 0) return;
			most = Math.max(most, sizeOf(kept.file) + sizeOf(`${kept.file}-wal`));
		});
		assert.equal(wrong, 0);
		await kept.history.close();
		assert.equal(assertCounted(kept, load), load);
		assert.ok(most > fileBytesMax / 2, String(most));
		assert.ok(most <= fileBytesMax + 2 * 1024 ** 2, String(most));
		const [row] = readSql(
			kept.file,
			"SELECT min(n) AS first, max(n) AS last FROM requests",
		);
		const { first, last } = row as { first: number; last: number };
		assert.equal(last, load);
		assert.ok(first > load / 4 && first < load - 1000, String(first));
	});

	test("answers all while another process has the file, and counts the rest", async () => {
		await using kept = keptGateway({}, longRecord);
		await under(kept, 400);
		const told = kept.line("the history cannot be written now");
		let other: sqlite.DatabaseSync | null = null;
		const wrong = await under(kept, load, async (asked) => {
			if (asked === 2000) {
				other = new sqlite.DatabaseSync(kept.file, { timeout: 5000 });
				other.exec("BEGIN IMMEDIATE");
			}
			// What does not fit before anybody knows of the lock is counted as too much at once.
			if (asked === 2400) assert.equal((await told).fields.reason, "locked");
		});
		assert.equal(wrong, 0);
		(other as sqlite.DatabaseSync | null)?.exec("COMMIT");
		(other as sqlite.DatabaseSync | null)?.close();
		await kept.history.close();
		assert.equal(rowsIn(kept.file), assertCounted(kept, load + 400));
		assert.ok(kept.history.state().dropped.locked > 0);
	});
});

const config = `
history: { file: "\${env.FILE}" }
admin: { port: 0 }
overload: false
routes:
  GET /whole/{id}:
    respond: \${params.id}
    record: { city: "\${params.id}" }
`;

/** A gateway of a process of its own. */
async function served(file: string, prefix: readonly string[] = []) {
	const folder = folderWith({ "sluice.yaml": config });
	// Whoever it runs as may read the config.
	chmodSync(folder.path, 0o755);
	const args = ["serve", "--port", "0"];
	const command = sluice(args, {
		cwd: folder.path,
		env: { FILE: file },
		...(prefix.length > 0 && { prefix }),
	});
	await command.printed("admin page");
	const address = (words: string) =>
		new RegExp(`${words} (http://\\S+)`).exec(command.stdout())?.[1] ?? "";
	const [url, admin] = [address("listening on"), address("admin page:")];
	const numbers = async () => {
		const { text } = await ask(`${admin}/metrics`);
		const number = (name: string) =>
			[...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, "gm"))]
				.map(([, value]) => Number(value))
				.reduce((a, b) => a + b, 0);
		return {
			written: number("sluice_history_written_total"),
			dropped: number("sluice_history_dropped_total"),
			waiting: number("sluice_history_waiting_requests"),
		};
	};
	const askAll = async (count: number) => {
		let wrong = 0;
		for (let asked = 0; asked < count; asked += 20) {
			const answers = await Promise.all(
				Array.from({ length: 20 }, (_, at) =>
					ask(`${url}/whole/${asked + at}`),
				),
			);
			wrong += answers.filter(({ status }) => status !== 200).length;
		}
		return wrong;
	};
	return {
		...{ command, numbers, askAll },
		async [Symbol.asyncDispose]() {
			command.process.kill("SIGKILL");
			await command.ended;
			folder[Symbol.dispose]();
		},
	};
}

describe("a history whose process is killed", () => {
	test("has what was counted as written, after -9 in the middle of a load", async () => {
		using folder = folderWith({});
		const file = join(folder.path, "kept.db");
		await using gateway = await served(file);
		assert.equal(await gateway.askAll(600), 0);
		const loading = gateway.askAll(2000).catch(() => {});
		let { written } = await gateway.numbers();
		await until(async () => {
			({ written } = await gateway.numbers());
			return written >= 800;
		});
		gateway.command.process.kill("SIGKILL");
		await gateway.command.ended;
		await loading;
		assert.ok(rowsIn(file) >= written, `${rowsIn(file)} of ${written}`);
		const [row] = readSql(file, "PRAGMA integrity_check");
		assert.deepEqual(row, { integrity_check: "ok" });
	});
});

/** Runs a command as a root to whom the rights of files mean something. Others may not be able to read this folder. */
const asOthers = [
	"setpriv",
	"--bounding-set=-dac_override,-dac_read_search",
	"--inh-caps=-all",
];
const isRoot = process.getuid?.() === 0;
const canBeOthers =
	isRoot &&
	spawnSync(asOthers[0] ?? "", [...asOthers.slice(1), "true"]).status === 0;

describe("a history on a disk that takes nothing", () => {
	test("fails no request if it may not be written, and counts all", {
		skip: isRoot && !canBeOthers && "needs setpriv",
	}, async () => {
		using folder = folderWith({});
		chmodSync(folder.path, 0o555);
		const file = join(folder.path, "kept.db");
		await using gateway = await served(file, canBeOthers ? asOthers : []);
		assert.match(
			gateway.command.stderr(),
			/this user may not write to its folder/,
		);
		assert.equal(await gateway.askAll(200), 0);
		await gateway.command.printed("the history cannot be written now");
		gateway.command.process.kill("SIGTERM");
		assert.equal(await gateway.command.ended, 0);
		assert.match(gateway.command.stderr(), /"count":200,"reason":"unwritable"/);
		assert.equal(existsSync(file), false);
		chmodSync(folder.path, 0o755);
	});

	test("fails no request if it is full, counts the rest, and goes on when there is room", async (t) => {
		using folder = folderWith({});
		const { path } = folder;
		const options = ["-t", "tmpfs", "-o", "size=1m", "none", path];
		if (spawnSync("mount", options).status !== 0) {
			t.skip("needs the right to mount");
			return;
		}
		const file = join(path, "kept.db");
		try {
			await using kept = keptGateway({ file }, longRecord);
			const told = kept.line("the history cannot be written now");
			assert.equal(await under(kept, load), 0);
			assert.equal((await told).fields.reason, "full");
			const { written, dropped } = kept.history.state();
			assert.ok(written > 0 && written < 2000, String(written));
			assert.ok(dropped.full > 0);
			assert.equal(rowsIn(file), written);
			const again = kept.line("the history is written again");
			spawnSync("mount", ["-o", "remount,size=64m", path]);
			await again;
			await kept.history.close();
			assert.equal(rowsIn(file), assertCounted(kept, load));
		} finally {
			spawnSync("umount", [path]);
		}
	});
});

const hasSqlite = spawnSync("sqlite3", ["--version"]).status === 0;
const mustHave = process.env.SLUICE_TEST_ALL !== undefined;

describe("sqlite3", () => {
	test("reads the history while it is written", {
		skip: !hasSqlite && !mustHave && "sqlite3 is not installed",
	}, async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/Oslo", "/failed");
		const sql =
			"SELECT city, upstreams, calls FROM requests ORDER BY calls; SELECT step, code FROM calls ORDER BY step";
		const { requests } = await untilKept(kept, 2);
		assert.equal(requests, 2);
		const { stdout } = spawnSync("sqlite3", ["-readonly", kept.file, sql]);
		assert.equal(
			stdout.toString(),
			'Oslo|[]|0\n|["users","orders"]|2\norder|upstream_unreachable\nuser|upstream_unreachable\n',
		);
	});
});

describe("sluice history", () => {
	test("shows what a gateway has kept, while it runs and after -9", async () => {
		using folder = folderWith({
			"sluice.yaml":
				"history: { file: kept.db }\nroutes: { GET /x: { respond: 1 } }\n",
		});
		const file = join(folder.path, "kept.db");
		const shown = async (...args: string[]) => {
			const command = sluice(["history", ...args], { cwd: folder.path });
			const code = await command.ended;
			return { code, out: command.stdout(), err: command.stderr() };
		};
		const none = await shown();
		assert.deepEqual([none.code, none.out], [1, ""]);
		assert.match(none.err, /there is no history yet/);
		const gateway = await served(file);
		try {
			assert.equal(await gateway.askAll(20), 0);
			let { written } = await gateway.numbers();
			await until(async () => {
				({ written } = await gateway.numbers());
				return written >= 20;
			});
			const csv = await shown("--csv", "--limit", "5");
			assert.equal(csv.code, 0, csv.err);
			assert.equal(csv.out.split("\r\n").length, 7);
			gateway.command.process.kill("SIGKILL");
			await gateway.command.ended;
			const json = await shown("--json", "--since", "1h");
			const lines = json.out
				.trim()
				.split("\n")
				.map((line) => JSON.parse(line));
			assert.equal(lines.length, 20);
			const one = await shown("--id", lines[0].id.slice(0, 8));
			assert.match(one.out, new RegExp(`^id +${lines[0].id}\n`));
			const unfit = await shown("--route", "GET /x", "--status", "503");
			assert.equal(unfit.err, "no request is kept that fits\n");
			const doubts = {
				"/x": ": write `GET /x`",
				"GET /xs": " — did you mean `GET /x`?",
				"/nope": "",
			};
			for (const [route, near] of Object.entries(doubts)) {
				const { code, out, err } = await shown("--route", route);
				assert.deepEqual([code, out], [0, ""]);
				assert.equal(
					err,
					`no request is kept that fits, and the config has no route \`${route}\`${near}\n`,
				);
			}
			const byFile = await shown("--file", file, "--route", "/nope");
			assert.equal(byFile.err, "no request is kept that fits\n");
			const wrong = await shown("--slow", "x");
			assert.deepEqual([wrong.code, wrong.out], [1, ""]);
			assert.match(wrong.err, /^--slow must be one value: a duration/);
		} finally {
			await gateway[Symbol.asyncDispose]();
		}
	});
});

/** How many are kept, once there are so many. */
async function untilKept(
	{ history }: KeptGateway,
	count: number,
): Promise<{ requests: number }> {
	await until(() => history.state().written >= count);
	return { requests: history.state().written };
}
