/** One row of the error table: the status that clients get, and the failure in words that an operator can act on. */
export interface ErrorMeaning {
	readonly status: number;
	/** The `title` of the problem document: the same words for every occurrence of the code. */
	readonly title: string;
	/** Says who must act, and how: the text of docs/errors.md. */
	readonly meaning: string;
	/**
	 * For failures that clients cause: whether the message is wholly the gateway's own words, so that operators may read it.
	 * Those of others may quote what the client sent.
	 */
	readonly quotesNobody?: true;
}

/**
 * Every way a request can fail, grouped by who must act. Codes are public and permanent: they stand in problem
 * documents, in `Sluice-Missing`, in logs and in metrics. `docs/errors.md` is generated from this table.
 */
export const errorTable = {
	config_invalid: {
		status: 500,
		title: "The configuration is invalid",
		meaning:
			"Operator: the gateway does not start (exit code 2). Every problem is listed, with its position and what to write instead.",
	},
	request_invalid: {
		status: 400,
		title: "The request is invalid",
		meaning:
			"Client: a parameter, header or body is not what the route declares; `errors` names each fault.",
	},
	unauthorized: {
		status: 401,
		title: "This needs valid credentials",
		meaning:
			"Client: send credentials that the route takes; `WWW-Authenticate` says which, and the log says what was wrong with those that came. On the admin server: its token, as `Authorization: Bearer …`.",
		quotesNobody: true,
	},
	forbidden: {
		status: 403,
		title: "This is not allowed for you",
		meaning:
			"Client: it is known who asks, and what the route `require`s does not hold for that.",
		quotesNobody: true,
	},
	route_not_found: {
		status: 404,
		title: "There is nothing at this address",
		meaning: "Client: no route has this path.",
	},
	method_not_allowed: {
		status: 405,
		title: "This method is not allowed here",
		meaning: "Client: the path exists with other methods; `Allow` lists them.",
	},
	request_too_large: {
		status: 413,
		title: "The request is too large",
		meaning:
			"Client: the body is over the gateway's limit, in bytes, or in values and keys of its JSON.",
	},
	unsupported_media_type: {
		status: 415,
		title: "The body's media type is not supported",
		meaning:
			"Client: send the body in a media type that `Accept` of the answer lists, and in a coding of its `Accept-Encoding` or in none.",
	},
	job_not_found: {
		status: 404,
		title: "There is no such job",
		meaning:
			"Client: the address of a job is wrong, the job is another's, or it has been gone for more than a day.",
	},
	job_gone: {
		status: 410,
		title: "This job is not kept any more",
		meaning:
			"Client: the job was kept for the `keep` of its route, or it was deleted. Ask for a new one.",
	},
	job_not_ended: {
		status: 409,
		title: "This job has no answer yet",
		meaning: "Client: ask again after `Retry-After`, or with `Prefer: wait`.",
	},
	job_cancelled: {
		status: 410,
		title: "This job was cancelled",
		meaning: "Client: it was deleted before it had an answer.",
	},
	job_expired: {
		status: 504,
		title: "This job did not begin in time",
		meaning:
			"Operator: the job waited for longer than the `expires` of its route: let more jobs run at once (`jobs.parallel`), or more processes. Nothing of it was done.",
	},
	job_interrupted: {
		status: 500,
		title: "This job was interrupted",
		meaning:
			"Operator: the process that ran the job ended, and the job may not be run again (`attempts` of its route). A part of it may have been done.",
	},
	idempotency_key_reused: {
		status: 422,
		title: "This key was used for another request",
		meaning:
			"Client: a job with this `Idempotency-Key` was asked for before, with another path, other header fields or another body. Take a new key for each request.",
	},
	foreign_origin: {
		status: 403,
		title: "Pages of this origin may not ask for this",
		meaning:
			"A page of another origin asked for a WebSocket, or for a write with credentials that its browser sends by itself. Operator: name the page's origin in `server.cors`, with `credentials` if the answer depends on them, or in `websocket.origins` of a proxied route. Client: ask from a page of the same host.",
		quotesNobody: true,
	},
	misdirected: {
		status: 421,
		title: "This server does not answer for this host",
		meaning:
			"Operator: `Host` has a name that `server.hosts` does not have: write it there. Client: ask another server.",
	},
	too_many_requests: {
		status: 429,
		title: "Too many requests",
		meaning: "Client: wait for `Retry-After`, or use fewer connections.",
		quotesNobody: true,
	},
	client_closed: {
		status: 499,
		title: "The client went away",
		meaning:
			"Nobody: the connection was closed before the answer was ready. No client sees it; `requestEnded` and `callEnded` tell of it.",
	},
	call_aborted: {
		status: 500,
		title: "A call was not needed any more",
		meaning:
			"Nobody: the gateway ended a call itself, because nothing read its step any more, the answer was there, enough items had succeeded, or another step had failed. Only `callEnded` and a function of yours see it, never a client.",
	},
	internal: {
		status: 500,
		title: "Internal error",
		meaning:
			"Sluice's developers: a bug. The message is hidden from the client, the stack is in the log.",
	},
	step_failed: {
		status: 500,
		title: "A step of this route failed",
		meaning:
			"Author of the config: an expression or a function failed on its data; the log names it.",
	},
	loop_detected: {
		status: 508,
		title: "The request goes round in a loop",
		meaning:
			"Operator: an upstream's `url` leads back to this gateway, at once or through others; `Via` of the request named it.",
	},
	reference_missing: {
		status: 502,
		title: "A value this route needs is missing",
		meaning:
			"Author of the config: a value is null that must not be, for instance in a path (400 if the client left it out). Write `key?` to leave it out, or `??` for a default.",
	},
	upstream_unreachable: {
		status: 502,
		title: "A service this route needs cannot be reached",
		meaning:
			"Operator of the upstream: the connection was refused, reset or could not be made.",
	},
	upstream_status: {
		status: 502,
		title: "A service this route needs answered with an error",
		meaning:
			"Operator of the upstream: a status other than 2xx that the step does not list in `answers`; the log has it. A `proxy` passes the answer itself on, and one of 500 and above counts as this failure in log, metrics, traces and history.",
	},
	upstream_invalid: {
		status: 502,
		title: "A service this route needs gave an invalid answer",
		meaning:
			"Operator of the upstream: not HTTP, cut short, to be read in two ways, not what `decode` says (JSON by default), in a coding or charset that is not known, not what was announced, larger than `maxBody`, of more values than `maxValues`, or nested too deeply.",
	},
	upstream_auth_failed: {
		status: 502,
		title: "A service this route needs does not know who asks",
		meaning:
			"Operator: the upstream's `auth` has no credentials for the call; the log says why its token endpoint gave none. Client (401): send a token of your own as `Authorization: Bearer …`, or a newer one.",
		quotesNobody: true,
	},
	breaker_open: {
		status: 503,
		title: "A service this route needs is failing",
		meaning:
			"Operator of the upstream: too many calls failed; it is left alone for a while.",
	},
	limiter_full: {
		status: 503,
		title: "A service this route needs is busy",
		meaning:
			"Operator: as many calls as allowed are running and waiting for this upstream, or as many proxied requests as allowed are open (`streams`).",
	},
	auth_unavailable: {
		status: 503,
		title: "Credentials cannot be checked at the moment",
		meaning:
			"Operator: the keys of a token's issuer are not there, because `jwks` could not be fetched; the log says why. Client: ask again after `Retry-After`; the token may be good.",
	},
	channel_full: {
		status: 503,
		title: "Too many listen here",
		meaning:
			"Operator: a channel has as many `listeners`, or as many `instances` with listeners, as its config allows.",
	},
	jobs_full: {
		status: 503,
		title: "Too many jobs are there already",
		meaning:
			"Operator: as many jobs wait (`jobs.queued`) or are kept (`jobs.kept`) as the config allows, or they take as much of the disk (`jobs.maxBytes`).",
	},
	jobs_unavailable: {
		status: 503,
		title: "Jobs cannot be had now",
		meaning:
			"Operator: the jobs' database cannot be read or written (the disk is full, the file is locked or may not be written), or their store is away. A request that gets this answer has become no job.",
	},
	admin_unavailable: {
		status: 503,
		title: "This cannot be shown at the moment",
		meaning:
			"Operator, on the admin server alone: no worker is there to answer, or the file of the history cannot be read; the log says why.",
	},
	overloaded: {
		status: 503,
		title: "The gateway is overloaded",
		meaning:
			"Operator: more requests than this machine can serve, or no memory left (`server.memory`).",
	},
	gateway_draining: {
		status: 503,
		title: "The gateway is shutting down",
		meaning: "Client: ask again; another instance answers.",
	},
	limit_exceeded: {
		status: 500,
		title: "A limit of this route was exceeded",
		meaning:
			"Author of the config: a list longer than `max`, a `repeat` that is not done after `max` rounds, more upstream calls than one request may make, more answers than `maxRead`, more computing, an answer longer than `maxAnswer`, or more than half of `server.memory` (400 if the client's input is too large).",
	},
	upstream_timeout: {
		status: 504,
		title: "A service this route needs did not answer in time",
		meaning:
			"Operator of the upstream: no answer within `timeout`, or the step was not done `within` its time; the log says if it was still waiting for its turn.",
	},
	publish_unknown: {
		status: 504,
		title: "It is not known whether this was said",
		meaning:
			"Operator: the `store` went away after a message was sent there and before it answered. The message is published or lost. Client: whoever says it again may say it twice.",
	},
	not_cached: {
		status: 504,
		title: "Nothing is kept that answers this request",
		meaning:
			"Client, or author of the step: it said `Cache-Control: only-if-cached`, and the upstream's cache keeps no answer to it.",
	},
	deadline_exceeded: {
		status: 504,
		title: "The route's time is over",
		meaning:
			"Operator: the route's `deadline` came before everything it needs was there; the log says if a call was still waiting for its turn, and for what.",
	},
} as const satisfies Record<string, ErrorMeaning>;

