import type { GatewayError } from "./errors.ts";
import type {
	AttemptEnded,
	Decision,
	DecisionReason,
	PolicyKey,
} from "./events.ts";
import type { TraceIds } from "./trace-ids.ts";

/** For whom something is done to an upstream. */
export interface Asker {
	/** The client's request; of a shared call the first one. Only events use it. */
	readonly requestId: string;
	/** Notes what becomes of the call. Null or absent if nobody wants to know. */
	readonly trail?: CallTrail | null;
}

/** The clock that a trail reads. */
interface Instants {
	now(): number;
}

/** A policy did something about a call besides passing it on. */
export interface DecisionMark {
	/** When, in milliseconds on the gateway's clock. */
	readonly atMs: number;
	readonly policy: PolicyKey;
	readonly decision: Decision;
	/** As in the event `policyDecided`. */
	readonly number: number | null;
	readonly reason: DecisionReason | null;
}

/** The list of a record that has noted nothing yet. All share it, because most lists stay empty. */
const none: readonly never[] = [];

/** The list with one more at its end. */
function withAnother<T>(list: readonly T[], another: T): readonly T[] {
	if (list === none) return [another];
	(list as T[]).push(another);
	return list;
}

/** More decisions of one call are not noted. */
const decisionsMax = 100;

/** The record of one call, as it goes. All instants are milliseconds on the gateway's clock. */
export class CallTrail {
	readonly upstream: string;
	readonly method: string;
	/** The call's path with its holes unfilled: `/users/${params.id}`. Null if a function made it. */
	readonly template: string | null;
	readonly startedMs: number;
	endedMs: number | null = null;
	/** The status of the answer that the step got; null if there was none. */
	status: number | null = null;
	error: GatewayError | null = null;
	/** In the order in which they began. A kept answer needs none, nor does one that another call gets. */
	attempts: readonly AttemptTrail[] = none;
	decisions: readonly DecisionMark[] = none;
	/**
	 * Whether the code that began the call still runs. Its attempt then begins, is placed and is sent with it, without another
	 * look at the clock.
	 */
	atOnce = false;
	readonly #clock: Instants;
	readonly #ids: TraceIds | null;

	/** `ids` names its attempts; null if it is not traced. */
	constructor(
		clock: Instants,
		of: Pick<CallTrail, "upstream" | "method" | "template">,
		ids: TraceIds | null = null,
		startedMs = clock.now(),
	) {
		this.#clock = clock;
		this.#ids = ids;
		this.upstream = of.upstream;
		this.method = of.method;
		this.template = of.template;
		this.startedMs = startedMs;
	}

	decided(mark: Omit<DecisionMark, "atMs">): void {
		if (this.decisions.length === decisionsMax) return;
		const atMs = this.#clock.now();
		this.decisions = withAnother(this.decisions, { atMs, ...mark });
	}

	/** Begins the record of another attempt. These hear of its end. */
	attempt(listeners: AttemptListeners = none): AttemptTrail {
		const spanId = this.#ids?.next() ?? null;
		const attempt = new AttemptTrail(this.#clock, spanId, this, listeners);
		this.attempts = withAnother(this.attempts, attempt);
		return attempt;
	}

	/** The answer is there. To read it may need other steps, which is not part of the call's time. */
	answered(status: number): void {
		this.status = status;
		// Between the end of an only attempt and this nothing waits. Others may have ended long before.
		const [attempt] = this.attempts;
		const isOnly = this.attempts.length === 1 && attempt?.status === status;
		this.endedMs = (isOnly ? attempt.endedMs : null) ?? this.#clock.now();
	}

	ended(error: GatewayError | null): void {
		this.endedMs ??= this.#clock.now();
		this.error = error;
	}
}

type AttemptListeners = readonly ((event: AttemptEnded) => void)[];

/** The record of one attempt. An instant is null if the attempt did not come so far. */
export class AttemptTrail {
	readonly startedMs: number;
	/** Its span, which its request names. Null if it has none. */
	readonly spanId: string | null;
	/** Which of the upstream's `urls` was asked, from 0. */
	url = 0;
	/** When it had its slot among the upstream's calls. */
	placedMs: number | null = null;
	/** When its connection could carry it, and its first byte was about to be written. */
	sentMs: number | null = null;
	/** Whether its connection had carried a call before. */
	kept = false;
	/** When the head of the answer was there. */
	headMs: number | null = null;
	/** How much of the answer's body came, in bytes as sent. */
	bytes = 0;
	endedMs: number | null = null;
	status: number | null = null;
	error: GatewayError | null = null;
	/**
	 * Whether the read that brought the head still goes on. All that ends the attempt now came with the head, so it ends with
	 * it, without another look at the clock.
	 */
	headRead = false;
	readonly #clock: Instants;
	readonly #call: CallTrail;
	readonly #listeners: AttemptListeners;

