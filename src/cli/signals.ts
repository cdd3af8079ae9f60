/** The signals that ask the gateway to end. Ctrl-C is for whoever sits before it and does not want to wait. */
const ending = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** It does nothing. By default it opens a port for debuggers. */
const ignored = "SIGUSR1";

/** It starts workers anew. By default it ends the process. */
const restarting = "SIGUSR2";

/** The signals that the process gets from now on. */
export interface Signals {
	/** Resolves with the first signal that ends. */
	readonly first: Promise<string>;
	/** Resolves at the second one. */
	readonly second: Promise<string>;
	/** From then on they do again what the system does with them. */
	leave(): void;
}

/** Hears them. `onRestart` is called with each SIGUSR2. */
export function hearSignals(onRestart: () => void = () => {}): Signals {
	const first = Promise.withResolvers<string>();
	const second = Promise.withResolvers<string>();
	let count = 0;
	const onEnding = (name: string) => {
		(count++ === 0 ? first : second).resolve(name);
	};
	const onIgnored = () => {};
	for (const name of ending) process.on(name, onEnding);
	process.on(ignored, onIgnored);
	process.on(restarting, onRestart);
	return {
		first: first.promise,
		second: second.promise,
		leave() {
			for (const name of ending) process.off(name, onEnding);
			process.off(ignored, onIgnored);
			process.off(restarting, onRestart);
		},
	};
}

/** Does nothing at any of these signals. A worker ends when the process that watches it says so. */
export function ignoreSignals(): void {
	for (const name of [...ending, ignored, restarting]) {
		process.on(name, () => {});
	}
}