export type ErrorCode = keyof typeof errorTable;

/** One fault of a client's request: where (`query.city`, `body/items/0`) and what is wrong, in words for the client. */
export interface RequestFault {
	readonly at: string;
	readonly message: string;
}

/** The details of a failure. They go to logs. Only `errors`, `allow`, `challenges`, `accept`,
 * `acceptEncoding` and `retryAfterMs` ever reach a client. */
export interface ErrorFacts {
	/** Overrides the table's status: 400 if the client's input is the cause. */
	readonly status?: number;
	readonly upstream?: string;
	/** The status the upstream answered with. */
	readonly upstreamStatus?: number;
	/** The answer had begun, and its connection ended before its end. */
	readonly brokenOff?: true;
	readonly step?: string;
	readonly errors?: readonly RequestFault[];
	/** The gateway has cut the client off, and the message says why. It holds nothing that the client sent. */
	readonly cutOff?: true;
	/** Methods for the `Allow` header of a 405. */
	readonly allow?: readonly string[];
	/** How to ask with credentials, for the `WWW-Authenticate` fields of a 401 or 403. */
	readonly challenges?: readonly string[];
	/** The media types that a body may have, for the `Accept` header of a 415. */
	readonly accept?: string;
	/** The codings that a body may have, for the `Accept-Encoding` header of a 415. */
	readonly acceptEncoding?: string;
	/** The protocol that a client must change to, for the `Upgrade` header of a 426. */
	readonly upgrade?: string;
	/** When another try may help, in milliseconds from now. `Retry-After` of the answer gives it in whole seconds. */
	readonly retryAfterMs?: number;
	/** Where an expression failed: characters from the start of its source. */
	readonly offset?: number;
	readonly cause?: unknown;
}

