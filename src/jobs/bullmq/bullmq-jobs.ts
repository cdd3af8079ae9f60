import { randomUUID } from "node:crypto";
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
import { leaseMs, loadQueue, type SharedQueue } from "./bullmq-queue.ts";
import {
	type Asked,
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
	surelyScript,
	takeHookScript,
} from "./job-scripts.ts";
import { QueueConnection } from "./queue-connection.ts";

export interface BullmqOptions {
	readonly url: string;
	/** Every key begins with it. */
	readonly prefix: string;
	readonly queuedMax: number;
	readonly keptMax: number;
}

/** How often this process says that it lives. */
const beatMs = leaseMs / 5;

/** How long somebody waits for the store. */
const answerMs = 5_000;

/** A job is surely in the queue by then, or it was none. Before whoever asked for it is told that it is late. */
const sureMs = answerMs - 1_000;

/** The pause before a command whose connection has ended is tried again. */
const againMs = 100;

/**
 * A lock runs out, too, while the store is away. So a run that has lost its lock has so long to show that it goes on: it tells how
 * it goes every two seconds at least, and tries to write its end as often.
 */
const silentMs = 3_000;

/** Whoever adds a job is sure of it some milliseconds later, so it is looked at again so often, after so long. */
const unsureLooks = 5;
const unsureLookMs = 10;

