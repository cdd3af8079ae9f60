import type {
	Job,
	JobState,
	NewJob,
	RunOutcome,
	StepProgress,
	StoredAnswer,
	TakenJob,
} from "./job.ts";

/** What became of a job that was to be added. */
export type Added =
	/** It is kept for good. `again` if one of the same key was there before. */
	| { readonly kind: "added"; readonly job: Job; readonly again: boolean }
	/** One of the same key was there, and is not kept any more. */
	| { readonly kind: "gone" }
	/** One of the same key was asked for with another request. */
	| { readonly kind: "other" }
	| { readonly kind: "full"; readonly what: "queued" | "kept" | "disk" };

/** A job that is looked for. It is `gone` if it was there once. */
export type Found =
	| { readonly kind: "found"; readonly job: Job }
	| { readonly kind: "gone" }
	| null;

/** The end of a job that is to be told. */
export interface DueHook {
	readonly job: Job;
	readonly tries: number;
}

/** How many jobs there are in each state. */
export type JobCounts = Readonly<Record<JobState, number>>;

/**
 * Where jobs are kept: one interface for a database of this machine and for a store that many share. Each method rejects with
 * `jobs_unavailable` if it cannot be done now. Then nothing is known of what was to be done. A job without a key that was
 * to be added is taken back then. One with a key may be there, and its client can ask again.
 */
export interface JobStore {
	/** Resolves when the job outlives this process and this machine's power. */
	add(job: NewJob): Promise<Added>;
	find(id: string): Promise<Found>;
	/** Null if it has none, or is not kept any more. */
	answer(id: string): Promise<StoredAnswer | null>;
	/** The next job whose turn it is; null if none waits. It is this process's as long as this process lives. */
	take(): Promise<TakenJob | null>;
	/** Tells how a run goes. Gives whether the job is still to be run by it. */
	progress(
		id: string,
		run: string,
		steps: readonly StepProgress[],
	): Promise<boolean>;
	/** Ends a run. Gives the job, or null if it was not this run's any more. */
	end(
		id: string,
		run: string,
		outcome: RunOutcome,
		steps: readonly StepProgress[],
	): Promise<Job | null>;
	/** Cancels it; of a job that has ended, keeps no more than that it was there. */
	cancel(id: string): Promise<Found>;
	/** An end that is to be told now, and how often that has been tried, with this time. For a minute nobody else gets it. */
	takeHook(): Promise<DueHook | null>;
	/** It was told, if `nextAt` is null, or is to be told again then. */
	hookEnded(id: string, nextAt: number | null): Promise<void>;
	counts(): Promise<JobCounts>;
	/** The jobs that it has taken and that have not ended are left to others. */
	close(): Promise<void>;
}
