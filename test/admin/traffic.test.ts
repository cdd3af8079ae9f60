import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AdminOptions, serveAdmin } from "../../src/admin/admin.ts";
import { TrafficStreams } from "../../src/admin/traffic-streams.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { Memory, RequestMemory } from "../../src/core/memory.ts";
import { Secrets } from "../../src/core/secrets.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import type { Rates } from "../../src/telemetry/traffic/rates.ts";
import { readRequestQuery } from "../../src/telemetry/traffic/request-filter.ts";
import { createTraffic } from "../../src/telemetry/traffic/traffic.ts";
import type { RequestDetail } from "../../src/telemetry/trail/shown-request.ts";
import { type EventReader, readEvents } from "../kit/events.ts";
import { testRoute } from "../kit/gateway.ts";
import { ask } from "../kit/serve.ts";

const routes = {
	"GET /hello": { respond: "hello" },
	"GET /fail": { respond: 1, status: 503 },
};

async function started(options: AdminOptions = {}) {
	const config = configOrThrow(checkValue({ routes }, "test", {}));
	const gateway = createGateway(config);
	const admin = await serveAdmin(gateway, { port: 0, ...options });
	const readers: EventReader[] = [];
	return {
		gateway,
		admin,
		send: (target = "/hello", id = "r") =>
			gateway.handle({ method: "GET", target, id }),
		get: (path: string, given: Parameters<typeof ask>[1] = {}) =>
			ask(admin.url + path, given),
		async read(path = "/traffic", headers: Record<string, string> = {}) {
			const reader = await readEvents(admin.url + path, headers);
			readers.push(reader);
			return reader;
		},
		async [Symbol.asyncDispose]() {
			for (const reader of readers) reader.leave();
			await admin.close();
			await gateway.close();
		},
	};
}

interface Listed {
	readonly requests: readonly { id: string; route: string | null }[];
	readonly next: string | null;
	readonly last: string;
	readonly since: string;
	readonly ended: number;
	readonly dropped: number;
}

describe("/traffic", () => {
	it("lists the last requests, chosen by parameters", async () => {
		await using admin = await started();
		for (const id of ["a", "b", "c"]) await admin.send("/hello", id);
		await admin.send("/fail", "d");
		const all = (await admin.get("/traffic")).json as Listed;
		const { requests, last, since, ...others } = all;
		assert.deepEqual(
			requests.map(({ id }) => id),
			["d", "c", "b", "a"],
		);
		assert.match(last, /^[a-z\d]+-4$/);
		assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000);
		assert.deepEqual(others, { next: null, ended: 4, dropped: 0 });
		const page = (await admin.get("/traffic?route=GET+%2Fhello&limit=2"))
			.json as Listed;
		assert.deepEqual(
			page.requests.map(({ id }) => id),
			["c", "b"],
		);
		const rest = await admin.get(`/traffic?before=${page.next}`);
		assert.deepEqual(
			(rest.json as Listed).requests.map(({ id }) => id),
			["a"],
		);
	});

	it("names a wrong parameter, also to those who want to listen", async () => {
		await using admin = await started();
		for (const accept of ["*/*", "text/event-stream"]) {
			const headers = { accept };
			const { status, json } = await admin.get("/traffic?status=no", {
				headers,
			});
			assert.equal(status, 400);
			assert.partialDeepStrictEqual(json, {
				code: "request_invalid",
				errors: [{ at: "query.status" }],
			});
		}
	});

	it("gives all that was done for one of them, and 404 for any other", async () => {
		await using admin = await started();
		await admin.send("/hello", "a.b-c_d");
		const { status, json } = await admin.get("/traffic/a.b-c_d");
		assert.equal(status, 200);
		const { id, steps, criticalPath } = json as RequestDetail;
		assert.deepEqual([id, steps], ["a.b-c_d", []]);
		assert.ok(Array.isArray(criticalPath));
		for (const path of [
			"/traffic/x",
			"/traffic/",
			"/traffic/*",
			"/traffic/a.b-c_d/x",
		]) {
			assert.equal((await admin.get(path)).status, 404, path);
		}
	});
});

