import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { availableParallelism } from "node:os";

/** Which half of the machine: what is measured, or what asks and answers it. */
export type Side = "gateway" | "load";

/** A process of ours; it ends at the latest with us. */
export interface Running {
	readonly pid: number;
	/** The first line it printed, or an empty text. */
	readonly line: string;
	/** Asks it to end, and ends it after two seconds. Resolves when it is gone. */
	end(): Promise<void>;
}

export interface Processes extends AsyncDisposable {
	/** Runs a program to its end; its output. Fails with what it said where its exit code is not 0. */
	run(side: Side, command: readonly string[]): Promise<string>;
	/** Starts one and waits for its first line of output, or for its port to be open. */
	start(
		side: Side,
		command: readonly string[],
		until: "line" | number,
	): Promise<Running>;
	/** In which way the two sides are kept apart, in words. */
	readonly apart: string;
}

/** How long a process may take to begin; a config of 10,000 routes is among them. */
const patienceMs = 60_000;

/**
 * Starts processes, each on its side of the machine, and ends them all when it is left or the program is interrupted.
 * `together`: all of them share all cores.
 */
export function createProcesses({ together = false } = {}): Processes {
	const children = new Set<ChildProcess>();
	const endsWithUs = has("setpriv", "--help")
		? ["setpriv", "--pdeathsig", "TERM"]
		: [];
	const pinned =
		!together && availableParallelism() > 1 && has("taskset", "--help");
	const spawnOn = (side: Side, command: readonly string[]) => {
		const core = side === "gateway" ? "0" : "1";
		const pin = pinned ? ["taskset", "--cpu-list", core] : [];
		const [program = "", ...args] = [...endsWithUs, ...pin, ...command];
		const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
		children.add(child);
		child.once("exit", () => children.delete(child));
		child.once("error", () => children.delete(child));
		return child;
	};
	const endAll = () => Promise.all(Array.from(children, end));
	const interrupt = () => void endAll().then(() => process.exit(130));
	process.once("SIGINT", interrupt);
	process.once("SIGTERM", interrupt);
	return {
		apart: pinned
			? "the gateway on one core, the loader and the upstream on another (taskset)"
			: "not pinned to cores",
		run: async (side, command) => {
			const child = spawnOn(side, command);
			const output = outputOf(child);
			const [code] = await once(child, "close");
			if (code === 0) return output.stdout;
			throw new Error(`${command[0]} ended with ${code}: ${output.stderr}`);
		},
		start: async (side, command, until) => {
			const child = spawnOn(side, command);
			const output = outputOf(child);
			try {
				await ready(child, output, until);
			} catch (error) {
				await end(child);
				throw error;
			}
			const [line = ""] = output.stdout.split("\n");
			return { pid: child.pid ?? 0, line, end: () => end(child) };
		},
		[Symbol.asyncDispose]: async () => {
			process.off("SIGINT", interrupt);
			process.off("SIGTERM", interrupt);
			await endAll();
		},
	};
}

/** Asks first: nginx, killed, would leave its workers behind. */
async function end(child: ChildProcess): Promise<void> {
	if (child.pid === undefined || child.exitCode !== null) return;
	const ended = once(child, "exit");
	child.kill("SIGTERM");
	const hard = setTimeout(() => child.kill("SIGKILL"), 2_000);
	await ended;
	clearTimeout(hard);
}

/** Whether a program is there. */
export function has(program: string, ...args: string[]): boolean {
	try {
		execFileSync(program, args, { stdio: "ignore" });
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code !== "ENOENT";
	}
}

/** A port of loopback that was free just now, for programs that cannot choose one. */
export async function freePort(): Promise<number> {
	const server = createServer();
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

interface Output {
	stdout: string;
	stderr: string;
}

function outputOf(child: ChildProcess): Output {
	const output: Output = { stdout: "", stderr: "" };
	child.stdout?.on("data", (chunk) => {
		output.stdout += chunk;
	});
	child.stderr?.on("data", (chunk) => {
		output.stderr += chunk;
	});
	child.on("error", (error) => {
		output.stderr += error.message;
	});
	return output;
}

async function ready(
	child: ChildProcess,
	output: Output,
	until: "line" | number,
): Promise<void> {
	const deadline = performance.now() + patienceMs;
	while (performance.now() < deadline) {
		if (child.exitCode !== null || child.pid === undefined) {
			throw new Error(`${child.spawnargs.join(" ")} ended: ${output.stderr}`);
		}
		if (until === "line" ? output.stdout.includes("\n") : await open(until)) {
			return;
		}
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
	throw new Error(`${child.spawnargs.join(" ")} does not begin`);
}

function open(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1");
		socket.once("connect", () => {
			socket.destroy();
			resolve(true);
		});
		socket.once("error", () => resolve(false));
	});
}
