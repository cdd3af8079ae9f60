import { type ErrorCode, GatewayError } from "../core/errors.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import type { Outcome } from "../tasks/outcome.ts";

/** What the end of a call says about its upstream, and what may be done about that end. Every policy reads it here. */
export interface Verdict {
	/** Whether the upstream was asked, and this end is its result. Otherwise the gateway or the client ended the call. */
	readonly asked: boolean;
	/** Whether the upstream is to blame: `breaker` and `urls` count it. */
	readonly fault: boolean;
	/** Whether the upstream has more to do than it can: an adaptive `limiter` lowers its number. */
	readonly tooMuch: boolean;
	/** Whether another attempt may go better. `when told` means: if the answer has a `Retry-After`. */
	readonly again: "yes" | "no" | "when told";
	/** Whether a stale answer of the cache may stand in. */
	readonly stale: boolean;
	/** The reason for the row, for docs/protection.md. */
	readonly why: string;
}

/** How one attempt of a call ended. */
export type Ended = Outcome<UpstreamResponse>;

/** The answer. Throws the failure. */
export function settle(ended: Ended): UpstreamResponse {
	if (ended.ok) return ended.value;
	throw ended.error;
}

/** No policy acts on such an end. */
const noVerdict = {
	asked: false,
	fault: false,
	tooMuch: false,
	again: "no",
	stale: false,
} as const;

/** The row of a code that no call through the policies ends with. */
export const notOfCalls: Verdict = {
	...noVerdict,
	why: "No call to an upstream ends with it.",
};

/** A failed call, by its code. A new code does not compile before it has a row. */
export const codeVerdicts: Readonly<Record<ErrorCode, Verdict>> = {
	upstream_unreachable: {
		asked: true,
		fault: true,
		tooMuch: false,
		again: "yes",
		stale: true,
		why: "Not one byte of an answer came. A moment later, or at another URL, it may.",
	},
	upstream_timeout: {
		asked: true,
		fault: true,
		tooMuch: true,
		again: "yes",
		stale: true,
		why: "`timeout` bounds one attempt, so another has time of its own.",
	},
	upstream_invalid: {
		asked: true,
		fault: true,
		tooMuch: false,
		again: "no",
		stale: true,
		why: "An answer came, but not a proper one, or one that no step can read. The upstream would do all its work again for another.",
	},
	overloaded: {
		...noVerdict,
		stale: true,
		why: "The gateway had no memory left for the answer. A kept answer needs none.",
	},
	upstream_auth_failed: {
		...noVerdict,
		stale: true,
		why: "There are no credentials for the call, so it was not made. A kept answer needs none.",
	},
	breaker_open: {
		...noVerdict,
		stale: true,
		why: "The upstream is left alone. Another attempt would be refused too.",
	},
	limiter_full: {
		...noVerdict,
		stale: true,
		why: "The upstream has enough to do. Another attempt would add to it.",
	},
	deadline_exceeded: {
		...noVerdict,
		stale: true,
		why: "The route has no time left, and a stale answer takes none.",
	},
	client_closed: {
		...noVerdict,
		why: "Nobody waits for an answer any more.",
	},
	call_aborted: {
		...noVerdict,
		why: "The gateway needs no answer any more.",
	},
	not_cached: {
		...noVerdict,
		why: "The caller wanted no call.",
	},
	request_invalid: {
		...noVerdict,
		why: "The body that a client sends through a proxied route broke its rules.",
	},
	gateway_draining: {
		...noVerdict,
		why: "The upstream's connections were closed, for good.",
	},
	internal: {
		...noVerdict,
		why: "A bug of the gateway would happen again, and must not be hidden.",
	},
	channel_full: notOfCalls,
	publish_unknown: notOfCalls,
	config_invalid: notOfCalls,
	admin_unavailable: notOfCalls,
	route_not_found: notOfCalls,
	method_not_allowed: notOfCalls,
	request_too_large: notOfCalls,
	unsupported_media_type: notOfCalls,
	foreign_origin: notOfCalls,
	idempotency_key_reused: notOfCalls,
	job_cancelled: notOfCalls,
	job_expired: notOfCalls,
	job_gone: notOfCalls,
	job_interrupted: notOfCalls,
	job_not_ended: notOfCalls,
	job_not_found: notOfCalls,
	jobs_full: notOfCalls,
	jobs_unavailable: notOfCalls,
	misdirected: notOfCalls,
	unauthorized: notOfCalls,
	forbidden: notOfCalls,
	auth_unavailable: notOfCalls,
	too_many_requests: notOfCalls,
	step_failed: notOfCalls,
	loop_detected: notOfCalls,
	reference_missing: notOfCalls,
	// Made from an answer after the policies have passed it on. To them the answer's status counts.
	upstream_status: notOfCalls,
	limit_exceeded: notOfCalls,
};

