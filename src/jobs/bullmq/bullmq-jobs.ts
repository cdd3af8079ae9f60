import { randomUUID } from "node:crypto";
import type { Job as QueuedJob } from "bullmq";
import { openQueueClient, type QueueClient } from "../../store/queue-client.ts";
import type { Clock, Timer } from "../../tasks/clock.ts";
import {
	endCodes,
	type Job,
	type JobKey,
	type NewJob,
	type RunOutcome,
	type StepProgress,
	type StoredAnswer,
	type TakenJob,
} from "../job.ts";
import type {
	Added,
	DueHook,
	Found,
	JobCounts,
	JobStore,
} from "../job-store.ts";
import { unavailable } from "../unavailable.ts";
import {
	leaseMs,
	loadQueue,
	openQueue,
	type SharedQueue,
} from "./bullmq-queue.ts";
import {
	answerFields,
	answerOf,
	askedOf,
	jobFields,
	jobOf,
	requestFields,
	requestOf,
} from "./job-hash.ts";
import {
	beginScript,
	cancelScript,
	createScript,
	endScript,
	type JobScript,
	keyScript,
	leaveScript,
	progressScript,
	takeHookScript,
} from "./job-scripts.ts";

export interface BullmqOptions {
	readonly url: string;
	/** Every key begins with it. */
	readonly prefix: string;
	readonly queuedMax: number;
	readonly keptMax: number;
}

/** How long somebody waits for the store. */
const answerMs = 5_000;

/** A command that was sent is not under way for longer than that. */
const unsureMs = 15_000;

/** Whoever is to tell an end has so long for it. */
const tellingMs = 60_000;

/** For so long it is remembered that a job was there. */
const rememberedMs = 24 * 3_600_000;

const endStates = [
	...(["done", "failed", "cancelled", "expired", "interrupted"] as const),
];

/**
 * Jobs in a store that many share. BullMQ hands ids to processes, one at a time, and finds those of dead ones. What a client may
 * look at stands beside it, in a hash for each job, and only scripts change it: so a run that has lost its job can end nothing.
 */
export class BullmqJobs implements JobStore {
	readonly #options: BullmqOptions;
	readonly #clock: Clock;
	/** The jobs of this process, by their runs. */
	readonly #locked = new Map<string, QueuedJob>();
	/** Jobs that may have been added although nobody was told so, or may still be, and until when. */
	readonly #unsure = new Map<string, number>();
	#client: QueueClient | null = null;
	#queue: SharedQueue | null = null;
	#opening: Promise<void> | null = null;
	#timer: Timer | null = null;
	#closed = false;

	constructor(options: BullmqOptions, clock: Clock) {
		this.#options = options;
		this.#clock = clock;
	}

	async add(job: NewJob): Promise<Added> {
		try {
			return await this.#do((queue) => this.#add(queue, job));
		} catch (error) {
			if (job.key === null) {
				this.#unsure.set(job.id, this.#clock.now() + unsureMs);
			}
			throw error;
		}
	}

	find(id: string): Promise<Found> {
		return this.#do((queue) => this.#find(queue, id));
	}

	answer(id: string): Promise<StoredAnswer | null> {
		return this.#do(async (queue) =>
			answerOf(await this.#read(queue, id, answerFields)),
		);
	}

