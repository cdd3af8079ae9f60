import { nextOfCron } from "../core/cron.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import type { NewJob } from "./job.ts";
import type { Added } from "./job-store.ts";

/** A job that is made by the clock. */
export interface Scheduled {
	readonly cron: string;
	readonly zone: string;
	/** The job of one instant. Its key is the same in all processes, so only the first one is added. */
	readonly job: (at: number) => NewJob;
}

/** A timer is set for no longer, because somebody may set the machine's time. */
const lookMs = 60_000;

/** A job that could not be added is tried again after this time. */
const againMs = 5_000;

/** Makes jobs at their times. What falls into a time in which nobody runs is not made up for. */
export class JobSchedules {
	readonly #all: readonly Scheduled[];
	readonly #add: (job: NewJob) => Promise<Added>;
	readonly #clock: Clock;
	readonly #timers = new Map<Scheduled, Timer>();
	#over = false;

	constructor(
		all: readonly Scheduled[],
		add: (job: NewJob) => Promise<Added>,
		clock: Clock,
	) {
		this.#all = all;
		this.#add = add;
		this.#clock = clock;
	}

	begin(): void {
		for (const one of this.#all) this.#wait(one, this.#nextOf(one));
	}

	stop(): void {
		this.#over = true;
		for (const timer of this.#timers.values()) timer.cancel();
	}

	#nextOf({ cron, zone }: Scheduled, after = Date.now()): number | null {
		return nextOfCron(cron, zone, after);
	}

	#wait(one: Scheduled, at: number | null): void {
		if (this.#over || at === null) return;
		const leftMs = at - Date.now();
		if (leftMs <= 0) return void this.#make(one, at);
		this.#timer(one, Math.min(leftMs, lookMs), () => this.#wait(one, at));
	}

	async #make(one: Scheduled, at: number): Promise<void> {
		const next = this.#nextOf(one, at);
		try {
			await this.#add(one.job(at));
		} catch {
			const isTime = next === null || Date.now() + againMs < next;
			if (isTime && !this.#over) {
				return this.#timer(one, againMs, () => void this.#make(one, at));
			}
		}
		this.#wait(one, this.#nextOf(one, Math.max(at, Date.now())));
	}

	#timer(one: Scheduled, ms: number, fn: () => void): void {
		this.#timers.set(one, this.#clock.aside(ms, fn));
	}
}
