import type { TrailEnded } from "../../core/events.ts";
import type { Secrets } from "../../core/secrets.ts";
import type { Recorded } from "../../core/trail.ts";
import type { Clock, Timer } from "../../tasks/clock.ts";
import type { Log } from "../log/log.ts";
import { Together } from "../trail/together.ts";
import { WallTime } from "../trail/wall-time.ts";
import type { HistoryFault } from "./messages.ts";
import { RowQueue } from "./queue.ts";
import { writeRow } from "./row.ts";
import type { DatabaseThread, WriteEnd } from "./thread.ts";

/** Why requests are not in the history: the file's fault, too many at once, or the end of the process. */
export type DropReason = HistoryFault | "queue" | "closed";

export const dropReasons: readonly DropReason[] = [
	...(["full", "locked", "unwritable", "damaged", "queue", "closed"] as const),
];

export interface WriterState {
	/** Requests that were committed. They outlive the process. */
	readonly written: number;
	readonly dropped: Readonly<Record<DropReason, number>>;
	/** Requests that wait to be written. */
	readonly waiting: number;
	/** What the file took on the disk, with its journal, when it was last written. */
	readonly fileBytes: number;
	/** Values of `record` that are null because they could not be had. */
	readonly recordFaults: number;
}

/** A request that has ended, before anything was made of it. */
interface Ended {
	readonly end: TrailEnded;
	readonly recorded: (() => Recorded) | null;
}

/** After a pause the rows of this time are one transaction. */
const gatheredMs = 50;

/** While requests come, transactions begin so far apart: each costs as much as the rows of 30 requests. */
const apartMs = 250;

/** A file that could not be written is tried again after this time. */
const againMs = 1_000;

/** How often the log is told of requests that are lost. */
const toldMs = 60_000;

/** How long what waits is written at the end. */
const closingMs = 2_000;

/** A write that hangs has so long after that. */
const lastMs = 100;

