import { GatewayError } from "../core/errors.ts";
import type { Clock } from "../tasks/clock.ts";
// Types only: a run shows its writes.
import type { Run } from "./run.ts";
import type { SentWrite } from "./sent-write.ts";
import type { Spot } from "./spot.ts";
import { UndoableWrite } from "./undo.ts";
import { Undoing } from "./undoing.ts";

/** The memory that a write takes until its request is over. */
export const writeBytes = 256;

/** The writes that one run has sent. */
export class Writes {
	/** In the order in which they were sent first. */
	readonly all: SentWrite[] = [];
	readonly #undoable: UndoableWrite[] = [];
	readonly #undoing: Undoing;
	readonly #clock: Clock;
	readonly #underWay = new Set<SentWrite>();
	#onIdle: (() => void) | null = null;

	constructor(run: Run) {
		this.#clock = run.calls.clock;
		this.#undoing = new Undoing(run);
	}

	/** An attempt of the write is about to be sent. */
	sent(write: SentWrite): void {
		if (write.attempts++ > 0) return;
		write.nth = this.all.length;
		write.sentMs = this.#clock.now();
		this.all.push(write);
		if (write instanceof UndoableWrite) this.#undoable.push(write);
		this.#underWay.add(write);
	}

	/** The call of the write has ended, with all its attempts. */
	ended(write: SentWrite): void {
		if (!this.#underWay.delete(write)) return;
		write.endedMs = this.#clock.now();
		if (this.#underWay.size > 0) return;
		this.#onIdle?.();
	}

	/** Undoes what was written at a spot that has failed. */
	undo({ path, index }: Spot): void {
		this.#claim(
			(write) =>
				(write.step === path || write.step.startsWith(`${path}.`)) &&
				index.every((position, depth) => write.index[depth] === position),
		);
	}

	/** The run has ended. Writes whose step has not ended well are undone, or all of them. */
	close(undoesAll: boolean): void {
		this.#claim((write) => undoesAll || !write.kept);
	}

	#claim(chosen: (write: UndoableWrite) => boolean): void {
		const writes = this.#undoable.filter(
			(write) => !write.claimed && chosen(write),
		);
		if (writes.length > 0) this.#undoing.claim(writes);
	}

	/** Resolves when no write is under way any more, and all are undone; null if so now. Asked once, when the run has ended. */
	idle(): Promise<void> | null {
		const undone = this.#undoing.idle();
		if (this.#underWay.size === 0) return undone;
		const ended = new Promise<void>((resolve) => {
			this.#onIdle = resolve;
		});
		return undone === null ? ended : ended.then(() => undone);
	}

	/** The error of a run that is cut because the gateway closes. */
	cut(): GatewayError {
		const [first] = this.#underWay;
		if (first === undefined) {
			const words = "the gateway was closed before all steps had ended";
			return new GatewayError("gateway_draining", words);
		}
		const words = "the gateway was closed while this write was under way";
		return new GatewayError("gateway_draining", words, { step: first.step });
	}
}
