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
	/** The call as it was sent, without its query: `POST flights /bookings`. */
	call = "";
	/** How many writes of its run were sent before it. */
	nth = 0;
	/** When it was first sent, and when its call ended. */
	sentMs = 0;
	endedMs = Number.POSITIVE_INFINITY;

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
