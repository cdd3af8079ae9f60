/** Messages for those who use this library without types: each says what to write. */

/** The error for work that is no function. */
export function notWork(work: unknown): TypeError {
	const isPromise = typeof work === "object" && work !== null && "then" in work;
	return new TypeError(
		isPromise
			? "a promise has begun already, and nothing can cancel it: give the function that begins it, as in `(scope) => f(scope)`"
			: `work is a function of its scope, and this is ${kindOf(work)}: write \`(scope) => f(scope)\``,
	);
}

/** Throws unless this is work. */
export function needWork(work: unknown): void {
	if (typeof work !== "function") throw notWork(work);
}

/** Throws unless this is a scope. `call` is how the call is written. */
export function needScope(scope: unknown, call: string): void {
	if (typeof scope === "object" && scope !== null && "onCancel" in scope) {
		return;
	}
	throw new TypeError(
		`the scope is missing, which ends what waits: write \`${call}\``,
	);
}

function kindOf(value: unknown): string {
	if (value === undefined || value === null) return String(value);
	return Array.isArray(value) ? "a list" : `of type ${typeof value}`;
}
