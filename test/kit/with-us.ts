import { type ChildProcess, spawn } from "node:child_process";

/** Ends all that it was told of when its input ends. Lines are `+ pid` and `- pid`. */
const watch = `
live=""
while read -r sign pid; do
	others=""
	for one in $live; do [ "$one" = "$pid" ] || others="$others $one"; done
	live="$others"
	[ "$sign" = + ] && live="$live $pid"
done
for one in $live; do kill -KILL "$one"; done
`;

let watcher: ChildProcess | null = null;

/**
 * A child that this process starts ends when this process ends, also when it is killed and can do nothing more. A process of its own
 * watches that, by a pipe that the system closes. It is in no group with others, so a signal to all of a terminal does not end it.
 */
export function endsWithUs(child: ChildProcess): void {
	const { pid } = child;
	// It could not be started.
	if (pid === undefined) return;
	watcher ??= startWatcher();
	const { stdin } = watcher;
	stdin?.write(`+ ${pid}\n`);
	// Its number may be given to another process.
	child.once("exit", () => stdin?.write(`- ${pid}\n`));
}

/** Nothing here waits for it. */
function startWatcher(): ChildProcess {
	const started = spawn("sh", ["-c", watch], {
		stdio: ["pipe", "ignore", "ignore"],
		detached: true,
	});
	started.unref();
	// A pipe of Node's has this, though its type does not say so.
	(started.stdin as unknown as { unref(): void }).unref();
	started.stdin?.on("error", () => {});
	return started;
}
