import { GatewayError } from "../core/errors.ts";
import { networkOf } from "../core/ip.ts";
import type { RequestMemory } from "../core/memory.ts";
import { LoopTurn } from "../tasks/loop-turn.ts";

/**
 * How many nodes one piece of computing visits, before others have their turn. A node takes at most 100 ns. Work inside a
 * method or function counts as as many nodes as its time.
 */
const pieceMax = 1_000_000;

/** How many nodes a request visits besides those of its answer. */
export const requestMax = 10_000_000;

/** The nodes that a request may still visit, over all its evaluations. */
export class Fuel {
	/** The nodes left of the piece under way. */
	left = 0;
	readonly turn: LoopTurn;
	/** Counts what is made and held; null if nobody does. */
	readonly memory: RequestMemory | null;
	/** The length of the last text that was joined. */
	joined = 0;
	/** The nodes left for pieces behind it. */
	#kept: number;
	readonly #most: number;
	/** The address of the client, among whose pieces others wait. */
	readonly #client: string;
	/** Whether the piece may visit fewer nodes than others, because no more are left. */
	#last = false;

	constructor(
		turn = new LoopTurn(),
		most = pieceMax,
		memory: RequestMemory | null = null,
		client = "",
	) {
		this.turn = turn;
		this.memory = memory;
		this.#most = most;
		this.#client = client;
		this.#kept = most;
		this.begin();
	}

	/**
	 * Computes one piece: at once, or in a later turn of the loop if this turn has computed for long, or has no time for a
	 * piece that takes as much as `cost`.
	 */
	piece<A, T>(
		compute: (argument: A) => T,
		argument: A,
		cost = 0,
	): T | Promise<Awaited<T>> {
		if (this.turn.hasTimeFor(cost)) {
			this.begin();
			return compute(argument);
		}
		const pause = this.turn.later(networkOf(this.#client), cost);
		// Not before it computes, because pieces of the same request may come between.
		return pause.then(() => {
			this.begin();
			return compute(argument);
		}) as Promise<Awaited<T>>;
	}

	/** As `piece`, but with nodes of its own. */
	lastPiece<A, T>(
		compute: (argument: A) => T,
		argument: A,
	): T | Promise<Awaited<T>> {
		this.#kept += pieceMax;
		return this.piece(compute, argument);
	}

	/** Counts work that is no evaluation. Throws `limit_exceeded` if too little is left. */
	burn(nodes: number): void {
		this.turn.spent += nodes;
		this.left -= nodes;
		if (this.left < 0) throw new GatewayError("limit_exceeded", this.exhaust());
	}

	/** Counts bytes that are held until the request ends. Throws if it may not hold so many. */
	hold(bytes: number): void {
		this.memory?.take(bytes);
	}

	/** Leaves nothing of the piece. Gives the words that say so. */
	exhaust(): string {
		this.left = 0;
		return this.#last
			? `took more than ${this.#most} nodes in one request`
			: `took more than ${pieceMax} nodes in one piece`;
	}

	/** Begins a piece at once, for what must not wait. */
	begin(): void {
		const nodes = this.#kept + this.left;
		this.#last = nodes < pieceMax;
		this.left = this.#last ? nodes : pieceMax;
		this.#kept = nodes - this.left;
	}
}
