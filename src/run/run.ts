import type { EachConfig } from "../config/steps/common.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { Events, StepFailure, StepMark } from "../core/events.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import type { TraceIds } from "../core/trace-ids.ts";
import type { Trail } from "../core/trail.ts";
import type { Frame } from "../expression/evaluate.ts";
import { Fuel, requestMax } from "../expression/fuel.ts";
import type { RoutePlan } from "../plan/plan.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { createSemaphore, type Semaphore } from "../tasks/semaphore.ts";
import { aborted } from "./aborted.ts";
import type { Account } from "./account.ts";
import {
	type Dependence,
	type PreparedFreshness,
	withDependence,
	withFreshness,
} from "./freshness.ts";
import { requestSlots } from "./layout.ts";
import type { Merged, PreparedMerge } from "./merge.ts";
import type { PreparedRecord } from "./record.ts";
import type { RequestValues } from "./request.ts";
import type { SentWrite } from "./sent-write.ts";
// Types only: a spot shows its run.
import type { Spot } from "./spot.ts";
import { Trace } from "./trace.ts";
import { Writes, writeBytes } from "./writes.ts";

/** The input of a run besides its route. */
export interface RunInput {
	readonly request: GatewayRequest;
	readonly values: RequestValues;
	readonly events: Events;
	/** Null if nobody wants it. */
	readonly trail: Trail | null;
	/** The ids of its trace; null if nobody makes spans of requests. */
	readonly ids: TraceIds | null;
	/** Cancelled when the client leaves. */
	readonly scope: Scope;
	readonly load: Load;
	/** The value of `Via` for its calls. */
	readonly via: string;
	readonly beyond: Beyond;
}

/** Hears how a run goes on without its client. */
export interface Beyond {
	/** Cancelled when the gateway closes. Then nothing goes on any more. */
	readonly closing: Scope;
	/** The client has left. The run goes on to its end, because a write was sent. */
	outlives(): void;
	/** The run has ended, after it had sent these writes. Some of them go on until then; null if none does. */
	ended(writes: readonly SentWrite[], until: Promise<void> | null): void;
	/** What follows the answer has failed, or the answer is an upstream's own that says so. */
	failed(error: GatewayError): void;
}

/** How loaded the run's gateway is. */
export interface Load {
	/** Whether steps with `fallback` or `optional` are to be left out. */
	readonly skipping: boolean;
}

export interface RunResult {
	readonly response: GatewayResponse;
	/** The parts that a partial answer lacks, in plan order. */
	readonly missing: readonly StepFailure[];
	/** Present if the answer is sent while the run goes on. Resolves when the run has ended, and never rejects. */
	readonly over?: Promise<RunEnd>;
	/** Present if the route is live. */
	readonly made?: Made;
}

/** What the run of a live route tells of its answer to those who watch it. */
export interface Made {
	/** What it says of its parts, in plan order. */
	readonly marks: readonly StepMark[];
	/** The instant on the clock until which all parts are fresh. Null if it is not known, or if a part is missing. */
	readonly untilMs: number | null;
}

/** Hears of each item that has a value for good, of one step of the route. */
export interface ItemListener {
	readonly step: string;
	ended(at: number, value: unknown): void;
}

/** How a run ended whose answer had begun before. */
export interface RunEnd {
	readonly missing: readonly StepFailure[];
	/** Null if it ended well. */
	readonly error: GatewayError | null;
}

/** The part of a route that every run of it needs. */
export interface RunRoute {
	readonly plan: RoutePlan;
	/** How its answers say how long they are fresh; null if they do not. */
	readonly freshness: PreparedFreshness | null;
	/** What its answers depend on; null if on nothing that they have to say. */
	readonly dependence: Dependence | null;
	readonly frameSize: number;
	/** Whether an expression may read the name `request`. */
	readonly readsRequest: boolean;
	/** Null without the author's own columns in the history. */
	readonly record: PreparedRecord | null;
}

/**
 * The state that the steps of one run share: its deadline, its scope, its count of calls. It ends once, with an answer
 * or with the first error that reaches it. Then nothing of it runs any more, except a write that was sent. If the client
 * leaves, that ends the run only as long as no write was sent: half of what the author wrote would be worse than all of it.
 */
