import assert from "node:assert/strict";
import { it } from "node:test";
import { SpanKind } from "@opentelemetry/api";
import fc from "fast-check";
import type { SpanFacts } from "../../src/telemetry/traces/span.ts";
import { sentId, tracing } from "../kit/spans.ts";
import { runOnce } from "../run/properties.ts";
import { randomRoute, scenario } from "../run/random-routes.ts";

/** Instants of spans are floating numbers, of which some are sums. */
const roundingMs = 1e-6;

/** Ends of steps that may never have begun. */
const unbegun: ReadonlySet<unknown> = new Set(["never_begun", "dropped"]);

const idOf = ({ context }: SpanFacts) => context.spanId;

function numberOf({ attributes }: SpanFacts, name: string): number {
	const value = attributes[name];
	return typeof value === "number" ? value : 0;
}

/** Each span is within a span of the same request, and begins after those to which it is linked by its start. */
function assertFit(spans: readonly SpanFacts[], request: SpanFacts): void {
	const byId = new Map(spans.map((span) => [idOf(span), span]));
	assert.equal(byId.size, spans.length, "no id is there twice");
	for (const span of spans) {
		const { name, startMs, endMs, parent, links = [] } = span;
		assert.ok(endMs >= startMs, `${name} ends before it begins`);
		// A write that was sent goes on when its request has ended.
		const last = span.kind === SpanKind.CLIENT ? endMs : request.endMs;
		assert.ok(endMs <= last + roundingMs, `${name} ends too late`);
		if (span === request) continue;
		const around = byId.get(parent?.spanId ?? "") ?? assert.fail(name);
		assert.ok(startMs >= around.startMs - roundingMs, `${name} is too early`);
		for (const { context, attributes = {} } of links) {
			const before = byId.get(context.spanId) ?? assert.fail(name);
			assert.notEqual(before, span);
			if (attributes["sluice.link"] !== "starts_after") continue;
			if (unbegun.has(span.attributes["sluice.end"])) continue;
			assert.ok(before.endMs <= startMs + roundingMs, `${name} began too soon`);
		}
	}
}

it("the spans of 300 random routes are trees, whose calls name their attempts", async () => {
	let linked = 0;
	let attempts = 0;
	await fc.assert(
		fc.asyncProperty(randomRoute, scenario, async (route, scenario) => {
			let spansOf: () => readonly SpanFacts[] = () => assert.fail();
			const { kit } = await runOnce(route, scenario, undefined, (kit) => {
				spansOf = tracing(kit, 10_000);
			});
			const spans = spansOf();
			const [request] = spans;
			assert.ok(request);
			assertFit(spans, request);
			const byId = new Map(spans.map((span) => [idOf(span), span]));
			for (const call of kit.calls) {
				const span = byId.get(sentId(call));
				assert.ok(span, call.request.target);
				// Undos belong to no step.
				if (call.request.target.includes("undo-")) {
					assert.equal(span, request);
					continue;
				}
				assert.equal(span.kind, SpanKind.CLIENT);
				assert.ok(Math.abs(span.startMs - call.startedMs) < roundingMs);
				attempts++;
			}
			linked += spans.filter(({ links = [] }) => links.length > 0).length;
			const critical = spans.map((span) =>
				numberOf(span, "sluice.critical_ms"),
			);
			const sum = critical.reduce((all, one) => all + one, 0);
			// Each is rounded to a microsecond.
			const mostMs = request.endMs - request.startMs + spans.length / 2_000;
			assert.ok(sum <= mostMs + roundingMs);
		}),
		{ numRuns: 300 },
	);
	assert.ok(linked > 300 && attempts > 300, `${linked} ${attempts}`);
});
