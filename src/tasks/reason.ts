/** The reason of a scope that its own deadline cancelled, if no other was given. */
export class DeadlineReached extends Error {
	override readonly name = "DeadlineReached";
	constructor() {
		super("the deadline was reached");
	}
}

/** The reason of a scope whose time, given as a duration, is over. */
export class TimedOut extends Error {
	override readonly name = "TimedOut";
	readonly ms: number;
	constructor(ms: number) {
		super(`timed out after ${ms} ms`);
		this.ms = ms;
	}
}

/** The reason of a task that was cancelled without one. */
export class Cancelled extends Error {
	override readonly name = "Cancelled";
}
