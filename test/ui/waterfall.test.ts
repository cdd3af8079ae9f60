import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	detailOf,
	type RequestDetail,
} from "../../src/telemetry/trail/shown-request.ts";
import { pathLines } from "../../ui/src/sentences.ts";
import { type Row, rowsOf } from "../../ui/src/waterfall.ts";
import { type Behaviour, byPath, testGateway } from "../kit/gateway.ts";

/** What the page gets of one request to a route with these steps. */
async function detail(
	steps: object,
	replies: Behaviour,
	users: object = {},
	more: object = {},
): Promise<RequestDetail> {
	const test = testGateway(
		{
			upstreams: { users: { url: "http://users.test", ...users } },
			routes: { "GET /x": { steps, respond: "${a}", ...more } },
		},
		replies,
	);
	await test.ask("/x");
	const end = test.trails[0] ?? assert.fail("no request ended");
	return JSON.parse(JSON.stringify(detailOf(end, 0))) as RequestDetail;
}

const rowOf = (rows: readonly Row[], name: string) =>
	rows.find((row) => row.name === name) ?? assert.fail(`no row ${name}`);

const told = ({ pieces }: Row) =>
	pieces.map(({ fromMs, toMs, sentence }) => [fromMs, toMs, sentence]);

describe("the rows of a waterfall", () => {
	it("say what each step waited for, and which part the answer waited for", async () => {
		const rows = rowsOf(
			await detail(
				{
					b: { get: "users/b" },
					c: { get: "users/c" },
					a: { get: "users/a/${b}/${c}" },
				},
				byPath({
					"/b": { json: 1, afterMs: 20 },
					"/c": { json: 2, afterMs: 5 },
					"/a/1/2": { json: 3, afterMs: 30 },
				}),
			),
		);
		assert.deepEqual(
			rows.map(({ name, fromMs, toMs }) => [name, fromMs, toMs]),
			[
				["the request", 0, 50],
				["b", 0, 20],
				["c", 0, 5],
				["a", 20, 50],
			],
		);
		assert.deepEqual(told(rowOf(rows, "a")), [
			[0, 20, "could begin after 20 ms, when b had ended"],
			[20, 50, "waited 30 ms for users, which answered 200"],
		]);
		const critical = rows.map(({ critical }) =>
			critical.map(({ fromMs, toMs }) => [fromMs, toMs]),
		);
		assert.deepEqual(critical, [[], [[0, 20]], [], [[20, 50]]]);
	});

	it("tell the waits of a call apart: place, attempts and the pause between them", async () => {
		const answers = [{ status: 503 }, { json: 1 }].map((one) => ({
			...one,
			afterMs: 10,
		}));
		const made = await detail(
			{ a: { get: "users/a" } },
			() => answers.shift() ?? assert.fail("one call too many"),
			{ retry: { attempts: 2 } },
		);
		const row = rowOf(rowsOf(made), "a");
		assert.deepEqual(row.marks, ["retried 1×"]);
		const sentences = row.pieces.map(({ sentence }) => sentence);
		assert.equal(
			sentences[0],
			"waited 10 ms for users, attempt 1, which answered 503",
		);
		assert.match(
			sentences[1] ?? "",
			/^paused \d+ ms before another attempt, because of upstream_status$/,
		);
		assert.equal(
			sentences[2],
			"waited 10 ms for users, attempt 2, which answered 200",
		);
		assert.equal(sentences.length, 3);
	});

	it("name the upstream whose calls had no place free", async () => {
		const rows = rowsOf(
			await detail(
				{ a: { get: "users/a" }, b: { get: "users/b" } },
				() => ({ json: 1, afterMs: 40 }),
				{ connections: 1 },
				{ respond: ["${a}", "${b}"] },
			),
		);
		assert.deepEqual(told(rowOf(rows, "b")), [
			[0, 40, "waited 40 ms for a place among the calls to users"],
			[40, 80, "waited 40 ms for users, which answered 200"],
		]);
	});

	it("show what was skipped, filled in, dropped and never begun, with the reason", async () => {
		const rows = rowsOf(
			await detail(
				{
					no: { when: "${false}", get: "users/no" },
					bad: { get: "users/bad", fallback: 0 },
					a: { get: "users/a", query: { q: "${bad}", "n?": "${no}" } },
					late: { get: "users/late", query: { q: "${a}" } },
				},
				byPath({
					"/bad": { status: 500, afterMs: 5 },
					"/a": { status: 404, afterMs: 5 },
				}),
				{},
				{ respond: "${late}" },
			),
		);
		const ends = rows.map(({ name, end, tone }) => [name, end, tone]);
		assert.deepEqual(ends, [
			["the request", "502", "bad"],
			["no", "skipped: its condition did not hold", "quiet"],
			["bad", "filled in: upstream_status", "warning"],
			["a", "failed: upstream_status", "bad"],
			["late", "never begun: it still waited", "quiet"],
		]);
	});

	it("put items under their list, and steps under their group", async () => {
		const rows = rowsOf(
			await detail(
				{
					a: {
						each: ["x", "y"],
						as: "one",
						steps: { inner: { get: "users/${one}" } },
						value: "${inner}",
					},
				},
				byPath({
					"/x": { json: 1, afterMs: 9 },
					"/y": { json: 2, afterMs: 3 },
				}),
			),
		);
		assert.deepEqual(
			rows.map(({ name, depth }) => [name, depth]),
			[
				["the request", 0],
				["a", 0],
				["a[0]", 1],
				["a.inner[0]", 2],
				["a[1]", 1],
				["a.inner[1]", 2],
			],
		);
	});

	it("have pieces that do not overlap, whatever happens at once", async () => {
		let calls = 0;
		const test = testGateway(
			{
				upstreams: {
					users: {
						url: "http://users.test",
						hedge: { percentile: 90, calls: 20 },
					},
				},
				routes: {
					"GET /x": { steps: { a: { get: "users/a" } }, respond: "${a}" },
				},
			},
			() => ({ json: 1, afterMs: ++calls === 31 ? 90 : 20 }),
		);
		for (let at = 0; at < 31; at++) await test.ask("/x");
		const made = detailOf(test.trails[30] ?? assert.fail(), 0);
		const { pieces, marks } = rowOf(rowsOf(made), "a");
		assert.deepEqual(marks, ["hedged", "hedge won"]);
		for (const [at, piece] of pieces.entries()) {
			assert.ok(piece.toMs > piece.fromMs);
			assert.equal(piece.fromMs, pieces[at - 1]?.toMs ?? 0);
		}
		assert.deepEqual(
			pieces.map(({ spent }) => spent),
			["upstream", "hedge"],
		);
	});
});

describe("the critical path in words", () => {
	it("has a sentence for each part, without a gap", async () => {
		const made = await detail(
			{ b: { get: "users/b" }, a: { get: "users/a/${b}" } },
			byPath({
				"/b": { json: 1, afterMs: 20 },
				"/a/1": { json: 3, afterMs: 30 },
			}),
		);
		assert.deepEqual(pathLines(made), [
			{
				...{ fromMs: 0, toMs: 20, subject: "b" },
				sentence: "waited 20 ms for users, which answered 200",
			},
			{
				...{ fromMs: 20, toMs: 50, subject: "a" },
				sentence: "waited 30 ms for users, which answered 200",
			},
		]);
	});
});
