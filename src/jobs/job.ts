import type { ErrorCode } from "../core/errors.ts";
import type { HeaderList } from "../core/http/headers.ts";

/** How far a job has come. */
export type JobState =
	/** It waits for its turn. */
	| "queued"
	| "running"
	/** It has an answer. */
	| "done"
	/** Its run failed, with the error that a direct request would have got. */
	| "failed"
	/** Its client did not want it any more. */
	| "cancelled"
	/** Its turn did not come in time. */
	| "expired"
	/** The process that ran it died, and it may not be run again. */
	| "interrupted";

export const jobStates: readonly JobState[] = [
	...(["queued", "running", "done", "failed"] as const),
	...(["cancelled", "expired", "interrupted"] as const),
];

/** The errors of jobs that ended without a run's answer. */
export const endCodes = {
	cancelled: "job_cancelled",
	expired: "job_expired",
	interrupted: "job_interrupted",
} as const satisfies Partial<Record<JobState, ErrorCode>>;

/** Whether nothing more happens to it. */
export function hasEnded(state: JobState): boolean {
	return state !== "queued" && state !== "running";
}

/** What a run needs of its request, and no more: it stands on a disk, or in a store. */
export interface StoredRequest {
	readonly method: string;
	readonly target: string;
	/** The declared fields and cookies, and those that say how the body is read and where the request came from. */
	readonly headers: HeaderList;
	/** Without its codings. */
	readonly body: Uint8Array;
	readonly ip: string;
	readonly scheme: "http" | "https" | null;
	/** What the route reads of who asked, as JSON. Absent if anybody might ask. */
	readonly auth?: string;
}

/** A key by which a client asks for the same job again, and what the request has to agree with then. */
export interface JobKey {
	/** Belongs to one route and one owner. */
	readonly text: string;
	readonly fingerprint: string;
}

/** A job as it is asked for. Instants are milliseconds since 1970. */
export interface NewJob {
	/** Nobody can guess it: whoever knows it may read the job. */
	readonly id: string;
	readonly route: string;
	/** Who may see it; null if whoever has the id may. */
	readonly owner: string | null;
	readonly requestId: string;
	readonly acceptedAt: number;
	/** If it has not begun by then, it never does. */
	readonly expiresAt: number;
	/** How long it is kept after its end. */
	readonly keptMs: number;
	/** How often it may be begun. */
	readonly attempts: number;
	/** Whether somebody is to be told of its end. */
	readonly hook: boolean;
	readonly key: JobKey | null;
	readonly request: StoredRequest;
}

/** How one step of a job is. */
export interface StepProgress {
	readonly step: string;
	readonly state: "waiting" | "running" | "ended";
	/** Of a list: how many of its items have ended, of those that were begun. */
	readonly items?: readonly [ended: number, begun: number];
}

/** A job as its client may look at it. */
export interface Job {
	readonly id: string;
	readonly route: string;
	readonly owner: string | null;
	readonly requestId: string;
	readonly state: JobState;
	/** How often it was begun. */
	readonly begun: number;
	readonly acceptedAt: number;
	readonly startedAt: number | null;
	readonly endedAt: number | null;
	readonly keptMs: number;
	/** Of its last run; empty before. */
	readonly progress: readonly StepProgress[];
	/** The status of its answer; null without one. */
	readonly status: number | null;
	/** Why it has failed. */
	readonly code: ErrorCode | null;
}

/** The answer that a direct request would have got. */
export interface StoredAnswer {
	readonly status: number;
	readonly headers: HeaderList;
	readonly body: Uint8Array | null;
}

/** A job that this process runs. */
export interface TakenJob {
	readonly job: Job;
	readonly request: StoredRequest;
	/** Names this run. Whoever has lost the job cannot end it. */
	readonly run: string;
}

/** How a run ended. */
export type RunOutcome =
	| {
			readonly state: "done" | "failed";
			readonly code: ErrorCode | null;
			readonly answer: StoredAnswer;
	  }
	/** The process stops. `wrote` says whether a write was sent. */
	| { readonly state: "left"; readonly wrote: boolean };
