import { createFuture } from "./future.ts";
import type { Task } from "./scope.ts";

/**
 * The tasks in the order in which they end, well or not. Tasks that are over already come first, in the given order. A
 * loop that is left early leaves the tasks running, because they belong to their scope.
 */
export function completed<T>(
	tasks: Iterable<Task<T>>,
): AsyncIterableIterator<Task<T>> {
	const all = [...tasks];
	const ends = all.map(() => createFuture<Task<T>>());
	let ended = 0;
	for (const task of all) {
		if (typeof task?.result !== "function") {
			throw new TypeError(
				"`completed` takes tasks, not promises: write `completed([scope.start(f), scope.start(g)])`",
			);
		}
		const end = () => ends[ended++]?.resolve(task);
		task.result().then(end, end);
	}
	return inOrder(ends.values());
}

async function* inOrder<T>(
	ends: Iterable<{ result(): Promise<T> }>,
): AsyncIterableIterator<T> {
	for (const end of ends) yield await end.result();
}