	take(): Promise<TakenJob | null> {
		return this.#do(async (queue) => {
			for (;;) {
				const run = randomUUID();
				const next = await queue.next(run);
				if (next === null) return null;
				const taken = await this.#begin(queue, next.id as string, run);
				if (taken !== null) {
					this.#locked.set(run, next);
					return taken;
				}
				await next.moveToCompleted(null, run, false);
			}
		});
	}

	progress(
		id: string,
		run: string,
		steps: readonly StepProgress[],
	): Promise<boolean> {
		return this.#do(async (queue) => {
			const args = [run, JSON.stringify(steps)];
			return (
				(await this.#script(queue, progressScript, this.#keysOf(id), args)) ===
				1
			);
		});
	}

	end(
		id: string,
		run: string,
		outcome: RunOutcome,
		steps: readonly StepProgress[],
	): Promise<Job | null> {
		return this.#do(async (queue) => {
			const before = await this.#find(queue, id);
			if (before?.kind !== "found") return this.#forget(run);
			const isOurs =
				outcome.state === "left"
					? await this.#script(queue, leaveScript, this.#keysOf(id), [
							...[run, outcome.wrote ? "1" : "0"],
						])
					: await this.#script(queue, endScript, this.#keysOf(id), [
							...[run, String(Date.now()), String(before.job.keptMs)],
							...[String(rememberedMs), outcome.state, outcome.code ?? ""],
							String(outcome.answer.status),
							JSON.stringify(outcome.answer.headers),
							bodyWord(outcome.answer.body),
							JSON.stringify(steps),
						]);
			const locked = this.#locked.get(run);
			this.#forget(run);
			// If that fails, its lock runs out, and whoever gets it next sees how it is.
			const moved =
				outcome.state === "left"
					? locked?.moveToWait(run)
					: locked?.moveToCompleted(null, run, false);
			await moved?.catch(() => {});
			if (isOurs !== 1) return null;
			const after = await this.#find(queue, id);
			return after?.kind === "found" ? after.job : null;
		});
	}

	cancel(id: string): Promise<Found> {
		return this.#do(async (queue) => {
			const found = await this.#find(queue, id);
			if (found?.kind !== "found") return found;
			const args = [
				...[String(Date.now()), String(found.job.keptMs)],
				...[String(rememberedMs), endCodes.cancelled],
			];
			await this.#script(queue, cancelScript, this.#keysOf(id), args);
			// One that runs is locked. Its end takes it away.
			await queue.remove(id).catch(() => {});
			return await this.#find(queue, id);
		});
	}

	takeHook(): Promise<DueHook | null> {
		return this.#do(async (queue) => {
			const now = Date.now();
			const until = now + tellingMs;
			const args = [String(now), String(until)];
			const said = await this.#script(
				queue,
				takeHookScript,
				[this.#hooks],
				args,
			);
			if (!Array.isArray(said)) return null;
			const [key, tries] = said as [unknown, unknown];
			const id = String(key).slice(`${this.#options.prefix}job:`.length);
			const found = await this.#find(queue, id);
			return found?.kind === "found"
				? { job: found.job, tries: Number(tries) }
				: null;
		});
	}

	hookEnded(id: string, nextAt: number | null): Promise<void> {
		return this.#do(async ({ client }) => {
			const [key = ""] = this.#keysOf(id);
			await client.sendCommand(
				nextAt === null
					? ["ZREM", this.#hooks, key]
					: ["ZADD", this.#hooks, "XX", String(nextAt), key],
			);
		});
	}

	counts(): Promise<JobCounts> {
		return this.#do(async (queue) => {
			const kept = await Promise.all(
				endStates.map((state) => this.#keptIn(queue, state)),
			);
			const ended = endStates.map((state, at) => [state, kept[at] ?? 0]);
			return {
				...(await queue.counts()),
				...Object.fromEntries(ended),
			} as JobCounts;
		});
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.#timer?.cancel();
		await this.#queue?.close();
		this.#client?.destroy();
		await this.#opening?.catch(() => {});
	}

	async #add(queue: SharedQueue, job: NewJob): Promise<Added> {
		let { id } = job;
		if (job.key !== null) {
			const [other, fingerprint] = await this.#claim(queue, job, job.key);
			if (fingerprint !== job.key.fingerprint) return { kind: "other" };
			const same = other === id ? null : await this.#find(queue, other);
			if (same?.kind === "gone") return { kind: "gone" };
			if (same) {
				// Whoever made it may have died before it was in the queue.
				if (same.job.state === "queued") await queue.add(other);
				return { kind: "added", job: same.job, again: true };
			}
			id = other;
		}
		const what = await this.#whatIsFull(queue);
		if (what !== null) return { kind: "full", what };
		await this.#create(queue, id, job);
		await queue.add(id);
		const found = await this.#find(queue, id);
		if (found?.kind !== "found") throw new Error("a job is gone at once");
		return { kind: "added", job: found.job, again: false };
	}

	/** The job of a key, and what it was asked for with. It is this one unless there is another. */
	async #claim(
		queue: SharedQueue,
		{ id, acceptedAt, expiresAt, keptMs }: NewJob,
		{ text, fingerprint }: JobKey,
	): Promise<readonly [id: string, fingerprint: string]> {
		const at = `${this.#options.prefix}job:key:${text}`;
		const forMs = expiresAt - acceptedAt + keptMs + rememberedMs;
		const args = [`${id} ${fingerprint}`, String(forMs)];
		const found = String(await this.#script(queue, keyScript, [at], args));
		const [other = "", said = ""] = found.split(" ");
		return [other, said];
	}

	#forget(run: string): null {
		this.#locked.delete(run);
		return null;
	}

	async #create(queue: SharedQueue, id: string, job: NewJob): Promise<void> {
		const { body, ...request } = job.request;
		const waitsMs = job.expiresAt - job.acceptedAt + job.keptMs;
		await this.#script(queue, createScript, this.#keysOf(id), [
			...[String(waitsMs), String(rememberedMs)],
			...[JSON.stringify(askedOf(job)), JSON.stringify(request)],
			...[Buffer.from(body), job.hook ? "1" : "0"],
		]);
	}

	/** Null if it may not be run. */
	async #begin(
		queue: SharedQueue,
		id: string,
		run: string,
	): Promise<TakenJob | null> {
		const fields = await this.#read(queue, id, jobFields);
		const asked = jobOf(id, fields);
		if (asked === null) return null;
		const said = await this.#script(queue, beginScript, this.#keysOf(id), [
			...[run, String(Date.now()), String(asked.keptMs)],
			...[String(rememberedMs), String(asked.attempts)],
			...[String(asked.expiresAt), endCodes.interrupted, endCodes.expired],
		]);
		if (String(said) !== "begun") return null;
		const job = jobOf(id, await this.#read(queue, id, jobFields));
		const request = requestOf(await this.#read(queue, id, requestFields));
		return job && request && { job, request, run };
	}

	async #find(queue: SharedQueue, id: string): Promise<Found> {
		const job = jobOf(id, await this.#read(queue, id, jobFields));
		if (job !== null) return { kind: "found", job };
		const [, , gone = ""] = this.#keysOf(id);
		const wasThere = await queue.client.sendCommand(["EXISTS", gone]);
		if (Number(wasThere) === 0) return null;
		// Both are made at once, perhaps between the two looks.
		const now = jobOf(id, await this.#read(queue, id, jobFields));
		return now === null ? { kind: "gone" } : { kind: "found", job: now };
	}

	async #read(
		{ client }: SharedQueue,
		id: string,
		fields: readonly string[],
	): Promise<readonly (Buffer | null)[]> {
		const [key = ""] = this.#keysOf(id);
		return await client.sendCommand(["HMGET", key, ...fields], asBytes);
	}

	async #whatIsFull(
		queue: SharedQueue,
	): Promise<Extract<Added, { kind: "full" }>["what"] | null> {
		const { queuedMax, keptMax } = this.#options;
		const { queued } = await queue.counts();
		if (queued >= queuedMax) return "queued";
		const kept = await Promise.all(
			endStates.map((state) => this.#keptIn(queue, state)),
		);
		const sum = kept.reduce((sum, count) => sum + count, 0);
		return sum >= keptMax ? "kept" : null;
	}

	async #keptIn({ client }: SharedQueue, state: string): Promise<number> {
		const key = `${this.#options.prefix}job:kept:${state}`;
		const now = String(Date.now());
		await client.sendCommand(["ZREMRANGEBYSCORE", key, "-inf", now]);
		return Number(await client.sendCommand(["ZCARD", key]));
	}

	async #script(
		{ client }: SharedQueue,
		{ text, sha1 }: JobScript,
		keys: readonly string[],
		args: readonly (string | Buffer)[],
	): Promise<unknown> {
		const rest = [String(keys.length), ...keys, ...args];
		try {
			return await client.sendCommand(["EVALSHA", sha1, ...rest]);
		} catch (error) {
			if (!String(error).includes("NOSCRIPT")) throw error;
			return await client.sendCommand(["EVAL", text, ...rest]);
		}
	}

	/** The job, those of one state that are kept, and that it was there. */
	#keysOf(id: string): readonly string[] {
		const { prefix } = this.#options;
		return [
			...[`${prefix}job:${id}`, `${prefix}job:kept:`, `${prefix}job:was:${id}`],
			this.#hooks,
		];
	}

	get #hooks(): string {
		return `${this.#options.prefix}job:hooks`;
	}

	/** Rejects with `jobs_unavailable` if the store is away, or does not answer in time. */
	async #do<Value>(
		work: (queue: SharedQueue) => Promise<Value>,
	): Promise<Value> {
		if (this.#closed) throw unavailable("they are closed");
		// What the library takes to be loaded is no time of the store's.
		await loadQueue();
		const { promise: late, reject } = Promise.withResolvers<never>();
		const timer = this.#clock.after(answerMs, () =>
			reject(unavailable(`no answer within ${answerMs} ms`)),
		);
		try {
			const queue = await Promise.race([this.#ready(), late]);
			return await Promise.race([work(queue), late]);
		} catch (error) {
			throw unavailable(String(error));
		} finally {
			timer.cancel();
		}
	}

	async #ready(): Promise<SharedQueue> {
		this.#opening ??= this.#open();
		await this.#opening;
		const queue = this.#queue as SharedQueue;
		if (!queue.client.isReady) throw new Error("their store is away");
		return queue;
	}

	async #open(): Promise<void> {
		const { url, prefix } = this.#options;
		this.#client = await openQueueClient(url);
		// It tries until it is there, or is destroyed.
		await this.#client.connect();
		this.#queue = await openQueue(this.#client, prefix);
		this.#beat();
	}

	/** Says that this process lives, and takes back what nobody was told of. */
	#beat(): void {
		const queue = this.#queue;
		if (queue?.client.isReady && this.#locked.size > 0) {
			queue.renew(this.#locked).catch(() => {});
		}
		for (const [id, untilMs] of this.#unsure) {
			if (this.#clock.now() > untilMs) this.#unsure.delete(id);
			else this.cancel(id).catch(() => {});
		}
		this.#timer = this.#clock.aside(leaseMs / 5, () => this.#beat());
	}
}

const asBytes = { typeMapping: { 36: Buffer } } as const;

function bodyWord(body: Uint8Array | null): string | Buffer {
	return body === null ? "none" : Buffer.concat([Buffer.from("="), body]);
}