/** Makes rows of ended requests after their answers, and gives them to the thread. */
export class HistoryWriter {
	readonly #thread: Pick<DatabaseThread, "write" | "close">;
	readonly #clock: Clock;
	readonly #wall: WallTime;
	readonly #log: Pick<Log, "warn" | "info"> | null;
	readonly #secrets: Secrets;
	readonly #queue = new RowQueue();
	readonly #dropped = Object.fromEntries(
		dropReasons.map((reason) => [reason, 0]),
	) as Record<DropReason, number>;
	readonly #ended: Together<Ended>;
	#written = 0;
	#fileBytes = 0;
	#recordFaults = 0;
	/** How many rows the thread has. */
	#given = 0;
	/** When it got them, on the gateway's clock. */
	#givenMs = Number.NEGATIVE_INFINITY;
	#fault: HistoryFault | null = null;
	#giving: Timer | null = null;
	#telling: Timer | null = null;
	/** Of the drops, what the log has been told of. */
	#told: Readonly<Record<DropReason, number>> = { ...this.#dropped };
	#onEmpty: (() => void) | null = null;
	#closed = false;

	constructor(
		thread: Pick<DatabaseThread, "write" | "close">,
		clock: Clock,
		log: Pick<Log, "warn" | "info"> | null,
		secrets: Secrets,
	) {
		this.#thread = thread;
		this.#clock = clock;
		this.#wall = new WallTime(clock);
		this.#log = log;
		this.#secrets = secrets;
		this.#ended = new Together(clock, (all) => this.#make(all));
	}

	/** Only notes it, because its answer has not been sent. Those before it become rows if there are many. */
	take(end: TrailEnded): void {
		const { recorded } = end.trail;
		this.#ended.add({ end, recorded });
	}

	/** What became of the rows that the thread was given. */
	ended(end: WriteEnd): void {
		const given = this.#given;
		this.#given = 0;
		if (end.kind === "failed") return this.#failed(end);
		this.#written += given;
		this.#fileBytes = end.fileBytes;
		this.#queue.remove(given);
		if (this.#fault !== null) {
			this.#log?.info({}, "the history is written again");
			this.#fault = null;
		}
		this.#giveSoon();
	}

	state(): WriterState {
		return {
			written: this.#written,
			dropped: { ...this.#dropped },
			waiting: this.#ended.length + this.#queue.length,
			fileBytes: this.#fileBytes,
			recordFaults: this.#recordFaults,
		};
	}

	async close(): Promise<void> {
		const untilMs = this.#clock.now() + closingMs;
		this.#ended.handOn();
		this.#give();
		if (this.#queue.length > 0) {
			await new Promise<void>((resolve) => {
				const timer = this.#clock.after(closingMs, resolve);
				this.#onEmpty = () => {
					timer.cancel();
					resolve();
				};
			});
		}
		this.#closed = true;
		// The thread may still write what it was given.
		const leftMs = untilMs - this.#clock.now();
		await this.#thread.close(Math.max(lastMs, leftMs));
		const left = this.#queue.length;
		this.#queue.remove(left);
		this.#drop(left, this.#fault ?? "closed");
		this.#giving?.cancel();
		this.#telling?.cancel();
		this.#tell();
		this.#telling?.cancel();
	}

	#make(all: readonly Ended[]): void {
		this.#wall.compare();
		for (const { end, recorded } of all) {
			const endedAt = this.#wall.at(end.trail.arrivedMs + end.durationMs);
			const values = recorded?.() ?? null;
			this.#recordFaults += values?.faults ?? 0;
			const isKept = this.#queue.add((row) =>
				writeRow(row, end, endedAt, values, this.#secrets),
			);
			if (!isKept) this.#drop(1);
		}
		this.#giveSoon();
	}

	#giveSoon(): void {
		if (this.#queue.length === 0 || this.#given > 0) {
			if (this.#queue.length === 0) this.#onEmpty?.();
			return;
		}
		const closing = this.#onEmpty !== null;
		if (this.#fault === null && (closing || this.#queue.isBatch)) this.#give();
		else if (this.#giving === null) {
			const leftMs = this.#givenMs + apartMs - this.#clock.now();
			const pauseMs = Math.max(gatheredMs, leftMs);
			this.#giving = this.#clock.aside(pauseMs, () => this.#give());
		}
	}

	#give(): void {
		this.#giving?.cancel();
		this.#giving = null;
		if (this.#given > 0 || this.#queue.length === 0 || this.#closed) return;
		const rows = this.#queue.batch();
		this.#given = rows.count;
		this.#givenMs = this.#clock.now();
		this.#thread.write(rows);
	}

	#failed({ fault, message }: Extract<WriteEnd, { kind: "failed" }>): void {
		// The end of its thread when nothing waits any more is no fault.
		if (this.#closed && this.#queue.length === 0) return;
		if (this.#fault !== fault) {
			this.#log?.warn(
				{ reason: fault, message },
				"the history cannot be written now",
			);
		}
		this.#fault = fault;
		if (this.#closed) return;
		// Waiting helps only against what others do.
		if (fault === "unwritable" || fault === "damaged") this.#onEmpty?.();
		this.#giving?.cancel();
		this.#giving = this.#clock.aside(againMs, () => this.#give());
	}

	#drop(count: number, reason: DropReason = this.#fault ?? "queue"): void {
		if (count === 0) return;
		this.#dropped[reason] += count;
		this.#telling ??= this.#clock.aside(0, () => this.#tell());
	}

	/** At once, and then not before a minute has passed. */
	#tell(): void {
		const before = this.#told;
		this.#told = { ...this.#dropped };
		this.#telling = null;
		const lost = dropReasons
			.map((reason) => ({
				count: this.#told[reason] - before[reason],
				reason,
			}))
			.filter(({ count }) => count > 0);
		if (lost.length === 0) return;
		for (const one of lost) {
			this.#log?.warn(one, "requests are missing in the history");
		}
		this.#telling = this.#clock.aside(toldMs, () => this.#tell());
	}
}