export class Run {
	readonly route: RunRoute;
	readonly input: RunInput;
	/** The instant of the route's deadline on the scope's clock. */
	readonly deadline: number;
	/** The scope of all calls: cancelled at the deadline, when the run fails, and when the client leaves. */
	readonly calls: Scope;
	/** Set before the steps start; null if nobody listens. */
	items: ItemListener | null = null;
	#trace: Trace | null = null;
	#places: Map<EachConfig, Semaphore> | null = null;
	/** Null until the first write is sent. */
	#writes: Writes | null = null;
	#callCount = 0;
	#readBytes = 0;
	#over = false;
	#stopListening: () => void = () => {};
	readonly #resolve: (result: RunResult) => void;
	readonly #reject: (error: GatewayError) => void;

	constructor(
		route: RunRoute,
		input: RunInput,
		resolve: (result: RunResult) => void,
		reject: (error: GatewayError) => void,
	) {
		this.route = route;
		this.input = input;
		this.deadline = input.request.arrivedMs + route.plan.deadlineMs;
		this.#resolve = resolve;
		this.#reject = reject;
		this.calls = openScope({
			clock: input.scope.clock,
			deadline: this.deadline,
			deadlineReason: deadlineExceeded,
		});
		this.#stopListening = input.scope.onCancel((reason) =>
			this.#left(asGatewayError(reason)),
		);
	}

	/** The client has left, or the server is closed. */
	#left(reason: GatewayError): void {
		if (this.#writes === null) this.fail(reason, reason);
		else if (reason.code === "gateway_draining") this.#cut(this.#writes);
		else {
			const { beyond } = this.input;
			const writes = this.#writes;
			beyond.outlives();
			this.#stopListening = beyond.closing.onCancel(() => this.#cut(writes));
		}
	}

	#cut(writes: Writes): void {
		const error = writes.cut();
		this.fail(error, error);
	}

	/** A write is about to be sent. From here on the run goes on to its end, whoever leaves. */
	sent(write: SentWrite): void {
		this.#writes ??= new Writes(this);
		if (write.attempts === 0) this.input.request.memory.hold(writeBytes);
		this.#writes.sent(write);
	}

	/** The call of a write that was sent has ended. */
	writeEnded(write: SentWrite): void {
		this.#writes?.ended(write);
	}

	/** The trace of its calls. A run without a call makes none. */
	get trace(): Trace {
		const { request, via, ids } = this.input;
		this.#trace ??= new Trace(request, via, ids);
		return this.#trace;
	}

	/** The places for items of a step that stands in another list. All its lists share them. */
	placesOf(each: EachConfig): Semaphore {
		this.#places ??= new Map();
		let places = this.#places.get(each);
		if (places === undefined) {
			places = createSemaphore(each.parallel);
			this.#places.set(each, places);
		}
		return places;
	}

	/** Counts a call before it is made. Throws `limit_exceeded` beyond the route's bound. */
	countCall(): void {
		this.#callCount++;
		const { callsMax } = this.route.plan;
		if (this.#callCount <= callsMax) return;
		throw new GatewayError(
			"limit_exceeded",
			`more than ${callsMax} calls in one request`,
		);
	}

	/** Counts an answer before it is read. Throws `limit_exceeded` beyond the route's bound. */
	countRead(bytes: number): void {
		this.#readBytes += bytes;
		const { readBytesMax } = this.route.plan;
		if (this.#readBytes <= readBytesMax) return;
		throw new GatewayError(
			"limit_exceeded",
			`more than ${readBytesMax} bytes of answers, or as much in values, in one request (\`maxRead\`)`,
		);
	}

	/**
	 * Ends the run with an answer that is made of these steps of a block, or of the whole block. Steps that still run are
	 * aborted, except writes that were sent. With `undo` they are undone, as if the run had failed.
	 */
	answer(
		merge: PreparedMerge,
		frame: Frame,
		account: Account,
		made?: readonly number[],
		undo = false,
	): void {
		if (this.#over) return;
		try {
			const marks = account.missing(made);
			const missing = marks.filter(isFailure);
			const merged = merge(frame, marks);
			const response =
				missing.length === 0
					? this.#withFreshness(merged, account, made)
					: merged.response;
			this.#close(aborted.answered, undo);
			if (this.route.plan.live === null) {
				this.#resolve({ response, missing });
				return;
			}
			const holding = missing.length > 0 ? null : account.holding(made);
			const untilMs = holding?.untilMs ?? null;
			this.#resolve({ response, missing, made: { marks, untilMs } });
		} catch (error) {
			this.fail(asGatewayError(error));
		}
	}

	/**
	 * Ends the run when its steps have ended, if something else answers. Nothing of them is left to abort. `handedOver` has to
	 * follow.
	 */
	handOver(): void {
		this.#stop(aborted.answered);
	}

	/** What answers instead has begun to, or has failed. If it has failed, what the steps have written is undone. */
	handedOver(well: boolean): void {
		this.#settle(!well);
	}

	/** A partial answer already says that nobody may keep it. */
	#withFreshness(
		merged: Merged,
		account: Account,
		made?: readonly number[],
	): GatewayResponse {
		const { freshness, dependence } = this.route;
		if (freshness === null) {
			return dependence === null
				? merged.response
				: withDependence(merged.response, dependence);
		}
		const { request, scope } = this.input;
		const nowMs = scope.clock.now();
		return withFreshness(
			merged,
			freshness,
			account.holding(made),
			request,
			nowMs,
		);
	}

	/** Ends the run with an error. `why` is the reason that its calls are aborted with. */
	fail(error: GatewayError, why = aborted.besideFailed): void {
		if (this.#over) return;
		this.#close(why, true);
		this.#reject(error);
	}

	/**
	 * Undoes what a part of it has written that does not count, because something fills in for it. Parts that the end of
	 * the run has cut keep what they had written.
	 */
	undo(spot: Spot): void {
		if (!this.#over) this.#writes?.undo(spot);
	}

	#close(reason: GatewayError, undo: boolean): void {
		this.#stop(reason);
		this.#settle(undo);
	}

	#stop(reason: GatewayError): void {
		this.#over = true;
		this.#stopListening();
		this.calls.cancel(reason);
	}

	#settle(undo: boolean): void {
		const writes = this.#writes;
		if (writes === null) return;
		writes.close(undo);
		this.input.beyond.ended(writes.all, writes.idle());
	}

	get over(): boolean {
		return this.#over;
	}
}

