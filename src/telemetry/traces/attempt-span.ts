import { type Attributes, SpanKind } from "@opentelemetry/api";
import type { AttemptTrail, CallTrail } from "../../core/trail.ts";
import { knownMethod } from "../metrics/series.ts";
import { cancelledCodes } from "../trail/attempt-end.ts";
import { isHedge } from "../trail/segments.ts";
import type { SpanEvent, SpanFacts } from "./span.ts";

/**
 * The span of one attempt of a call, counted from 0. One that had not ended lasts to the request's end. `wallMs` is what
 * the gateway's clock lacks to milliseconds since 1970.
 */
export function attemptSpan(
	call: CallTrail,
	count: number,
	endMs: number,
	wallMs: number,
): Omit<SpanFacts, "context" | "parent"> {
	const attempt = call.attempts[count] as AttemptTrail;
	const { upstream, template } = call;
	const { startedMs, endedMs, status, bytes } = attempt;
	const method = knownMethod(call.method);
	const failure = failureOf(attempt, call);
	return {
		name: template === null ? method : `${method} ${template}`,
		kind: SpanKind.CLIENT,
		startMs: wallMs + startedMs,
		endMs: wallMs + (endedMs ?? endMs),
		failed: "error.type" in failure,
		attributes: {
			"http.request.method": method,
			// The address may be a secret of the environment's, and the name is the author's own.
			"peer.service": upstream,
			...(template !== null && { "url.template": template }),
			...(status !== null && { "http.response.status_code": status }),
			...(count > 0 && { "http.request.resend_count": count }),
			...(isHedge(call.attempts, count) && { "sluice.hedge": true }),
			...(status !== null && { "http.response.body.size": bytes }),
			...(endedMs === null && { "sluice.unfinished": true }),
			...failure,
		},
		events: eventsOf(attempt, wallMs),
	};
}

/**
 * A call that the gateway needs no more is no error of anybody's. Nor is a status from 400 to 499 that the call takes for
 * an answer, as the conventions allow whoever knows that.
 */
function failureOf(
	{ status, error }: AttemptTrail,
	call: CallTrail,
): Attributes {
	if (error !== null) {
		const name = cancelledCodes.has(error.code)
			? "sluice.cancelled"
			: "error.type";
		return { [name]: error.code };
	}
	if (status === null || status < 400) return {};
	const taken = call.error === null && call.status === status;
	if (taken && status < 500) return {};
	return { "error.type": String(status) };
}

function eventsOf(
	{ placedMs, sentMs, headMs, kept, url }: AttemptTrail,
	wallMs: number,
): SpanEvent[] {
	const events: SpanEvent[] = [];
	const add = (
		name: string,
		atMs: number | null,
		attributes: Attributes = {},
	) => {
		if (atMs !== null) events.push({ name, atMs: wallMs + atMs, attributes });
	};
	add("sluice.placed", placedMs, { "sluice.url": url });
	add("sluice.sent", sentMs, { "sluice.kept_connection": kept });
	add("sluice.head", headMs);
	return events;
}
