/**
 * Takes the rest of some settings after each was taken by its name. The rest must be empty, so a setting that nobody
 * reads is an error of types, which names it: `const { port, host, ...others } = server; allRead(others)`.
 */
export function allRead(_nothing: Readonly<Record<string, never>>): void {}

/**
 * Hands whole settings on to a function that takes `Taken`. A setting that it does not take is an error of types, which
 * names it.
 */
export function handedOn<Taken>() {
	return <Given extends Partial<Taken>>(
		settings: Given &
			Readonly<Record<Exclude<keyof Given, keyof Taken>, never>>,
	): Given => settings;
}