/** A job that may not be begun yet is looked at again then. */
const laterMs = 250;

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
	/** The ids of the jobs of this process, by their runs. */
	readonly #locked = new Map<string, string>();
	/** Jobs that may have been begun although nobody here was told so. They are left to others. */
	readonly #unheard = new Map<string, string>();
	/** Jobs that may have been added although nobody was told so, or may still be, and until when. */
	readonly #unsure = new Map<string, number>();
	readonly #connection: QueueConnection;
	#timer: Timer | null = null;
	#closed = false;

	constructor(options: BullmqOptions, clock: Clock) {
		const { url, prefix } = options;
		this.#options = options;
		this.#clock = clock;
		this.#connection = new QueueConnection(url, prefix, clock);
	}

	async add(job: NewJob): Promise<Added> {
		try {
			return await this.#do((queue, isLate) => this.#add(queue, job, isLate));
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
		return this.#do(async (queue, isLate) => {
			for (;;) {
				const run = randomUUID();
				const id = await queue.next(run);
				if (id === null) return null;
				const taken = await this.#begin(queue, id, run).catch(
					(error: unknown) => {
						// It may have begun, and the answer was lost.
						this.#unheard.set(run, id);
						throw error;
					},
				);
				if (isLate()) {
					this.#unheard.set(run, id);
					return null;
				}
				if (taken === "later") {
					await queue.back(id, run, Date.now() + laterMs);
				} else if (taken === null) {
					await queue.done(id, run);
				} else {
					this.#locked.set(run, id);
					return taken;
				}
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
			this.#forget(run);
			// If that fails, its lock runs out, and whoever gets it next sees how it is.
			const moved =
				outcome.state === "left" ? queue.back(id, run) : queue.done(id, run);
			await moved.catch(() => {});
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
		await this.#connection.close();
	}

	/** `isLate` says whether whoever asked has been told that it cannot be done. */
	async #add(
		queue: SharedQueue,
		job: NewJob,
		isLate: () => boolean,
	): Promise<Added> {
		let { id } = job;
		if (job.key !== null) {
			const [other, fingerprint] = await this.#claim(queue, job, job.key);
			if (fingerprint !== job.key.fingerprint) return { kind: "other" };
			const same = other === id ? null : await this.#find(queue, other);
			if (same?.kind === "gone") return { kind: "gone" };
			if (same) {
				// Whoever made it may have died before it was surely in the queue.
				if (same.job.state === "queued") {
					await this.#surely(other, job, isLate);
				}
				return { kind: "added", job: same.job, again: true };
			}
			id = other;
		}
		const what = await this.#whatIsFull(queue);
		if (what !== null) return { kind: "full", what };
		await this.#surely(id, job, isLate);
		const added = { id, ...askedOf(job), ...newlyAdded };
		return { kind: "added", job: added, again: false };
	}

	/**
	 * Makes a job, puts it into the queue, and then says that it is one. Nobody begins it before. So of a connection that ends in the
	 * middle, or a store that goes on later, nothing is left that would be done. Each part may be done twice: a connection that
	 * ended may have done it, and the answer was lost.
	 */
	async #surely(id: string, job: NewJob, isLate: () => boolean): Promise<void> {
		const parts = [
			(queue: SharedQueue) => this.#create(queue, id, job),
			(queue: SharedQueue) => queue.add(id),
			async (queue: SharedQueue) => {
				const keys = this.#keysOf(id);
				const sure = await this.#script(queue, surelyScript, keys, []);
				if (sure !== 1) throw new Error("it was in the queue too late");
				await this.#connection.copied(queue);
			},
		];
		for (const part of parts) await this.#again(part, isLate);
	}

	/** Does it again while its connection ends, until it is late. */
	async #again(
		part: (queue: SharedQueue) => Promise<void>,
		isLate: () => boolean,
	): Promise<void> {
		for (;;) {
			if (isLate() || this.#closed) {
				throw new Error("nobody waits for it any more");
			}
			const { queue } = this.#connection;
			try {
				return await part(await this.#connection.ready());
			} catch (error) {
				this.#connection.failed(error, false);
				const isSame = queue !== null && queue === this.#connection.queue;
				if (isSame && !hasClosed(error)) throw error;
				await this.#pause(againMs);
			}
		}
	}

	#pause(ms: number): Promise<void> {
		return new Promise((resolve) => void this.#clock.after(ms, resolve));
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
			...[Buffer.from(body), job.hook ? "1" : "0", String(sureMs)],
		]);
	}

	/** Null if it may not be run, `later` if nobody can know yet. */
	async #begin(
		queue: SharedQueue,
		id: string,
		run: string,
	): Promise<TakenJob | "later" | null> {
		const fields = await this.#read(queue, id, jobFields);
		const asked = jobOf(id, fields);
		if (asked === null) return null;
		const ask = async () =>
			String(
				await this.#script(queue, beginScript, this.#keysOf(id), [
					...[run, String(Date.now()), String(asked.keptMs)],
					...[String(rememberedMs), String(asked.attempts)],
					...[String(asked.expiresAt), endCodes.interrupted],
					...[endCodes.expired, String(silentMs)],
				]),
			);
		let said = await ask();
		for (let looks = 0; said === "unsure" && looks < unsureLooks; looks++) {
			await this.#pause(unsureLookMs);
			said = await ask();
		}
		if (said === "unsure" || said === "silent") return "later";
		if (said !== "begun") return null;
		await this.#connection.copied(queue);
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
		work: (queue: SharedQueue, isLate: () => boolean) => Promise<Value>,
	): Promise<Value> {
		if (this.#closed) throw unavailable("they are closed");
		// What the library takes to be loaded is no time of the store's.
		await loadQueue();
		const { promise: late, reject } = Promise.withResolvers<never>();
		let isLate = false;
		const timer = this.#clock.after(answerMs, () => {
			isLate = true;
			reject(unavailable(`no answer within ${answerMs} ms`));
		});
		try {
			const queue = await Promise.race([this.#connection.ready(), late]);
			this.#timer ??= this.#clock.aside(beatMs, () => this.#beat());
			return await Promise.race([work(queue, () => isLate), late]);
		} catch (error) {
			this.#connection.failed(error, isLate);
			throw unavailable(String(error));
		} finally {
			timer.cancel();
		}
	}

	/** Says that this process lives, and takes back what nobody was told of. */
	#beat(): void {
		const { queue } = this.#connection;
		for (const [run, id] of queue ? this.#unheard : []) {
			this.end(id, run, { state: "left", wrote: false }, []).then(
				() => this.#unheard.delete(run),
				() => {},
			);
		}
		if (queue && this.#locked.size > 0) {
			queue.renew(this.#locked).catch(() => {});
		}
		for (const [id, untilMs] of this.#unsure) {
			if (this.#clock.now() > untilMs) this.#unsure.delete(id);
			else this.cancel(id).catch(() => {});
		}
		this.#timer = this.#clock.aside(beatMs, () => this.#beat());
	}
}

/** How a job is that nobody has begun. */
const newlyAdded: Omit<Job, keyof Asked | "id"> = {
	...{ state: "queued" as const, begun: 0, startedAt: null, endedAt: null },
	...{ progress: [], status: null, code: null },
};

/** Whether the connection has ended before the answer was there. */
function hasClosed(thrown: unknown): boolean {
	const name = (thrown as object | null)?.constructor.name ?? "";
	return /Closed|Disconnects|Socket|Offline/.test(name);
}

const asBytes = { typeMapping: { 36: Buffer } } as const;

function bodyWord(body: Uint8Array | null): string | Buffer {
	return body === null ? "none" : Buffer.concat([Buffer.from("="), body]);
}
