import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { StepFailure } from "../core/events.ts";
import type { Frame } from "../expression/evaluate.ts";
import type { StepRef } from "../plan/plan.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { PreparedBlock, PreparedStep } from "./prepare.ts";
import type { Run } from "./run.ts";
import { carryOut } from "./step.ts";

/** Where a block is carried out, and who is told how it ends. */
export interface BlockPlace {
	readonly run: Run;
	/** Gets the steps' values. */
	readonly frame: Frame;
	/** The lifetime of what runs in it. */
	readonly scope: Scope;
	/** The block around its group; null for a route's. */
	readonly around: Block | null;
	/** The names of the groups around its steps: `orders.`; empty for a route's. */
	readonly path: string;
	/** Positions in the lists around it, outermost first. */
	readonly index: readonly number[];
	/** Called once, when all steps have ended. */
	readonly onEnd: () => void;
	/** Called once, instead, when a step failed that nothing fills in for. */
	readonly onFail: (error: GatewayError) => void;
}

type StepState = "waiting" | "running" | "ended" | "dropped";

/** Why a step's call is aborted that nobody waits for any more. Seen by nobody. */
const dropped = new GatewayError("internal", "nobody waits for this step");

/**
 * Steps under way: a route's, or a group's for one item. Starts each when what it reads is there, drops what nobody
 * waits for any more, and ends when all have ended or one has failed.
 */
export class Block {
	readonly plan: PreparedBlock;
	readonly place: BlockPlace;
	readonly #states: StepState[];
	/** Per step: how many steps it still waits for before it starts. */
	readonly #waitsFor: number[];
	/** Per step: how many may still read it. */
	readonly #readers: number[];
	readonly #scopes: (Scope | null)[];
	readonly #listeners: ((() => void)[] | null)[];
	/** Per step: what it has read after it had started. */
	readonly #readLater: (Set<number> | null)[];
	readonly #failures: StepFailure[][];
	/** What `missing` is here; null where nothing reads it. */
	readonly #codes: Record<string, unknown> | null;
	#unended: number;
	#over = false;
	#stopListening: () => void = () => {};

