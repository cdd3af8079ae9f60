import { type Clock, realClock } from "./clock.ts";
import { needWork } from "./misuse.ts";
import { OpenTask, type TaskWork } from "./scope.ts";

export interface RunOptions {
	/** Default: the machine's. */
	readonly clock?: Clock;
	/** Whether SIGINT (Ctrl-C) and SIGTERM cancel the scope. Default: true. */
	readonly signals?: boolean;
}

/** The reason of a program's scope when the process was asked to end. */
export class Interrupted extends Error {
	override readonly name = "Interrupted";
	readonly signal: NodeJS.Signals;
	constructor(signal: NodeJS.Signals) {
		super(`interrupted by ${signal}`);
		this.signal = signal;
	}
}

/**
 * Runs a program in a scope without a parent, and gives its result. If it throws, the tasks that it started are
 * cancelled. When this settles, nothing of the program runs any more. The first SIGINT or SIGTERM cancels the scope
 * with `Interrupted`. A second one ends the process, as it would without us.
 */
export async function run<T>(
	main: TaskWork<T>,
	{ clock = realClock(), signals = true }: RunOptions = {},
): Promise<T> {
	needWork(main);
	const task = new OpenTask<T>(null, main.name, null, clock);
	const stopListening = signals ? cancelOnSignal(task) : nothing;
	try {
		task.begin(main);
		return await task.result();
	} finally {
		stopListening();
	}
}

function cancelOnSignal(task: OpenTask<unknown>): () => void {
	const stopListening = () => {
		process.off("SIGINT", interrupt);
		process.off("SIGTERM", interrupt);
	};
	const interrupt = (signal: NodeJS.Signals) => {
		stopListening();
		task.cancel(new Interrupted(signal));
	};
	process.on("SIGINT", interrupt);
	process.on("SIGTERM", interrupt);
	return stopListening;
}

function nothing(): void {}