	constructor(
		clock: Instants,
		spanId: string | null,
		call: CallTrail,
		listeners: AttemptListeners,
	) {
		this.#clock = clock;
		this.#call = call;
		this.#listeners = listeners;
		this.spanId = spanId;
		this.startedMs = call.atOnce ? call.startedMs : clock.now();
	}

	placed(url: number): void {
		const { atOnce, startedMs } = this.#call;
		this.placedMs = atOnce ? startedMs : this.#clock.now();
		this.url = url;
	}

	/** Also when it is sent once more, because a kept connection turned out to be closed. */
	sent(kept: boolean): void {
		const { atOnce, startedMs } = this.#call;
		this.sentMs = atOnce ? startedMs : this.#clock.now();
		this.kept = kept;
	}

	head(status: number): void {
		this.headMs = this.#clock.now();
		this.status = status;
	}

	/** Only the first end counts: each attempt ends once, also if its request has been answered long before. */
	ended(error: GatewayError | null): void {
		if (this.endedMs !== null) return;
		this.endedMs = this.headRead ? this.headMs : this.#clock.now();
		this.error = error;
		const listeners = this.#listeners;
		if (listeners.length === 0) return;
		const event = { call: this.#call, attempt: this };
		for (const listener of listeners) listener(event);
	}
}

/** How a step ended, or that it never did. */
export type StepEnd =
	/** It has a value. */
	| "ok"
	/** Its `when` did not hold. */
	| "skipped"
	/** It failed, and its fallback or null filled in. */
	| "filled"
	/** It failed, and with it what is around it. */
	| "failed"
	/** Nothing read it any more. */
	| "dropped"
	/** It was under way when what is around it ended. */
	| "aborted"
	/** It still waited for others when what is around it ended. */
	| "never_begun";

/** The record of one step, or of one item of its list. All instants are milliseconds on the gateway's clock. */
export class StepTrail {
	/** `now`, or `orders.items` for a step in a group. */
	readonly path: string;
	/** Positions in the lists around it, outermost first. */
	readonly index: readonly number[];
	/** When everything was there that it reads before it starts. */
	readonly readyMs: number;
	/** The step whose end made it ready; null if it was ready with the block or the list that it is part of. */
	readonly after: StepTrail | null;
	/** When its work began: its place in the list, and its turn to compute, had come. */
	startedMs: number | null = null;
	endedMs: number | null = null;
	end: StepEnd | null = null;
	/** Why it failed, also if something filled in. */
	error: GatewayError | null = null;
	calls: readonly CallTrail[] = none;
	/** Its waits for steps that it reads after its call, and between rounds of `repeat`, for none. */
	waits: readonly StepWait[] = none;
	/** Its span. Null if it has none. */
	readonly spanId: string | null;
	/** Whether the code that began its work still runs. A call then begins with it, without another look at the clock. */
	atOnce = false;
	readonly #clock: Instants;
	readonly #ids: TraceIds | null;

	constructor(
		clock: Instants,
		of: Pick<StepTrail, "path" | "index" | "after">,
		readyMs: number,
		ids: TraceIds | null,
	) {
		this.#clock = clock;
		this.#ids = ids;
		this.spanId = ids?.next() ?? null;
		this.path = of.path;
		this.index = of.index;
		this.after = of.after;
		this.readyMs = readyMs;
	}

