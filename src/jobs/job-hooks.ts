import type { Clock, Timer } from "../tasks/clock.ts";
import type { Job } from "./job.ts";
import type { JobStore } from "./job-store.ts";

/** Tells somebody of a job's end. Gives whether that went well, or need not be tried again. */
export type SendHook = (job: Job) => Promise<boolean>;

/** How often it is looked for ends that are to be told. */
const lookMs = 1_000;

/** How many are told at once. */
const parallel = 4;

/** Pauses between attempts: 5 s, and then twice as long each time, for 43 minutes in all. */
const attemptsMax = 10;
const pauseMs = 5_000;

/** Tells of the ends of jobs, whoever ran them. Several processes may do that. */
export class JobHooks {
	readonly #store: JobStore;
	readonly #clock: Clock;
	readonly #send: SendHook;
	readonly #sending = new Set<Promise<void>>();
	#timer: Timer | null = null;
	#state: "idle" | "telling" | "stopped" = "idle";
	#looking = false;
	/** The end of the last looking. Never rejects. */
	#looked: Promise<void> | null = null;

	constructor(store: JobStore, clock: Clock, send: SendHook) {
		this.#store = store;
		this.#clock = clock;
		this.#send = send;
	}

	begin(): void {
		if (this.#state !== "idle") return;
		this.#state = "telling";
		this.look();
	}

	/** There may be an end to be told. */
	look(): void {
		if (this.#state !== "telling" || this.#looking) return;
		this.#looked = this.#lookNow();
	}

	/** Resolves when nobody is being told any more. What is not told is told by others, or later. */
	async stop(): Promise<void> {
		this.#state = "stopped";
		this.#timer?.cancel();
		// It may have got an end to tell meanwhile.
		await this.#looked;
		await Promise.all(this.#sending);
	}

	async #lookNow(): Promise<void> {
		this.#looking = true;
		this.#timer?.cancel();
		try {
			while (this.#state === "telling" && this.#sending.size < parallel) {
				const due = await this.#store.takeHook();
				if (due === null) break;
				const sending = this.#tell(due.job, due.tries);
				this.#sending.add(sending);
				void sending.then(() => {
					this.#sending.delete(sending);
					this.look();
				});
			}
		} catch {
			// It is looked again.
		}
		this.#looking = false;
		if (this.#state !== "telling") return;
		this.#timer = this.#clock.aside(lookMs, () => this.look());
	}

	async #tell(job: Job, tries: number): Promise<void> {
		const told = await this.#send(job);
		const again = !told && tries < attemptsMax;
		const nextAt = again ? Date.now() + pauseMs * 2 ** (tries - 1) : null;
		// If that fails, it is told once more, with the same id.
		await this.#store.hookEnded(job.id, nextAt).catch(() => {});
	}
}
