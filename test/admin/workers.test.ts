import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { serveAdminOfWorkers } from "../../src/admin/admin.ts";
import type {
	AskedWorker,
	AskedWorkers,
	Question,
	Said,
} from "../../src/admin/questions.ts";
import type { State } from "../../src/admin/state-page.ts";
import type { TrafficAnswer } from "../../src/admin/traffic-pages.ts";
import { createWorkerAnswers } from "../../src/admin/worker-answers.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { Secrets } from "../../src/core/secrets.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { realClock } from "../../src/tasks/clock.ts";
import type { FamilySamples } from "../../src/telemetry/metrics/exposition.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import type { Rates } from "../../src/telemetry/traffic/rates.ts";
import { type EventReader, readEvents } from "../kit/events.ts";
import { ask } from "../kit/serve.ts";

const token = "a-token-of-20-letters";

const routes = {
	"GET /hello": { respond: "hello" },
	"GET /fail": { respond: 1, status: 503 },
	"GET /slow": {
		steps: { late: { get: "late/x", optional: true } },
		respond: "${late}",
	},
};

/** A worker in this process, asked as if it were another: what it says is copied. */
function worker(number: number, id = `w${number}`) {
	const config = configOrThrow(
		checkValue(
			{
				...{ routes, overload: false },
				upstreams: {
					late: { url: "http://127.0.0.1:9", cache: true, breaker: true },
				},
			},
			"test",
			{},
		),
	);
	const gateway = createGateway(config);
	const metrics = createMetrics(gateway);
	const server = {
		url: "http://127.0.0.1:8080",
		connections: () => number,
		draining: () => false,
		sessions: () => ({ open: 0, received: 0, sent: 0, closed: new Map() }),
	};
	const answers = createWorkerAnswers(gateway, {
		...{ server, metrics, history: null },
	});
	const state = { silent: false, leaves: false };
	const asked: AskedWorker = {
		...{ number, id },
		get leaves() {
			return state.leaves;
		},
		async ask<Kind extends Question["kind"]>(
			question: Extract<Question, { readonly kind: Kind }>,
			{ scope }: { readonly scope: Parameters<typeof answers.answer>[1] },
		) {
			if (state.silent) return null;
			const said = await answers.answer(structuredClone(question), scope);
			return structuredClone(said) as Said[Kind];
		},
		listen: (listening, hear) =>
			answers.listen(structuredClone(listening), (heard) =>
				hear(structuredClone(heard)),
			),
	};
	return {
		...{ asked, state, metrics, gateway },
		send: (target: string, id: string) =>
			gateway.handle({ method: "GET", target, id }),
		async close() {
			answers.close();
			await gateway.close();
		},
	};
}

type TestWorker = ReturnType<typeof worker>;

async function started(...some: TestWorker[]) {
	const there = [...some];
	const ends: Parameters<AskedWorkers["onEnd"]>[0][] = [];
	const workers: AskedWorkers = {
		all: () => there.map(({ asked }) => asked),
		restarts: () => 3,
		draining: () => false,
		onEnd: (listener) => void ends.push(listener),
	};
	const clock = realClock();
	const admin = await serveAdminOfWorkers(workers, {
		...{ clock, port: 0, token, secrets: new Secrets() },
	});
	const authorization = `Bearer ${token}`;
	const readers: EventReader[] = [];
	return {
		url: admin.url,
		get: (path: string, given: Parameters<typeof ask>[1] = {}) =>
			ask(admin.url + path, {
				...given,
				headers: { authorization, ...given.headers },
			}),
		async read(path = "/traffic", headers: Record<string, string> = {}) {
			const all = { authorization, ...headers };
			const reader = await readEvents(admin.url + path, all);
			readers.push(reader);
			return reader;
		},
		/** One ends, and another may take its place. */
		replace(
			one: TestWorker,
			other: TestWorker | null,
			last: readonly FamilySamples[] | null = null,
		) {
			there.splice(there.indexOf(one), 1, ...(other ? [other] : []));
			for (const listener of ends) listener(one.asked, last);
		},
		admin,
		async [Symbol.asyncDispose]() {
			for (const reader of readers) reader.leave();
			await admin.close();
			for (const one of new Set([...some, ...there])) await one.close();
		},
	};
}