	constructor(plan: PreparedBlock, place: BlockPlace) {
		const { steps, missingSlot } = plan;
		this.plan = plan;
		this.place = place;
		this.#states = steps.map(() => "waiting");
		this.#waitsFor = steps.map(
			({ waitsFor, waitsOutside }) => waitsFor + waitsOutside.length,
		);
		this.#readers = steps.map(({ readers }) => readers);
		this.#scopes = steps.map(() => null);
		this.#listeners = steps.map(() => null);
		this.#readLater = steps.map(() => null);
		this.#failures = steps.map(() => []);
		this.#unended = steps.length;
		this.#codes = missingSlot === null ? null : {};
		if (missingSlot !== null) place.frame.values[missingSlot] = this.#codes;
	}

	start(): void {
		// At the deadline steps end by themselves, perhaps with a fallback; for any other reason there is no going on.
		this.#stopListening = this.place.scope.onCancel((reason) => {
			if (!isDeadline(reason)) this.#fail(asGatewayError(reason));
		});
		if (this.#unended === 0) return this.#finish();
		for (const step of this.plan.steps) this.#waitOutside(step);
		const ready = this.plan.steps.filter(
			({ index }) => this.#waitsFor[index] === 0,
		);
		this.#startAll(ready);
	}

	#waitOutside(step: PreparedStep): void {
		for (const { up, index } of step.waitsOutside) {
			const ended = () => {
				this.#countDown(step.index);
				if (this.#waitsFor[step.index] === 0) this.#startAll([step]);
			};
			const block = this.#blockAt(up);
			if (block.#states[index] === "ended") this.#countDown(step.index);
			else block.#onEnd(index, ended);
		}
	}

	#blockAt(up: number): Block {
		let block: Block = this;
		for (let left = up; left > 0; left--) block = block.place.around as Block;
		return block;
	}

	#onEnd(index: number, fn: () => void): void {
		(this.#listeners[index] ??= []).push(fn);
	}

	#countDown(index: number): void {
		this.#waitsFor[index] = (this.#waitsFor[index] ?? 0) - 1;
	}

	/** Replies that can be decided are decided before other steps start. */
	#startAll(steps: readonly PreparedStep[]): void {
		for (const step of steps) {
			if (step.work.kind === "reply") this.#startStep(step);
		}
		for (const step of steps) {
			if (step.work.kind !== "reply") this.#startStep(step);
		}
	}

	#startStep(step: PreparedStep): void {
		if (this.#over || this.#states[step.index] !== "waiting") return;
		this.#states[step.index] = "running";
		if (step.work.kind === "reply") return this.#decide(step);
		this.#seeMissing();
		const scope = openStepScope(step, this.place.scope);
		this.#scopes[step.index] = scope;
		carryOut(step, this, scope).then(
			(value) => this.#end(step, value),
			(error: unknown) => this.#failStep(step, error),
		);
	}

	/** At once, so that nothing else starts when the answer is there already. */
	#decide(step: PreparedStep): void {
		const { run, frame } = this.place;
		const { when, work } = step;
		if (work.kind !== "reply") return;
		try {
			this.#seeMissing();
			if (when && isSkip(when(frame))) return this.#end(step, null);
		} catch (error) {
			return this.#failStep(step, error);
		}
		run.answer(work.merge, frame, this.#missingOf([step.index]));
	}

	/** What ended around this block since is not missing here. */
	#seeMissing(): void {
		const around = this.place.around;
		if (this.#codes === null || around === null) return;
		around.#seeMissing();
		for (const name in around.#codes) this.#codes[name] ??= around.#codes[name];
	}

	/**
	 * Resolves when all these steps have ended; null where they have. Rejects when `scope` is cancelled, but not by the
	 * deadline: what is waited for ends by it too, perhaps with a fallback.
	 */
	ended(refs: readonly StepRef[], scope: Scope): Promise<void> | null {
		let left = refs.filter(
			({ up, index }) => this.#blockAt(up).#states[index] !== "ended",
		).length;
		if (left === 0) return null;
		return new Promise((resolve, reject) => {
			const stop = scope.onCancel((reason) => {
				if (!isDeadline(reason)) reject(reason);
			});
			const count = () => {
				if (--left > 0) return;
				stop();
				this.#seeMissing();
				resolve();
			};
			for (const { up, index } of refs) {
				const block = this.#blockAt(up);
				if (block.#states[index] !== "ended") block.#onEnd(index, count);
			}
		});
	}

	/** Notes what a step reads though it did not wait for it before it started. */
	noteReads(reader: PreparedStep, refs: readonly StepRef[]): void {
		for (const { up, index } of refs) {
			if (up > 0) continue;
			(this.#readLater[reader.index] ??= new Set()).add(index);
		}
	}

	/** Notes failures that a fallback or null fills in: the answer is then partial. */
	note(step: PreparedStep, failures: readonly StepFailure[]): void {
		if (this.#over || this.#states[step.index] !== "running") return;
		this.#failures[step.index]?.push(...failures);
	}

	/** What the block lacks, in plan order, items in list order. */
	missing(): StepFailure[] {
		const { steps, reads } = this.plan;
		const effects = steps.filter(({ effect }) => effect);
		return this.#missingOf([...reads, ...effects.map(({ index }) => index)]);
	}

	/** What is lacking of what these steps are made of. */
	#missingOf(steps: readonly number[]): StepFailure[] {
		if (this.#failures.every(({ length }) => length === 0)) return [];
		const read = this.#readInFact(steps);
		return this.#failures.flatMap((failures, index) =>
			read.has(index) ? failures.toSorted(byIndex) : [],
		);
	}

	/** Of a step that turned out not to be read it is chance whether it had failed before it was dropped. */
	#readInFact(steps: readonly number[]): ReadonlySet<number> {
		const read = new Set(steps);
		// What is added to a set while it is walked is walked too.
		for (const index of read) {
			for (const first of this.plan.steps[index]?.readsFirst ?? []) {
				read.add(first);
			}
			for (const later of this.#readLater[index] ?? []) read.add(later);
		}
		return read;
	}

	#end(step: PreparedStep, value: unknown): void {
		this.#scopes[step.index]?.close();
		if (this.#over || this.#states[step.index] !== "running") return;
		this.#states[step.index] = "ended";
		this.place.frame.values[step.slot] = value;
		if (this.#codes) this.#codes[step.name] = this.#codeOf(step);
		this.#unended--;
		for (const listener of this.#listeners[step.index] ?? []) listener();
		for (const index of step.starts) this.#countDown(index);
		const ready = step.starts.filter((index) => this.#waitsFor[index] === 0);
		this.#startAll(
			ready.map((index) => this.plan.steps[index] as PreparedStep),
		);
		this.#release(step);
		if (this.#unended === 0) this.#finish();
	}

	/** The step's own error, of its first item that failed; not those of steps inside it. */
	#codeOf(step: PreparedStep): string | null {
		const name = this.place.path + step.name;
		const own = this.#failures[step.index]?.filter((one) => one.step === name);
		return own?.toSorted(byIndex)[0]?.error.code ?? null;
	}

	#failStep(step: PreparedStep, thrown: unknown): void {
		this.#scopes[step.index]?.close();
		if (this.#states[step.index] !== "running") return;
		this.#fail(inStep(asGatewayError(thrown), this.place.path + step.name));
	}

	/** What a step read is no longer wanted by it; what nobody wants any more and only reads is dropped. */
	#release(step: PreparedStep): void {
		for (const index of step.reads) {
			const left = (this.#readers[index] ?? 0) - 1;
			this.#readers[index] = left;
			if (left === 0) this.#drop(this.plan.steps[index] as PreparedStep);
		}
	}

	#drop(step: PreparedStep): void {
		const state = this.#states[step.index];
		if (step.effect || state === "ended" || state === "dropped") return;
		this.#states[step.index] = "dropped";
		this.#unended--;
		this.#scopes[step.index]?.cancel(dropped);
		this.#release(step);
	}

	#finish(): void {
		if (this.#over) return;
		this.#close();
		this.place.onEnd();
	}

	#fail(error: GatewayError): void {
		if (this.#over) return;
		this.#close();
		for (const scope of this.#scopes) scope?.cancel(error);
		this.place.onFail(error);
	}

	#close(): void {
		this.#over = true;
		this.#stopListening();
	}
}

function byIndex(a: StepFailure, b: StepFailure): number {
	const at = a.index.findIndex(
		(position, depth) => position !== b.index[depth],
	);
	return at < 0 ? 0 : (a.index[at] ?? 0) - (b.index[at] ?? 0);
}

/** A condition that is false or null skips its step; any other value does not. */
export function isSkip(condition: unknown): boolean {
	return condition === false || condition === null;
}

function openStepScope(step: PreparedStep, outer: Scope): Scope {
	const { withinMs } = step;
	if (withinMs === null) return openScope({ parent: outer });
	return openScope({
		parent: outer,
		deadline: outer.clock.now() + withinMs,
		deadlineReason: () =>
			new GatewayError("upstream_timeout", `not done within ${withinMs} ms`),
	});
}

function isDeadline(reason: unknown): boolean {
	return reason instanceof GatewayError && reason.code === "deadline_exceeded";
}

/** The same error, with the name of the step it happened in. */
export function inStep(error: GatewayError, step: string): GatewayError {
	if (error.facts.step !== undefined) return error;
	const named = new GatewayError(error.code, error.message, {
		...error.facts,
		step,
	});
	if (error.stack !== undefined) named.stack = error.stack;
	return named;
}
