import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { problemResponse } from "../core/http/problem.ts";
import { nobody } from "../core/ip.ts";
import { leastCostOfReading, parseJson, printJson } from "../core/json.ts";
import type { Memory } from "../core/memory.ts";
import { heartbeatMs } from "../run/heartbeat.ts";
import type { Made } from "../run/run.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { tellApart } from "../tasks/failure.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { mergePatch } from "./merge-patch.ts";
import { type Form, type Pieces, printPieces } from "./watch-form.ts";
import { costOfState, jsonOf, type Patch, WatchState } from "./watch-state.ts";

/** One client that watches. */
export interface Watcher {
	/** The client's address. */
	readonly ip: string;
	/** Whether it is sent each change, so that a patch is of use. */
	readonly streams: boolean;
	/** The watch may have something new for it, or is over. */
	wake(): void;
	/** Nothing was sent for some time. */
	beat?(): void;
}

/** How one run of a watch ended. */
export interface Ran {
	readonly requestId: string;
	readonly response: GatewayResponse;
	/** Null if it ended well. */
	readonly error: GatewayError | null;
	/** Null if it has failed. */
	readonly made: Made | null;
}

/** What one watch is of. */
export interface WatchSource {
	/** Carries out the route once, for the client of this address. Never rejects. */
	readonly run: (ip: string, scope: Scope) => Promise<Ran>;
	/** Calls back after each message of a channel. Gives the removal. Null if it hears none. */
	readonly hear: ((onMessage: () => void) => () => void) | null;
}

/** What the watches of one route have in common. */
export interface WatchOptions {
	readonly clock: Clock;
	readonly memory: Memory;
	/** Null: without `hear` the route runs again when its answer is no longer fresh. */
	readonly everyMs: number | null;
	readonly diff: boolean;
	/** What is kept for who comes back takes so many bytes more, or less. It gives way to requests. */
	readonly onKept: (bytes: number) => void;
	/** Counts a run that has ended, unless it was aborted. */
	readonly onRun: (outcome: RunOutcome) => void;
}

export type RunOutcome = "changed" | "unchanged" | "failed";

/** Why nothing follows any more, as clients are told. */
export type EndReason = "draining" | "closed" | "expired" | "status";

/** A run that has failed, while an answer before it stands. */
export class WatchProblem {
	readonly #json: string;
	readonly #pieces = new Map<Form, Pieces>();

	constructor(error: GatewayError, requestId: string) {
		const { body } = problemResponse(error, requestId);
		this.#json = `{"stale":true,"problem":${body}}`;
	}

	pieces(form: Form): Pieces {
		let pieces = this.#pieces.get(form);
		if (pieces === undefined) {
			const told = { event: "problem", id: null, json: this.#json } as const;
			pieces = printPieces(form, [told]);
			this.#pieces.set(form, pieces);
		}
		return pieces;
	}
}

/** If an answer does not say how long it is fresh, or a run has failed, the next run follows after this time. */
const unknownFreshMs = 10_000;

/** However many messages come, the runs after them begin no closer together. */
const heardPauseMs = 100;

/** An answer may be fresh for no time at all. */
const leastFreshMs = 1_000;

/** Timers are no longer than this, whatever an upstream says. */
const longestFreshMs = 24 * 3_600_000;

/** For so long the newest answer is kept for a client that comes back, if no run is due before. */
const keptMs = 30_000;

/** To wake a watcher and to write what it is sent, in units of 100 ns: measured with sockets, and rounded up. */
const wakeCost = 300;

/** To begin an answer: the same, with its head. */
const answerCost = 1_000;

/** Longer answers are sent whole, because to compare them takes a turn of the loop. */
const patchedBytesMax = 1024 * 1024;

/**
 * One run for all who watch the same. It begins with the first of them, and is aborted when the last has left. What it
 * knows is a state and not a log: the newest good answer, and whether a run has failed since.
 */
export class Watch {
	readonly #options: WatchOptions;
	readonly #source: WatchSource;
	readonly #stopHearing: () => void;
	/** Called once, when nobody watches and nothing is kept any more. */
	readonly #onOver: () => void;
	readonly #watchers = new Set<Watcher>();
	state: WatchState | null = null;
	/** The bytes of what it holds, or keeps while nobody watches. */
	bytes = 0;
	#isKept = false;
	/** Null if the last run has ended well. */
	problem: WatchProblem | null = null;
	/** What the answer is made of, to compare the next with it. Undefined until it is needed. */
	#value: unknown;
	#running: Scope | null = null;
	#timer: Timer | null = null;
	#beating: Timer | null = null;
	/** When the run began that is under way, or was the last. */
	#startedMs = 0;
	#dueMs = 0;
	/** Whether a message came during the run, which may not know of it. */
	#heardMore = false;
	#firsts: PromiseWithResolvers<WatchState>[] = [];
	#telling = false;
	#toTell: "nothing" | "news" = "nothing";
	#over = false;
	/** Why nothing runs any more; null before the gateway closes. */
	#closed: GatewayError | null = null;

