/**
 * What it costs to see inside, by threads, without sockets: one process, an upstream that answers in the next turn of the
 * loop, and listeners that change with each slice. So neither the kernel nor the state of a compiler hides the difference,
 * but all code is hotter than in a server. Run with `node --expose-gc bench/seeing-inside.ts [rounds] [requests a slice]`.
 */
import {
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkValue, configOrThrow } from "../src/config/load.ts";
import { createEvents, type Events } from "../src/core/events.ts";
import { RequestMemory } from "../src/core/memory.ts";
import { createGateway } from "../src/gateway/gateway.ts";
import { realClock } from "../src/tasks/clock.ts";
import { openScope } from "../src/tasks/scope.ts";
import { openHistory } from "../src/telemetry/history/history.ts";
import { attachLog } from "../src/telemetry/log/attach-log.ts";
import { createMetrics } from "../src/telemetry/metrics/metrics.ts";
import { createTraffic } from "../src/telemetry/traffic/traffic.ts";
import { createUpstream } from "../src/upstream/upstream.ts";
import type { OpenWire } from "../src/upstream/wire/wire.ts";
import { policiesOn } from "./competitors.ts";
import { markdownTable } from "./report.ts";
import { routes, sluiceConfig } from "./routes.ts";
import { medianOf } from "./statistics.ts";
import { recordedAnswers } from "./weather.ts";

const [rounds = 30, requests = 2_000] = process.argv.slice(2).map(Number);
const atOnce = 32;
const warmUpRounds = 8;

const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
const clock = realClock();
const config = configOrThrow(
	checkValue(
		{
			...sluiceConfig("http://127.0.0.1:1", policiesOn),
			overload: false,
			log: { requests: "all", format: "json" },
			history: { requests: "all", file: join(folder, "history.db") },
		},
		"bench",
		{},
	),
);
const gateway = createGateway(config, {
	env: {},
	clock,
	openUpstream: (settings, context) =>
		createUpstream(settings, context, answering()),
});

/** Answers all calls of a turn in the next one. */
function answering(): OpenWire {
	const bodies = new Map(
		[...recordedAnswers()].map(([city, text]) => [`/weather/${city}`, text]),
	);
	const headers = ["content-type", "application/json"];
	let waiting: (() => void)[] = [];
	const answerAll = () => {
		const now = waiting;
		waiting = [];
		for (const answer of now) answer();
	};
	return () => ({
		send({ target, attempt, onSent }, ended) {
			onSent?.();
			attempt?.sent(true);
			if (waiting.length === 0) setImmediate(answerAll);
			waiting.push(() => {
				const body = Buffer.from(bodies.get(target) ?? "");
				attempt?.head(200);
				if (attempt) attempt.bytes += body.length;
				ended.answered({ status: 200, headers, body });
			});
			// Nobody ends a call of this bench.
			return { end() {} };
		},
		stream: () => Promise.reject(new Error("nothing is passed on")),
		state: () => ({ connections: 0, idle: 0 }),
		close: async () => {},
	});
}

/** The listeners that each kind adds. All of them are made once. */
type Listeners = Readonly<Record<keyof Events, readonly unknown[]>>;

const names = Object.keys(createEvents()) as (keyof Events)[];

function use(listeners: Listeners): void {
	for (const name of names) {
		const list: unknown[] = gateway.events[name];
		list.splice(0, list.length, ...listeners[name]);
	}
}

function listenersOf(attach: () => unknown): Listeners {
	attach();
	const made = Object.fromEntries(
		names.map((name) => [name, [...gateway.events[name]]]),
	) as unknown as Listeners;
	use(nothing);
	return made;
}

function together(...all: readonly Listeners[]): Listeners {
	return Object.fromEntries(
		names.map((name) => [name, all.flatMap((one) => one[name])]),
	) as unknown as Listeners;
}

