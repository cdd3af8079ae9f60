import { GatewayError } from "../core/errors.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { RunOutcome, StepProgress, TakenJob } from "./job.ts";
import type { JobStore } from "./job-store.ts";

/** A run of a job, under way. */
export interface JobRun {
	/** Never rejects. */
	readonly outcome: Promise<RunOutcome>;
	progress(): readonly StepProgress[];
}

/** Carries out a job. To cancel the scope says that nobody wants it any more, or that the process stops. */
export type StartRun = (taken: TakenJob, scope: Scope) => JobRun;

export interface RunnerOptions {
	/** How many run at once. */
	readonly parallel: number;
	readonly clock: Clock;
	readonly start: StartRun;
	/** Whether there is no memory for another one now. */
	readonly short: () => boolean;
	/** Called when something has happened to a job. */
	readonly changed: (id: string) => void;
}

/** How often it is looked for jobs that other processes have taken on. */
const lookMs = 500;

/** How often the progress of a run is written, if there is any. */
const progressMs = 500;

/** After so many of these it is asked whether the job is still wanted, also without progress. */
const stillMax = 4;

/** The pauses before the end of a run is written again. A run that is silent for longer is taken for dead. */
const againMsMin = 250;
const againMsMax = 2_000;

/** Takes jobs whose turn it is, and carries them out. */
export class JobRunner {
	readonly #store: JobStore;
	readonly #options: RunnerOptions;
	readonly #running = new Map<string, Scope>();
	readonly #over = new Set<Promise<void>>();
	readonly #closing: Scope;
	#state: "idle" | "taking" | "stopped" = "idle";
	#looking = false;
	/** The end of the last looking. Never rejects. */
	#looked: Promise<void> | null = null;
	#again = false;
	#timer: Timer | null = null;

	constructor(store: JobStore, options: RunnerOptions) {
		this.#store = store;
		this.#options = options;
		this.#closing = openScope({ clock: options.clock });
	}

	get running(): number {
		return this.#running.size;
	}

	/** Takes jobs from now on. */
	begin(): void {
		if (this.#state !== "idle") return;
		this.#state = "taking";
		this.look();
	}

	/** There may be a job whose turn it is. */
	look(): void {
		if (this.#state !== "taking") return;
		this.#again = true;
		if (!this.#looking) this.#looked = this.#lookNow();
	}

	/** Its client does not want it any more. */
	cancel(id: string): void {
		this.#running.get(id)?.cancel(cancelled());
	}

	/** Takes no more. Resolves when none runs any more. */
	async stop(): Promise<void> {
		this.#state = "stopped";
		this.#timer?.cancel();
		// It may have asked for a job before.
		await this.#looked;
		while (this.#over.size > 0) await Promise.all(this.#over);
	}

	/** Ends those that run. They are left to others, if they may be run again. */
	async close(): Promise<void> {
		const words = "the gateway was closed";
		const reason = new GatewayError("gateway_draining", words);
		const stopped = this.stop();
		this.#closing.cancel(reason);
		for (const scope of this.#running.values()) scope.cancel(reason);
		await stopped;
	}

	async #lookNow(): Promise<void> {
		const { parallel, short, clock } = this.#options;
		this.#looking = true;
		this.#timer?.cancel();
		try {
			while (this.#again) {
				this.#again = false;
				while (this.#state === "taking" && this.#running.size < parallel) {
					if (short()) break;
					const taken = await this.#store.take();
					if (taken === null) break;
					if (this.#isStopped) await this.#leave(taken);
					else this.#begin(taken);
				}
			}
		} catch {
			// It is tried again. Whoever asks for a job is told that there are none now.
		}
		this.#looking = false;
		if (this.#isStopped) return;
		this.#timer = clock.aside(lookMs, () => this.look());
	}

	get #isStopped(): boolean {
		return this.#state === "stopped";
	}

	/** It is as if nobody here had taken it. */
	#leave(taken: TakenJob): Promise<void> {
		return this.#end(taken, { state: "left", wrote: false }, []);
	}

	#begin(taken: TakenJob): void {
		const over = this.#carryOut(taken);
		this.#over.add(over);
		void over.then(() => {
			this.#over.delete(over);
			this.look();
		});
	}

	async #carryOut(taken: TakenJob): Promise<void> {
		const { clock, start, changed } = this.#options;
		const { id } = taken.job;
		const scope = openScope({ clock });
		this.#running.set(id, scope);
		if (this.#closing.cancelled) scope.cancel(this.#closing.reason);
		changed(id);
		const run = start(taken, scope);
		const stopTelling = this.#tell(taken, run, scope);
		const outcome = await run.outcome;
		stopTelling();
		await this.#end(taken, outcome, run.progress());
		this.#running.delete(id);
		scope.close();
		changed(id);
	}

	/** Writes how it goes, and hears whether it is still wanted. */
	#tell({ job, run }: TakenJob, going: JobRun, scope: Scope): () => void {
		const { clock, changed } = this.#options;
		let told = "";
		let still = 0;
		let over = false;
		let timer: Timer;
		const look = async () => {
			const steps = going.progress();
			const text = JSON.stringify(steps);
			still = text === told ? still + 1 : 0;
			if (still % stillMax === 0) {
				try {
					const isOurs = await this.#store.progress(job.id, run, steps);
					told = text;
					if (!isOurs && !over) scope.cancel(cancelled());
					else if (still === 0) changed(job.id);
				} catch {
					// It is told the next time.
				}
			}
			if (!over) timer = clock.aside(progressMs, () => void look());
		};
		timer = clock.aside(progressMs, () => void look());
		return () => {
			over = true;
			timer.cancel();
		};
	}

	/** What has an answer is not given up because the disk is full for a while. */
	async #end(
		{ job, run }: TakenJob,
		outcome: RunOutcome,
		steps: readonly StepProgress[],
	): Promise<void> {
		let pauseMs = againMsMin;
		for (;;) {
			try {
				await this.#store.end(job.id, run, outcome, steps);
				return;
			} catch {
				if (this.#closing.cancelled) return;
				await this.#pause(pauseMs);
				pauseMs = Math.min(2 * pauseMs, againMsMax);
			}
		}
	}

	#pause(ms: number): Promise<void> {
		return new Promise((resolve) => {
			const timer = this.#options.clock.after(ms, end);
			const stop = this.#closing.onCancel(end);
			function end() {
				timer.cancel();
				stop();
				resolve();
			}
		});
	}
}

function cancelled(): GatewayError {
	return new GatewayError("client_closed", "the job is not wanted any more");
}
