import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { Frame } from "../expression/evaluate.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { Block, inStep, isSkip } from "./block.ts";
import { call } from "./call.ts";
import { carryOutEach } from "./each.ts";
import { callFunction } from "./function.ts";
import { itemSlots } from "./names.ts";
import type { Later, PreparedGroup, PreparedStep } from "./prepare.ts";

/** Where one carrying-out stands: in its block itself, or at an item of an `each`. */
export interface Spot {
	readonly block: Block;
	readonly frame: Frame;
	/** Cancelled when this need not or must not go on. */
	readonly scope: Scope;
	/** Positions in the lists around it, outermost first. */
	readonly index: readonly number[];
}

/** Carries out one step: gives its value, or rejects where it fails and nothing fills it in. */
export function carryOut(
	step: PreparedStep,
	block: Block,
	scope: Scope,
): Promise<unknown> {
	const { frame, index } = block.place;
	if (step.each) return carryOutEach(step, step.each, block, scope);
	return carryOutOnce(step, {
		block,
		scope,
		index,
		frame: step.work.kind === "group" ? frameInside(step, frame) : frame,
	});
}

/** A frame of its own for an item, or for a group. */
export function frameInside(
	{ work }: PreparedStep,
	parent: Frame,
	item: unknown = null,
	index = 0,
): Frame {
	const size = work.kind === "group" ? work.block.frameSize : itemFrameSize;
	const values = new Array(size).fill(null);
	values[itemSlots.item] = item;
	values[itemSlots.index] = index;
	return { values, parent };
}

const itemFrameSize = Object.keys(itemSlots).length;

/** One condition, one work, and what fills in for its failure. Never throws. */
export function carryOutOnce(step: PreparedStep, spot: Spot): Promise<unknown> {
	const fail = (thrown: unknown) => {
		const name = spot.block.place.path + step.name;
		return fillIn(step, spot, inStep(asGatewayError(thrown), name));
	};
	try {
		if (step.when && isSkip(step.when(spot.frame))) {
			return Promise.resolve(null);
		}
		if (step.expendable && spot.block.place.run.input.load.skipping) {
			return fail(leftOut);
		}
		const value = workOf(step, spot);
		return value instanceof Promise
			? value.then(undefined, fail)
			: Promise.resolve(value);
	} catch (thrown) {
		return fail(thrown);
	}
}

/** Why a step is filled in for that was never begun. Made once: it is thrown when there is no time to spare. */
const leftOut = new GatewayError(
	"overloaded",
	"left out because the gateway is overloaded",
);

function workOf(step: PreparedStep, spot: Spot): unknown {
	const { work } = step;
	switch (work.kind) {
		case "value":
			return work.value(spot.frame);
		case "call":
			return call(work, step, spot);
		case "group":
			return carryOutGroup(work, step, spot);
		case "run":
			return callFunction(work, step, spot);
		case "reply":
			// Decided by its block, before anything else starts.
			return null;
	}
}

/** The steps of a group, for one item: its value, or its first failure. What its steps lack the answer lacks. */
function carryOutGroup(
	{ block: plan, value }: PreparedGroup,
	step: PreparedStep,
	{ block: around, frame, scope, index }: Spot,
): Promise<unknown> {
	const { run, path } = around.place;
	const inner = openScope({ parent: scope });
	return new Promise((resolve, reject) => {
		const group: Block = new Block(plan, {
			run,
			frame,
			scope: inner,
			around,
			path: `${path}${step.name}.`,
			index,
			onFail: reject,
			onEnd() {
				inner.close();
				const wait = value && group.ended(value.reads, scope);
				if (wait === null) finish();
				else wait.then(finish, reject);
			},
		});
		const finish = () => {
			try {
				const result = value
					? value.evaluate(frame)
					: valuesOf(plan.steps, frame);
				around.note(step, group.missing());
				if (run.route.telling) around.hold(step, group.holding());
				resolve(result);
			} catch (error) {
				reject(error as Error);
			}
		};
		group.start();
	});
}

function valuesOf(steps: readonly PreparedStep[], frame: Frame): object {
	return Object.fromEntries(
		steps.map(({ name, slot }) => [name, frame.values[slot]]),
	);
}

/** The fallback's value or null, noted as missing; the error itself where there is neither. */
async function fillIn(
	step: PreparedStep,
	spot: Spot,
	error: GatewayError,
): Promise<unknown> {
	const { fallback, optional } = step;
	const { block, index } = spot;
	const { path, scope } = block.place;
	const failure = { step: path + step.name, index, error };
	if (fallback) {
		try {
			// Not in the step's own scope: that is what may just have ended.
			const value = await evaluateLater(fallback, step, { ...spot, scope });
			block.note(step, [failure]);
			return value;
		} catch (thrown) {
			if (!optional) throw withFallback(error, thrown);
		}
	}
	if (!optional) throw error;
	block.note(step, [failure]);
	return null;
}

/** The client is told of the first failure; the log of both. */
function withFallback(error: GatewayError, thrown: unknown): GatewayError {
	const { message } = asGatewayError(thrown);
	return new GatewayError(
		error.code,
		`${error.message}; its fallback failed: ${message}`,
		{ ...error.facts, cause: thrown },
	);
}

/** Evaluates what may read other steps, when those have ended: a promise only where it has to wait. */
export function evaluateLater(
	{ evaluate, reads }: Later,
	step: PreparedStep,
	{ block, frame, scope }: Omit<Spot, "index">,
): unknown {
	const wait = block.ended(reads, scope);
	const finish = () => {
		block.noteReads(step, reads);
		return evaluate(frame);
	};
	return wait === null ? finish() : wait.then(finish);
}
