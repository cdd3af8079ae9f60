import { type ChildProcess, type SendHandle, spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Handed } from "./handed.ts";
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
	/** Connections that it has not been sent yet. */
	const leaving = new Set<Handed>();
	const end = (code: number | null, signal: string | null) => {
		if (over) return;
		over = true;
		for (const handed of leaving) handed.close();
		hears.ended({ code, signal });
	};
	child.once("exit", (code, signal) => {
		// What it said last may not have been read yet: a round of the event loop reads it.
		setImmediate(() => setImmediate(() => end(code, signal)));
	});
	child.on("error", () => {
		if (child.pid === undefined) end(null, null);
	});
	child.on("message", (message, handed: unknown) =>
		hears.message(message as FromWorker, handed as Handed | undefined),
	);
	return {
		pid: child.pid ?? 0,
		send(message, handed) {
			if (handed && !over) leaving.add(handed);
			const sent = () => {
				if (handed === undefined) return;
				leaving.delete(handed);
				handed.close();
			};
			if (!child.connected) return sent();
			// Without a callback a channel that has just closed would throw.
			child.send(message, handed as SendHandle, {}, sent);
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
