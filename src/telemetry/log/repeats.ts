import type { Clock, Timer } from "../../tasks/clock.ts";

/** Writes a line that stands for so many events. */
export type WriteLine = (count: number) => void;

interface Repeat {
	sinceMs: number;
	lines: number;
	/** Events that no line stands for yet, and the line of the last of them. */
	held: number;
	write: WriteLine;
}

const everyMs = 1000;

/** Writes a bounded number of lines a second of each kind. The next line stands for all events between. */
export class Repeats {
	readonly #clock: Clock;
	readonly #kinds = new Map<string, Repeat>();
	#timer: Timer | null = null;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Tells one event of a kind. At most `linesMax` lines a second are written of it. */
	tell(kind: string, linesMax: number, write: WriteLine): void {
		const now = this.#clock.now();
		let repeat = this.#kinds.get(kind);
		if (repeat === undefined) {
			repeat = { sinceMs: now, lines: 0, held: 0, write };
			this.#kinds.set(kind, repeat);
		} else if (repeat.held === 0 && now - repeat.sinceMs >= everyMs) {
			repeat.sinceMs = now;
			repeat.lines = 0;
		}
		if (repeat.lines < linesMax) {
			repeat.lines++;
			write(1);
			return;
		}
		repeat.held++;
		repeat.write = write;
		this.#timer ??= this.#clock.aside(everyMs, () => this.writeHeld());
	}

	/** Writes the lines of all events that were held back. */
	writeHeld(): void {
		this.#timer?.cancel();
		this.#timer = null;
		const now = this.#clock.now();
		for (const repeat of this.#kinds.values()) {
			const { held, write } = repeat;
			if (held === 0) continue;
			Object.assign(repeat, { held: 0, sinceMs: now, lines: 1 });
			write(held);
		}
	}
}