const nothing = together();
const history = config.history && openHistory(gateway, config.history);
const historyListeners = listenersOf(() => {});
const record = listenersOf(() => gateway.events.trailEnded.push(() => {}));
const metrics = listenersOf(() => createMetrics(gateway));
const traffic = listenersOf(() => createTraffic(gateway));
const log = listenersOf(() =>
	attachLog(gateway, { fd: openSync(join(folder, "log.json"), "a") }),
);
const kinds: readonly (readonly [string, Listeners])[] = [
	["nothing", nothing],
	["metrics", metrics],
	["a record that nobody reads", record],
	["the last requests", traffic],
	["a log of all requests", log],
	["a history of all requests", historyListeners],
	["all of it", together(metrics, traffic, log, historyListeners)],
];

const headers = ["host", "bench", "user-agent", "bench", "accept", "*/*"];
let count = 0;

async function ask(): Promise<void> {
	const scope = openScope({ clock });
	const memory = new RequestMemory(gateway.memory);
	const { status } = await gateway.handle(
		{
			...{ id: `bench-0123456789-${count++}`, method: "GET", headers, memory },
			...{ target: routes.three.target, ip: "127.0.0.1" },
			arrivedMs: clock.now(),
			readBody: async () => new Uint8Array(),
			streamBody: () => null,
		},
		scope,
	);
	if (status !== 200) throw new Error(`answered with ${status}`);
	memory.end();
	scope.close();
}

async function askMany(): Promise<void> {
	let left = requests;
	const client = async () => {
		while (left-- > 0) await ask();
	};
	await Promise.all(Array.from({ length: atOnce }, client));
}

/** CPU microseconds so far, by the name of the thread. */
function cpuByThread(): ReadonlyMap<string, number> {
	const used = new Map<string, number>();
	const tasks = "/proc/self/task";
	for (const thread of readdirSync(tasks)) {
		const name = readFileSync(`${tasks}/${thread}/comm`, "utf8").trim();
		const times = readFileSync(`${tasks}/${thread}/schedstat`, "utf8");
		const us = Number(times.split(" ")[0]) / 1_000;
		used.set(name, (used.get(name) ?? 0) + us);
	}
	return used;
}

interface Sample {
	readonly loop: number;
	readonly collector: number;
	readonly others: number;
	readonly all: number;
}

async function slice(listeners: Listeners): Promise<Sample> {
	use(listeners);
	globalThis.gc?.({ type: "minor" });
	const before = cpuByThread();
	await askMany();
	while (history && history.state().waiting > 0) {
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	const sum = { loop: 0, collector: 0, others: 0, all: 0 };
	for (const [name, us] of cpuByThread()) {
		const used = (us - (before.get(name) ?? 0)) / requests;
		const main = name === "node" || name.includes("MainThread");
		const part = main ? "loop" : name.includes("V8") ? "collector" : "others";
		sum[part] += used;
		sum.all += used;
	}
	return sum;
}

const samples = new Map<string, Sample[]>(kinds.map(([title]) => [title, []]));
for (let round = -warmUpRounds; round < rounds; round++) {
	for (let turn = 0; turn < kinds.length; turn++) {
		const at = (round + warmUpRounds + turn) % kinds.length;
		const [title, listeners] = kinds[at] as (typeof kinds)[number];
		const sample = await slice(listeners);
		if (round >= 0) samples.get(title)?.push(sample);
	}
}
const base = samples.get("nothing") ?? [];
const rows = kinds.map(([title]) => {
	const own = samples.get(title) ?? [];
	const more = (part: keyof Sample) =>
		medianOf(own.map((one, at) => one[part] - (base[at]?.[part] ?? 0)));
	const parts = (["loop", "collector", "others"] as const).map(more);
	const all = medianOf(own.map((one) => one.all));
	return [title, ...[all, more("all"), ...parts].map((us) => us.toFixed(1))];
});
const head = ["seen", "CPU µs a request", "more", "event loop"];
console.log(
	markdownTable([...head, "V8's other threads", "database, writes"], rows),
);
rmSync(folder, { recursive: true, force: true });
process.exit(0);
