import type { Handed } from "./handed.ts";
import type { ToWorker } from "./messages.ts";

/** What it takes to know whether a worker rests. */
export interface MayRest {
	readonly process: { send(message: ToWorker, handed?: Handed): void };
	readonly state: "starting" | "ready" | "leaving";
	/** For how many rounds of pings it owes an answer, if it owes one. */
	readonly owes: number | null;
	/** Whether all of its places are taken, as it says. */
	isFull: boolean;
	/** What it was told last: whether another one rests. */
	othersRest: boolean;
}

/** Which workers rest: they take what full ones have accepted. */
export class Resting {
	readonly #all: Iterable<MayRest>;
	/** Those that rest take turns. */
	#turn = 0;

	constructor(all: Iterable<MayRest>) {
		this.#all = all;
	}

	/** Tells each worker whether another one rests, if that has changed. */
	changed(): void {
		const resting = new Set(this.#resting());
		for (const one of this.#all) {
			if (one.state !== "ready") continue;
			const othersRest = resting.size > (resting.has(one) ? 1 : 0);
			if (othersRest === one.othersRest) continue;
			one.othersRest = othersRest;
			one.process.send({ kind: "others", rest: othersRest });
		}
	}

	/** Gives a connection to a worker that rests, or back to the one that offers it. */
	give(handed: Handed, from: MayRest): void {
		const resting = this.#resting().filter((one) => one !== from);
		this.#turn++;
		const to = resting[this.#turn % resting.length] ?? from;
		to.process.send({ kind: "take" }, handed);
	}

	/** One that has not answered the last ping may hang. */
	#resting(): readonly MayRest[] {
		return [...this.#all].filter(
			({ state, isFull, owes }) => state === "ready" && !isFull && !owes,
		);
	}
}
