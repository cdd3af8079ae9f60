import type { Scope } from "../tasks/scope.ts";
import type { Job, JobState, NewJob, StoredAnswer } from "./job.ts";
import { JobChanges } from "./job-changes.ts";
import { JobHooks, type SendHook } from "./job-hooks.ts";
import { JobRunner, type RunnerOptions } from "./job-runner.ts";
import { JobSchedules, type Scheduled } from "./job-schedules.ts";
import type { Added, Found, JobCounts, JobStore } from "./job-store.ts";

/** How many jobs there are, of all who share them, and how many run here. */
export interface JobsState {
	/** Null if that cannot be had now. */
	readonly counts: Readonly<Record<JobState, number>> | null;
	readonly running: number;
}

export interface JobsOptions extends Omit<RunnerOptions, "changed"> {
	/** Tells of the ends of jobs; null if nobody wants to know. */
	readonly send: SendHook | null;
	readonly scheduled: readonly Scheduled[];
	/** Whether a process runs jobs without being told to. */
	readonly runsHere: boolean;
}

/** The jobs of one gateway: kept in a store, run here or by others. */
export class Jobs {
	readonly #store: JobStore;
	readonly #changes: JobChanges;
	readonly #runner: JobRunner;
	/** Null if nobody is told of ends. */
	readonly #hooks: JobHooks | null;
	readonly #schedules: JobSchedules;
	readonly #runsHere: boolean;
	#begun = false;
	#counts: JobCounts | null = null;
	#closed = false;

	constructor(store: JobStore, options: JobsOptions) {
		const { send, scheduled, runsHere, ...others } = options;
		const { clock } = others;
		this.#store = store;
		this.#changes = new JobChanges(store, clock);
		this.#runsHere = runsHere;
		this.#runner = new JobRunner(store, {
			...others,
			changed: (id) => {
				this.#changes.changed(id);
				this.#hooks?.look();
			},
		});
		this.#hooks = send && new JobHooks(store, clock, send);
		this.#schedules = new JobSchedules(
			scheduled,
			(job) => this.add(job),
			clock,
		);
	}

	/** Tells of ends and makes jobs by the clock from now on, and runs jobs unless others do. Those of former processes, too. */
	begin(): void {
		if (this.#begun) return;
		this.#begun = true;
		if (this.#runsHere) this.#runner.begin();
		this.#hooks?.begin();
		this.#schedules.begin();
	}

	/** As `begin`, and runs jobs in any case: nobody else might. */
	work(): void {
		this.begin();
		this.#runner.begin();
	}

	async add(job: NewJob): Promise<Added> {
		const added = await this.#store.add(job);
		if (added.kind === "added" && !added.again) {
			this.begin();
			this.#runner.look();
		}
		return added;
	}

	find(id: string): Promise<Found> {
		return this.#store.find(id);
	}

	answer(id: string): Promise<StoredAnswer | null> {
		return this.#store.answer(id);
	}

	async cancel(id: string): Promise<Found> {
		const found = await this.#store.cancel(id);
		this.#runner.cancel(id);
		this.#changes.changed(id);
		return found;
	}

	follow(seen: Job, hear: (found: Found) => void): () => void {
		return this.#changes.follow(seen, hear);
	}

	ended(
		job: Job,
		ms: number,
		scope: Scope,
		onEnd: (end: () => void) => () => void,
	): Promise<Found> {
		return this.#changes.ended(job, ms, scope, onEnd);
	}

	/** As of the last time that somebody asked, which it then asks for anew. */
	state(): JobsState {
		this.#store.counts().then(
			(counts) => {
				this.#counts = counts;
			},
			() => {
				this.#counts = null;
			},
		);
		return { counts: this.#counts, running: this.#runner.running };
	}

	/** Takes no more jobs. Resolves when those that run have ended. */
	async stop(): Promise<void> {
		this.#begun = true;
		this.#schedules.stop();
		await this.#runner.stop();
	}

	/** Ends those that run, and leaves them to others. */
	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		this.#changes.close();
		this.#schedules.stop();
		// A store that is away lets both wait for as long as it may.
		await Promise.all([this.#runner.close(), this.#hooks?.stop()]);
		await this.#store.close();
	}
}