/** The one error class. `message` is for operators and goes to the log only; clients get the table's title. */
export class GatewayError extends Error {
	readonly code: ErrorCode;
	readonly facts: ErrorFacts;
	override readonly name = "GatewayError";
	/** How long the call took that first failed with it, in milliseconds; null if it is no upstream's. */
	callMs: number | null = null;
	/** Private, so that nobody who shows an error shows it. */
	#answer: unknown = null;

	constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
		super(
			message,
			facts.cause === undefined ? undefined : { cause: facts.cause },
		);
		this.code = code;
		this.facts = facts;
	}

	/** Keeps the decoded body of the answer that failed its step. For the step's own fallback alone. */
	keepAnswer(answer: unknown): this {
		this.#answer = answer;
		return this;
	}

	/** What was kept; null if nothing was. */
	get answer(): unknown {
		return this.#answer;
	}

	/** The HTTP status a client gets for this error. */
	get status(): number {
		return this.facts.status ?? errorTable[this.code].status;
	}
}

/**
 * Translates any thrown value into a GatewayError. A value that is not one already comes from a bug, and becomes
 * `internal`.
 */
export function asGatewayError(thrown: unknown): GatewayError {
	if (thrown instanceof GatewayError) return thrown;
	const message = thrown instanceof Error ? thrown.message : String(thrown);
	return new GatewayError("internal", message, { cause: thrown });
}

/** The message as operators may read it, in the log and on pages; null if it may quote the client. */
export function messageForOperators({
	code,
	status,
	message,
}: GatewayError): string | null {
	if (status >= 500 || code === "client_closed") return message;
	const { quotesNobody }: ErrorMeaning = errorTable[code];
	return quotesNobody ? message : null;
}

/** The same error, with the name of the step in which it happened. */
export function inStep(error: GatewayError, step: string): GatewayError {
	if (error.facts.step !== undefined) return error;
	const named = new GatewayError(error.code, error.message, {
		...error.facts,
		step,
	});
	if (error.stack !== undefined) named.stack = error.stack;
	named.callMs = error.callMs;
	return named;
}

/** Notes how long a call took that failed by its upstream. Returns the error. */
export function withCallTime(thrown: unknown, ms: number): unknown {
	if (thrown instanceof GatewayError && thrown.code.startsWith("upstream_")) {
		thrown.callMs ??= ms;
	}
	return thrown;
}