/** An `upstream_invalid` of which the connection is the cause, and not what was said on it. */
export const brokenOff: Verdict = {
	asked: true,
	fault: true,
	tooMuch: false,
	again: "yes",
	stale: true,
	why: "The connection ended in the middle of the answer, and nobody has got any of it.",
};

const good = {
	asked: true,
	fault: false,
	tooMuch: false,
	again: "no",
	stale: false,
} as const;

const bad = { ...good, fault: true } as const;

/** The verdict on a class of statuses, with the words for the class. */
export interface StatusVerdict extends Verdict {
	readonly statuses: string;
}

/** An answered call, by the class of its status. */
export const statusVerdicts = {
	fine: { ...good, statuses: "2xx, 3xx", why: "It went well." },
	refused: {
		...good,
		statuses: "other 4xx",
		why: "The mistake is the client's.",
	},
	tooMany: {
		...good,
		statuses: "429",
		tooMuch: true,
		again: "when told",
		why: "The upstream says that this is too much. Only it knows when to come back.",
	},
	failed: {
		...bad,
		statuses: "500",
		stale: true,
		why: "The upstream may fail at this very request. RFC 5861, 4 lets a stale answer stand in.",
	},
	unanswered: {
		...bad,
		statuses: "502, 504",
		again: "yes",
		stale: true,
		why: "A proxy before the service got no answer from it.",
	},
	unavailable: {
		...bad,
		statuses: "503",
		tooMuch: true,
		again: "yes",
		stale: true,
		why: "The service says that it cannot answer now.",
	},
	unable: {
		...bad,
		statuses: "other 5xx",
		why: "It does not pass with time, and RFC 5861, 4 does not name it.",
	},
} as const satisfies Record<string, StatusVerdict>;

/** The verdict on an answer, whatever its body. */
export function verdictOfStatus(status: number): Verdict {
	if (status < 400) return statusVerdicts.fine;
	switch (status) {
		case 429:
			return statusVerdicts.tooMany;
		case 500:
			return statusVerdicts.failed;
		case 502:
		case 504:
			return statusVerdicts.unanswered;
		case 503:
			return statusVerdicts.unavailable;
		default:
			return status < 500 ? statusVerdicts.refused : statusVerdicts.unable;
	}
}

/**
 * The verdict on a failed call. It does not hold for a call whose scope was cancelled. Such a call fails with the
 * scope's reason, which may be another call's failure.
 */
export function verdictOfError(thrown: unknown): Verdict {
	const broken = thrown instanceof GatewayError && thrown.facts.brokenOff;
	return broken ? brokenOff : codeVerdicts[codeOf(thrown)];
}

export function verdictOf(ended: Ended): Verdict {
	return ended.ok
		? verdictOfStatus(ended.value.status)
		: verdictOfError(ended.error);
}

/** The code that a failure gets as a GatewayError. A failure that is none yet is a bug. */
export function codeOf(thrown: unknown): ErrorCode {
	return thrown instanceof GatewayError ? thrown.code : "internal";
}

/** Whether no answer came in time. Only the duration of this failure says how fast the upstream is. */
export function isTimeout(thrown: unknown): boolean {
	return codeOf(thrown) === "upstream_timeout";
}
