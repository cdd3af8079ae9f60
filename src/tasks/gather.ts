import { group } from "./group.ts";
import { needScope, notWork } from "./misuse.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { type OpenScope, openScope, type Scope } from "./scope.ts";

/**
 * Work that has not begun. It begins when called, and must end when its scope is cancelled. It may be called in a scope
 * that is cancelled already. Then it decides itself whether it still has something to give, such as a fallback.
 */
export type Work<T> = (scope: Scope) => Promise<T>;

export interface GatherOptions {
	/** The lifetime the work runs in. */
	readonly scope: Scope;
	/** How many run at once. The others wait their turn, in order. Default: all. */
	readonly limit?: number;
}

/**
 * Runs the work concurrently and gives the results in the order of the list. The first failure cancels running work and
 * keeps the rest from starting. It is thrown once all begun work has ended. If more failed than that cancellation
 * explains, an `AggregateError` is thrown, with the first in front.
 */
export async function gather<T>(
	works: readonly Work<T>[],
	options: GatherOptions,
): Promise<T[]> {
	const { scope: parent, limit } = optionsOf(works, options, "gather");
	const scope = openScope({ parent }) as OpenScope;
	const results: T[] = new Array(works.length);
	let next = 0;
	await inLines(works.length, limit, async () => {
		while (next < works.length && !scope.failed) {
			const index = next++;
			try {
				results[index] = await (works[index] as Work<T>)(scope);
			} catch (error) {
				const work: unknown = works[index];
				scope.fail(typeof work === "function" ? error : notWork(work));
			}
		}
	});
	if (scope.running > 0) await scope[Symbol.asyncDispose]();
	else scope.leave();
	return results;
}

/**
 * Runs the work concurrently and gives every outcome, in the order of the list. A failure affects no other work. Each
 * work has a scope of its own for the tasks that it starts.
 */
gather.settled = async function settled<T>(
	works: readonly Work<T>[],
	options: GatherOptions,
): Promise<Outcome<T>[]> {
	const { scope, limit } = optionsOf(works, options, "gather.settled");
	const outcomes: Outcome<T>[] = new Array(works.length);
	let next = 0;
	await inLines(works.length, limit, async () => {
		while (next < works.length) {
			const index = next++;
			const work = works[index] as Work<T>;
			outcomes[index] =
				typeof work === "function"
					? await outcomeOf(group(work, scope))
					: { ok: false, error: notWork(work) };
		}
	});
	return outcomes;
};

/** Throws what to write, unless these are a list and options with a scope. */
function optionsOf(
	works: unknown,
	options: GatherOptions | undefined,
	name: string,
): GatherOptions {
	const call = `${name}([f, g], { scope })`;
	if (!Array.isArray(works)) {
		throw new TypeError(`\`${name}\` takes a list of work: write \`${call}\``);
	}
	needScope(options?.scope, call);
	return options as GatherOptions;
}

/** Runs as many lines of work as the limit allows. Each takes the next item of the list when it has done one. */
async function inLines(
	count: number,
	limit: number = count,
	line: () => Promise<void>,
): Promise<void> {
	const lines = Math.min(count, Math.max(1, limit));
	await Promise.all(Array.from({ length: lines }, line));
}
