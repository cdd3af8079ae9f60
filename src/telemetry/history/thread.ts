import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { GatewayError } from "../../core/errors.ts";
import type { Clock } from "../../tasks/clock.ts";
import type {
	FromDatabase,
	HistoryFile,
	HistoryPage,
	HistoryQuery,
	KeptDetail,
	ToDatabase,
} from "./messages.ts";
import type { PackedRows } from "./rows.ts";

/** What became of the rows that were given last. */
export type WriteEnd = Extract<
	FromDatabase,
	{ readonly kind: "failed" | "written" }
>;

type Answer = Extract<FromDatabase, { readonly kind: "answered" }>["value"];

interface Asked {
	resolve(value: Answer): void;
	reject(error: GatewayError): void;
}

const code = fileURLToPath(
	new URL(`./database-thread${extname(import.meta.url)}`, import.meta.url),
);

/** How many may ask at once. */
const askedMax = 16;

/** How long somebody waits for an answer. */
const answerMs = 5_000;

/**
 * The thread that has the database of a history: SQLite waits for the disk, and the event loop may not. A thread that has
 * ended is started anew when it is next needed. It keeps no process alive.
 */
export class DatabaseThread {
	readonly #file: HistoryFile;
	readonly #clock: Clock;
	readonly #onWritten: (end: WriteEnd) => void;
	readonly #asked = new Map<number, Asked>();
	#calls = 0;
	#worker: Worker | null = null;
	#writing = false;
	#closed = false;

	/** `onWritten` is called once for each call of `write`. */
	constructor(
		file: HistoryFile,
		clock: Clock,
		onWritten: (end: WriteEnd) => void,
	) {
		this.#file = file;
		this.#clock = clock;
		this.#onWritten = onWritten;
	}

	/**
	 * Starts the thread, if there is none. On a busy machine that takes longer than a gateway has for its last requests, so it is
	 * not left to the first write.
	 */
	begin(): void {
		this.#worker ??= this.#start();
	}

	/** Writes all of these rows, or none. They must not change before its end, for which the next ones wait. */
	write(rows: PackedRows): void {
		this.#writing = true;
		this.#post({ kind: "write", rows });
	}

	search(query: HistoryQuery): Promise<HistoryPage> {
		return this.#ask((call) => ({
			...{ kind: "search", call, query },
		})) as Promise<HistoryPage>;
	}

	detail(id: string): Promise<KeptDetail | null> {
		return this.#ask((call) => ({
			...{ kind: "detail", call, id },
		})) as Promise<KeptDetail | null>;
	}

	/** Resolves when the file is closed, or after `timeoutMs`. */
	async close(timeoutMs: number): Promise<void> {
		const worker = this.#worker;
		this.#closed = true;
		if (worker === null) return;
		await new Promise<void>((resolve) => {
			const timer = this.#clock.after(timeoutMs, resolve);
			worker.once("exit", () => {
				timer.cancel();
				resolve();
			});
			this.#post({ kind: "close" });
		});
		// One that hangs in the disk would not end before the disk does.
		void worker.terminate();
	}

	/** Rejects with `admin_unavailable` if the file cannot be read, or not in time. */
	async #ask(messageOf: (call: number) => ToDatabase): Promise<Answer> {
		if (this.#closed) throw unanswered("it is closed");
		if (this.#asked.size === askedMax) {
			throw unanswered(`${askedMax} others ask already`);
		}
		this.#calls += 1;
		const call = this.#calls;
		return await new Promise<Answer>((resolve, reject) => {
			const timer = this.#clock.after(answerMs, () =>
				asked.reject(unanswered(`no answer within ${answerMs} ms`)),
			);
			const end = () => {
				timer.cancel();
				this.#asked.delete(call);
			};
			const asked = {
				resolve(value: Answer) {
					end();
					resolve(value);
				},
				reject(error: GatewayError) {
					end();
					reject(error);
				},
			};
			this.#asked.set(call, asked);
			this.#post(messageOf(call));
		});
	}

	#post(message: ToDatabase): void {
		this.begin();
		this.#worker?.postMessage(message);
	}

	#start(): Worker {
		const worker = new Worker(code, { workerData: this.#file });
		worker.unref();
		worker.on("message", (message: FromDatabase) => this.#hear(message));
		let words = "its thread has ended";
		worker.on("error", (error) => {
			words = `its thread has failed: ${error instanceof Error ? error.message : String(error)}`;
		});
		worker.on("exit", () => {
			this.#worker = null;
			this.#lose(words);
		});
		return worker;
	}

	#hear(message: FromDatabase): void {
		switch (message.kind) {
			case "answered":
				this.#asked.get(message.call)?.resolve(message.value);
				return;
			case "refused":
				this.#asked.get(message.call)?.reject(unanswered(message.message));
				return;
			case "written":
			case "failed":
				this.#endWrite(message);
		}
	}

	#lose(message: string): void {
		for (const { reject } of this.#asked.values()) reject(unanswered(message));
		this.#endWrite({ kind: "failed", fault: "unwritable", message });
	}

	#endWrite(end: WriteEnd): void {
		if (!this.#writing) return;
		this.#writing = false;
		this.#onWritten(end);
	}
}

function unanswered(why: string): GatewayError {
	return new GatewayError(
		"admin_unavailable",
		`the history cannot be read now: ${why}`,
	);
}
