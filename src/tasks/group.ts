import { needScope, needWork } from "./misuse.ts";
import {
	type OpenScope,
	OpenTask,
	type Scope,
	type TaskWork,
	timedOut,
} from "./scope.ts";

/**
 * Does work in a scope of its own. Gives its result when all tasks of that scope are over too. If the work throws, the
 * scope is cancelled, as by a task's failure. A block with `await using` cannot see that it threw, and would wait for
 * its tasks to end by themselves.
 */
export function group<T>(work: TaskWork<T>, scope: Scope): Promise<T> {
	needWork(work);
	needScope(scope, "group(work, scope)");
	return carryOut(new OpenTask<T>(open(scope), work.name, null), work, scope);
}

/**
 * Does work that has so many milliseconds. Then its scope is cancelled, and it fails with `TimedOut`. Settles when the
 * work is over, however long that takes: nothing is left running behind it.
 */
export function timeout<T>(
	ms: number,
	work: TaskWork<T>,
	scope: Scope,
): Promise<T> {
	needWork(work);
	needScope(scope, `timeout(${Number(ms) || 1000}, work, scope)`);
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
 * Does work that must not be cancelled with the scope, such as an orderly goodbye. It may also begin in a cancelled
 * scope. The scope is not left before the work is over. It has no deadline: give it one with `timeout` inside.
 */
export function shield<T>(work: TaskWork<T>, scope: Scope): Promise<T> {
	needWork(work);
	needScope(scope, "shield(work, scope)");
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
