import type { GatewayError } from "../core/errors.ts";
import { type Events, raise } from "../core/events.ts";
import { CallTrail } from "../core/trail.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Run } from "./run.ts";
import type { Caller } from "./send.ts";

/** The record of a call; null if nobody wants to know. */
export function trailOf(
	{
		upstream,
		method,
		template,
		trail,
	}: Pick<Caller, "upstream" | "method" | "template" | "trail">,
	{ callEnded, attemptEnded }: Events,
	clock: Clock,
): CallTrail | null {
	const listened = callEnded.length + attemptEnded.length > 0;
	if (trail === null && !listened) return null;
	const { name } = upstream;
	const of = { upstream: name, method, template };
	return trail === null ? new CallTrail(clock, of) : trail.call(of);
}

/** Reports a call that has ended, if anybody listens. A listener that throws fails this call and nothing else. */
export function report(
	trail: CallTrail,
	caller: Pick<Caller, "step" | "index" | "upstream">,
	{ route, input }: Run,
	error: GatewayError | null,
): void {
	const { callEnded } = input.events;
	if (callEnded.length === 0) return;
	trail.ended(error);
	const { step, index, upstream } = caller;
	const { startedMs, endedMs, status } = trail;
	raise(callEnded, {
		requestId: input.request.id,
		route: route.plan.key,
		step,
		index,
		upstream: upstream.name,
		startedMs: startedMs - input.request.arrivedMs,
		durationMs: (endedMs as number) - startedMs,
		status,
		error,
		trail,
	});
}
