/**
 * How many nodes one evaluation may visit. A node takes at most 100 ns. Work inside a method or function counts as as
 * many nodes as its time.
 */
export const nodesMax = 1_000_000;

/** The computing that is left, in nodes. */
export class Fuel {
	/** Below zero the evaluation under way fails. */
	left = nodesMax;
}
