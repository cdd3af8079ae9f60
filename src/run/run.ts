import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { Events, StepFailure } from "../core/events.ts";
import type { GatewayRequest, GatewayResponse } from "../core/messages.ts";
import type { Frame } from "../expression/evaluate.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { requestSlots } from "./names.ts";
import type { PreparedRoute, PreparedStep } from "./prepare.ts";
import type { RequestValues } from "./request.ts";
import { carryOut } from "./step.ts";

/** What a run is given beside its route. */
export interface RunInput {
	readonly request: GatewayRequest;
	readonly values: RequestValues;
	readonly events: Events;
	/** Cancelled when the client leaves. */
	readonly scope: Scope;
	/** The wall clock's milliseconds since 1970 at the request's arrival: what expressions read as `request.time`. */
	readonly timeMs: number;
}

export interface RunResult {
	readonly response: GatewayResponse;
	/** What a partial answer lacks, in plan order. */
	readonly missing: readonly StepFailure[];
}

/**
 * Carries out a route for one request. Every step starts when what it reads is there; at the deadline running calls
 * are aborted and the ordinary rules of fallback and optional apply. Rejects with the GatewayError of the required step
 * that failed first. When it has settled, nothing of it runs any more but a write that had been sent.
 */
export function run(route: PreparedRoute, input: RunInput): Promise<RunResult> {
	return new Promise((resolve, reject) => {
		new Run(route, input, resolve, reject).start();
	});
}

type StepState = "waiting" | "running" | "ended" | "dropped";

/** Why a step's call is aborted that nobody waits for any more. Seen by nobody. */
const dropped = new GatewayError("internal", "nobody waits for this step");

/** The state of one run; `step.ts` and `each.ts` do the work of its steps. */
export class Run {
	readonly route: PreparedRoute;
	readonly input: RunInput;
	readonly frame: Frame;
	/** The instant of the route's deadline on the scope's clock. */
	readonly deadline: number;
	/** The lifetime of all calls: cancelled at the deadline, when the run fails, and when the client leaves. */
	readonly calls: Scope;
	#callCount = 0;
	readonly #states: StepState[];
	/** Per step: how many steps it still waits for before it starts. */
	readonly #waitsFor: number[];
	/** Per step: how many may still read it. */
	readonly #readers: number[];
	readonly #scopes: (Scope | null)[];
	readonly #listeners: ((() => void)[] | null)[];
	/** Per step: what it has read after its calls. */
	readonly #readLater: (Set<number> | null)[];
	readonly #failures: StepFailure[][];
	#unended: number;
	#over = false;
	#stopListening: () => void;
	readonly #resolve: (result: RunResult) => void;
	readonly #reject: (error: GatewayError) => void;

	constructor(
		route: PreparedRoute,
		input: RunInput,
		resolve: (result: RunResult) => void,
		reject: (error: GatewayError) => void,
	) {
		const { steps } = route;
		this.route = route;
		this.input = input;
		this.frame = createFrame(route, input);
		this.deadline = input.request.arrivedMs + route.plan.deadlineMs;
		this.#states = steps.map(() => "waiting");
		this.#waitsFor = steps.map(({ waitsFor }) => waitsFor);
		this.#readers = steps.map(({ readers }) => readers);
		this.#scopes = steps.map(() => null);
		this.#listeners = steps.map(() => null);
		this.#readLater = steps.map(() => null);
		this.#failures = steps.map(() => []);
		this.#unended = steps.length;
		this.#resolve = resolve;
		this.#reject = reject;
		this.#stopListening = () => {};
		this.calls = openScope({
			clock: input.scope.clock,
			deadline: this.deadline,
			deadlineReason: deadlineExceeded,
		});
	}

