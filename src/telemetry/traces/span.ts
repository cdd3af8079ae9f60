import type {
	Attributes,
	HrTime,
	Link,
	SpanContext,
	SpanKind,
	SpanStatus,
} from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan, TimedEvent } from "@opentelemetry/sdk-trace";
import type { Secrets } from "../../core/secrets.ts";

/** What all spans of a process have in common. */
export interface SpanSource {
	readonly resource: Resource;
	readonly instrumentationScope: ReadableSpan["instrumentationScope"];
	/** What no span may show. */
	readonly secrets: Secrets;
}

/** What a span is made of. Its instants are milliseconds since 1970. */
export interface SpanFacts {
	readonly name: string;
	readonly kind: SpanKind;
	readonly context: SpanContext;
	/** Absent if the trace begins with it. */
	readonly parent?: SpanContext;
	readonly startMs: number;
	readonly endMs: number;
	readonly failed: boolean;
	readonly attributes: Attributes;
	readonly links?: readonly Link[];
	readonly events?: readonly SpanEvent[];
}

export interface SpanEvent {
	readonly name: string;
	readonly atMs: number;
	readonly attributes?: Attributes;
}

/** One span takes no more events and no more links, as OpenTelemetry's SDKs have it. */
const eachMax = 128;

const ok: SpanStatus = { code: 0 };
/** Without words: those of an error may hold facts about upstreams. */
const failed: SpanStatus = { code: 2 };

/** A span whose end is known, as exporters read it. */
export class FinishedSpan implements ReadableSpan {
	readonly name: string;
	readonly kind: SpanKind;
	readonly parentSpanContext?: SpanContext;
	readonly startTime: HrTime;
	readonly endTime: HrTime;
	readonly status: SpanStatus;
	readonly attributes: Attributes;
	readonly links: Link[];
	readonly events: TimedEvent[];
	readonly ended = true;
	readonly droppedAttributesCount = 0;
	readonly droppedEventsCount: number;
	readonly droppedLinksCount: number;
	readonly resource: Resource;
	readonly instrumentationScope: ReadableSpan["instrumentationScope"];
	readonly #context: SpanContext;

	constructor(facts: SpanFacts, source: SpanSource) {
		const { parent, startMs, links = [], events = [] } = facts;
		const { secrets } = source;
		this.name = secrets.hide(facts.name);
		this.kind = facts.kind;
		this.#context = withoutSecrets(facts.context, secrets);
		if (parent !== undefined) this.parentSpanContext = parent;
		this.startTime = timeOf(startMs);
		// A clock that is set back must not end it before its start.
		this.endTime = timeOf(Math.max(startMs, facts.endMs));
		this.status = facts.failed ? failed : ok;
		this.attributes = hidden(facts.attributes, secrets);
		this.links = links.slice(0, eachMax).map((link) => ({
			...link,
			context: withoutSecrets(link.context, secrets),
		}));
		this.droppedLinksCount = links.length - this.links.length;
		this.events = events
			.slice(0, eachMax)
			.map(({ name, atMs, attributes = {} }) => ({
				name: secrets.hide(name),
				attributes: hidden(attributes, secrets),
				time: timeOf(atMs),
			}));
		this.droppedEventsCount = events.length - this.events.length;
		this.resource = source.resource;
		this.instrumentationScope = source.instrumentationScope;
	}

	get duration(): HrTime {
		const seconds = this.endTime[0] - this.startTime[0];
		const nanos = this.endTime[1] - this.startTime[1];
		return nanos < 0 ? [seconds - 1, nanos + 1e9] : [seconds, nanos];
	}

	spanContext(): SpanContext {
		return this.#context;
	}
}

/** What callers have said of their traces may be anything. */
function withoutSecrets(context: SpanContext, secrets: Secrets): SpanContext {
	const { traceState, ...others } = context;
	const isSecret = traceState && secrets.has(traceState.serialize());
	return isSecret ? others : context;
}

function hidden(attributes: Attributes, secrets: Secrets): Attributes {
	const isSecret = Object.values(attributes).some(
		(value) => typeof value === "string" && secrets.has(value),
	);
	return isSecret ? secrets.hideInValue(attributes) : attributes;
}

function timeOf(ms: number): HrTime {
	const micros = Math.round(ms * 1000);
	return [Math.floor(micros / 1e6), (micros % 1e6) * 1000];
}
