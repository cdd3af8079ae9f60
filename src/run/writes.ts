import { GatewayError } from "../core/errors.ts";
import type { StepWrite } from "../core/events.ts";

/** What became of a write that was sent. It is not known while no answer has come. */
type Outcome = StepWrite["outcome"];

/** A write that was sent. */
export class SentWrite implements StepWrite {
	readonly step: string;
	readonly index: readonly number[];
	outcome: Outcome = "unknown";
	/** How often it was sent. An answer of the last attempt says nothing of those before. */
	attempts = 0;

	constructor(step: string, index: readonly number[]) {
		this.step = step;
		this.index = index;
	}

	/** Its answer has come, with this status. */
	answered(status: number): void {
		if (status >= 200 && status < 300) this.outcome = "done";
		else if (status >= 400 && status < 500 && this.attempts === 1) {
			this.outcome = "refused";
		}
	}
}

/** The memory that a write takes until its request is over. */
export const writeBytes = 256;

/** The writes that one run has sent, in the order in which they were sent first. */
export class Writes {
	readonly all: SentWrite[] = [];
	readonly #underWay = new Set<SentWrite>();
	#onIdle: (() => void) | null = null;

	/** An attempt of the write is about to be sent. */
	sent(write: SentWrite): void {
		if (write.attempts++ > 0) return;
		this.all.push(write);
		this.#underWay.add(write);
	}

	/** The call of the write has ended, with all its attempts. */
	ended(write: SentWrite): void {
		if (!this.#underWay.delete(write) || this.#underWay.size > 0) return;
		this.#onIdle?.();
	}

	/** Resolves when no write is under way any more; null if none is. Asked once, when the run has ended. */
	idle(): Promise<void> | null {
		if (this.#underWay.size === 0) return null;
		return new Promise((resolve) => {
			this.#onIdle = resolve;
		});
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
