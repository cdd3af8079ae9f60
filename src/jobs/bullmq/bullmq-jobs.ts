import { randomUUID } from "node:crypto";
import { GatewayError } from "../../core/errors.ts";
import type { Clock, Timer } from "../../tasks/clock.ts";
import type {
	Job,
	NewJob,
	RunOutcome,
	StepProgress,
	StoredAnswer,
	TakenJob,
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
import { type Asked, askedOf } from "./job-hash.ts";
import { endStates, JobRecords } from "./job-records.ts";
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

/** Whoever adds a job is sure of it some milliseconds later, so it is looked at again so often, after so long. */
const unsureLooks = 5;
const unsureLookMs = 10;

/** A job that may not be begun yet is looked at again then. */
const laterMs = 250;

/** A command that was sent is not under way for longer than that. */
const unsureMs = 15_000;

/**
 * Jobs in a store that many share. BullMQ hands ids to processes, one at a time, and finds those of dead ones. What a client may
 * look at stands beside it, in `records`.
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
	readonly #records: JobRecords;
	#timer: Timer | null = null;
	#closed = false;

	constructor(options: BullmqOptions, clock: Clock) {
		const { url, prefix } = options;
		this.#options = options;
		this.#clock = clock;
		this.#connection = new QueueConnection(url, prefix, clock);
		this.#records = new JobRecords(prefix);
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
		return this.#do(({ client }) => this.#records.find(client, id));
	}

	answer(id: string): Promise<StoredAnswer | null> {
		return this.#do(({ client }) => this.#records.answer(client, id));
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
		return this.#do(({ client }) =>
			this.#records.progress(client, id, run, steps),
		);
	}

	end(
		id: string,
		run: string,
		outcome: RunOutcome,
		steps: readonly StepProgress[],
	): Promise<Job | null> {
		return this.#do(async (queue) => {
			const { client } = queue;
			const before = await this.#records.find(client, id);
			if (before?.kind !== "found") return this.#forget(run);
			const isOurs =
				outcome.state === "left"
					? await this.#records.leave(client, id, run, outcome.wrote)
					: await this.#records.end(client, before.job, run, outcome, steps);
			this.#forget(run);
			// If that fails, its lock runs out, and whoever gets it next sees how it is.
			const moved =
				outcome.state === "left" ? queue.back(id, run) : queue.done(id, run);
			await moved.catch(() => {});
			if (!isOurs) return null;
			const after = await this.#records.find(client, id);
			return after?.kind === "found" ? after.job : null;
		});
	}

	cancel(id: string): Promise<Found> {
		return this.#do(async (queue) => {
			const { client } = queue;
			const found = await this.#records.find(client, id);
			if (found?.kind !== "found") return found;
			await this.#records.cancel(client, found.job);
			// One that runs is locked. Its end takes it away.
			await queue.remove(id).catch(() => {});
			return await this.#records.find(client, id);
		});
	}

	takeHook(): Promise<DueHook | null> {
		return this.#do(({ client }) => this.#records.takeHook(client));
	}

	hookEnded(id: string, nextAt: number | null): Promise<void> {
		return this.#do(({ client }) =>
			this.#records.hookEnded(client, id, nextAt),
		);
	}

	counts(): Promise<JobCounts> {
		return this.#do(async (queue) => {
			const kept = await this.#records.kept(queue.client);
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
			const [other, fingerprint] = await this.#records.claim(
				...([queue.client, job, job.key] as const),
			);
			if (fingerprint !== job.key.fingerprint) return { kind: "other" };
			const same =
				other === id ? null : await this.#records.find(queue.client, other);
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
			({ client }: SharedQueue) =>
				this.#records.create(client, id, job, sureMs),
			(queue: SharedQueue) => queue.add(id),
			async (queue: SharedQueue) => {
				const isSure = await this.#records.surely(queue.client, id);
				if (!isSure) throw new Error("it was in the queue too late");
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

	#forget(run: string): null {
		this.#locked.delete(run);
		return null;
	}

	/** Null if it may not be run, `later` if nobody can know yet. */
	async #begin(
		queue: SharedQueue,
		id: string,
		run: string,
	): Promise<TakenJob | "later" | null> {
		const { client } = queue;
		const known = await this.#records.known(client, id);
		if (known === null) return null;
		const ask = () => this.#records.begin(client, known, run);
		let said = await ask();
		for (let looks = 0; said === "unsure" && looks < unsureLooks; looks++) {
			await this.#pause(unsureLookMs);
			said = await ask();
		}
		if (said === "unsure" || said === "silent") return "later";
		if (said !== "begun") return null;
		await this.#connection.copied(queue);
		return await this.#records.taken(client, id, run);
	}

	async #whatIsFull(
		queue: SharedQueue,
	): Promise<Extract<Added, { kind: "full" }>["what"] | null> {
		const { queuedMax, keptMax } = this.#options;
		const { queued } = await queue.counts();
		if (queued >= queuedMax) return "queued";
		const kept = await this.#records.kept(queue.client);
		const sum = kept.reduce((sum, count) => sum + count, 0);
		return sum >= keptMax ? "kept" : null;
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
			if (error instanceof GatewayError) throw error;
			throw unavailable(wordsOf(error));
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

/** What a thrown value says, without the name of its class. */
function wordsOf(thrown: unknown): string {
	return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Whether the connection has ended before the answer was there. */
function hasClosed(thrown: unknown): boolean {
	const name = (thrown as object | null)?.constructor.name ?? "";
	return /Closed|Disconnects|Socket|Offline/.test(name);
}