describe("/traffic as events", () => {
	it("sends each request when it has ended, and the rates each second", async () => {
		await using admin = await started();
		await admin.send("/hello", "before");
		const events = await admin.read();
		assert.equal(events.type, "text/event-stream");
		await admin.send("/hello", "first");
		await admin.send("/fail", "second");
		const first = await events.next("request");
		const second = await events.next("request");
		assert.deepEqual([first.data.id, second.data.id], ["first", "second"]);
		assert.match(first.id ?? "", /-2$/);
		let count = 0;
		const routes: string[] = [];
		// On a busy machine they may fall into two seconds.
		while (count < 2) {
			const { id, data } = await events.next("rates");
			assert.equal(id, null);
			const rates = data as unknown as Rates;
			count += rates.requests.count;
			for (const { route, count, errors } of rates.routes) {
				routes.push(`${route}: ${count}, ${errors}`);
			}
			assert.deepEqual(rates.upstreams, []);
		}
		assert.deepEqual(routes, ["GET /hello: 1, 0", "GET /fail: 1, 1"]);
	});

	it("sends only those that are asked for", async () => {
		await using admin = await started();
		const events = await admin.read("/traffic?status=5xx");
		await admin.send("/hello", "good");
		await admin.send("/fail", "bad");
		assert.equal((await events.next("request")).data.id, "bad");
	});

	it("goes on after the last event that somebody had, and says what is lost", async () => {
		await using admin = await started();
		const events = await admin.read();
		await admin.send("/hello", "a");
		const { id } = await events.next("request");
		events.leave();
		for (const name of ["b", "c"]) await admin.send("/hello", name);
		const again = await admin.read("/traffic", { "last-event-id": id ?? "" });
		assert.equal((await again.next("request")).data.id, "b");
		assert.equal((await again.next("request")).data.id, "c");
		again.leave();
		for (let at = 0; at < 205; at++) await admin.send("/hello", `n${at}`);
		const late = await admin.read("/traffic", { "last-event-id": id ?? "" });
		assert.equal((await late.next("request")).data.id, "n5");
		assert.equal((await late.next("lost")).data.count, 7);
		const list = (await admin.get("/traffic")).json as Listed;
		const now = await admin.read("/traffic", { "last-event-id": list.last });
		await admin.send("/hello", "new");
		assert.equal((await now.next("request")).data.id, "new");
	});

	it("sends all that are kept after an event of another process, or of none", async () => {
		await using admin = await started();
		for (const id of ["a", "b"]) await admin.send("/hello", id);
		for (const id of ["zzz-2", "nonsense", "-", "1e5"]) {
			const events = await admin.read("/traffic", { "last-event-id": id });
			assert.equal((await events.next("request")).data.id, "a", id);
			assert.equal((await events.next("request")).data.id, "b", id);
		}
	});

	it("sends 50 a second, and counts the others", async () => {
		const test = testRoute({ respond: 1 });
		const traffic = createTraffic(test.gateway);
		const streams = new TrafficStreams(traffic, new Secrets());
		const every = readRequestQuery("/traffic");
		const memory = new RequestMemory(new Memory());
		const reader = streams.open(every, null, memory)[Symbol.asyncIterator]();
		const names = async () => {
			const text = String(Buffer.from((await reader.next()).value));
			return text.match(/(?<=^event: ).*|"count":\d+(?=}$)/gm);
		};
		for (const count of [120, 50, 51]) {
			for (let at = 1; at <= count; at++) await test.ask("/x");
			const sent = new Array(50).fill("request");
			assert.deepEqual(await names(), sent);
			await test.clock.advance(1_000);
			const lost = count > 50 ? ["lost", `"count":${count - 50}`] : [];
			assert.deepEqual(await names(), [...lost, "rates"]);
		}
		await reader.return?.();
		traffic.detach();
	});

	it("holds little for whoever reads nothing, and counts what that one did not get", async () => {
		const test = testRoute({ respond: 1 });
		const traffic = createTraffic(test.gateway);
		const streams = new TrafficStreams(traffic, new Secrets());
		const memory = new Memory();
		const every = readRequestQuery("/traffic");
		const body = streams.open(every, null, new RequestMemory(memory));
		const empty = memory.held;
		for (let second = 0; second < 60; second++) {
			for (let at = 0; at < 20; at++) await test.ask("/x");
			await test.clock.advance(1_000);
		}
		assert.ok(memory.held - empty < 80 * 1024, `${memory.held - empty}`);
		const reader = body[Symbol.asyncIterator]();
		const text = async () => String(Buffer.from((await reader.next()).value));
		const sent = (await text()).match(/^event: request$/gm)?.length ?? 0;
		await test.clock.advance(1_000);
		const lost = /"count":(\d+)/.exec(await text())?.[1];
		assert.equal(sent + Number(lost), 60 * 20);
		await reader.return?.();
		assert.equal(memory.held, empty);
		traffic.detach();
	});

	it("lets 16 listen, refuses the next one, and has a place again when one leaves", async () => {
		await using admin = await started();
		const all = [];
		for (let at = 0; at < 16; at++) all.push(await admin.read());
		const headers = { accept: "text/event-stream" };
		const refused = await admin.get("/traffic", { headers });
		assert.equal(refused.status, 503);
		assert.ok(refused.headers["retry-after"]);
		assert.equal((await admin.get("/traffic")).status, 200);
		all[0]?.leave();
		let another: EventReader | null = null;
		// Until the server has seen that the connection is closed.
		while (another === null) another = await admin.read().catch(() => null);
		await another.next("rates");
	});

	it("ends with an event when the server closes, after which nothing listens", async () => {
		await using admin = await started();
		const events = await admin.read();
		await admin.send();
		await events.next("request");
		const closed = admin.admin.close();
		assert.deepEqual((await events.next("end")).data, { reason: "closed" });
		await events.ended;
		await closed;
		const { trailEnded, attemptEnded } = admin.gateway.events;
		assert.deepEqual([trailEnded.length, attemptEnded.length], [0, 0]);
		assert.equal(admin.gateway.memory.kept, 0);
	});

	it("costs nothing for HEAD, and is refused without the token", async () => {
		const token = "a-token-of-20-letters";
		await using admin = await started({ token });
		const headers = {
			accept: "text/event-stream",
			authorization: `Bearer ${token}`,
		};
		for (let at = 0; at < 20; at++) {
			const head = await admin.get("/traffic", { method: "HEAD", headers });
			assert.equal(head.status, 200);
		}
		const { accept } = headers;
		const refused = await admin.get("/traffic", { headers: { accept } });
		assert.equal(refused.status, 401);
		const events = await admin.read("/traffic", headers);
		await admin.send();
		assert.equal((await events.next("request")).data.id, "r");
	});
});
