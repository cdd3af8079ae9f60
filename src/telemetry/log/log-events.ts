import type { LogConfig } from "../../config/config.ts";
import { asGatewayError } from "../../core/errors.ts";
import {
	type AuthChanged,
	type CertificateChanged,
	type Events,
	listen,
	type PolicyDecided,
	type StoreChanged,
	type UndoEnded,
} from "../../core/events.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Clock } from "../../tasks/clock.ts";
import { type Log, wordsOf } from "./log.ts";
import { callsOf } from "./log-calls.ts";
import { tellEach } from "./log-each.ts";
import { countOf, failureLinesMax, tellRequest } from "./log-requests.ts";

/**
 * Tells the log of requests as `log.requests` says. By default: of every answer of 500 and above, with its cause; of parts
 * that are missing or stale, of answers that were cut, of clients that leave. And it tells of breakers, of URLs that are left out, and of load. But for `requests: all`, everything that comes in thousands is
 * told once a second for each kind, a failure ten times. A failure after a write gets a line of its own, because somebody has to
 * look at what was written. What is refused or left out for overload gets none, because the load has one. Gives the removal
 * of its listeners.
 */
export function logEvents(
	{ plan, events, clock }: Pick<Gateway, "plan" | "events" | "clock">,
	log: Log,
	settings: LogConfig,
	random: () => number = Math.random,
): () => void {
	const removals = [
		...listenToRequests(plan, events, log, settings, random, clock),
		listen(events.policyDecided, (decided) => tellDecision(decided, log)),
		listen(events.undoEnded, (end) => tellUndo(end, log)),
		listen(events.loadChanged, ({ level, reason }) => {
			if (level === "normal") log.info({ load: level }, "load is normal again");
			else log.warn({ load: level, reason }, loadWords[level]);
		}),
		listen(events.storeChanged, (change) => tellStore(change, log)),
		listen(events.authChanged, (change) => tellAuth(change, log)),
		listen(events.certificateChanged, (change) =>
			tellCertificates(change, log),
		),
	];
	return () => {
		for (const remove of removals) remove();
	};
}

/** Trails cost something, so only `all` listens for them. */
function listenToRequests(
	plan: Plan,
	{ requestEnded, trailEnded }: Events,
	log: Log,
	settings: LogConfig,
	random: () => number,
	clock: Clock,
): (() => void)[] {
	const calls = callsOf(plan);
	switch (settings.requests) {
		case "none":
			return [];
		case "all":
			return [
				listen(
					trailEnded,
					tellEach(calls, log, settings.sample, random, clock),
				),
			];
		default:
			return [
				listen(requestEnded, (end) => tellRequest(end, calls, log, settings)),
			];
	}
}

function tellStore({ state, fault }: StoreChanged, log: Log): void {
	log.repeats.tell(`store ${state} ${fault}`, 1, (count) => {
		if (state === "up") {
			log.info({ store: state, ...countOf(count) }, "the store is back");
		} else {
			log.warn(
				{ store: state, reason: fault, ...countOf(count) },
				"the store is away: this process goes on alone",
			);
		}
	});
}

function tellAuth({ auth, error }: AuthChanged, log: Log): void {
	if (error === null) {
		log.info({ auth }, "the credentials of an auth could be read again");
		return;
	}
	const { code, message } = error;
	log.warn(
		{ auth, code, error: message },
		"the credentials of an auth could not be read: what was read before goes on",
	);
}

/** Once for each change of the files, so that there are few. */
function tellCertificates(
	{ outcome, fault, certificates }: CertificateChanged,
	log: Log,
): void {
	const inForce = certificates.map(({ name, hosts, untilMs }) => ({
		...(name !== null && { sni: name }),
		hosts,
		until: new Date(untilMs).toISOString(),
	}));
	if (outcome === "loaded") {
		log.info({ certificates: inForce }, "certificates were read again");
		return;
	}
	log.error(
		{ reason: fault, certificates: inForce },
		"the changed certificates cannot be used: those before stay in force",
	);
}

const loadWords = {
	skipping: "too much load: optional parts are left out",
	refusing: "too much load: requests are refused",
};

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
