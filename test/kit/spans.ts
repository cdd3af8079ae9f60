import assert from "node:assert/strict";
import type { TrailEnded } from "../../src/core/events.ts";
import { dependenciesOf } from "../../src/telemetry/traces/dependencies.ts";
import type { SpanFacts } from "../../src/telemetry/traces/span.ts";
import { spansOf } from "../../src/telemetry/traces/spans.ts";
import type { SeenCall, TestGateway } from "./gateway.ts";

/** Traces each request of a gateway. Gives the spans of those that have ended, whose clock is the gateway's. */
export function tracing(
	{ gateway: { events, plan } }: Pick<TestGateway, "gateway">,
	spansMax = 100,
): () => SpanFacts[] {
	const ended: TrailEnded[] = [];
	const dependencies = dependenciesOf(plan);
	events.tracers.push({
		spansMax,
		samples: (_traceId, parent) => parent?.flags !== "00",
		ended: (end) => ended.push(end),
		state: () => assert.fail("nobody asks"),
	});
	return () =>
		ended.flatMap((end) => {
			const ids = end.trail.ids ?? assert.fail("it is not traced");
			return spansOf(end, ids, dependencies.get(end.route ?? ""), 0);
		});
}

/** The id of the span that a call names, as the wire writes it. */
export function sentId({ request: { traced, attempt } }: SeenCall): string {
	const line = traced?.lineOf(attempt?.spanId ?? null) ?? "";
	const pattern = /^traceparent: 00-[\da-f]{32}-([\da-f]{16})-01\r\n$/;
	return pattern.exec(line)?.[1] ?? "";
}
