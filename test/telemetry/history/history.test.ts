import assert from "node:assert/strict";
import { once } from "node:events";
import {
	closeSync,
	mkdirSync,
	openSync,
	statSync,
	unlinkSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import sqlite from "node:sqlite";
import { describe, test } from "node:test";
import type { Worker } from "node:worker_threads";
import type { TrailEnded } from "../../../src/core/events.ts";
import { everything, keptGateway, readSql } from "../../kit/history.ts";
import { connectTo } from "../../kit/listeners.ts";
import { until } from "../../kit/until.ts";
import { startUpstream } from "../../kit/upstream.ts";

describe("the history", () => {
	test("has a row for each request, with the author's own columns", async () => {
		await using kept = keptGateway();
		const statuses = await kept.ask(
			...["/whole/Oslo", "/partial", "/failed", "/refused?n=a", "/none"],
		);
		assert.deepEqual(statuses, [200, 200, 502, 400, 404]);
		const rows = await kept.closeAndRead(
			"SELECT route, status, completeness, code, faults, calls, upstreams, slowest, city FROM requests ORDER BY route",
		);
		const none = { faults: null, calls: 0, upstreams: "[]", slowest: null };
		const user = { step: "user", code: "upstream_unreachable" };
		assert.deepEqual(rows, [
			{
				...{ route: null, status: 404, completeness: "failed" },
				...{ code: "route_not_found", ...none, city: null },
				faults: '[{"step":null,"code":"route_not_found"}]',
			},
			{
				...{ route: "GET /failed", status: 502, completeness: "failed" },
				code: "upstream_unreachable",
				faults: JSON.stringify([{ ...user, step: "order" }]),
				...{ calls: 2, upstreams: '["users","orders"]' },
				...{ slowest: rows.at(1) && (rows[1] as { slowest: string }).slowest },
				city: null,
			},
			{
				...{ route: "GET /partial", status: 200, completeness: "partial" },
				...{ code: null, faults: JSON.stringify([user]), calls: 1 },
				...{ upstreams: '["users"]', slowest: "user", city: null },
			},
			{
				...{ route: "GET /refused", status: 400, completeness: "failed" },
				...{ code: "request_invalid", ...none, city: null },
				faults: '[{"step":null,"code":"request_invalid"}]',
			},
			{
				...{ route: "GET /whole/{id}", status: 200, completeness: "whole" },
				...{ code: null, ...none, city: "Oslo" },
			},
		]);
		const { written, dropped } = kept.history.state();
		assert.equal(written, 5);
		assert.equal(
			Object.values(dropped).reduce((a, b) => a + b),
			0,
		);
	});

	test("has the face of an answer in parts, and when its first part went out", async () => {
		await using kept = keptGateway();
		for (const accept of ["application/x-ndjson", "text/event-stream", "*/*"]) {
			const url = "http://gateway.test/whole/Oslo";
			const answer = await kept.gateway.fetch(
				new Request(url, { headers: { accept } }),
			);
			await answer.text();
		}
		const rows = await kept.closeAndRead(
			"SELECT face, calls, first_part_ms BETWEEN 0 AND duration_ms AS within FROM requests ORDER BY n",
		);
		assert.deepEqual(rows, [
			{ face: "ndjson", calls: 0, within: 1 },
			{ face: "events", calls: 0, within: 1 },
			{ face: null, calls: 0, within: null },
		]);
	});

	test("knows whose run it was, how a WebSocket ended, and what nobody wanted any more", async () => {
		await using slow = await startUpstream(() => {});
		await using kept = keptGateway(
			{},
			{
				...{ history: true, overload: false, channels: { room: {} } },
				upstreams: { slow: { url: slow.url } },
				routes: {
					"GET /room": { listen: "room" },
					"GET /live": {
						live: { every: "10s" },
						steps: { a: { get: "slow/a" } },
						respond: "${a}",
					},
				},
			},
		);
		const { gateway } = kept;
		const { trailEnded } = gateway.events;
		const ends: TrailEnded[] = [];
		trailEnded.push((end) => void ends.push(end));
		const cut = await connectTo(gateway, "/room");
		cut.leave();
		const leaving = new AbortController();
		const request = new Request("http://x/live", {
			headers: { accept: "text/event-stream" },
			signal: leaving.signal,
		});
		const watching = gateway.fetch(request).catch(() => null);
		await slow.arrived(1);
		leaving.abort();
		await watching;
		await until(() => ends.length === 3);
		for (const tell of trailEnded)
			tell({ ...ends[0], job: true } as TrailEnded);
		const rows = await kept.closeAndRead(
			"SELECT route, watch, job, close_code, completeness FROM requests ORDER BY route, job, watch",
		);
		const live = { route: "GET /live", job: 0, close_code: null };
		const room = { route: "GET /room", watch: "websocket", close_code: 1006 };
		assert.deepEqual(rows, [
			{ ...live, watch: null, completeness: "left" },
			{ ...live, watch: "run", completeness: "left" },
			{ ...room, job: 0, completeness: "whole" },
			{ ...room, job: 1, completeness: "whole" },
		]);
	});

	test("has a row for each call", async () => {
		await using kept = keptGateway();
		await kept.ask("/failed");
		const rows = await kept.closeAndRead(
			"SELECT route, step, item, upstream, method, template, status, attempts, code FROM calls ORDER BY step",
		);
		const call = {
			route: "GET /failed",
			item: "[]",
			method: "GET",
			status: null,
		};
		const rest = { attempts: 1, code: "upstream_unreachable" };
		assert.deepEqual(rows, [
			{
				...call,
				step: "order",
				upstream: "orders",
				template: "/${user.id ?? 1}",
				...rest,
			},
			{ ...call, step: "user", upstream: "users", template: "/1", ...rest },
		]);
	});

	for (const [requests, routes] of [
		["failed", ["GET /failed"]],
		["partial", ["GET /failed", "GET /partial"]],
		["all", ["GET /failed", "GET /partial", "GET /refused", "GET /whole/{id}"]],
	] as const) {
		test(`keeps with \`requests: ${requests}\` ${routes.join(", ")}`, async () => {
			await using kept = keptGateway({ requests });
			await kept.ask("/whole/a", "/partial", "/failed", "/refused?n=a");
			const rows = await kept.closeAndRead(
				"SELECT route FROM requests ORDER BY route",
			);
			assert.deepEqual(
				rows,
				routes.map((route) => ({ route })),
			);
		});
	}

	test("is for its owner alone", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/a");
		await kept.history.search(everything);
		for (const end of ["", "-wal", "-shm"]) {
			assert.equal(statSync(kept.file + end).mode & 0o777, 0o600, end);
		}
	});

	test("drops what is older than it keeps", async () => {
		await using kept = keptGateway({ keptMs: 60_000 });
		await kept.ask("/whole/old");
		await kept.history.close();
		const db = new sqlite.DatabaseSync(kept.file);
		db.exec("UPDATE request SET at_ms = at_ms - 60001");
		db.close();
		await using again = keptGateway({ file: kept.file, keptMs: 60_000 });
		await again.ask("/whole/new");
		const rows = await again.closeAndRead("SELECT city FROM requests");
		assert.deepEqual(rows, [{ city: "new" }]);
		assert.deepEqual(readSql(kept.file, "SELECT count(*) AS n FROM request"), [
			{ n: 1 },
		]);
	});

	test("goes on with a file that is there, and shows the columns of both configs", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/Oslo");
		await kept.history.close();
		const record = { town: "${params.id}", city: "${null}" };
		const routes = { "GET /towns/{id}": { respond: 1, record } };
		await using again = keptGateway(
			{ file: kept.file },
			{ history: true, routes },
		);
		await again.ask("/towns/Bergen");
		const rows = await again.closeAndRead("SELECT city, town FROM requests");
		assert.deepEqual(rows, [
			{ city: "Oslo", town: null },
			{ city: null, town: "Bergen" },
		]);
	});

	test("has of a request with very many steps the summary alone", async () => {
		const item = { each: "${query.n}", max: 1000, value: "${item}" };
		const route = {
			request: { query: { n: { type: "array", items: { type: "integer" } } } },
			steps: {
				items: {
					...item,
					get: "users/${item}",
					value: undefined,
					optional: true,
				},
			},
			respond: "${items}",
		};
		const upstreams = { users: { url: "http://127.0.0.1:9" } };
		const routes = { "GET /many": route };
		await using kept = keptGateway({}, { history: true, upstreams, routes });
		const numbers = Array.from({ length: 900 }, (_, n) => `n=${n}`).join("&");
		await kept.ask(`/many?${numbers}`);
		const [row] = await kept.closeAndRead(
			"SELECT calls, json_array_length(trail, '$[9]') AS steps, trail ->> '$[4]' AS more FROM requests JOIN request USING (n)",
		);
		assert.deepEqual(row, { calls: 200, steps: 0, more: 901 });
	});
});

