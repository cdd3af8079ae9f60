/**
 * Takes what is left of settings once each has been taken by its name: nothing. A setting that was added and that nobody
 * reads is then an error of types, which names it: `const { port, host, ...others } = server; allRead(others)`.
 */
export function allRead(_nothing: Readonly<Record<string, never>>): void {}

/** Hands settings on whole to what takes `Taken`. A setting that it does not take is an error of types, which names it. */
export function handedOn<Taken>() {
	return <Given extends Partial<Taken>>(
		settings: Given &
			Readonly<Record<Exclude<keyof Given, keyof Taken>, never>>,
	): Given => settings;
}