	started(): void {
		this.startedMs ??= this.#clock.now();
	}

	/** Begins the record of a call. */
	call(of: Pick<CallTrail, "upstream" | "method" | "template">): CallTrail {
		const startedMs = this.atOnce ? this.startedMs : null;
		const fromMs = startedMs ?? this.#clock.now();
		const call = new CallTrail(this.#clock, of, this.#ids, fromMs);
		this.calls = withAnother(this.calls, call);
		return call;
	}

	/** Begins a wait for other steps, which the result ends. */
	waitFor(steps: readonly string[]): () => void {
		const wait: StepWait = { steps, fromMs: this.#clock.now(), toMs: null };
		this.waits = withAnother(this.waits, wait);
		return () => {
			wait.toMs = this.#clock.now();
		};
	}

	skipped(): void {
		this.end = "skipped";
	}

	filled(error: GatewayError): void {
		this.end = "filled";
		this.error = error;
	}

	/** Only the first end counts. A step that was skipped or filled in ends as that. */
	ended(end: StepEnd, error: GatewayError | null = null): void {
		if (this.endedMs !== null) return;
		this.endedMs = this.#clock.now();
		this.end = end === "ok" ? (this.end ?? end) : end;
		this.error ??= error;
	}
}

export interface StepWait {
	readonly steps: readonly string[];
	readonly fromMs: number;
	toMs: number | null;
}

/** Of one request no more steps and items are noted. */
const stepsMax = 5_000;

/** What a route's `record` says of one request. */
export interface Recorded {
	/** Data of the request and of its answers, by column. */
	readonly values: Readonly<Record<string, string | number | boolean | null>>;
	/** How many are null because they could not be had. */
	readonly faults: number;
}

/** The record of one request. All instants are milliseconds on the gateway's clock. */
export class Trail {
	readonly requestId: string;
	readonly method: string;
	readonly arrivedMs: number;
	/** Null if no route matched, or if it was refused before. */
	route: string | null = null;
	/** When its input had been read and judged; null if it was refused before. */
	readMs: number | null = null;
	/** When its run began: it had its place among the requests in progress. */
	begunMs: number | null = null;
	/** In the order in which they became ready. */
	steps: readonly StepTrail[] = none;
	/** How many steps and items are not noted, because there are too many. */
	more = 0;
	/** The step whose end was the run's; null if the run ended by itself. */
	last: StepTrail | null = null;
	/**
	 * Evaluates the route's `record`. Null without one. It holds all values of the request, so whoever hears of the
	 * request's end takes it at once, or never.
	 */
	recorded: (() => Recorded) | null = null;
	readonly #clock: Instants;
	readonly #ids: TraceIds | null;

	/** `ids` names its spans; null if it is not traced. */
	constructor(
		clock: Instants,
		of: Pick<Trail, "requestId" | "method" | "arrivedMs">,
		ids: TraceIds | null = null,
	) {
		this.#clock = clock;
		this.#ids = ids;
		this.requestId = of.requestId;
		this.method = of.method;
		this.arrivedMs = of.arrivedMs;
	}

	/** Null if it is not traced. */
	get ids(): TraceIds | null {
		return this.#ids;
	}

	read(): void {
		this.readMs = this.#clock.now();
	}

	/** `atOnce`: nothing was waited for since its input was read. */
	begun(atOnce = false): void {
		this.begunMs = (atOnce ? this.readMs : null) ?? this.#clock.now();
	}

	/** Begins the record of a step or an item. Null if there are too many. */
	step(
		path: string,
		index: readonly number[],
		after: StepTrail | null,
		readyMs = this.#clock.now(),
	): StepTrail | null {
		if (this.steps.length === stepsMax) {
			this.more++;
			return null;
		}
		const of = { path, index, after };
		const step = new StepTrail(this.#clock, of, readyMs, this.#ids);
		this.steps = withAnother(this.steps, step);
		return step;
	}

	/** The run is over: what is still under way will have no end of its own. */
	close(): void {
		for (const step of this.steps) step.ended("aborted");
		this.#ids?.close();
	}
}
