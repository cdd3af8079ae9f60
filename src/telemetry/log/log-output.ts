import { write, writeSync } from "node:fs";
import type { Clock, Timer } from "../../tasks/clock.ts";
import { JsonBytes } from "../trail/json-bytes.ts";

/** How much may wait for the log's reader, in bytes. Further lines are dropped and counted. */
const waitingMax = 1024 * 1024;

/** The longest piece of one write. */
const pieceMax = 64 * 1024;

/** What the system writes to a pipe as one, whoever else writes to it (POSIX has at least 512; Linux this). */
const wholeBytesMax = 4096;

/** Lines of this time are one write: each costs a turn of a thread, which is more than to make a hundred lines. */
const gatheredMs = 100;

/** A line after a pause is written so soon. */
const soonMs = 10;

/** When the system takes nothing, it is asked again after this time. */
const againMs = 100;

/**
 * Writes lines to a descriptor without ever waiting for it, or failing with it. A full disk and a reader that stalls cost
 * lines, not answers.
 */
export class LogOutput {
	readonly #clock: Clock;
	readonly #onGap: (dropped: number) => void;
	readonly #fd: number;
	/** Then no piece is so long that the system could tear it. */
	readonly #shared: boolean;
	readonly #hide: (piece: Buffer) => Buffer;
	/** The next line is written here. Then `endLine` takes it. Lines that wait stand before it, outside the heap. */
	readonly out = new JsonBytes();
	/** How long each line is that waits. */
	#lengths: number[] = [];
	/** Where the first of them begins. */
	#from = 0;
	/** Where the last of them ends. */
	#to = 0;
	/** Up to here they are written now, one piece after the other. */
	#gatheredTo = 0;
	/** When the last write began, on the gateway's clock. */
	#sentMs = Number.NEGATIVE_INFINITY;
	/** The piece that is being written. */
	#piece: Uint8Array | null = null;
	/** Begins the next piece. */
	#due: Timer | null = null;
	/** Whether somebody has lines for the next write who has not made them yet. */
	#wanted = false;
	/** Is called before each write. It may write lines that were put off. */
	onDue: (() => void) | null = null;
	#dropped = 0;
	#onFlushed: (() => void) | null = null;

	/**
	 * `onGap` is told how many lines were dropped, once others are written again. If other processes write there, too, it is
	 * `shared`: then lines of up to 4 KiB stay whole. `hide` takes out what nobody may read, and makes no piece longer: many
	 * lines at once are searched faster than one after the other.
	 */
	constructor(
		fd: number,
		clock: Clock,
		onGap: (dropped: number) => void,
		shared = false,
		hide: (piece: Buffer) => Buffer = (piece) => piece,
	) {
		// Else the first line would fail on a request's path.
		if (!(Number.isInteger(fd) && fd >= 0 && fd < 2 ** 31)) {
			throw new RangeError(`fd is the number of an open file, not ${fd}`);
		}
		this.#fd = fd;
		this.#shared = shared;
		this.#hide = hide;
		this.#clock = clock;
		this.#onGap = onGap;
	}

	write(line: string): void {
		this.out.raw(line);
		this.endLine();
	}

	/** What was written to `out` is a line. */
	endLine(): void {
		const { length } = this.out;
		if (length - this.#from > waitingMax) {
			this.out.cut(this.#to);
			this.#dropped++;
			return;
		}
		this.#lengths.push(length - this.#to);
		this.#to = length;
		if (this.#piece === null) this.#nextSoon();
	}

	/** Lets the next write come, for lines that `onDue` will make. */
	want(): void {
		this.#wanted = true;
		if (this.#piece === null) this.#nextSoon();
	}

	get #waiting(): number {
		return this.#to - this.#from;
	}

	/** Resolves when all is written, or after this time. */
	flush(timeoutMs: number): Promise<void> {
		this.onDue?.();
		if (this.#piece === null) this.#next();
		if (this.#piece === null) return Promise.resolve();
		return new Promise((resolve) => {
			const timer = this.#clock.after(timeoutMs, resolve);
			this.#onFlushed = () => {
				timer.cancel();
				resolve();
			};
		});
	}

	/** Writes what waits before the process ends, as far as the system takes it at once. */
	writeRest(): void {
		this.onDue?.();
		// The piece that is being written may be out already, and would stand there twice.
		try {
			while (this.#waiting > 0) {
				const rest = this.#takePiece();
				for (let at = 0; at < rest.length; ) {
					at += writeSync(this.#fd, rest, at);
				}
			}
		} catch {
			// Nobody is left to be told.
		}
	}

	#nextSoon(): void {
		if (this.#waiting >= pieceMax) return this.#next();
		if (this.#due !== null) return;
		const pauseMs = this.#sentMs + gatheredMs - this.#clock.now();
		this.#due = this.#clock.aside(Math.max(soonMs, pauseMs), () =>
			this.#next(),
		);
	}

	#next(): void {
		this.#wanted = false;
		this.onDue?.();
		// Its lines were so many that they are being written.
		if (this.#piece !== null) return;
		this.#due?.cancel();
		this.#due = null;
		this.#gatheredTo = this.#to;
		this.#go();
	}

	#go(): void {
		if (this.#waiting === 0) this.#onFlushed?.();
		else this.#send(this.#takePiece());
	}

	/** The lines of the next write: one at least. */
	#takePiece(): Uint8Array {
		let bytes = 0;
		let count = 0;
		for (const length of this.#lengths) {
			const isLong = this.#shared && bytes + length > wholeBytesMax;
			if (bytes >= pieceMax || (count > 0 && isLong)) break;
			bytes += length;
			count++;
		}
		this.#lengths.splice(0, count);
		const from = this.#from;
		this.#from += bytes;
		return this.#hide(this.out.slice(from, this.#from));
	}

	/** Takes the memory of what is written again. */
	#forget(): void {
		const from = this.#from;
		this.#to -= from;
		this.#gatheredTo -= from;
		this.#from = 0;
		if (this.#to === 0) this.out.cut(0);
		else this.out.shift(from);
	}

	#send(piece: Uint8Array): void {
		this.#piece = piece;
		this.#sentMs = this.#clock.now();
		write(this.#fd, piece, (error, written) => {
			if (error !== null) {
				this.#clock.aside(againMs, () => this.#send(piece));
			} else if (written < piece.length) {
				this.#send(piece.subarray(written));
			} else {
				// Its line waits behind this piece, like every other.
				this.#tellGap();
				this.#piece = null;
				this.#forget();
				const goesOn = this.#gatheredTo > 0 || this.#onFlushed !== null;
				if (goesOn) this.#go();
				else if (this.#waiting > 0 || this.#wanted) this.#nextSoon();
			}
		});
	}

	#tellGap(): void {
		if (this.#dropped === 0 || this.#waiting > waitingMax / 2) return;
		const dropped = this.#dropped;
		this.#dropped = 0;
		this.#onGap(dropped);
	}
}
