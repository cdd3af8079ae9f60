import { unsniffed } from "../core/http/problem.ts";
import { hasEnded, type Job } from "./job.ts";
import { answerPath, jobPath } from "./job-path.ts";

/** How long a client is told to wait before it asks again, in seconds: the longer, the longer it has waited already. */
const pauseMin = 1;
const pauseMax = 30;

/** A job as docs/jobs.md has it. */
export function shownJob(job: Job): object {
	const { id, route, state, begun, progress, status, code } = job;
	const { acceptedAt, startedAt, endedAt, keptMs } = job;
	const hasAnswer = state === "done" || state === "failed";
	return {
		...{ id, route, state, url: jobPath(id) },
		accepted: instant(acceptedAt),
		started: instant(startedAt),
		ended: instant(endedAt),
		keptUntil: endedAt === null ? null : instant(endedAt + keptMs),
		begun,
		steps: progress,
		status,
		code,
		answer: hasAnswer ? answerPath(id) : null,
	};
}

export function jobDocument(job: Job): string {
	return JSON.stringify(shownJob(job));
}

export const documentFields = [
	...["content-type", "application/json"],
	...["cache-control", "no-store"],
	...unsniffed,
];

/** Empty if there is nothing to wait for. */
export function pauseFields({ state, acceptedAt }: Job): readonly string[] {
	return hasEnded(state) ? [] : ["retry-after", String(pauseOf(acceptedAt))];
}

export function pauseOf(acceptedAt: number): number {
	const seconds = Math.floor((Date.now() - acceptedAt) / 4_000);
	return Math.min(Math.max(seconds, pauseMin), pauseMax);
}

function instant(ms: number | null): string | null {
	return ms === null ? null : new Date(ms).toISOString();
}
