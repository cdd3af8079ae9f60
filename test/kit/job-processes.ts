import { once } from "node:events";
import { type RunningCommand, sluice } from "./cli.ts";

/** A process of `serve` or `work` that is started anew whenever it was killed. */
export class JobProcess {
	readonly #args: readonly string[];
	readonly #cwd: string;
	#command: RunningCommand;
	/** What its former lives have said. */
	#said = "";

	constructor(args: readonly string[], cwd: string) {
		this.#args = args;
		this.#cwd = cwd;
		this.#command = sluice(args, { cwd });
	}

	/** Resolves with the address when it serves, or with nothing when it works. */
	async ready(): Promise<string> {
		await this.#command.printed(
			this.#args[0] === "work" ? "working" : "listening on",
		);
		return /http:\S+/.exec(this.#command.stdout())?.[0] ?? "";
	}

	/** As a power cut: it says nothing to anybody. */
	async killAndRestart(): Promise<void> {
		await this.end("SIGKILL");
		this.#said = this.log();
		this.#command = sluice(this.#args, { cwd: this.#cwd });
	}

	/** What all of its lives have written to stderr. */
	log(): string {
		const { process, stderr } = this.#command;
		const life = `-- ${this.#args.join(" ")}, process ${process.pid}\n`;
		return this.#said + life + stderr();
	}

	async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
		const { process: child } = this.#command;
		if (child.exitCode !== null || child.signalCode !== null) return;
		const exited = once(child, "exit");
		child.kill(signal);
		await exited;
	}
}
