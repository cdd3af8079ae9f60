/**
 * What a task costs: `scope.start` of an async function beside a bare call of it, and `gather` beside `Promise.all` and
 * p-limit. Nanoseconds of one task, medians of rounds in which every contender runs in turn, with the
 * quartiles; then the bytes of a task that waits. Run with `node --expose-gc bench/tasks.ts`.
 */
import pLimit from "p-limit";
import { createSemaphore, gather, openScope } from "../src/tasks/index.ts";
import { pairedRatios, quartilesOf } from "./statistics.ts";

const rounds = 25;
const perRound = 20_000;

type Contenders = Record<string, (count: number) => Promise<unknown>>;

/** An async function that waits for nothing much: all the rest is what starting it costs. */
async function work(): Promise<number> {
	await null;
	return 1;
}

async function bareCalls(count: number): Promise<void> {
	const calls = Array.from({ length: count }, work);
	for (const call of calls) await call;
}

async function tasks(count: number): Promise<void> {
	await using scope = openScope();
	for (let started = 0; started < count; started++) scope.start(work);
}

const worksOf = (count: number) => Array.from({ length: count }, () => work);

async function gatherAll(count: number, limit?: number): Promise<unknown> {
	await using scope = openScope();
	return gather(worksOf(count), { scope, ...(limit && { limit }) });
}

function promiseAll(count: number): Promise<unknown> {
	return Promise.all(worksOf(count).map((one) => one()));
}

function throughPLimit(count: number): Promise<unknown> {
	const limit = pLimit(10);
	return Promise.all(worksOf(count).map((one) => limit(one)));
}

async function throughSemaphore(count: number): Promise<unknown> {
	await using scope = openScope();
	const slots = createSemaphore(10);
	return Promise.all(worksOf(count).map((one) => slots.run(one, scope)));
}

/** Prints each contender's time, and how often the first one's it is. */
async function compare(
	title: string,
	count: number,
	contenders: Contenders,
): Promise<void> {
	const names = Object.keys(contenders);
	const samples = new Map(names.map((name): [string, number[]] => [name, []]));
	for (let round = 0; round <= rounds; round++) {
		for (const [name, run] of Object.entries(contenders)) {
			const startMs = performance.now();
			for (let done = 0; done < perRound; done += count) await run(count);
			const nanoseconds = ((performance.now() - startMs) * 1e6) / perRound;
			// The first round is for the compiler.
			if (round > 0) samples.get(name)?.push(nanoseconds);
		}
	}
	console.log(`\n${title}`);
	const first = samples.get(names[0] ?? "") ?? [];
	for (const [name, times] of samples) {
		const [low, median, high] = quartilesOf(times);
		const [, ratio] = quartilesOf(pairedRatios(times, first));
		console.log(
			`${name.padEnd(30)}${median.toFixed(0).padStart(7)} ns  (${low.toFixed(0)}–${high.toFixed(0)})  ${ratio.toFixed(2)}×`,
		);
	}
}

/** Bytes a waiting one keeps, over many. */
function bytesOf(begin: () => unknown): number {
	const count = 100_000;
	const kept: unknown[] = new Array(count).fill(null);
	globalThis.gc?.();
	const before = process.memoryUsage().heapUsed;
	for (let at = 0; at < count; at++) kept[at] = begin();
	globalThis.gc?.();
	const bytes = (process.memoryUsage().heapUsed - before) / count;
	return kept.length === count ? bytes : Number.NaN;
}

function compareBytes(): void {
	if (globalThis.gc === undefined) {
		console.log("\nbytes: not without --expose-gc");
		return;
	}
	const never = new Promise<void>(() => {});
	const waits = async () => {
		await never;
	};
	const scope = openScope();
	const bare = bytesOf(waits);
	const task = bytesOf(() => scope.start(waits));
	console.log(`\nbytes of one that waits
a bare call${bare.toFixed(0).padStart(26)} B
scope.start${task.toFixed(0).padStart(26)} B  (${(task - bare).toFixed(0)} B more)`);
}

await compare("start and finish, a thousand in one scope", 1000, {
	"a bare call, awaited": bareCalls,
	"scope.start": tasks,
});
await compare("gather a hundred, all at once", 100, {
	"Promise.all": promiseAll,
	gather: (count) => gatherAll(count),
});
await compare("gather a hundred, ten at once", 100, {
	"p-limit and Promise.all": throughPLimit,
	"gather with limit": (count) => gatherAll(count, 10),
	"a semaphore and Promise.all": throughSemaphore,
});
compareBytes();
