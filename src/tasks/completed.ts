import { createFuture } from "./future.ts";
import type { Task } from "./scope.ts";

/**
 * The tasks in the order in which they end, however they end; those that are over already first, in the order given.
 * Leaving the loop early leaves the tasks running: they are their scope's.
 */
export function completed<T>(
	tasks: Iterable<Task<T>>,
): AsyncIterableIterator<Task<T>> {
	const all = [...tasks];
	const places = all.map(() => createFuture<Task<T>>());
	let ended = 0;
	for (const task of all) {
		const end = () => places[ended++]?.resolve(task);
		task.result().then(end, end);
	}
	return inOrder(places.values());
}

async function* inOrder<T>(
	places: Iterable<{ result(): Promise<T> }>,
): AsyncIterableIterator<T> {
	for (const place of places) yield await place.result();
}
