import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { UserContext } from "../../src/config/config.ts";
import { surveyJson } from "../../src/core/json.ts";
import { longestTurn } from "../kit/blocked.ts";
import { type HttpAnswer, serve } from "../kit/serve.ts";
import { slowness } from "../kit/slowness.ts";
import { startUpstream } from "../kit/upstream.ts";

/** Whatever an upstream answers, reading it takes no more than its bounds allow, and keeps nobody waiting. */

const mebi = 1 << 20;

/** So many bytes of a list at most, or of a map, with as many of these parts as fit. */
function filled(
	bytes: number,
	part: (index: number) => string,
	[open, close] = "[]",
): string {
	const parts: string[] = [];
	let length = 2;
	for (let index = 0; ; index++) {
		const next = part(index);
		length += next.length + 1;
		if (length > bytes) return open + parts.join() + close;
		parts.push(next);
	}
}

/** A number that differs for each index, in few characters. */
const short = (index: number) => index.toString(36);

/** Maps in each other, each with a key of its own. */
function nested(index: number): string {
	const keys = Array.from({ length: 60 }, (_, at) => short(60 * index + at));
	return `${keys.map((key) => `{"${key}":`).join("")}1${"}".repeat(60)}`;
}

interface Kind {
	readonly title: string;
	readonly make: (bytes: number) => string;
	/** Of 8 MiB. Default: 502, because they are more than 200,000 values. */
	readonly status?: number;
	/** Default: true. */
	readonly valid?: boolean;
}

const kinds: Kind[] = [
	{ title: "empty lists", make: (bytes) => filled(bytes, () => "[]") },
	{ title: "empty maps", make: (bytes) => filled(bytes, () => "{}") },
	{
		title: "maps with a key of their own each",
		make: (bytes) => filled(bytes, (index) => `{"${short(index)}":1}`),
	},
	{
		title: "maps with keys of their own in each other",
		make: (bytes) => filled(bytes, nested),
	},
	{
		title: "one map",
		make: (bytes) => filled(bytes, (index) => `"${short(index)}":1`, "{}"),
	},
	{
		title: "one map whose keys are indexes far apart",
		make: (bytes) => filled(bytes, (index) => `"${index * 1013}":1`, "{}"),
	},
	{
		title: "integers that need all their digits",
		make: (bytes) => filled(bytes, () => "123456789012345678"),
	},
	{
		title: "one such integer among empty texts",
		make: (bytes) =>
			filled(bytes, (index) => (index === 0 ? "123456789012345678" : '""')),
	},
	{
		title: "integers of 1,000 digits",
		make: (bytes) => filled(bytes, () => "9".repeat(1000)),
		status: 200,
	},
	{
		title: "short texts with an escape",
		make: (bytes) => filled(bytes, (index) => `"\\n${short(index)}"`),
	},
	{
		title: "one text of escapes",
		make: (bytes) => `"${"\\u0000".repeat((bytes - 2) / 6)}"`,
		status: 200,
	},
	{
		title: "escaped quotes behind a long integer",
		make: (bytes) => `[123456789012345678,"${'\\"'.repeat(bytes / 2 - 20)}"]`,
		status: 200,
	},
	{
		title: "no JSON behind a million brackets",
		make: (bytes) => `[${"[],".repeat(bytes / 3 - 2)}`,
		valid: false,
	},
];

interface Scene extends AsyncDisposable {
	get(path: string): Promise<HttpAnswer>;
}

/** A gateway before an upstream that answers this body, gzip'd if it is to be. */
async function scene(
	body: Buffer,
	route: object,
	upstream: object = {},
	coding = "",
): Promise<Scene> {
	const headers = {
		"content-type": "application/json",
		...(coding && { "content-encoding": coding }),
	};
	const service = await startUpstream((_, response) => {
		response.writeHead(200, headers).end(body);
	});
	const gateway = await serve({
		upstreams: { service: { url: service.url, ...upstream } },
		routes: { "GET /x": route, "GET /light": { respond: 1 } },
	});
	return {
		get: (path) => gateway.get(path),
		async [Symbol.asyncDispose]() {
			await gateway[Symbol.asyncDispose]();
			await service[Symbol.asyncDispose]();
		},
	};
}

const one = { steps: { a: { get: "service/", pick: "${[1]}" } } };

/** The statuses of answers of this body, and the longest turn of the loop in times of 100 ms on a quiet machine. */
async function read(
	body: Buffer,
	upstream: object,
): Promise<{ readonly status: number; readonly turns: number }> {
	await using service = await scene(body, one, upstream);
	// The first request opens a connection and compiles.
	await service.get("/light");
	let turns = Number.POSITIVE_INFINITY;
	let status = 0;
	// Chance only ever adds: the garbage of other tests, for one.
	for (let round = 0; round < 3 && turns > 1; round++) {
		const slow = slowness();
		const { turnMs, value } = await longestTurn(() => service.get("/x"));
		turns = Math.min(turns, turnMs / (100 * slow));
		({ status } = value as HttpAnswer);
	}
	return { status, turns };
}

/** How many bytes have nearly 200,000 values and keys. */
function most(make: (bytes: number) => string): number {
	const { values } = surveyJson(Buffer.from(make(mebi)));
	return Math.floor(mebi * Math.min(8, 180_000 / values));
}

describe("an upstream's answer that is costly to read", () => {
	for (const { title, make, status = 502, valid = true } of kinds) {
		it(`keeps nobody waiting, and is refused for too many values: 8 MiB of ${title}`, async () => {
			const body = Buffer.from(make(8 * mebi));
			const seen = await read(body, { maxBody: "8MiB" });
			assert.equal(seen.status, status);
			assert.ok(seen.turns < 1, `${seen.turns} times 100 ms`);
		});

		it(`keeps nobody waiting where it is read: as many as may be of ${title}`, async () => {
			const body = Buffer.from(make(most(make)));
			const seen = await read(body, { maxBody: "8MiB" });
			assert.equal(seen.status, valid ? 200 : 502);
			assert.ok(seen.turns < 1, `${seen.turns} times 100 ms`);
		});
	}

	it("is refused by its length alone, by default above 1 MiB", async () => {
		for (const [length, status] of [
			[mebi, 200],
			[mebi + 1, 502],
		] as const) {
			const body = Buffer.from(`"${"a".repeat(length - 2)}"`);
			assert.equal((await read(body, {})).status, status);
		}
	});

	it("may have as many values and keys as `maxValues` says, and not one more", async () => {
		// A list, two maps, two keys and two values.
		const body = Buffer.from('[{"a":"[,:{"},{"b":1}]');
		for (const [maxValues, status] of [
			[7, 200],
			[6, 502],
		] as const) {
			const seen = await read(body, { maxValues });
			assert.equal(seen.status, status, `${maxValues}`);
		}
	});
});

describe("many answers to one request", () => {
	const maps = filled(mebi, (index) => `{"${short(index)}":1}`, "[]");
	const all = {
		deadline: "30s",
		steps: {
			ids: { value: Array.from({ length: 40 }, (_, index) => index) },
			all: { each: "${ids}", get: "service/", pick: "${1}" },
		},
		respond: "${all}",
	};

	it("are refused when they are too much together, and others are answered meanwhile", async () => {
		// Within the bounds of one answer.
		const body = gzipSync(maps.slice(0, 600_000).replace(/,[^,]*$/, "]"));
		await using service = await scene(body, all, {}, "gzip");
		await service.get("/light");
		const slow = slowness();
		let done = false;
		const { turnMs, value } = await longestTurn(async () => {
			const answer = service.get("/x").finally(() => {
				done = true;
			});
			let answered = 0;
			while (!done) {
				assert.equal((await service.get("/light")).status, 200);
				answered++;
			}
			assert.ok(answered > 3, `${answered} answered meanwhile`);
			return answer;
		});
		const { status, json } = value as HttpAnswer;
		assert.equal(status, 500);
		assert.equal((json as { code: string }).code, "limit_exceeded");
		assert.ok(turnMs < 100 * slow, `${turnMs} ms, ${slow} times as slow`);
	});

	it("keep nobody waiting when each of them is refused: forty of 8 MiB", async () => {
		const body = gzipSync(filled(8 * mebi, () => "{}"));
		const optional = {
			...all,
			steps: { ...all.steps, all: { ...all.steps.all, optional: true } },
		};
		const upstream = { maxBody: "8MiB" };
		await using service = await scene(body, optional, upstream, "gzip");
		await service.get("/light");
		const slow = slowness();
		const { turnMs, value } = await longestTurn(() => service.get("/x"));
		const { status, headers } = value as HttpAnswer;
		assert.equal(status, 200);
		assert.match(`${headers["sluice-missing"]}`, /upstream_invalid/);
		assert.ok(turnMs < 100 * slow, `${turnMs} ms, ${slow} times as slow`);
	});

	it("are bounded and read in turn where a function asks for them", async () => {
		const own = async (_: unknown, { call }: UserContext) => {
			const answers = await Promise.all(
				all.steps.ids.value.map(() => call("service/")),
			);
			return answers.length;
		};
		const body = Buffer.from(maps.slice(0, 600_000).replace(/,[^,]*$/, "]"));
		await using service = await scene(body, { steps: { a: { run: own } } });
		await service.get("/light");
		const slow = slowness();
		const { turnMs, value } = await longestTurn(() => service.get("/x"));
		const { json } = value as HttpAnswer;
		assert.equal((json as { code: string }).code, "limit_exceeded");
		assert.ok(turnMs < 100 * slow, `${turnMs} ms, ${slow} times as slow`);
	});

	it("count in bytes, and in values of five bytes at least, up to `maxRead`", async () => {
		for (const [text, maxRead, status] of [
			['"aaaaaaaa"', "20B", 200],
			['"aaaaaaaa"', "19B", 500],
			["[1,2]", "30B", 200],
			["[1,2]", "29B", 500],
		] as const) {
			const steps = { a: { get: "service/a" }, b: { get: "service/b" } };
			const route = { maxRead, steps, respond: "${[a, b].length}" };
			await using service = await scene(Buffer.from(text), route);
			assert.equal((await service.get("/x")).status, status, maxRead);
		}
	});
});