describe("a history that cannot be written", () => {
	test("keeps no request waiting while another process has it, and is whole afterwards", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/1");
		await kept.history.search(everything);
		const other = new sqlite.DatabaseSync(kept.file);
		other.exec("BEGIN IMMEDIATE");
		const told = kept.line("the history cannot be written now");
		assert.deepEqual(await kept.ask("/whole/2", "/whole/3"), [200, 200]);
		assert.equal((await told).fields.reason, "locked");
		const again = kept.line("the history is written again");
		other.exec("COMMIT");
		other.close();
		await again;
		const rows = await kept.closeAndRead(
			"SELECT city FROM requests ORDER BY n",
		);
		assert.deepEqual(rows, [{ city: "1" }, { city: "2" }, { city: "3" }]);
		assert.equal(kept.history.state().written, 3);
	});

	test("begins a new file if its own was removed", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/1");
		// A search may be answered before what waits is written.
		while (kept.history.state().written === 0) {
			await kept.history.search(everything);
		}
		for (const end of ["", "-wal", "-shm"]) unlinkSync(kept.file + end);
		await kept.ask("/whole/2");
		const rows = await kept.closeAndRead("SELECT city FROM requests");
		assert.deepEqual(rows, [{ city: "2" }]);
	});

	test("says that its file is damaged, and goes on once it is removed", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/1");
		await kept.history.close();
		const file = openSync(kept.file, "r+");
		writeSync(file, "x".repeat(8000), 100);
		closeSync(file);
		await using damaged = keptGateway({ file: kept.file });
		const told = damaged.line("the history cannot be written now");
		assert.deepEqual(await damaged.ask("/whole/2"), [200]);
		assert.equal((await told).fields.reason, "damaged");
		const again = damaged.line("the history is written again");
		unlinkSync(kept.file);
		await again;
		const rows = await damaged.closeAndRead("SELECT city FROM requests");
		assert.deepEqual(rows, [{ city: "2" }]);
	});

	for (const [title, prepare, message] of [
		[
			"a folder",
			(file: string) => mkdirSync(file),
			/unable to open database file/,
		],
		[
			"a text",
			(file: string) => writeFileSync(file, "some text\n".repeat(100)),
			/is not a database/,
		],
		[
			"a database of something else",
			(file: string) => run(file, "CREATE TABLE t (a)"),
			/is a database of something else/,
		],
		[
			"a database of a newer version",
			(file: string) =>
				run(
					file,
					"PRAGMA application_id = 0x536c7563; PRAGMA user_version = 2",
				),
			/was written by a newer version/,
		],
	] as const) {
		test(`leaves ${title} as it is, and counts what is lost`, async () => {
			await using other = keptGateway();
			const file = join(dirname(other.file), "other.db");
			prepare(file);
			const before = statSync(file);
			await using kept = keptGateway({ file });
			const told = kept.line("the history cannot be written now");
			assert.deepEqual(await kept.ask("/whole/1"), [200]);
			assert.match(String((await told).fields.message), message);
			await kept.history.close();
			const { written, dropped, waiting } = kept.history.state();
			const lost = Object.values(dropped).reduce((a, b) => a + b);
			assert.deepEqual(
				{ written, lost, waiting },
				{ written: 0, lost: 1, waiting: 0 },
			);
			const after = statSync(file);
			assert.equal(after.size, before.size);
			assert.equal(after.mtimeMs, before.mtimeMs);
			await assert.rejects(
				kept.history.search(everything),
				/cannot be read now/,
			);
		});
	}
});

describe("the thread of a history", () => {
	test("is there before the first request ends, which may be the last", async () => {
		const threads: Worker[] = [];
		const note = (thread: Worker) => void threads.push(thread);
		process.on("worker", note);
		try {
			await using kept = keptGateway();
			await new Promise((resolve) => setImmediate(resolve));
			const [thread] = threads;
			assert.ok(thread);
			await once(thread, "online");
			assert.deepEqual(await kept.ask("/whole/1"), [200]);
			await kept.history.close();
			assert.equal(kept.history.state().written, 1);
			assert.equal(threads.length, 1);
		} finally {
			process.off("worker", note);
		}
	});
});

function run(file: string, sql: string): void {
	const db = new sqlite.DatabaseSync(file);
	db.exec(sql);
	db.close();
}
