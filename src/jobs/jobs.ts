import type { Scope } from "../tasks/scope.ts";
import type { Job, JobState, NewJob, StoredAnswer } from "./job.ts";
import { JobChanges } from "./job-changes.ts";
import { JobRunner, type RunnerOptions } from "./job-runner.ts";
import type { Added, Found, JobCounts, JobStore } from "./job-store.ts";

/** How many jobs there are, of all who share them, and how many run here. */
export interface JobsState {
	/** Null if that cannot be had now. */
	readonly counts: Readonly<Record<JobState, number>> | null;
	readonly running: number;
}

/** The jobs of one gateway: kept in a store, run here or by others. */
export class Jobs {
	readonly #store: JobStore;
	readonly #changes: JobChanges;
	readonly #runner: JobRunner;
	#counts: JobCounts | null = null;
	#closed = false;

	constructor(store: JobStore, options: Omit<RunnerOptions, "changed">) {
		this.#store = store;
		this.#changes = new JobChanges(store, options.clock);
		this.#runner = new JobRunner(store, {
			...options,
			changed: (id) => this.#changes.changed(id),
		});
	}

	/** Runs jobs from now on, those of former processes, too. */
	begin(): void {
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
	stop(): Promise<void> {
		return this.#runner.stop();
	}

	/** Ends those that run, and leaves them to others. */
	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		this.#changes.close();
		await this.#runner.close();
		await this.#store.close();
	}
}
