import type { TrailEnded } from "./events.ts";
import type { HeaderList } from "./http/headers.ts";
import {
	newSpanId,
	newTraceId,
	parentOf,
	stateOf,
	type TraceParent,
	traceparentLine,
} from "./http/trace-context.ts";

/** Whoever makes spans of requests. */
export interface Tracer {
	/** The most spans of one request, its own not counted. */
	readonly spansMax: number;
	/** Decides whether a request is traced. `parent` is the client's span, or null if the trace begins here. */
	samples(traceId: string, parent: TraceParent | null): boolean;
	/** A request that is traced has ended. Must not throw. */
	ended(end: TrailEnded): void;
	state(): TracerState;
}

/** What has become of spans, counted from the begin. */
export interface TracerState {
	readonly sent: number;
	/** The collector did not take them. */
	readonly failed: number;
	/** Too many waited to be sent. */
	readonly dropped: number;
	/** Their request had too many. */
	readonly leftOut: number;
	/** Those that wait now. */
	readonly waiting: number;
}

/** The ids of the spans of one request (W3C Trace Context). They are decided before anything is sent. */
export class TraceIds {
	readonly traceId: string;
	/** The client's span; null if the trace begins here. */
	readonly parent: TraceParent | null;
	/** The client's `tracestate`; empty if there is none. */
	readonly state: string;
	readonly sampled: boolean;
	/** What calls say as flags. */
	readonly flags: string;
	/** The span of the request itself. */
	readonly spanId = newSpanId();
	readonly tracer: Tracer;
	/** How many spans have no id, because there are too many. */
	more = 0;
	#left: number;
	#closed = false;

	constructor(headers: HeaderList, tracer: Tracer) {
		const parent = parentOf(headers);
		this.tracer = tracer;
		this.parent = parent;
		this.traceId = parent?.traceId ?? newTraceId();
		this.state = parent === null ? "" : stateOf(headers);
		this.sampled = tracer.samples(this.traceId, parent);
		// The bit "random" stays as it came.
		const random = Number(parent?.flags ?? 0) & 2;
		this.flags = `0${random | Number(this.sampled)}`;
		this.#left = tracer.spansMax;
	}

	/** An id for another span. Null if there are too many, or if the request has ended. */
	next(): string | null {
		if (this.#closed) return null;
		if (this.#left === 0) {
			this.more++;
			return null;
		}
		this.#left--;
		return newSpanId();
	}

	/** No span begins any more. */
	close(): void {
		this.#closed = true;
	}

	/** The line of an attempt that has this span. Without one the request is the parent of what the upstream does. */
	lineOf(spanId: string | null): string {
		return traceparentLine(this.traceId, spanId ?? this.spanId, this.flags);
	}
}
