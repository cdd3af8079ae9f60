import {
	type OpenScope,
	OpenTask,
	type Scope,
	type TaskWork,
	timedOut,
} from "./scope.ts";

/**
 * Does work in a scope of its own and gives what it returns, when all that was started in that scope is over too. What
 * the work throws cancels that scope, as a task's failure does: unlike a block with `await using`, which cannot see that
 * it threw and would wait for its tasks to end by themselves.
 */
export function group<T>(work: TaskWork<T>, scope: Scope): Promise<T> {
	return carryOut(new OpenTask<T>(open(scope), work.name, null), work, scope);
}

/**
 * Does work that has so many milliseconds: then its scope is cancelled, and what it throws because of that is `TimedOut`.
 * Settles when the work is over, however long that takes after: nothing is left running behind it.
 */
export function timeout<T>(
	ms: number,
	work: TaskWork<T>,
	scope: Scope,
): Promise<T> {
	const { clock } = scope;
	const deadline = clock.now() + ms;
	const task = new OpenTask<T>(
		open(scope),
		work.name,
		null,
		clock,
		deadline,
		timedOut(ms),
	);
	return carryOut(task, work, scope);
}

/**
 * Does work that is not to be cancelled with the scope, such as an orderly goodbye; it may begin in one that has been.
 * The scope is not left before the work is over. It has no deadline: give it one with `timeout` inside.
 */
export function shield<T>(work: TaskWork<T>, scope: Scope): Promise<T> {
	const task = new OpenTask<T>(null, work.name, null, scope.clock);
	return carryOut(task, work, scope);
}

async function carryOut<T>(
	task: OpenTask<T>,
	work: TaskWork<T>,
	scope: Scope,
): Promise<T> {
	open(scope).hold();
	task.begin(work);
	try {
		return await task.result();
	} finally {
		open(scope).release();
	}
}

function open(scope: Scope): OpenScope {
	return scope as OpenScope;
}
