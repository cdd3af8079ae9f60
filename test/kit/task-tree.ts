import assert from "node:assert/strict";
import fc from "fast-check";
import {
	type Clock,
	gather,
	group,
	openScope,
	outcomeOf,
	run,
	type Scope,
	type Semaphore,
	shield,
	type Task,
	timeout,
} from "../../src/tasks/index.ts";

/** What one piece of work does: its actions in order, and what it does however it ends. */
export interface Plan {
	readonly actions: readonly Action[];
	readonly fails: boolean;
	/** How long its goodbye takes, which is not cancelled; null where it has none. */
	readonly goodbyeMs: number | null;
	readonly goodbyeFails: boolean;
}

export type Action =
	| { readonly kind: "wait" | "slot"; readonly ms: number }
	/** Goes on where a wait is cancelled. */
	| { readonly kind: "stubborn"; readonly ms: number }
	| { readonly kind: "start"; readonly plan: Plan; readonly read: boolean }
	| { readonly kind: "cancel"; readonly which: number }
	| {
			readonly kind: "group" | "shield";
			readonly plan: Plan;
			readonly caught: boolean;
	  }
	| {
			readonly kind: "timeout";
			readonly ms: number;
			readonly plan: Plan;
			readonly caught: boolean;
	  }
	/** A scope with `await using`, with tasks in it, and a block that waits, and reads the first. */
	| {
			readonly kind: "scope";
			readonly timeoutMs: number;
			readonly plans: readonly Plan[];
			readonly ms: number;
			readonly read: boolean;
			readonly caught: boolean;
	  }
	| {
			readonly kind: "gather" | "settled";
			readonly plans: readonly Plan[];
			readonly limit: number;
			readonly caught: boolean;
	  };

/** Trees of work, of times up to `msMax`. */
export function planOf(msMax: number): fc.Arbitrary<Plan> {
	const ms = fc.nat(msMax);
	const rarely = fc.nat(2).map((at) => at === 0);
	const { plan } = fc.letrec<{ plan: Plan; action: Action }>((tie) => {
		const plans = fc.array(tie("plan"), { minLength: 1, maxLength: 3 });
		const caught = fc.boolean();
		const timeoutMs = ms;
		return {
			plan: fc.record({
				actions: fc.array(tie("action"), {
					minLength: 1,
					maxLength: 4,
					size: "max",
				}),
				fails: rarely,
				goodbyeMs: fc.option(ms, { freq: 2 }),
				goodbyeFails: rarely,
			}),
			action: fc.oneof(
				{ depthSize: "small", withCrossShrink: true },
				fc.record({ kind: fc.constantFrom("wait", "slot", "stubborn"), ms }),
				fc.record({ kind: fc.constant("cancel"), which: fc.nat(3) }),
				fc.record({
					kind: fc.constant("start"),
					plan: tie("plan"),
					read: fc.boolean(),
				}),
				fc.record({
					kind: fc.constant("start"),
					plan: tie("plan"),
					read: fc.constant(false),
				}),
				fc.record({
					kind: fc.constantFrom("group", "shield"),
					plan: tie("plan"),
					caught,
				}),
				fc.record({
					kind: fc.constant("timeout"),
					ms,
					plan: tie("plan"),
					caught,
				}),
				fc.record({
					kind: fc.constant("scope"),
					timeoutMs,
					plans,
					ms,
					read: fc.boolean(),
					caught,
				}),
				fc.record({
					kind: fc.constantFrom("gather", "settled"),
					plans,
					limit: fc.integer({ min: 1, max: 3 }),
					caught,
				}),
			) as fc.Arbitrary<Action>,
		};
	});
	return plan;
}

export interface Tree {
	readonly plan: Plan;
	/** When the outermost scope is cancelled from outside; null: not. */
	readonly cancelMs: number | null;
}

export function treeOf(msMax: number): fc.Arbitrary<Tree> {
	const cancelMs = fc.option(fc.nat(3 * msMax));
	return fc.record({ plan: planOf(msMax), cancelMs });
}

export interface World {
	readonly clock: Clock;
	readonly slots: Semaphore;
	/** Waits; heeds the scope. */
	wait(ms: number, scope: Scope): Promise<void>;
}

/** What happened in a tree, for the questions a test asks when it is over. */
export interface Ended {
	/** What left the outermost scope; null where nothing did. */
	readonly thrown: unknown;
	readonly failures: readonly Error[];
	readonly scopes: readonly Scope[];
	readonly bodies: number;
}

/**
 * Carries a tree out. Asserts on the way that whatever waits for a scope finds nothing running in it, and at the end that
 * each failure left the outermost scope once, or was caught on the way once.
 */
export async function carryOut(tree: Tree, world: World): Promise<Ended> {
	const growth = new Growth(world);
	let cancelling = { cancel: () => {} };
	const ended = await outcomeOf(
		run(
			(scope) => {
				if (tree.cancelMs !== null) {
					const reason = new Error("cancelled from outside");
					cancelling = world.clock.after(tree.cancelMs, () =>
						scope.cancel(reason),
					);
				}
				return growth.body(tree.plan, growth.root)(scope);
			},
			{ clock: world.clock, signals: false },
		),
	);
	cancelling.cancel();
	assert.equal(growth.root.running, 0, "something runs after the outermost");
	const left = ended.ok ? [] : leavesOf(ended.error);
	assert.equal(new Set(left).size, left.length, "a failure left twice");
	const told = [...growth.caught, ...left];
	for (const failure of growth.failures) {
		const times = told.filter((one) => one === failure).length;
		assert.equal(times, 1, `${failure.message} was told ${times} times`);
	}
	return {
		thrown: ended.ok ? null : ended.error,
		failures: growth.failures,
		scopes: growth.scopes,
		bodies: growth.bodies,
	};
}

