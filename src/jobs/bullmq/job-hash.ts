import type { Job, NewJob, StoredAnswer, StoredRequest } from "../job.ts";
import { endCodes } from "../job.ts";

/** What stands in a job's hash and never changes. */
export type Asked = Pick<
	NewJob,
	| "route"
	| "owner"
	| "requestId"
	| "attempts"
	| "acceptedAt"
	| "expiresAt"
	| "keptMs"
>;

/** The fields of a hash in this order. */
export const jobFields = [
	...["state", "new", "begun", "started", "ended", "steps", "status", "code"],
] as const;

export const requestFields = ["request", "request_body"] as const;
export const answerFields = ["status", "headers", "body"] as const;

type Fields = readonly (Buffer | null)[];

export function askedOf(job: NewJob): Asked {
	const { route, owner, requestId, attempts } = job;
	const { acceptedAt, expiresAt, keptMs } = job;
	return {
		...{ route, owner, requestId, attempts },
		...{ acceptedAt, expiresAt, keptMs },
	};
}

/** A job, with what decides whether it may be begun. */
export type KnownJob = Job & Pick<Asked, "attempts" | "expiresAt">;

/** Null if there is no job. One that waited for too long has ended, also if nobody has noticed. */
export function jobOf(id: string, fields: Fields): KnownJob | null {
	const [state, asked, begun, started, ended, steps, status, code] = fields.map(
		(field) => field?.toString() ?? "",
	);
	if (state === "" || asked === "") return null;
	const told = JSON.parse(asked ?? "") as Asked;
	const job = {
		...{ id, ...told },
		state: state as Job["state"],
		begun: Number(begun),
		startedAt: numberIn(started),
		endedAt: numberIn(ended),
		progress: JSON.parse(steps || "[]"),
		status: numberIn(status),
		code: (code || null) as Job["code"],
	};
	const isLate =
		state === "queued" && job.begun === 0 && told.expiresAt < Date.now();
	return isLate
		? {
				...job,
				...{ state: "expired", code: endCodes.expired },
				endedAt: told.expiresAt,
			}
		: job;
}

export function requestOf([told, body]: Fields): StoredRequest | null {
	if (!told) return null;
	const request = JSON.parse(told.toString()) as Omit<StoredRequest, "body">;
	return { ...request, body: body ?? new Uint8Array() };
}

export function answerOf([status, headers, body]: Fields): StoredAnswer | null {
	if (!headers) return null;
	return {
		status: Number(status),
		headers: JSON.parse(headers.toString()),
		body: body ?? null,
	};
}

function numberIn(text: string | undefined): number | null {
	return text ? Number(text) : null;
}
