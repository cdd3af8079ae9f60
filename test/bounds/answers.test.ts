import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { UserContext } from "../../src/config/config.ts";
import { filled, filledUpTo, kinds, mebi, short } from "../kit/costly-json.ts";
import { type HttpAnswer, serve } from "../kit/serve.ts";
import { turnsOf } from "../kit/turns.ts";
import { startUpstream } from "../kit/upstream.ts";

/** Whatever an upstream answers, reading it takes no more than its bounds allow, and keeps nobody waiting. */

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
		// The upstream answers from this process, which computes.
		upstreams: { service: { url: service.url, timeout: "5m", ...upstream } },
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
	const { turns, value } = await turnsOf(() => service.get("/x"));
	return { status: value.status, turns };
}

describe("an upstream's answer that is costly to read", () => {
	for (const kind of kinds) {
		const { title, make, few = false, valid = true } = kind;
		it(`keeps nobody waiting, and is refused for too many values: 8 MiB of ${title}`, async () => {
			const body = Buffer.from(make(8 * mebi));
			const seen = await read(body, { maxBody: "8MiB" });
			assert.equal(seen.status, few ? 200 : 502);
			assert.ok(seen.turns < 1, `${seen.turns} times 100 ms`);
		});

		it(`keeps nobody waiting where it is read: as many as may be of ${title}`, async () => {
			const body = Buffer.from(filledUpTo(kind, 200_000, 8 * mebi));
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
		// Reading all of it takes a few seconds of computing, and on a busy machine a minute.
		deadline: "5m",
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
		const { turns, value } = await turnsOf(async () => {
			let done = false;
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
		const { status, json } = value;
		assert.equal(status, 500);
		assert.equal((json as { code: string }).code, "limit_exceeded");
		assert.ok(turns < 1, `${turns} times 100 ms`);
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
		const { turns, value } = await turnsOf(() => service.get("/x"));
		const { status, headers } = value;
		assert.equal(status, 200);
		assert.match(`${headers["sluice-missing"]}`, /upstream_invalid/);
		assert.ok(turns < 1, `${turns} times 100 ms`);
	});

	it("are bounded and read in turn where a function asks for them", async () => {
		const own = async (_: unknown, { call }: UserContext) => {
			const answers = await Promise.all(
				all.steps.ids.value.map(() => call("service/")),
			);
			return answers.length;
		};
		const body = Buffer.from(maps.slice(0, 600_000).replace(/,[^,]*$/, "]"));
		const route = { deadline: all.deadline, steps: { a: { run: own } } };
		await using service = await scene(body, route);
		await service.get("/light");
		const { turns, value } = await turnsOf(() => service.get("/x"));
		const { json } = value;
		assert.equal((json as { code: string }).code, "limit_exceeded");
		assert.ok(turns < 1, `${turns} times 100 ms`);
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
