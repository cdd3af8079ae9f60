import { readFileSync, statSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { GatewayError } from "../core/errors.ts";
import type { Clock, Timer } from "../tasks/clock.ts";

/** How often a file is looked at. Notices of the system miss files that are swapped by a link, as Kubernetes does it. */
const lookMs = 5_000;

export interface WatchedFileContext<Value> {
	readonly clock: Clock;
	/** Throws with words for the operator if the text is not what it should be. */
	readonly read: (text: string) => Value;
	/** Hears of each reading after the first: null if it went well. */
	readonly reread: (error: GatewayError | null) => void;
}

/** What a file says, read again after it has changed. If it is gone or wrong then, what it said before goes on. */
export class WatchedFile<Value> {
	value: Value;
	/** Rises with each new value. */
	version = 0;
	readonly #path: string;
	readonly #context: WatchedFileContext<Value>;
	#mark: string;
	#next: Timer | null = null;
	#closed = false;

	/** Throws `config_invalid` if the file cannot be read now. */
	constructor(path: string, context: WatchedFileContext<Value>) {
		this.#path = path;
		this.#context = context;
		try {
			this.#mark = markOf(statSync(path));
			this.value = context.read(readFileSync(path, "utf8"));
		} catch (error) {
			throw unreadable(path, error);
		}
		this.#lookLater();
	}

	#lookLater(): void {
		if (this.#closed) return;
		this.#next = this.#context.clock.aside(lookMs, () => {
			void this.look().then(() => this.#lookLater());
		});
	}

	/** Reads the file again if it has changed. Never rejects. */
	async look(): Promise<void> {
		let mark = "gone";
		let error: GatewayError | null = null;
		try {
			mark = markOf(await stat(this.#path));
			if (mark === this.#mark) return;
			const text = await readFile(this.#path, "utf8");
			if (this.#closed) return;
			this.value = this.#context.read(text);
			this.version++;
		} catch (thrown) {
			error = unreadable(this.#path, thrown);
		}
		// A fault is told once, and not every time somebody looks.
		if (mark === this.#mark || this.#closed) return;
		this.#mark = mark;
		this.#context.reread(error);
	}

	close(): void {
		this.#closed = true;
		this.#next?.cancel();
	}
}

function markOf(one: {
	readonly mtimeMs: number;
	readonly size: number;
	readonly ino: number;
}): string {
	return `${one.mtimeMs} ${one.size} ${one.ino}`;
}

/** The system's message has the path and no content. */
function unreadable(path: string, thrown: unknown): GatewayError {
	const code = (thrown as NodeJS.ErrnoException)?.code;
	const words =
		code === "ENOENT"
			? "there is no such file"
			: thrown instanceof Error
				? thrown.message
				: "it cannot be read";
	return new GatewayError("config_invalid", `${path}: ${words}`);
}
