import { printCallTarget } from "../config/steps/sent.ts";
import { asGatewayError, type GatewayError } from "../core/errors.ts";
import {
	type Events,
	listen,
	type PolicyDecided,
	type RequestEnded,
	type StepFailure,
	type StepWrite,
	type UndoEnded,
} from "../core/events.ts";
import type { Plan, StepPlan } from "../plan/plan.ts";
import { printTargets } from "../plan/print.ts";
import { type Log, wordsOf } from "./log.ts";

/** How many lines a second each kind of failure gets. */
const failureLinesMax = 10;

/** Failures that cost nothing and come with every request. */
const refusals: ReadonlySet<string> = new Set(["breaker_open", "limiter_full"]);

/** What the log tells besides failures. */
export interface LogOptions {
	/** Whether answers from 400 to 499 are told, too. */
	readonly clientErrors: boolean;
}

/**
 * Tells the log of every answer of 500 and above, with its cause; of parts that are missing or stale, of answers that were
 * cut, of clients that leave, of breakers, of URLs that are left out, and of load. Everything that comes in thousands is
 * told once a second for each kind, a failure ten times. A failure after a write gets a line of its own, because somebody has to
 * look at what was written. What is refused or left out for overload gets none, because the load has one. Gives the removal
 * of its listeners.
 */
export function logEvents(
	{ plan, events }: { readonly plan: Plan; readonly events: Events },
	log: Log,
	options: LogOptions,
): () => void {
	const calls = callsOf(plan);
	const removals = [
		listen(events.requestEnded, (end) => {
			const { error, missing } = end;
			if (error !== null) tellEnd(end, error, calls, log, options);
			for (const failure of missing) tellMissing(end, failure, calls, log);
		}),
		listen(events.policyDecided, (decided) => tellDecision(decided, log)),
		listen(events.undoEnded, (end) => tellUndo(end, log)),
		listen(events.loadChanged, ({ level, reason }) => {
			if (level === "normal") log.info({ load: level }, "load is normal again");
			else log.warn({ load: level, reason }, loadWords[level]);
		}),
	];
	return () => {
		for (const remove of removals) remove();
	};
}

const loadWords = {
	skipping: "too much load: optional parts are left out",
	refusing: "too much load: requests are refused",
};

/** Method and path template of each call, by route and step. */
type Calls = ReadonlyMap<string, string>;

function callsOf(plan: Plan): Calls {
	const calls = new Map<string, string>();
	const add = (route: string, steps: readonly StepPlan[], before: string) => {
		for (const step of steps) {
			const path = before + step.name;
			if (step.kind === "call") {
				calls.set(`${route} ${path}`, printCallTarget(step));
				if (step.undo === null) continue;
				calls.set(`${route} ${path}.undo`, printCallTarget(step.undo));
			} else if (step.kind === "group") add(route, step.steps, `${path}.`);
		}
	};
	for (const route of plan.routes) {
		add(route.key, route.steps, "");
		if (route.proxy === null) continue;
		const targets = printTargets(route, route.proxy).map(({ to }) => to);
		calls.set(route.key, `${route.method} ${targets.join(" or ")}`);
	}
	return calls;
}

function tellEnd(
	end: RequestEnded,
	error: GatewayError,
	calls: Calls,
	log: Log,
	{ clientErrors }: LogOptions,
): void {
	const { requestId, method, route, status, outlived } = end;
	const { code, facts } = error;
	const durationMs = Math.round(end.durationMs);
	const written = writtenOf(end.writes);
	if (code === "client_closed") {
		const words = outlived
			? "the client left before it had its answer, and its request was finished"
			: "the client left before it had its answer";
		log.repeats.tell(`left ${route} ${outlived}`, 1, (count) =>
			log.info({ requestId, route, durationMs, ...countOf(count) }, words),
		);
	} else if (outlived || written !== null || status >= 500 || status < 400) {
		if (code === "overloaded" && written === null) return;
		const words = outlived
			? "request failed after its client had left"
			: status < 400
				? "answer cut"
				: "request failed";
		const write = (count: number) =>
			log.error(
				{
					...{ requestId, method, route, status, durationMs },
					...wordsOf(error),
					...callOf(calls, route, error),
					...written,
					...countOf(count),
				},
				words,
			);
		if (written !== null) return write(1);
		const [kind, linesMax] = refusals.has(code)
			? [`${code} ${facts.upstream}`, 1]
			: [`${code} ${route} ${facts.step}`, failureLinesMax];
		log.repeats.tell(kind, linesMax, write);
	} else if (clientErrors) {
		const fields = { requestId, route, status, durationMs, code };
		tellRefused(log, fields, { faults: placesOf(error) });
	}
}

