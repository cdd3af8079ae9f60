import type { LogConfig } from "../../config/config.ts";
import { type GatewayError, messageForOperators } from "../../core/errors.ts";
import type {
	RequestEnded,
	StepFailure,
	StepWrite,
} from "../../core/events.ts";
import { type Log, wordsOf } from "./log.ts";
import { type Calls, callOf } from "./log-calls.ts";

/** How many lines a second each kind of failure gets. */
export const failureLinesMax = 10;

/** Failures that cost nothing and come with every request. */
const refusals: ReadonlySet<string> = new Set(["breaker_open", "limiter_full"]);

/** How a request ended, for whoever runs the gateway. */
export type Ending =
	| "whole"
	| "partial"
	/** Its client left, and nothing that was done for it failed. */
	| "left"
	/** A run for those who watch, the last of whom has left. */
	| "unwatched"
	/** A client's own fault: 400 to 499, and 501 for what nobody offers. */
	| "refused"
	/** Refused for overload, with nothing written. */
	| "overloaded"
	| "failed"
	/** Its answer broke off after its head. */
	| "cut"
	/** It failed after a part of its answer was sent. Its last part said so. */
	| "failed_late"
	/** It failed after its client had left. */
	| "failed_alone";

export function endingOf({
	error,
	status,
	missing,
	outlived,
	writes,
	parts,
	watch,
}: RequestEnded): Ending {
	if (error === null) return missing.length > 0 ? "partial" : "whole";
	if (error.code === "client_closed") {
		return watch === "run" ? "unwatched" : "left";
	}
	const wrote = writes.some(({ outcome }) => outcome !== "refused");
	if (!wrote && error.code === "overloaded") return "overloaded";
	if (outlived) return "failed_alone";
	// What the last part said. A server that closes sends none.
	const isLate = parts !== null && error.code !== "gateway_draining";
	const said = isLate ? error.status : status;
	const isClients = said >= 400 && said < 500;
	// A 501 may be a client's own fault, too.
	if (!wrote && (isClients || error.code === "request_invalid")) {
		return "refused";
	}
	if (isLate) return "failed_late";
	return status < 400 ? "cut" : "failed";
}

/** What a line says of an ending that is no good one. */
export const endingWords = {
	left: "the client left before it had its answer",
	unwatched: "run ended: nobody watches its answer any more",
	refused: "request refused",
	overloaded: "request failed",
	failed: "request failed",
	cut: "answer cut",
	failed_late: "request failed after a part of its answer was sent",
	failed_alone: "request failed after its client had left",
} as const;

/** Why the gateway has cut a client off; null if the client left by itself. */
export function whyCutOff({
	facts,
	message,
}: GatewayError): { readonly message: string } | null {
	return facts.cutOff ? { message } : null;
}

const cutOffWords = "the client was cut off before it had its answer";

/** The same of the run of a job, whose client has gone long before. */
const jobWords: Partial<Record<Ending, string>> = {
	left: "the job was given up: it was cancelled, or another process has it",
	failed_alone: "job failed after it was given up",
};

/** What a line says of this end. */
export function wordsOfEnd(
	ending: keyof typeof endingWords,
	{ job, outlived, error }: Pick<RequestEnded, "error" | "job" | "outlived">,
): string {
	const words = (job && jobWords[ending]) ?? endingWords[ending];
	if (ending !== "left") return words;
	if (outlived)
		return `${words}, and its ${job ? "run" : "request"} was finished`;
	return error && whyCutOff(error) ? cutOffWords : words;
}

/** Tells of what went wrong with a request, as `log.requests` and `log.clientErrors` say. */
export function tellRequest(
	end: RequestEnded,
	calls: Calls,
	log: Log,
	settings: LogConfig,
): void {
	const { error, missing } = end;
	if (error !== null) tellEnd(end, error, calls, log, settings);
	if (settings.requests === "failed") return;
	for (const failure of missing) tellMissing(end, failure, calls, log);
}