	constructor(options: WatchOptions, source: WatchSource, onOver: () => void) {
		this.#options = options;
		this.#source = source;
		this.#onOver = onOver;
		this.#stopHearing = source.hear?.(() => this.#heard()) ?? nothing;
	}

	/** Whether nobody watches. Then it may give way to another. */
	get isIdle(): boolean {
		return this.#watchers.size === 0;
	}

	get isRunning(): boolean {
		return this.#running !== null;
	}

	join(watcher: Watcher): void {
		this.#watchers.add(watcher);
		if (watcher.beat) this.#beating ??= this.#beatLater();
		if (this.#watchers.size > 1) return;
		this.#keep(false);
		this.#wait();
	}

	leave(watcher: Watcher): void {
		if (!this.#watchers.delete(watcher) || !this.isIdle) return;
		this.#rest();
	}

	/** The newest good answer, or that of the first run. Rejects if that fails, or if the scope is cancelled. */
	first(scope: Scope): Promise<WatchState> {
		if (this.state !== null) return Promise.resolve(this.state);
		if (this.#closed !== null) return Promise.reject(this.#closed);
		const first = Promise.withResolvers<WatchState>();
		this.#firsts.push(first);
		const stop = scope.onCancel((reason) => {
			this.#firsts = this.#firsts.filter((one) => one !== first);
			first.reject(reason);
		});
		return first.promise.finally(stop);
	}

	/** A message was published. What nobody watches is no longer the newest. */
	#heard(): void {
		if (this.isIdle) return this.end();
		if (this.#running !== null) {
			this.#heardMore = true;
			return;
		}
		if (this.state === null) return;
		this.#dueMs = Math.min(this.#dueMs, this.#soonest);
		this.#wait();
	}

	/** When a run may begin after a message. */
	get #soonest(): number {
		const { clock } = this.#options;
		return Math.max(clock.now(), this.#startedMs + heardPauseMs);
	}

	/** Runs when the next run is due. */
	#wait(): void {
		this.#timer?.cancel();
		this.#timer = null;
		if (this.state === null) return this.#begin();
		const ms = this.#dueMs - this.#options.clock.now();
		if (ms <= 0) return this.#begin();
		if (ms === Number.POSITIVE_INFINITY) return;
		this.#timer = this.#options.clock.after(ms, () => this.#begin());
	}

	/** Nobody watches. The newest answer is kept for who comes back, as long as it is what a watcher would see. */
	#rest(): void {
		this.#timer?.cancel();
		this.#timer = null;
		this.#beating?.cancel();
		this.#beating = null;
		if (this.#running !== null) {
			this.#running.cancel(nobodyWatches());
			return this.end();
		}
		const ms = Math.min(keptMs, this.#dueMs - this.#options.clock.now());
		if (this.state === null || ms <= 0) return this.end();
		this.#timer = this.#options.clock.aside(ms, () => this.end());
		// It may have to give way at once.
		this.#keep(true);
	}

	#keep(kept: boolean): void {
		if (this.#isKept === kept) return;
		this.#isKept = kept;
		const { memory, onKept } = this.#options;
		if (!kept) onKept(-this.bytes);
		memory.held += kept ? -this.bytes : this.bytes;
		if (kept) onKept(this.bytes);
	}

	/** Lets go of all that it holds. */
	end(): void {
		if (this.#over) return;
		this.#over = true;
		this.#timer?.cancel();
		this.#beating?.cancel();
		this.#stopHearing();
		this.#keep(false);
		this.#options.memory.give(this.bytes);
		this.bytes = 0;
		this.#onOver();
	}

	/** The gateway closes: nothing runs any more, and who waits for a first answer gets none. */
	close(reason: GatewayError): void {
		this.#closed = reason;
		this.#timer?.cancel();
		this.#timer = null;
		this.#running?.cancel(reason);
		this.#running = null;
		this.#dueMs = Number.NEGATIVE_INFINITY;
		this.#settleFirsts((first) => first.reject(reason));
		this.tell();
	}

	#begin(): void {
		if (this.#closed !== null) return;
		const { clock } = this.#options;
		const [oldest] = this.#watchers;
		const scope = openScope({ clock });
		this.#timer = null;
		this.#running = scope;
		this.#startedMs = clock.now();
		this.#heardMore = false;
		void this.#source
			.run(oldest?.ip ?? nobody, scope)
			.then((ran) => this.#ended(ran, scope));
	}

	async #ended(ran: Ran, scope: Scope): Promise<void> {
		const isAborted = () => this.#running !== scope || this.#over;
		if (isAborted()) return;
		try {
			await this.#take(ran, isAborted);
		} catch (error) {
			this.#fail(asGatewayError(error), ran.requestId);
		}
		if (isAborted()) return;
		this.#running = null;
		scope.close();
		this.#dueMs = this.#startedMs + this.#pauseAfter(ran.made);
		if (this.#heardMore) this.#dueMs = Math.min(this.#dueMs, this.#soonest);
		if (this.isIdle) this.#rest();
		// After a first run that failed nothing is waited for, but somebody may have come meanwhile.
		else if (this.state !== null || this.#firsts.length > 0) this.#wait();
	}

	/** From the beginning of a run to that of the next. */
	#pauseAfter(made: Made | null): number {
		const { everyMs } = this.#options;
		if (everyMs !== null) return everyMs;
		if (this.#source.hear !== null) {
			const isWhole = made?.marks.every(({ error }) => error === null);
			return isWhole ? Number.POSITIVE_INFINITY : unknownFreshMs;
		}
		const freshMs = (made?.untilMs ?? Number.NaN) - this.#startedMs;
		if (Number.isNaN(freshMs)) return unknownFreshMs;
		return Math.min(Math.max(freshMs, leastFreshMs), longestFreshMs);
	}

	async #take(
		{ response, error, made, requestId }: Ran,
		isAborted: () => boolean,
	): Promise<void> {
		if (error !== null || made === null) {
			const failure = error ?? new GatewayError("internal", "no answer");
			return this.#fail(failure, requestId);
		}
		const { memory, diff, onRun } = this.#options;
		const before = this.state;
		const next = new WatchState(response, made, null);
		if (before?.etag === next.etag) {
			onRun("unchanged");
			return this.#recover();
		}
		const cost = costOfState(response, diff);
		if (!memory.take(cost)) throw memory.usedUp;
		const patch = await this.#patchOf(before, response).catch(() => null);
		if (isAborted()) return memory.give(cost);
		memory.give(this.bytes);
		this.bytes = cost;
		this.state = patch ? new WatchState(response, made, patch) : next;
		this.problem = null;
		onRun("changed");
		const { state } = this;
		this.#settleFirsts((first) => first.resolve(state));
		this.tell();
	}

	/** The answer is the same, but it may have been told that a run had failed. */
	#recover(): void {
		if (this.problem === null) return;
		this.problem = null;
		this.tell();
	}

	#fail(error: GatewayError, requestId: string): void {
		this.#options.onRun("failed");
		if (this.state === null) {
			this.#settleFirsts((first) => first.reject(error));
			return;
		}
		this.problem = new WatchProblem(error, requestId);
		this.tell();
	}

