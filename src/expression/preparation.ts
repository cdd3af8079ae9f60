import type { Ast, Expression, Span } from "./ast.ts";
import type { Fuel } from "./fuel.ts";
import { Site } from "./site.ts";

/** Values by slot. A slot whose value is not there yet, or is missing, reads as null. */
export interface Frame {
	readonly values: unknown[];
	readonly parent: Frame | null;
	/** The fuel of the run that this frame belongs to. */
	readonly fuel: Fuel;
}

/** Holds the frame of the evaluation under way, and its fuel. */
export interface Current {
	frame: Frame;
	fuel: Fuel;
}

/** Where a name's value stands: in which slot, how many frames up. */
export interface Slot {
	readonly up: number;
	readonly slot: number;
}

/**
 * Computes an expression's value. Never changes the data that it reads, though the value may hold parts of it. Throws
 * GatewayError: `reference_missing` if null stands where a value is needed, `step_failed` for all else.
 */
export type Evaluate = (frame: Frame) => unknown;

/** Where names stand. Called while something is prepared, and never when its closure runs. */
export interface Slots {
	slotOf(name: string): Slot;
	/** The slot of a name's member, if the member has one of its own. */
	memberSlotOf?(name: string, member: string): Slot | null;
}

/** The state of preparing one expression, and the memory that its closures share when they run. */
export interface Preparation {
	readonly expression: Expression;
	/** Turns a node into its closure. */
	readonly prepare: (ast: Ast) => Evaluate;
	readonly slots: Slots;
	/** The frame of the evaluation under way. Arrows and sites need it, because methods call them and know no frames. */
	readonly current: Current;
	/** The values of the arrows' parameters, by slot. One for each is enough, because no arrow runs inside itself. */
	readonly cells: Cell[];
	/** Nodes prepared so far, without those in arrows. */
	nodes: number;
	sites: number;
}

/** Where the value of an arrow's parameter stands while the arrow runs. */
export interface Cell {
	value: unknown;
}

/** The site of a node that can fail or that costs time. */
export function siteOf(span: Span, preparation: Preparation): Site {
	preparation.sites++;
	return new Site(preparation.current, preparation.expression, span);
}

export function cellOf(slot: number, { cells }: Preparation): Cell {
	while (cells.length <= slot) cells.push({ value: null });
	return cells[slot] as Cell;
}
