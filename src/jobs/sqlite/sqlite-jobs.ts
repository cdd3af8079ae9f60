import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { GatewayError } from "../../core/errors.ts";
import type { Clock } from "../../tasks/clock.ts";
import type { NewJob, RunOutcome, StepProgress, TakenJob } from "../job.ts";
import type { Added, JobStore } from "../job-store.ts";
import { unavailable } from "../unavailable.ts";
import type { JobFile } from "./database.ts";
import type {
	ArgsOf,
	FromJobs,
	Operation,
	ResultOf,
	ToJobs,
} from "./messages.ts";

const code = fileURLToPath(
	new URL(`./database-thread${extname(import.meta.url)}`, import.meta.url),
);

/** How long somebody waits for an answer. */
const answerMs = 5_000;

/** More do not wait for one. */
const askedMax = 1_000;

interface Asked {
	resolve(value: unknown): void;
	reject(error: GatewayError): void;
}

/**
 * Jobs in a database of this machine. SQLite waits for the disk, and the event loop may not, so a thread has it. A thread
 * that has ended is started anew when it is next needed. It keeps no process alive.
 */
export class SqliteJobs implements JobStore {
	readonly #file: JobFile;
	readonly #clock: Clock;
	readonly #asked = new Map<number, Asked>();
	/** The calls that were to take a job, and whose answer came too late for whoever asked. */
	readonly #lateTakes = new Set<number>();
	#calls = 0;
	#worker: Worker | null = null;
	#closed = false;

	constructor(file: JobFile, clock: Clock) {
		this.#file = file;
		this.#clock = clock;
	}

	async add(job: NewJob): Promise<Added> {
		try {
			return await this.#do("add", job);
		} catch (error) {
			// It may be there by now, and nobody was told of it.
			if (!this.#closed && job.key === null) {
				this.#do("cancel", job.id).catch(() => {});
			}
			throw error;
		}
	}

	find(id: string) {
		return this.#do("find", id);
	}

	answer(id: string) {
		return this.#do("answer", id);
	}

	take() {
		return this.#do("take");
	}

	progress(id: string, run: string, steps: readonly StepProgress[]) {
		return this.#do("progress", id, run, steps);
	}

	end(
		id: string,
		run: string,
		outcome: RunOutcome,
		steps: readonly StepProgress[],
	) {
		return this.#do("end", id, run, outcome, steps);
	}

	cancel(id: string) {
		return this.#do("cancel", id);
	}

	takeHook() {
		return this.#do("takeHook");
	}

	hookEnded(id: string, nextAt: number | null) {
		return this.#do("hookEnded", id, nextAt);
	}

	counts() {
		return this.#do("counts");
	}

	async close(): Promise<void> {
		this.#closed = true;
		const worker = this.#worker;
		if (worker === null) return;
		await new Promise<void>((resolve) => {
			const timer = this.#clock.after(answerMs, resolve);
			worker.once("exit", () => {
				timer.cancel();
				resolve();
			});
			worker.postMessage({ kind: "close" } satisfies ToJobs);
		});
		// One that hangs in the disk would not end before the disk does.
		void worker.terminate();
	}

	#do<Op extends Operation>(
		operation: Op,
		...args: ArgsOf<Op>
	): Promise<ResultOf<Op>> {
		if (this.#closed) return Promise.reject(unavailable("they are closed"));
		if (this.#asked.size >= askedMax) {
			return Promise.reject(unavailable(`${askedMax} others wait for them`));
		}
		this.#calls++;
		const call = this.#calls;
		return new Promise((resolve, reject) => {
			const words = `no answer within ${answerMs} ms`;
			const timer = this.#clock.after(answerMs, () => {
				asked.reject(unavailable(words));
				if (operation === "take") this.#lateTakes.add(call);
			});
			const end = () => {
				timer.cancel();
				this.#asked.delete(call);
			};
			const asked: Asked = {
				resolve(value) {
					end();
					resolve(value as ResultOf<Op>);
				},
				reject(error) {
					end();
					reject(error);
				},
			};
			this.#asked.set(call, asked);
			this.#worker ??= this.#start();
			const message: ToJobs = { kind: "do", call, operation, args };
			this.#worker.postMessage(message);
		});
	}

	#start(): Worker {
		const worker = new Worker(code, { workerData: this.#file });
		worker.unref();
		worker.on("message", (message: FromJobs) => this.#hear(message));
		let words = "their thread has ended";
		worker.on("error", (error) => {
			words = `their thread has failed: ${error instanceof Error ? error.message : String(error)}`;
		});
		worker.on("exit", () => {
			this.#worker = null;
			this.#lateTakes.clear();
			const error = unavailable(words);
			for (const { reject } of [...this.#asked.values()]) reject(error);
		});
		return worker;
	}

	#hear(message: FromJobs): void {
		const late = this.#lateTakes.delete(message.call);
		if (late && message.kind === "done") {
			return this.#leave(message.value as TakenJob | null);
		}
		const asked = this.#asked.get(message.call);
		if (message.kind === "done") asked?.resolve(message.value);
		else {
			const why = message.full ? "no room is left for them" : message.message;
			asked?.reject(unavailable(why));
		}
	}

	/** Nobody here carries it out, so it is as if it had never begun. */
	#leave(taken: TakenJob | null): void {
		if (taken === null || this.#closed) return;
		const outcome = { state: "left", wrote: false } as const;
		this.#do("end", taken.job.id, taken.run, outcome, []).catch(() => {});
	}
}