	start(): void {
		this.#stopListening = this.input.scope.onCancel((reason) =>
			this.#fail(asGatewayError(reason)),
		);
		if (this.#over) return;
		if (this.#unended === 0) return this.#finish();
		for (const step of this.route.steps) {
			if (this.#waitsFor[step.index] === 0) this.#startStep(step);
		}
	}

	/** Counts a call about to be made; throws `limit_exceeded` beyond the route's bound. */
	countCall(): void {
		this.#callCount++;
		const { callsMax } = this.route.plan;
		if (this.#callCount <= callsMax) return;
		throw new GatewayError(
			"limit_exceeded",
			`more than ${callsMax} calls in one request`,
		);
	}

	/**
	 * Resolves when all these steps have ended; null where they have. Rejects when `scope` is cancelled, but not by the
	 * deadline: what is waited for ends by it too, perhaps with a fallback.
	 */
	ended(indexes: readonly number[], scope: Scope): Promise<void> | null {
		let left = indexes.filter(
			(index) => this.#states[index] !== "ended",
		).length;
		if (left === 0) return null;
		return new Promise((resolve, reject) => {
			const stop = scope.onCancel((reason) => {
				if (!isDeadline(reason)) reject(reason);
			});
			for (const index of indexes) {
				if (this.#states[index] === "ended") continue;
				const listeners = (this.#listeners[index] ??= []);
				listeners.push(() => {
					if (--left > 0) return;
					stop();
					resolve();
				});
			}
		});
	}

	/** Notes what a step reads though it did not wait for it before it started. */
	noteReads(reader: PreparedStep, indexes: readonly number[]): void {
		for (const index of indexes) {
			(this.#readLater[reader.index] ??= new Set()).add(index);
		}
	}

	/** Notes a failure that a fallback or null fills in: the answer is then partial. */
	note(
		step: PreparedStep,
		index: readonly number[],
		error: GatewayError,
	): void {
		if (this.#over || this.#states[step.index] !== "running") return;
		this.#failures[step.index]?.push({ step: step.name, index, error });
	}

	#startStep(step: PreparedStep): void {
		if (this.#over || this.#states[step.index] !== "waiting") return;
		this.#states[step.index] = "running";
		const scope = openStepScope(step, this.calls);
		this.#scopes[step.index] = scope;
		carryOut(step, this, scope).then(
			(value) => this.#end(step, value),
			(error: unknown) => this.#failStep(step, error),
		);
	}

	#end(step: PreparedStep, value: unknown): void {
		this.#scopes[step.index]?.close();
		if (this.#over || this.#states[step.index] !== "running") return;
		this.#states[step.index] = "ended";
		this.frame.values[step.slot] = value;
		this.#unended--;
		for (const listener of this.#listeners[step.index] ?? []) listener();
		for (const index of step.starts) {
			this.#waitsFor[index] = (this.#waitsFor[index] ?? 0) - 1;
			if (this.#waitsFor[index] === 0) {
				this.#startStep(this.route.steps[index] as PreparedStep);
			}
		}
		this.#release(step);
		if (this.#unended === 0) this.#finish();
	}

	#failStep(step: PreparedStep, thrown: unknown): void {
		this.#scopes[step.index]?.close();
		if (this.#states[step.index] !== "running") return;
		this.#fail(inStep(asGatewayError(thrown), step));
	}

	/** What a step read is no longer wanted by it; what nobody wants any more and only reads is dropped. */
	#release(step: PreparedStep): void {
		for (const index of step.reads) {
			const left = (this.#readers[index] ?? 0) - 1;
			this.#readers[index] = left;
			if (left === 0) this.#drop(this.route.steps[index] as PreparedStep);
		}
	}

	#drop(step: PreparedStep): void {
		const state = this.#states[step.index];
		if (step.write || state === "ended" || state === "dropped") return;
		this.#states[step.index] = "dropped";
		this.#unended--;
		this.#scopes[step.index]?.cancel(dropped);
		this.#release(step);
	}

	#finish(): void {
		const missing = this.#missing();
		try {
			const response = this.route.merge(this.frame, missing);
			this.#close(dropped);
			this.#resolve({ response, missing });
		} catch (error) {
			this.#fail(asGatewayError(error));
		}
	}

	/** Of a step that turned out not to be read it is chance whether it had failed before it was dropped. */
	#missing(): StepFailure[] {
		if (this.#failures.every(({ length }) => length === 0)) return [];
		const { steps, respondReads } = this.route.plan;
		const writes = this.route.steps.filter(({ write }) => write);
		const read = new Set([
			...respondReads,
			...writes.map(({ index }) => index),
		]);
		// What is added to a set while it is walked is walked too.
		for (const index of read) {
			for (const before of steps[index]?.startsAfter ?? []) read.add(before);
			for (const later of this.#readLater[index] ?? []) read.add(later);
		}
		return this.#failures.flatMap((failures, index) =>
			read.has(index) ? inListOrder(failures) : [],
		);
	}

	#fail(error: GatewayError): void {
		if (this.#over) return;
		this.#close(error);
		this.#reject(error);
	}

	#close(reason: GatewayError): void {
		this.#over = true;
		this.#stopListening();
		this.calls.cancel(reason);
	}
}

/** Items end in any order; what is missing is told in theirs. */
function inListOrder(failures: readonly StepFailure[]): StepFailure[] {
	return failures.toSorted((a, b) => (a.index[0] ?? 0) - (b.index[0] ?? 0));
}

function createFrame(
	route: PreparedRoute,
	{ request, values, timeMs }: RunInput,
): Frame {
	const slots: unknown[] = new Array(route.frameSize).fill(null);
	slots[requestSlots.params] = values.params;
	slots[requestSlots.query] = values.query;
	slots[requestSlots.headers] = values.headers;
	slots[requestSlots.body] = values.body;
	slots[requestSlots.request] = {
		id: request.id,
		ip: request.ip,
		method: request.method,
		path: request.target.split("?", 1)[0],
		time: timeMs,
	};
	return { values: slots, parent: null };
}

function openStepScope(step: PreparedStep, calls: Scope): Scope {
	const { withinMs } = step;
	if (withinMs === null) return openScope({ parent: calls });
	return openScope({
		parent: calls,
		deadline: calls.clock.now() + withinMs,
		deadlineReason: () =>
			new GatewayError("upstream_timeout", `not done within ${withinMs} ms`),
	});
}

export function deadlineExceeded(): GatewayError {
	return new GatewayError(
		"deadline_exceeded",
		"the route's deadline was reached",
	);
}

function isDeadline(reason: unknown): boolean {
	return reason instanceof GatewayError && reason.code === "deadline_exceeded";
}

/** The same error, with the name of the step it happened in. */
export function inStep(error: GatewayError, step: PreparedStep): GatewayError {
	if (error.facts.step !== undefined) return error;
	const named = new GatewayError(error.code, error.message, {
		...error.facts,
		step: step.name,
	});
	if (error.stack !== undefined) named.stack = error.stack;
	return named;
}
