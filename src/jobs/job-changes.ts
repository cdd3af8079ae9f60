import type { Clock, Timer } from "../tasks/clock.ts";
import { tellApart } from "../tasks/failure.ts";
import type { Scope } from "../tasks/scope.ts";
import { hasEnded, type Job } from "./job.ts";
import type { Found, JobStore } from "./job-store.ts";

/** How often jobs are looked at that others may run. */
const lookMs = 250;

type Hear = (found: Found) => void;

/** Those who wait for a job, each with what it was told last: one that comes may know less than the others, or more. */
type Followed = Map<Hear, string>;

/** Tells those who wait how jobs go, wherever they run. Nothing is looked at while nobody waits. */
export class JobChanges {
	readonly #store: JobStore;
	readonly #clock: Clock;
	readonly #followed = new Map<string, Followed>();
	#timer: Timer | null = null;

	constructor(store: JobStore, clock: Clock) {
		this.#store = store;
		this.#clock = clock;
	}

	/** Calls back whenever the job is another than `seen`. Gives the end of it. */
	follow(seen: Job, hear: Hear): () => void {
		const { id } = seen;
		const followed: Followed = this.#followed.get(id) ?? new Map();
		this.#followed.set(id, followed);
		followed.set(hear, textOf({ kind: "found", job: seen }));
		this.#lookLater();
		return () => {
			followed.delete(hear);
			if (followed.size > 0) return;
			if (this.#followed.get(id) === followed) this.#followed.delete(id);
		};
	}

	/**
	 * Resolves when the job has ended or is gone, with how it is after `ms`, or earlier if `onEnd` says so. Rejects with the
	 * scope's reason.
	 */
	async ended(
		job: Job,
		ms: number,
		scope: Scope,
		onEnd: (end: () => void) => () => void,
	): Promise<Found> {
		let last: Found = { kind: "found", job };
		if (hasEnded(job.state) || ms <= 0) return last;
		const { promise, resolve, reject } = Promise.withResolvers<void>();
		const timer = this.#clock.after(ms, resolve);
		const stops = [
			scope.onCancel(reject),
			onEnd(resolve),
			this.follow(job, (found) => {
				last = found;
				if (found?.kind !== "found" || hasEnded(found.job.state)) resolve();
			}),
		];
		try {
			await promise;
			return last;
		} finally {
			timer.cancel();
			for (const stop of stops) stop();
		}
	}

	/** Something has happened to a job here. */
	changed(id: string): void {
		const followed = this.#followed.get(id);
		if (followed) void this.#look(id, followed);
	}

	close(): void {
		this.#timer?.cancel();
		this.#timer = null;
		this.#followed.clear();
	}

	#lookLater(): void {
		this.#timer ??= this.#clock.aside(lookMs, () => void this.#lookAtAll());
	}

	async #lookAtAll(): Promise<void> {
		const all = [...this.#followed];
		await Promise.all(all.map(([id, one]) => this.#look(id, one)));
		this.#timer = null;
		if (this.#followed.size > 0) this.#lookLater();
	}

	async #look(id: string, followed: Followed): Promise<void> {
		let found: Found;
		try {
			found = await this.#store.find(id);
		} catch {
			// Those who wait can wait until it can be looked at.
			return;
		}
		const text = textOf(found);
		for (const hear of [...followed.keys()]) {
			// One that hears may end the waiting of another.
			if ((followed.get(hear) ?? text) === text) continue;
			followed.set(hear, text);
			tellApart(() => hear(found));
		}
	}
}

function textOf(found: Found): string {
	return JSON.stringify(found);
}
