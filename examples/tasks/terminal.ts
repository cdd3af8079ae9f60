import { Interrupted, type Scope } from "../../src/tasks/index.ts";

/** For `run(main).catch(…)`: after Ctrl-C there is nothing more to say; the code is what shells take for it. */
export function endInterrupted(error: unknown): void {
	if (!(error instanceof Interrupted)) throw error;
	process.exitCode = 130;
}

/** The last line of a terminal, which tells how far a long run is. */
export interface Progress extends Disposable {
	/** Prints a line of output above it. */
	print(line: string): void;
}

/** Shows the time and `state` on stderr ten times a second while it is open; nothing where stderr is no terminal. */
export function showProgress(scope: Scope, state = () => ""): Progress {
	if (!process.stderr.isTTY) {
		return { print: (line) => console.log(line), [Symbol.dispose]() {} };
	}
	const elapsed = stopwatch(scope);
	const erase = () => process.stderr.write("\r\x1b[K");
	let timer = scope.clock.after(0, draw);
	function draw() {
		process.stderr.write(`\r\x1b[K${elapsed()}  ${state()}`);
		timer = scope.clock.after(100, draw);
	}
	return {
		print(line) {
			erase();
			console.log(line);
		},
		[Symbol.dispose]() {
			timer.cancel();
			erase();
		},
	};
}

/** The time since it was made, as text: `3.0 s`. */
export function stopwatch({ clock }: Scope): () => string {
	const startedMs = clock.now();
	return () => `${((clock.now() - startedMs) / 1000).toFixed(1)} s`;
}