export function isFailure(mark: StepMark): mark is StepFailure {
	return mark.error !== null;
}

/** The outermost frame of a run: the request's values are filled in, and every step is null. */
export function createFrame(
	{ frameSize, readsRequest }: RunRoute,
	{ request, values, scope }: RunInput,
): Frame {
	const slots: unknown[] = new Array(frameSize).fill(null);
	slots[requestSlots.params] = values.params;
	slots[requestSlots.query] = values.query;
	slots[requestSlots.headers] = values.headers;
	slots[requestSlots.cookies] = values.cookies;
	if (values.content !== null) {
		slots[requestSlots.body] = values.content.body;
		slots[requestSlots.form] = values.content.form;
		slots[requestSlots.text] = values.content.text;
		slots[requestSlots.bytes] = values.content.bytes;
	}
	if (values.auth !== undefined) slots[requestSlots.auth] = values.auth;
	if (readsRequest) slots[requestSlots.request] = namesOf(request, scope);
	return {
		values: slots,
		parent: null,
		fuel: new Fuel(scope.clock.turn, requestMax, request.memory, request.ip),
	};
}

/** `time` is the wall clock's, in whole milliseconds since 1970, at the request's arrival. */
function namesOf(
	{ id, ip, method, target, arrivedMs }: GatewayRequest,
	{ clock }: Scope,
) {
	const time = Math.floor(Date.now() - (clock.now() - arrivedMs));
	return { id, ip, method, path: pathOf(target), time };
}

/** The reason that cancels a run when its time is over. */
export function deadlineExceeded(): GatewayError {
	return new GatewayError(
		"deadline_exceeded",
		"the route's deadline was reached",
	);
}
