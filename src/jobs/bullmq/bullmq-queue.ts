import type { Queue, Job as QueuedJob, Worker } from "bullmq";
import type { QueueClient } from "../../store/queue-client.ts";

/** A process that has not renewed the locks of its jobs for so long is dead. */
export const leaseMs = 5_000;

/** How often somebody looks for jobs of dead processes. */
const stalledMs = 1_000;

const name = "jobs";

/** The queue of ids that all share who have one store: who is next, and who has it. It knows nothing else of jobs. */
export interface SharedQueue {
	readonly client: QueueClient;
	/** Adds an id, unless it is there. */
	add(id: string): Promise<void>;
	/** The next id, which is locked by `token`; null if none waits. */
	next(token: string): Promise<string | null>;
	/** Renews the locks of these ids, by their tokens. */
	renew(locked: ReadonlyMap<string, string>): Promise<void>;
	/** It need not be handed out again. */
	done(id: string, token: string): Promise<void>;
	/** It waits for its turn again, from then on. */
	back(id: string, token: string, atMs?: number): Promise<void>;
	remove(id: string): Promise<void>;
	counts(): Promise<{ readonly queued: number; readonly running: number }>;
	close(): Promise<void>;
}

/** Loads the libraries, once. */
export async function loadQueue(): Promise<typeof import("bullmq")> {
	await import("@redis/client");
	return await import("bullmq");
}

/** Opens a queue of BullMQ's, which is loaded with the first one. The client is connected. */
export async function openQueue(
	client: QueueClient,
	prefix: string,
): Promise<SharedQueue> {
	const bullmq = await loadQueue();
	const connection = client as never;
	const common = {
		connection,
		prefix: `${prefix}bull`,
		skipVersionCheck: true,
	};
	const queue: Queue = new bullmq.Queue(name, common);
	const worker: Worker = new bullmq.Worker(name, null, {
		...common,
		...{ autorun: false, skipLockRenewal: true, lockDuration: leaseMs },
		stalledInterval: stalledMs,
		// How often a job may be begun is decided when it is begun.
		maxStalledCount: 1_000_000,
	});
	// Whoever asks for something hears of it.
	queue.on("error", () => {});
	worker.on("error", () => {});
	void worker.startStalledCheckTimer();
	const taken = new Map<string, QueuedJob>();
	/** Also one that was taken by another connection. */
	const jobOf = async (id: string) =>
		taken.get(id) ?? (await bullmq.Job.fromId(queue, id));
	return {
		client,
		async add(id) {
			const options = { jobId: id, removeOnComplete: true, removeOnFail: true };
			await queue.add(name, null, options);
		},
		async next(token) {
			const job = await worker.getNextJob(token, { block: false });
			if (!job) return null;
			const id = job.id as string;
			taken.set(id, job);
			return id;
		},
		async renew(locked) {
			const [tokens, ids] = [[...locked.keys()], [...locked.values()]];
			await worker.extendJobLocks(ids, tokens, leaseMs);
		},
		async done(id, token) {
			await (await jobOf(id))?.moveToCompleted(null, token, false);
			taken.delete(id);
		},
		async back(id, token, atMs) {
			const job = await jobOf(id);
			await (atMs === undefined
				? job?.moveToWait(token)
				: job?.moveToDelayed(atMs, token));
			taken.delete(id);
		},
		async remove(id) {
			await queue.remove(id);
		},
		async counts() {
			const { waiting = 0, active = 0 } = await queue.getJobCounts(
				...(["waiting", "active"] as const),
			);
			return { queued: waiting, running: active };
		},
		async close() {
			await Promise.allSettled([worker.close(true), queue.close()]);
		},
	};
}
