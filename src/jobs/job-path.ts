import { randomBytes } from "node:crypto";
import { pathOf } from "../core/http/path.ts";

/** Under this path nothing else can be. */
const prefix = "/-/jobs/";

/** Of 160 bits, so that nobody finds one by guessing. */
export function newJobId(): string {
	return randomBytes(20).toString("base64url");
}

export function jobPath(id: string): string {
	return prefix + id;
}

export function answerPath(id: string): string {
	return `${jobPath(id)}/answer`;
}

/** What a request asks of the jobs. Null for `id` if no job can be there. */
export interface JobTarget {
	readonly id: string | null;
	readonly answer: boolean;
}

/** Null if the request has nothing to do with jobs. */
export function jobTargetOf(target: string): JobTarget | null {
	if (!target.startsWith(prefix)) return null;
	const [, id = null, answer] =
		/^([\w-]{27})(\/answer)?$/.exec(pathOf(target).slice(prefix.length)) ?? [];
	return { id, answer: answer !== undefined };
}