function tellEnd(
	end: RequestEnded,
	error: GatewayError,
	calls: Calls,
	log: Log,
	{ requests, clientErrors }: LogConfig,
): void {
	const { requestId, traceId, route, status } = end;
	// Without a route it may be a word of the client's own.
	const method = route === null ? undefined : end.method;
	const { code, facts } = error;
	const durationMs = Math.round(end.durationMs);
	const ending = endingOf(end);
	switch (ending) {
		case "whole":
		case "partial":
		case "overloaded":
		case "unwatched":
			return;
		case "left":
			if (requests === "failed") return;
			tellLeft(end, error, log);
			return;
		case "refused": {
			if (!clientErrors) return;
			const fields = { requestId, traceId, route, status, durationMs, code };
			tellRefused(log, fields, whyRefused(error));
			return;
		}
		case "failed":
		case "cut":
		case "failed_late":
		case "failed_alone": {
			const written = writtenOf(end.writes);
			const write = (count: number) =>
				log.error(
					{
						...{ requestId, traceId, method, route, status, durationMs },
						...wordsOf(error),
						...callOf(calls, route, error),
						...written,
						...countOf(count),
					},
					wordsOfEnd(ending, end),
				);
			if (written !== null) return write(1);
			const [kind, linesMax] = refusals.has(code)
				? [`${code} ${facts.upstream}`, 1]
				: [`${code} ${route} ${facts.step}`, failureLinesMax];
			log.repeats.tell(kind, linesMax, write);
		}
	}
}

function tellLeft(end: RequestEnded, error: GatewayError, log: Log): void {
	const { requestId, traceId, route, outlived, job } = end;
	const durationMs = Math.round(end.durationMs);
	const why = whyCutOff(error);
	const kind = `left ${route} ${outlived} ${job} ${why?.message}`;
	log.repeats.tell(kind, 1, (count) =>
		log.info(
			{ requestId, traceId, route, durationMs, ...why, ...countOf(count) },
			wordsOfEnd("left", end),
		),
	);
}

/** How many writes of one request are named. */
const writesNamedMax = 16;

/** The writes that were done, and those that may have been; null if there are none. */
export function writtenOf(writes: readonly StepWrite[]): object | null {
	const named = (outcome: StepWrite["outcome"]) => {
		const found = writes.filter((write) => write.outcome === outcome);
		const names = found.slice(0, writesNamedMax).map(nameOf);
		const more = found.length - names.length;
		return more > 0 ? [...names, `${more} more`] : names;
	};
	const [wrote, mayHaveWritten] = [named("done"), named("unknown")];
	if (wrote.length + mayHaveWritten.length === 0) return null;
	return {
		...(wrote.length > 0 ? { wrote } : {}),
		...(mayHaveWritten.length > 0 ? { mayHaveWritten } : {}),
	};
}

/** `step`, or `step[0.2]` for an item of a list. */
export function nameOf({
	step,
	index,
}: Pick<StepWrite, "step" | "index">): string {
	return index.length > 0 ? `${step}[${index.join(".")}]` : step;
}

/** Tells of a request that the server itself refused. Its words are the server's own, and hold nothing of the client. */
export function logRefusal(
	error: GatewayError,
	requestId: string,
	log: Log,
	{ requests, clientErrors }: LogConfig,
): void {
	const { status, code, message } = error;
	if (status >= 500 || !(clientErrors || requests === "all")) return;
	tellRefused(log, { requestId, route: null, status, code }, { message });
}

function tellRefused(
	log: Log,
	fields: Pick<RequestEnded, "requestId" | "route" | "status"> & {
		readonly traceId?: string | undefined;
		readonly code: string;
		readonly durationMs?: number;
	},
	why: object,
): void {
	log.repeats.tell(`${fields.code} ${fields.route}`, 1, (count) =>
		log.info({ ...fields, ...why, ...countOf(count) }, "request refused"),
	);
}

/** Why a request was refused, without what its client sent. */
export function whyRefused(error: GatewayError): {
	readonly message?: string;
	readonly faults: readonly string[];
} {
	const message = messageForOperators(error);
	const faults = placesOf(error);
	return message === null ? { faults } : { message, faults };
}

/** The names that the route declares. A place in a body may have names that the client made up. */
function placesOf({ facts: { errors = [] } }: GatewayError): string[] {
	return [...new Set(errors.map(({ at }) => at.replace(/^body.*/s, "body")))];
}

function tellMissing(
	{ requestId, traceId, route }: RequestEnded,
	{ step, index, error, stale }: StepFailure,
	calls: Calls,
	log: Log,
): void {
	const { code } = error;
	if (code === "overloaded") return;
	const words = stale
		? "an answer has a stale part"
		: "an answer lacks a part: a fallback or null stands in";
	log.repeats.tell(`${words} ${route} ${step} ${code}`, 1, (count) =>
		log.warn(
			{
				...{ requestId, traceId, route },
				...wordsOf(error),
				step,
				...(index.length > 0 ? { index } : {}),
				...callOf(calls, route, error),
				...countOf(count),
			},
			words,
		),
	);
}

/** A line that stands for itself alone has no count. */
export function countOf(count: number): object {
	return count > 1 ? { count } : {};
}
