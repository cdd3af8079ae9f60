/** How much is computed in one turn of the loop before others have theirs: 20 ms, in units of 100 ns. */
const turnMax = 200_000;

/** Less is not worth an immediate of its own. It counts for the turns that come. */
const turnMin = 10_000;

/** For how long those who waited go on in one turn, in milliseconds. One of them goes on in any case. */
const resumedMsMax = 5;

/** How many of those who waited may go on in one turn. */
const resumedMax = 64;

/** A piece that waits for another turn. */
interface Waiting {
	readonly resolve: () => void;
	/** What it will take of the turn at least. */
	readonly cost: number;
	readonly sinceMs: number;
}

/** All of one client that wait, in the order they came. */
interface Line {
	/** Pieces of work that was begun. */
	readonly pieces: Waiting[];
	/** Work that is to be begun. */
	readonly begins: Waiting[];
	/** Which of the two goes on next, if both wait. */
	next: "pieces" | "begins";
	readonly sinceMs: number;
	/**
	 * The milliseconds that its pieces have taken, each rounded up, on top of what the line had taken that went on
	 * last when it came.
	 */
	takenMs: number;
}

/**
 * How much has been computed in this turn of the event loop. All who compute in pieces share it: each piece asks before it
 * begins, and waits for another turn if this one has computed for long. So timers, new requests and health checks wait
 * for 20 ms of computing and one piece at most. Of those who wait, the client goes on whose pieces have taken the least
 * time. So a client with many pieces, or costly ones, delays its own.
 */
export class LoopTurn {
	/** What was computed in this turn, in units of 100 ns. Whoever computes adds to it. */
	spent = 0;
	readonly #now: () => number;
	/** The lines of the clients that wait. Of those that have taken as much, the first has waited longest. */
	readonly #lines = new Map<string, Line>();
	/** Those of which nothing has gone on yet, the oldest first. */
	readonly #newLines = new Set<Line>();
	#size = 0;
	/** How many of them are pieces of work that was begun. */
	#pieces = 0;
	#ending = false;
	/** What was spent, and when, as the first of those who had waited went on; null before that. */
	#resumed: { readonly spent: number; readonly atMs: number } | null = null;
	/** What the line had taken that went on last. No line has taken less. */
	#leastMs = 0;
	/** The line whose piece went on last, and when. */
	#running: { readonly line: Line; readonly atMs: number } | null = null;

	/** `now` is the time on the clock of those who wait, in milliseconds. */
	constructor(now: () => number = () => performance.now()) {
		this.#now = now;
	}

	/**
	 * Whether there is time left in this turn for a piece that takes so much at least. If not, it must wait for a later
	 * one. The first piece of a turn may take any time. Work that is to be begun holds up no piece: a request has a dozen
	 * small ones, and each would wait for a turn of its own.
	 */
	hasTimeFor(cost = 0): boolean {
		if (this.spent < turnMin && this.#pieces === 0) return true;
		this.#endSoon();
		return this.spent + cost < turnMax && this.#pieces === 0;
	}

	/** A promise of time in a later turn, for a client's piece. Its first reaction is to compute at once. */
	later(client: string, cost = 0): Promise<void> {
		return this.#wait(client, cost, "pieces");
	}

	/** As `later`, for new work of a client. It and the client's other pieces go on in turn, so that both get ahead. */
	beginLater(client: string): Promise<void> {
		return this.#wait(client, 0, "begins");
	}

	#wait(
		client: string,
		cost: number,
		kind: "pieces" | "begins",
	): Promise<void> {
		this.#endSoon();
		const sinceMs = this.#now();
		const line = this.#lines.get(client) ?? this.#newLine(sinceMs);
		this.#lines.set(client, line);
		this.#size++;
		if (kind === "pieces") this.#pieces++;
		return new Promise((resolve) => {
			line[kind].push({ resolve, cost, sinceMs });
		});
	}

	/** Whoever comes goes before those that have taken more, and is not owed what it did not ask for. */
	#newLine(sinceMs: number): Line {
		const line: Line = {
			...{ pieces: [], begins: [], next: "pieces" },
			...{ sinceMs, takenMs: this.#leastMs },
		};
		this.#newLines.add(line);
		return line;
	}

	/** The line that goes on next. */
	get #next(): [client: string, line: Line] | null {
		let next: [client: string, line: Line] | null = null;
		for (const entry of this.#lines) {
			// In a crowd of new clients that is the first.
			if (entry[1].takenMs <= this.#leastMs) return entry;
			if (next === null || entry[1].takenMs < next[1].takenMs) next = entry;
		}
		return next;
	}

	/** Whether anything waits for another turn. */
	get waited(): boolean {
		return this.#size > 0;
	}

	/**
	 * How long a client has to expect to wait, in milliseconds: as long as its own oldest piece has waited, or the client
	 * that has come and waits for its first.
	 */
	waitOf(client: string): number {
		if (this.#size === 0) return 0;
		const nowMs = this.#now();
		const own = this.#lines.get(client);
		const [first] = this.#newLines;
		const oldest = [own?.pieces[0], own?.begins[0], first];
		return nowMs - Math.min(...oldest.map((one) => one?.sinceMs ?? nowMs));
	}

	#endSoon(): void {
		if (this.#ending) return;
		this.#ending = true;
		setImmediate(this.#end);
	}

	/** Those who wait go on in the next turn. Each has an immediate, because promises are run to their end between two. */
	readonly #end = (): void => {
		this.#ending = false;
		this.spent = 0;
		this.#count(performance.now());
		const count = Math.min(this.#size, resumedMax);
		if (count === 0) return;
		this.#resumed = null;
		for (let index = 0; index < count; index++) setImmediate(this.#resume);
		this.#endSoon();
	};

	readonly #resume = (): void => {
		const atMs = performance.now();
		this.#count(atMs);
		const next = this.#next;
		if (next === null) return;
		const [client, line] = next;
		const [oldest] = line[nextIn(line)] as [Waiting];
		// The first may take any time.
		if (this.#resumed !== null && !this.#hasTimeToGoOn(oldest, atMs)) return;
		this.#resumed ??= { spent: this.spent, atMs };
		this.#moveBack(client, line);
		this.#leastMs = line.takenMs;
		this.#running = { line, atMs };
		oldest.resolve();
	};

	/** Not only what was counted takes time: nobody counts what a function of an author's computes. */
	#hasTimeToGoOn({ cost }: Waiting, nowMs: number): boolean {
		const { spent, atMs } = this.#resumed ?? { spent: this.spent, atMs: nowMs };
		return this.spent - spent + cost < turnMax && nowMs - atMs <= resumedMsMax;
	}

	/** Counts the time of the piece that went on last. It has ended, or waits for something else. */
	#count(nowMs: number): void {
		if (this.#running === null) return;
		const { line, atMs } = this.#running;
		line.takenMs += Math.max(1, Math.ceil(nowMs - atMs));
		this.#running = null;
	}

	/** Others that have taken as much have their turns before this client has another. */
	#moveBack(client: string, line: Line): void {
		this.#lines.delete(client);
		this.#size--;
		const kind = nextIn(line);
		line[kind].shift();
		if (kind === "pieces") this.#pieces--;
		line.next = kind === "pieces" ? "begins" : "pieces";
		this.#newLines.delete(line);
		if (line.pieces.length + line.begins.length > 0) {
			this.#lines.set(client, line);
		}
	}
}

function nextIn({ pieces, begins, next }: Line): Line["next"] {
	if (pieces.length === 0) return "begins";
	return begins.length === 0 ? "pieces" : next;
}
