import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { fileURLToPath } from "node:url";
import { type Canary, startCanary } from "./kit/canary.ts";
import type { Packed } from "./kit/packed.ts";

/** A port that is open while the whole suite runs, and that the hostile strings name: nobody may be led to it. */
let canary: Canary;

/** The command that tests start, if they do not start the source. */
let packed: Packed | null = null;

/** What Node has compiled, for the next file and the next run: a third of what a file of tests takes to start. */
const compiled = new URL("../node_modules/.cache/compiled", import.meta.url);

/** How long a file may take. In a loop that never ends no timer of its own process runs out. */
const fileMsMax = Number(process.env["SUITE_FILE_MS"] ?? 180_000);

export async function globalSetup(): Promise<void> {
	subscribe("child_process", endInTime);
	process.env["NODE_COMPILE_CACHE"] ||= fileURLToPath(compiled);
	canary = await startCanary();
	process.env["SUITE_CANARY_PORT"] = String(canary.port);
	if (process.env["SUITE_PACKED"]) {
		// Others need not wait for the packer.
		const { packSluice } = await import("./kit/packed.ts");
		packed = await packSluice();
		process.env["SUITE_BIN"] = packed.bin;
	}
}

/** The runner starts one process per file, and nothing else. */
function endInTime(message: unknown): void {
	const { process: file } = message as { process: ChildProcess };
	const timer = setTimeout(() => {
		const name = file.spawnargs.at(-1);
		console.error(`${name} did not end within ${fileMsMax / 1000} s`);
		file.kill("SIGKILL");
	}, fileMsMax);
	file.once("exit", () => clearTimeout(timer));
}

/** What is thrown here fails the run, but without a word. */
export async function globalTeardown(): Promise<void> {
	unsubscribe("child_process", endInTime);
	packed?.[Symbol.dispose]();
	try {
		await canary[Symbol.asyncDispose]();
	} catch (error) {
		console.error(error);
		throw error;
	}
}