/**
 * A write that could not be undone has a line with all that is needed to do it by hand. It is the only line with data of a
 * request or an answer.
 */
function tellUndo(end: UndoEnded, log: Log): void {
	const { requestId, route, step, index, error, write, undo, body } = end;
	const place = index.length > 0 ? { step, index } : { step };
	if (error === null) {
		log.repeats.tell(`undone ${route} ${step}`, 1, (count) =>
			log.info(
				{ requestId, route, ...place, ...countOf(count) },
				"a write was undone",
			),
		);
		return;
	}
	const { step: _, ...words } = wordsOf(error) as { readonly step?: string };
	log.error(
		{
			...{ requestId, route, ...words, ...place, write },
			...(undo === null ? {} : { undo }),
			...(body === null ? {} : { body }),
		},
		"a write could not be undone: look at it by hand",
	);
}

/** How many writes of one request are named. */
const writesNamedMax = 16;

/** The writes that were done, and those that may have been; null if there are none. */
function writtenOf(writes: readonly StepWrite[]): object | null {
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

function nameOf({ step, index }: StepWrite): string {
	return index.length > 0 ? `${step}[${index.join(".")}]` : step;
}

/** Tells of a request that the server itself refused. Its words are the server's own, and hold nothing of the client. */
export function logRefusal(
	error: GatewayError,
	requestId: string,
	log: Log,
	{ clientErrors }: LogOptions,
): void {
	const { status, code, message } = error;
	if (!clientErrors || status >= 500) return;
	tellRefused(log, { requestId, route: null, status, code }, { message });
}

function tellRefused(
	log: Log,
	fields: Pick<RequestEnded, "requestId" | "route" | "status"> & {
		readonly code: string;
		readonly durationMs?: number;
	},
	why: object,
): void {
	log.repeats.tell(`${fields.code} ${fields.route}`, 1, (count) =>
		log.info({ ...fields, ...why, ...countOf(count) }, "request refused"),
	);
}

/** The names that the route declares. A place in a body may have names that the client made up. */
function placesOf({ facts: { errors = [] } }: GatewayError): string[] {
	return [...new Set(errors.map(({ at }) => at.replace(/^body.*/s, "body")))];
}

function tellMissing(
	{ requestId, route }: RequestEnded,
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
				...{ requestId, route },
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

function tellDecision(
	{ upstream, policy, decision, number, reason }: PolicyDecided,
	log: Log,
): void {
	if (policy === "breaker" && decision === "opened") {
		log.repeats.tell(`${upstream} opened`, 1, (count) =>
			log.warn(
				{ upstream, reason, ...countOf(count) },
				"a breaker opened: calls are refused until one succeeds",
			),
		);
	} else if (policy === "breaker" && decision === "closed") {
		log.repeats.tell(`${upstream} closed`, 1, (count) =>
			log.info({ upstream, ...countOf(count) }, "a breaker closed"),
		);
	} else if (policy === "cache" && decision === "refresh_failed") {
		log.repeats.tell(`${upstream} ${decision} ${reason}`, 1, (count) =>
			log.warn(
				{ upstream, reason, ...countOf(count) },
				"a cache could not get a newer answer",
			),
		);
	} else if (policy === "urls" && decision === "left_out") {
		log.repeats.tell(`${upstream} ${number}`, 1, (count) =>
			log.warn(
				{ upstream, url: number, reason, ...countOf(count) },
				"a URL is left out for a while",
			),
		);
	}
}

function callOf(
	calls: Calls,
	route: string | null,
	{ facts: { step } }: GatewayError,
): object {
	const call = calls.get(step === undefined ? `${route}` : `${route} ${step}`);
	return call === undefined ? {} : { call };
}

/** Writes a line for an error that is a bug. */
export function logBug(
	log: Log,
	thrown: unknown,
	fields: object,
	words: string,
): void {
	const error = asGatewayError(thrown);
	log.repeats.tell(`${words} ${error.code}`, failureLinesMax, (count) =>
		log.error({ ...fields, ...wordsOf(error), ...countOf(count) }, words),
	);
}

/** A line that stands for itself alone has no count. */
function countOf(count: number): object {
	return count > 1 ? { count } : {};
}