/** How many bodies run beneath a place. */
interface Place {
	readonly above: Place | null;
	running: number;
}

class Growth {
	readonly root: Place = { above: null, running: 0 };
	readonly failures: Error[] = [];
	readonly caught: unknown[] = [];
	readonly scopes: Scope[] = [];
	bodies = 0;
	readonly #world: World;

	constructor(world: World) {
		this.#world = world;
	}

	body(plan: Plan, place: Place): (scope: Scope) => Promise<void> {
		return async (scope) => {
			this.bodies++;
			this.scopes.push(scope);
			for (let at: Place | null = place; at; at = at.above) at.running++;
			try {
				await this.#carryOut(plan, scope, place);
			} finally {
				for (let at: Place | null = place; at; at = at.above) at.running--;
			}
		};
	}

	async #carryOut(plan: Plan, scope: Scope, place: Place): Promise<void> {
		await using _goodbye = {
			[Symbol.asyncDispose]: () => this.#sayGoodbye(plan, scope),
		};
		const tasks: Task<void>[] = [];
		for (const action of plan.actions) {
			await this.#act(action, scope, place, tasks);
		}
		if (plan.fails) throw this.#failure("a body's");
	}

	async #sayGoodbye(plan: Plan, scope: Scope): Promise<void> {
		const { goodbyeMs } = plan;
		if (goodbyeMs === null) return;
		await shield((own) => this.#world.wait(goodbyeMs, own), scope);
		if (plan.goodbyeFails) throw this.#failure("a goodbye's");
	}

	#failure(whose: string): Error {
		const failure = new Error(`${whose} failure ${this.failures.length}`);
		this.failures.push(failure);
		return failure;
	}

	async #act(
		action: Action,
		scope: Scope,
		place: Place,
		tasks: Task<void>[],
	): Promise<void> {
		const { wait, slots } = this.#world;
		switch (action.kind) {
			case "wait":
				return wait(action.ms, scope);
			case "slot":
				return slots.run((own) => wait(action.ms, own), scope);
			case "stubborn":
				return wait(action.ms, scope).catch(() => {});
			case "start": {
				const task = scope.start(this.body(action.plan, place));
				tasks.push(task);
				if (action.read) await task.result();
				return;
			}
			case "cancel":
				tasks[action.which]?.cancel();
				return;
			case "group":
			case "shield": {
				const around = action.kind === "group" ? group : shield;
				return this.#within(place, scope, action.caught, (inner) =>
					around(this.body(action.plan, inner), scope),
				);
			}
			case "timeout":
				return this.#within(place, scope, action.caught, (inner) =>
					timeout(action.ms, this.body(action.plan, inner), scope),
				);
			case "scope":
				return this.#within(place, scope, action.caught, (inner) =>
					this.#inScope(action, scope, inner),
				);
			case "gather":
				return this.#within(place, scope, action.caught, async (inner) => {
					const works = action.plans.map((plan) => this.body(plan, inner));
					await gather(works, { scope, limit: action.limit });
				});
			case "settled":
				return this.#within(place, scope, action.caught, async (inner) => {
					const works = action.plans.map((plan) => this.body(plan, inner));
					const { limit } = action;
					const outcomes = await gather.settled(works, { scope, limit });
					const errors = outcomes.flatMap((one) => (one.ok ? [] : one.error));
					this.#catch(errors, scope);
				});
		}
	}

	async #inScope(
		action: Extract<Action, { kind: "scope" }>,
		parent: Scope,
		place: Place,
	): Promise<void> {
		const { timeoutMs, plans, ms, read } = action;
		await using scope = openScope({ parent, timeoutMs });
		this.scopes.push(scope);
		const tasks = plans.map((plan) => scope.start(this.body(plan, place)));
		if (read) await tasks[0]?.result();
		await this.#world.wait(ms, scope);
	}

	/** Where an error stops: nothing that began inside may run then, whether it goes on from here or is caught. */
	async #within(
		place: Place,
		scope: Scope,
		caught: boolean,
		work: (inner: Place) => Promise<void>,
	): Promise<void> {
		const inner: Place = { above: place, running: 0 };
		const ended = await outcomeOf(work(inner));
		assert.equal(inner.running, 0, "something runs after its scope");
		if (ended.ok) return;
		if (!caught) throw ended.error;
		this.#catch([ended.error], scope);
	}

	/** The scope's own cancellation coming back is told where it began. */
	#catch(errors: unknown[], { cancelled, reason }: Scope): void {
		const failures = errors
			.flatMap(leavesOf)
			.filter((one) => !(cancelled && one === reason));
		this.caught.push(...new Set(failures));
	}
}

/** What an error is made of. */
function leavesOf(error: unknown): unknown[] {
	if (error instanceof SuppressedError) {
		return [error.suppressed, error.error].flatMap(leavesOf);
	}
	if (error instanceof AggregateError) return error.errors.flatMap(leavesOf);
	return [error];
}
