import type { Ast, Expression, Span } from "./ast.ts";
import { Site, type Work } from "./site.ts";

/** Values by slot. What is not there yet, or has no value, reads as null. */
export interface Frame {
	readonly values: unknown[];
	readonly parent: Frame | null;
}

/** Where a name's value stands: so many frames up, in which slot. */
export interface Place {
	readonly up: number;
	readonly slot: number;
}

/**
 * Computes an expression's value. Never changes the data it reads, though the value may hold parts of it. Throws
 * GatewayError: `reference_missing` where null went where it cannot go, `step_failed` for all else.
 */
export type Evaluate = (frame: Frame) => unknown;

/** What is known and counted while one expression is being prepared, and what its closures share when they run. */
export interface Preparation {
	readonly expression: Expression;
	/** Turns a node into its closure. */
	readonly prepare: (ast: Ast) => Evaluate;
	readonly placeOf: (name: string) => Place;
	readonly work: Work;
	/** The frame of the evaluation under way, for arrows: they are called by methods, which know no frames. */
	readonly current: { frame: Frame };
	/** The values of the arrows' parameters, by slot. One is enough for each, as no arrow runs inside itself. */
	readonly cells: Cell[];
	/** Nodes prepared so far, those within arrows not counted. */
	nodes: number;
	sites: number;
}

/** Where the value of an arrow's parameter stands while the arrow runs. */
export interface Cell {
	value: unknown;
}

/** The place of a node that can fail or cost. */
export function siteOf(span: Span, preparation: Preparation): Site {
	preparation.sites++;
	return new Site(preparation.work, preparation.expression, span);
}

export function cellOf(slot: number, { cells }: Preparation): Cell {
	while (cells.length <= slot) cells.push({ value: null });
	return cells[slot] as Cell;
}
