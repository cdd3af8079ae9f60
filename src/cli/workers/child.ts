import { type ChildProcess, spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { FromWorker, WorkerStart } from "./messages.ts";
import type { WorkerHears, WorkerProcess } from "./supervisor.ts";

const code = fileURLToPath(
	new URL(`./worker-process${extname(import.meta.url)}`, import.meta.url),
);

/** Starts a worker, with the sockets from which it accepts. */
export function startChild(
	start: WorkerStart,
	sockets: readonly number[],
	hears: WorkerHears,
): WorkerProcess {
	const child: ChildProcess = spawn(
		process.execPath,
		[...nodeOptions(), code, JSON.stringify(start)],
		{
			stdio: ["ignore", "inherit", "inherit", "ipc", ...sockets],
			serialization: "advanced",
		},
	);
	// `exit` does not come if the system could not start it.
	let over = false;
	const end = (code: number | null, signal: string | null) => {
		if (over) return;
		over = true;
		hears.ended({ code, signal });
	};
	child.once("exit", (code, signal) => {
		// What it said last may not have been read yet: a round of the event loop reads it.
		setImmediate(() => setImmediate(() => end(code, signal)));
	});
	child.on("error", () => {
		if (child.pid === undefined) end(null, null);
	});
	child.on("message", (message) => hears.message(message as FromWorker));
	return {
		pid: child.pid ?? 0,
		send(message) {
			// Without a callback a channel that has just closed would throw.
			if (child.connected) child.send(message, () => {});
		},
		kill() {
			child.kill("SIGKILL");
		},
	};
}

/** Those of this process. Its port for debuggers is taken. */
function nodeOptions(): readonly string[] {
	return process.execArgv.filter((option) => !option.startsWith("--inspect"));
}