	/** Null if a patch is of use to nobody, would be longer than the answer, or cannot say it. */
	async #patchOf(
		before: WatchState | null,
		response: GatewayResponse,
	): Promise<Patch | null> {
		if (!this.#options.diff) return null;
		const json = jsonOf(response);
		const from = this.#value ?? (await this.#read(before?.json ?? null));
		this.#value = undefined;
		const streamed = this.#watchers.values().some(({ streams }) => streams);
		if (before === null || !streamed) return null;
		const to = await this.#read(json);
		if (from === undefined || to === undefined) return null;
		this.#value = to;
		const patch = mergePatch(from, to);
		if (patch === undefined) return null;
		const printed = printJson(patch);
		if (printed.length >= json.length) return null;
		return { from: before.etag, json: printed };
	}

	/** Undefined if it is too long to be compared. */
	async #read(json: string | null): Promise<unknown> {
		if (json === null || json.length > patchedBytesMax) return undefined;
		const { turn } = this.#options.clock;
		// To read and to compare.
		const cost = 2 * leastCostOfReading(json.length);
		if (!turn.hasTimeFor(cost)) await turn.later(nobody, cost);
		turn.spent += cost;
		return parseJson(json);
	}

	/** Wakes all who watch, in as many turns of the loop as that takes. They ask for the newest, so none is told twice. */
	tell(): void {
		this.#toTell = "news";
		if (this.#telling) return;
		this.#telling = true;
		void this.#tellAll();
	}

	async #tellAll(): Promise<void> {
		// Others that have to be told for the same reason come in the same turn.
		await null;
		while (this.#toTell === "news") {
			this.#toTell = "nothing";
			await this.#each((watcher) => watcher.wake());
		}
		this.#telling = false;
	}

	#beatLater(): Timer {
		return this.#options.clock.aside(heartbeatMs, () => {
			this.#beating = this.isIdle ? null : this.#beatLater();
			void this.#each((watcher) => watcher.beat?.());
		});
	}

	#each(call: (watcher: Watcher) => void): Promise<void> {
		return inTurns(
			[...this.#watchers],
			wakeCost,
			this.#options.clock,
			(one) => {
				if (this.#watchers.has(one)) tellApart(() => call(one));
			},
		);
	}

	#settleFirsts(settle: (first: PromiseWithResolvers<WatchState>) => void) {
		const firsts = this.#firsts.splice(0);
		void inTurns(firsts, answerCost, this.#options.clock, settle);
	}
}

/** Calls for each, in as many turns of the loop as that takes at so much for one. */
async function inTurns<One>(
	all: readonly One[],
	cost: number,
	{ turn }: Clock,
	call: (one: One) => void,
): Promise<void> {
	for (const one of all) {
		if (!turn.hasTimeFor(cost)) await turn.later(nobody, cost);
		turn.spent += cost;
		call(one);
	}
}

function nothing(): void {}

function nobodyWatches(): GatewayError {
	return new GatewayError("client_closed", "nobody watches any more");
}