describe("the admin server of several workers", () => {
	it("guards its pages as that of one process does", async () => {
		await using admin = await started(worker(1));
		for (const path of ["/metrics", "/state", "/traffic"]) {
			assert.equal((await ask(admin.url + path)).status, 401, path);
		}
		assert.equal((await ask(`${admin.url}/health/live`)).status, 200);
		const evil = { headers: { host: "evil.test" } };
		assert.equal((await admin.get("/state", evil)).status, 421);
		const { headers } = await admin.get("/state");
		assert.equal(headers["cache-control"], "no-store");
		assert.ok(headers["content-security-policy"]);
	});

	it("is ready as long as one worker takes requests", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		const ready = async () => (await admin.get("/health/ready")).status;
		assert.equal(await ready(), 200);
		one.state.leaves = true;
		assert.equal(await ready(), 200);
		two.state.leaves = true;
		assert.equal(await ready(), 503);
		assert.equal((await admin.get("/health/live")).status, 200);
	});

	it("adds up how the workers are, and shows each", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		for (const id of ["a", "b"]) await one.send("/hello", id);
		await two.send("/hello", "c");
		await two.send("/slow", "d");
		const state = (await admin.get("/state")).json as State;
		const hello = state.routes.find(({ route }) => route === "GET /hello");
		assert.deepEqual([hello?.whole, hello?.recent.count], [3, 3]);
		assert.ok((hello?.recent.p99Ms ?? 0) > 0);
		assert.equal(hello?.recent.buckets, undefined);
		const slow = state.routes.find(({ route }) => route === "GET /slow");
		assert.deepEqual(
			slow?.steps.map(({ step, count, errors }) => [step, count, errors]),
			[["late", 1, 1]],
		);
		assert.equal(state.connections, 3);
		const [late] = state.upstreams;
		assert.deepEqual(
			[late?.breaker, late?.limit, late?.recent.errors],
			["closed", 2 * 64, 1],
		);
		assert.deepEqual(
			state.workers.map(({ worker, state }) => [worker, state?.connections]),
			[
				[1, 1],
				[2, 2],
			],
		);
	});

	it("leaves out a worker that does not answer, and says so", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		await one.send("/hello", "a");
		await two.send("/hello", "b");
		await admin.get("/metrics");
		two.state.silent = true;
		const state = (await admin.get("/state")).json as State;
		assert.equal(state.connections, 1);
		assert.deepEqual(state.workers[1], { worker: 2, state: null });
		const { text } = await admin.get("/metrics");
		assert.match(text, /^sluice_workers_silent 1$/m);
		assert.match(text, /^sluice_worker_restarts_total 3$/m);
		assert.match(text, /^sluice_client_connections 1$/m);
		// What it has counted is known from before.
		assert.match(text, /route="GET \/hello",completeness="whole"} 2$/m);
		one.state.silent = true;
		assert.equal((await admin.get("/state")).status, 503);
		assert.equal((await admin.get("/config")).status, 503);
		assert.equal((await admin.get("/traffic")).status, 200);
	});

	it("keeps the counters of a worker that has ended", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		await one.send("/hello", "a");
		await two.send("/hello", "b");
		const whole = async () => {
			const { text } = await admin.get("/metrics");
			return /"GET \/hello",completeness="whole"} (\d+)$/m.exec(text)?.[1];
		};
		assert.equal(await whole(), "2");
		const three = worker(1, "w3");
		admin.replace(one, three);
		assert.equal(await whole(), "2");
		await three.send("/hello", "c");
		assert.equal(await whole(), "3");
		await two.send("/hello", "d");
		admin.replace(two, null, two.metrics.samples());
		assert.equal(await whole(), "4");
	});

	it("lists the last requests of all, page by page, each once", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		const ids: string[] = [];
		for (let at = 0; at < 21; at++) {
			const id = `r${at}`;
			ids.unshift(id);
			await (at % 3 === 0 ? one : two).send("/hello", id);
		}
		const listed: string[] = [];
		let before = "";
		for (let pages = 0; pages < 20; pages++) {
			const { json } = await admin.get(`/traffic?limit=4${before}`);
			const { requests, next, ended, dropped } = json as TrafficAnswer;
			assert.deepEqual([ended >= 21, dropped], [true, 0]);
			listed.push(...requests.map(({ id }) => id));
			if (next === null) break;
			before = `&before=${next}`;
			// What ends meanwhile is newer, and moves nothing.
			await one.send("/fail", `later${pages}`);
		}
		// Those of one millisecond have no order between workers.
		assert.deepEqual(listed.toSorted(), ids.toSorted());
		const failed = await admin.get("/traffic?status=5xx&limit=2");
		assert.equal((failed.json as TrafficAnswer).requests.length, 2);
		for (const wrong of ["before=7x", "before=w1-1&before=w2-1", "limit=0"]) {
			const { status, json } = await admin.get(`/traffic?${wrong}`);
			assert.equal(status, 400, wrong);
			const { errors } = json as { errors: { at: string }[] };
			assert.match(errors[0]?.at ?? "", /^query\.(before|limit)$/);
		}
	});

	it("finds a request in whichever worker has answered it", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		await two.send("/slow", "there");
		const { json } = await admin.get("/traffic/there");
		assert.equal((json as { id: string }).id, "there");
		assert.equal((await admin.get("/traffic/nowhere")).status, 404);
	});

	it("tells requests of all workers as they end, and their rates as one", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		await one.send("/hello", "before");
		const reader = await admin.read();
		await one.send("/hello", "a");
		await two.send("/hello", "b");
		const told = [await reader.next("request"), await reader.next("request")];
		assert.deepEqual(
			told.map(({ data }) => data.id),
			["a", "b"],
		);
		const rates = (await reader.next("rates")).data as unknown as Rates;
		assert.equal(rates.requests.count, 2);
		assert.equal(rates.requests.buckets, undefined);
		assert.deepEqual(
			rates.routes.map(({ route, count }) => [route, count]),
			[["GET /hello", 2]],
		);
	});

	it("goes on after the last event, and hears workers that have begun since", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		await one.send("/hello", "old");
		const reader = await admin.read();
		await one.send("/hello", "a");
		const { id } = await reader.next("request");
		reader.leave();
		await one.send("/hello", "b");
		await two.send("/hello", "c");
		const three = worker(2, "w3");
		admin.replace(two, three);
		await three.send("/hello", "d");
		const again = await admin.read("/traffic", { "last-event-id": `${id}` });
		const told = [await again.next("request"), await again.next("request")];
		// What the worker that has ended kept is gone with it.
		assert.deepEqual(told.map(({ data }) => data.id).toSorted(), ["b", "d"]);
		const four = worker(3);
		admin.replace(one, four);
		await again.next("rates");
		await four.send("/hello", "e");
		assert.equal((await again.next("request")).data.id, "e");
	});

	it("filters, counts what is beyond 50 a second, and ends with an event", async () => {
		const [one, two] = [worker(1), worker(2)];
		await using admin = await started(one, two);
		const reader = await admin.read("/traffic?status=5xx");
		for (let at = 0; at < 40; at++) {
			await one.send("/fail", `f${at}`);
			await two.send("/fail", `g${at}`);
			await two.send("/hello", "no");
		}
		const { data } = await reader.next("lost");
		const told = reader.seen.filter(({ name }) => name === "request");
		assert.equal(told.length + Number(data.count), 80);
		assert.ok(told.length <= 50);
		assert.ok(told.every(({ data }) => data.status === 503));
		const closing = admin.admin.close();
		assert.deepEqual((await reader.next("end")).data, { reason: "closed" });
		await reader.ended;
		await closing;
	});

	it("tries a route in one worker, and passes on what a page refuses", async () => {
		const [one, two] = [worker(1), worker(2)];
		one.state.silent = true;
		await using admin = await started(two, one);
		const body = JSON.stringify({ method: "GET", path: "/hello" });
		const tried = await admin.get("/try", { method: "POST", body });
		assert.equal((tried.json as { body: string }).body, '"hello"');
		const wrong = await admin.get("/try", { method: "POST", body: "{}" });
		assert.equal(wrong.status, 400);
		assert.match(wrong.text, /body\/method/);
		assert.equal((await admin.get("/history")).status, 404);
		const { json } = await admin.get("/plan");
		assert.equal((json as { routes: unknown[] }).routes.length, 3);
	});
});
