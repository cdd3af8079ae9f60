import {
	backwards,
	forwards,
	inChains,
	mixed,
	type Order,
	type Placed,
	unordered,
} from "./interpreter-orders.ts";
import {
	type Block,
	compare,
	find,
	hasEnded,
	indexAt,
	indexOf,
	isActive,
	isSkipped,
	made,
	madeOf,
	marksOf,
	type OwnCall,
	outside,
	print,
	rawOf,
	resultOf,
	type StepRun,
	type Turn,
	valueOf,
	type Written,
} from "./interpreter-state.ts";
import {
	isWithin,
	madeLate,
	sentBy,
	type Undone,
	undo,
	writtenBy,
} from "./interpreter-undo.ts";
import {
	delayOf,
	endingOf,
	hasEffect,
	listedFor,
	passedOn,
	planned,
	type RandomRoute,
	type RandomStep,
	type Read,
	readsOf,
	readsToStart,
	type Scenario,
} from "./random-routes.ts";

/**
 * What a run of a random route must do, by docs/language.md alone: no promises, no timers, no scopes. Time stands still
 * while anything can still begin or end; then it goes on to the next instant at which something happens.
 */
export interface Expected {
	/** False where the page does not say what comes of it. */
	readonly certain: boolean;
	/** When the client is answered, or has left. */
	readonly endMs: number;
	/** Null for an answer. */
	readonly code: string | null;
	readonly status: number;
	readonly body: string;
	/** Whether a request was passed on before this end. */
	readonly passedOn: boolean;
	/** The parts that `Sluice-Missing` names, as it names them. */
	readonly missing: readonly string[];
	/** Without those that were aborted at the instant at which they began. */
	readonly calls: readonly ExpectedCall[];
	/** When the route, a group or a whole list failed. Writes that would begin at that instant may have begun. */
	readonly failedMs: readonly number[];
	/** What becomes of those of the writes that were sent. */
	readonly undo: (isSent: (write: ExpectedCall) => boolean) => Undone;
}

export interface ExpectedCall {
	readonly method: string;
	readonly target: string;
	readonly startMs: number;
	readonly endMs: number;
}

/** What may come of it: one outcome for each of many orders of what happens at one instant. */
export function* outcomes(
	route: RandomRoute,
	scenario: Scenario,
): Generator<Expected, void> {
	const outcome = (order: Order, valuesFirst = false) =>
		new Interpreter(route, scenario, order, valuesFirst).run();
	yield outcome(forwards);
	yield outcome(backwards);
	yield outcome(unordered);
	yield outcome(forwards, true);
	for (let seed = 1; seed < 100; seed++) {
		yield outcome(mixed(seed));
		yield outcome(inChains(seed));
		yield outcome(mixed(seed), true);
	}
}

const never = Number.POSITIVE_INFINITY;

class Interpreter {
	readonly #route: RandomRoute;
	readonly #scenario: Scenario;
	readonly #order: Order;
	/**
	 * Whether a write whose step waits for others has its value first, if they end at the instant at which the run ends, too.
	 */
	readonly #valuesFirst: boolean;
	readonly #calls: OwnCall[] = [];
	readonly #turns: Turn[] = [];
	readonly #steps: StepRun[] = [];
	readonly #blocks: Block[] = [];
	readonly #main: Block;
	#nowMs = 0;
	#late = false;
	/** Whether a write was sent. Then the client's leaving ends nothing. */
	#wrote = false;
	#left = false;
	#unsure = false;
	readonly #failedMs: number[] = [];
	readonly #written: Written[] = [];
	#failures = 0;
	/** The request that is passed on; null before all steps have ended. */
	#passed: OwnCall | null = null;
	#end: Pick<
		Expected,
		"endMs" | "status" | "code" | "body" | "missing"
	> | null = null;

	constructor(
		route: RandomRoute,
		scenario: Scenario,
		order: Order,
		valuesFirst: boolean,
	) {
		this.#route = route;
		this.#scenario = scenario;
		this.#order = order;
		this.#valuesFirst = valuesFirst;
		this.#main = this.#open(route.steps, route.respond, null);
	}

	run(): Expected {
		this.#settle();
		while (this.#end === null) {
			this.#nowMs = this.#nextMs();
			const happened = this.#happenings();
			for (const { happen } of this.#order(happened)) {
				if (this.#end === null) happen();
				this.#settle();
			}
		}
		for (const write of this.#written) {
			const isFirst = this.#valuesFirst && write.leftMs === this.#nowMs;
			if (!write.waited || isFirst) write.own = madeLate(write);
		}
		const { deadlineMs } = this.#route;
		const calls = this.#calls
			.map((call) => ({ ...call, endMs: Math.min(call.endMs, deadlineMs) }))
			.filter(({ startMs, endMs }) => endMs > startMs)
			.toSorted((a, b) => (a.target < b.target ? -1 : 1));
		return {
			...{ ...this.#end, calls, failedMs: this.#failedMs },
			certain: !this.#unsure,
			passedOn: this.#passed !== null,
			undo: (isSent) =>
				undo(
					this.#written.filter(({ call }) => isSent(call)),
					this.#scenario,
					deadlineMs,
				),
		};
	}

	/* Time */

	#nextMs(): number {
		const { deadlineMs } = this.#route;
		const instants = [
			this.#left ? never : (this.#scenario.leavesMs ?? never),
			this.#late ? never : deadlineMs,
			this.#passed?.endMs ?? never,
			...this.#turns.map((turn) => (isTimed(turn) ? turn.endsMs : never)),
			...this.#steps.map((run) => this.#withinOf(run)),
			...this.#answeredLate().map(({ call }) => call.endMs),
		];
		const nextMs = Math.min(...instants.filter((ms) => ms >= this.#nowMs));
		if (nextMs === never) throw new Error("nothing happens any more");
		return nextMs;
	}

	/** The writes whose answers come when their steps no longer wait. */
	#answeredLate(): readonly Written[] {
		return this.#written.filter(
			({ waited, turn, call }) =>
				!waited && !(turn.phase === "calls" && turn.call === call),
		);
	}

	/** Everything that happens at this instant by itself. */
	#happenings(): (Placed & { happen(): void })[] {
		const nowMs = this.#nowMs;
		const happened: (Placed & { happen(): void })[] = [];
		const add = ({ way }: Placed, happen: () => void) =>
			happened.push({ way, happen });
		for (const turn of this.#turns) {
			if (!isTimed(turn) || turn.endsMs !== nowMs) continue;
			add(turn, () =>
				turn.phase === "waits" ? this.#goesRound(turn) : this.#answered(turn),
			);
		}
		for (const write of this.#answeredLate()) {
			if (write.call.endMs !== nowMs) continue;
			add(write.turn, () => {
				write.waited = true;
				write.own = madeLate(write);
			});
		}
		for (const run of this.#steps) {
			if (this.#withinOf(run) === nowMs) add(run, () => this.#cut(run));
		}
		if (this.#passed?.endMs === nowMs) {
			add(this.#main, () => this.#passedBack());
		}
		if (this.#scenario.leavesMs === nowMs) {
			add(this.#main, () => this.#leaves());
		}
		if (this.#route.deadlineMs === nowMs) {
			add(this.#main, () => this.#tooLate());
		}
		return happened;
	}

	#leaves(): void {
		if (this.#wrote && this.#passed === null) this.#left = true;
		else this.#fails("client_closed");
	}

	/** When a running step's `within` ends it. From the deadline on everything ends by itself. */
	#withinOf(run: StepRun): number {
		const { step, state, startMs, cut } = run;
		if (state !== "running" || step.withinMs === null || cut) return never;
		const endMs = startMs + step.withinMs;
		return endMs < this.#route.deadlineMs ? endMs : never;
	}

	#cut(run: StepRun): void {
		if (run.state !== "running") return;
		run.cut = true;
		for (const turn of run.turns) this.#stop(turn, "upstream_timeout");
	}

	#tooLate(): void {
		this.#late = true;
		if (this.#passed !== null) return this.#fails("deadline_exceeded");
		for (const turn of this.#turns) {
			if (isTimed(turn)) this.#stop(turn, "deadline_exceeded");
		}
	}

	/** Its work fails. What fills in for it is not bound by this. */
	#stop(turn: Turn, code: string): void {
		const { phase } = turn;
		if (phase === "queued" || phase === "failed" || phase === "fills") return;
		if (phase === "done" || phase === "gone") return;
		this.#abort(turn);
		turn.code = code;
		turn.phase = "failed";
	}

	/* What can begin or end at this instant */

	#settle(): void {
		while (this.#end === null) {
			if (this.#startsOne()) continue;
			if (this.#dropsOne()) continue;
			if (this.#endsOne()) continue;
			return;
		}
	}

	/** Replies are decided before other steps start. */
	#startsOne(): boolean {
		const ready = this.#order(
			this.#steps.filter(
				(run) => run.state === "waiting" && this.#canStart(run),
			),
		);
		const reply = ready.find(({ step }) => step.kind === "reply");
		const run = reply ?? ready[0];
		if (run !== undefined) {
			this.#start(run);
			if (run === reply) this.#decide(run);
			return true;
		}
		const running = this.#steps
			.filter(({ state }) => state === "running")
			.toSorted((a, b) => compare(indexOf(a.block), indexOf(b.block)));
		return (
			running.some((one) => this.#takesNext(one)) ||
			this.#givesPlace() ||
			this.#order(this.#turns.filter(({ phase }) => phase === "begins")).some(
				(turn) => this.#begins(turn),
			)
		);
	}

	#canStart({ step, block }: StepRun): boolean {
		return readsToStart(step).every((name) => hasEnded(name, block));
	}

	#start(run: StepRun): void {
		const { step } = run;
		run.state = "running";
		run.startMs = this.#nowMs;
		const list = step.each?.list ?? 1;
		if (typeof list === "number") run.count = list;
		else {
			run.refusal = list === "null" ? "reference_missing" : "limit_exceeded";
		}
		if (run.count < enoughOf(step) && run.refusal === null) {
			run.count = 0;
			run.refusal = "reference_missing";
		}
	}

	/** Its list is none, or too long. */
	#refuses(run: StepRun, code: string): void {
		if (enoughOf(run.step) > 0) return this.#fillsAll(run, code, new Set());
		if (!run.step.optional) return this.#failsBlock(run, code, null);
		const index = indexOf(run.block);
		run.marks = [{ path: run.path, index, code }];
		this.#ended(run, null, code);
	}

	#decide(reply: StepRun): void {
		this.#takesNext(reply);
		const [turn] = reply.turns;
		if (turn === undefined) return;
		turn.phase = "begins";
		this.#begins(turn);
	}

	/** As many items as may be under way in this list come to the front. */
	#takesNext(run: StepRun): boolean {
		const active = run.turns.filter(isActive).length;
		const { each } = run.step;
		if (run.next === run.count || active >= (each?.parallel ?? 1)) return false;
		const around = indexOf(run.block);
		const index = each ? [...around, run.next] : around;
		run.turns.push(this.#turnOf(run, run.next, index, "queued"));
		run.next++;
		return true;
	}

	#turnOf(
		run: StepRun,
		at: number,
		index: readonly number[],
		phase: Turn["phase"],
	): Turn {
		const turn: Turn = {
			of: run,
			way: `${run.way}${at}/`,
			at,
			item: index,
			round: 0,
			values: [],
			kept: [],
			came: this.#turns.length,
			phase,
			skipped: false,
			placed: false,
			call: null,
			write: null,
			endsMs: never,
			endsWith: null,
			awaits: [],
			then: () => {},
			inside: null,
			code: "",
			failed: 0,
			value: null,
			marks: [],
			later: new Set(),
		};
		this.#turns.push(turn);
		return turn;
	}

	/** All lists of a step share its places. Who has waited longest comes first. */
	#givesPlace(): boolean {
		const waiting = this.#turns
			.filter(({ phase }) => phase === "queued")
			.toSorted((a, b) => a.came - b.came);
		for (const turn of waiting) {
			const { step, cut } = turn.of;
			const { each } = step;
			const taken = this.#turns.filter(
				(other) => other.of.step === step && other.placed && isActive(other),
			).length;
			if (each !== null && taken >= each.parallel && !cut && !this.#late) {
				continue;
			}
			turn.placed = true;
			turn.phase = "begins";
			return true;
		}
		return false;
	}

	#begins(turn: Turn): boolean {
		if (turn.phase !== "begins") return false;
		const { of: run, at, round } = turn;
		const { step, block } = run;
		if (round > 0 && (run.cut || this.#late)) {
			this.#stop(turn, run.cut ? "upstream_timeout" : "deadline_exceeded");
			return true;
		}
		if (round === 0 && isSkipped(step, at, block)) {
			turn.skipped = true;
			this.#reads(turn, [], () => this.#done(turn, null));
			return true;
		}
		switch (step.kind) {
			case "group":
				if (run.cut) this.#stop(turn, "upstream_timeout");
				else {
					turn.phase = "inside";
					turn.inside = this.#open(step.steps, resultOf(step), turn);
				}
				break;
			case "value":
				this.#computes(turn);
				break;
			case "publish":
				this.#publishes(turn);
				break;
			case "reply":
				this.#replies(turn);
				break;
			default:
				if (endingOf(step, indexAt(turn)) === "refused") {
					this.#stop(turn, "reference_missing");
				} else if (run.cut) this.#stop(turn, "upstream_timeout");
				else if (this.#late) this.#stop(turn, "deadline_exceeded");
				else this.#sends(turn);
		}
		return true;
	}

	#computes(turn: Turn): void {
		const { of: run, item } = turn;
		const refused = endingOf(run.step, item) === "refused";
		const tooLate = this.#late && run.startMs < this.#route.deadlineMs;
		// The page does not say what an item is that has a value and comes too late.
		if (tooLate || (run.cut && refused)) this.#unsure = true;
		if (run.cut) this.#stop(turn, "upstream_timeout");
		else if (refused) this.#stop(turn, "reference_missing");
		else {
			const value = made("value", run.step.reads, run.block);
			this.#reads(turn, [], () => this.#done(turn, value));
		}
	}

	#publishes(turn: Turn): void {
		const { of: run, item } = turn;
		if (run.cut) this.#stop(turn, "upstream_timeout");
		else if (this.#late) this.#stop(turn, "deadline_exceeded");
		else if (endingOf(run.step, item) === "refused") {
			this.#stop(turn, "reference_missing");
		} else {
			this.#wrote = true;
			this.#reads(turn, [], () => this.#done(turn, null));
		}
	}

	#replies(turn: Turn): void {
		const { step, block } = turn.of;
		const [first] = step.reads;
		const empty = step.empties && first && rawOf(first, block) === null;
		if (!empty && endingOf(step, []) === "refused") {
			return this.#fails("reference_missing");
		}
		if (step.undoes) this.#claim(() => true);
		const body = empty ? null : made("replied", step.reads, block);
		this.#answers(207, body, [step.name]);
	}

	#sends(turn: Turn): void {
		const { step, block } = turn.of;
		const nowMs = this.#nowMs;
		const query = sentBy(step, step.reads, block);
		const path = [step.name, ...indexAt(turn)].join("/");
		const target = `/${path}?${[...query, "refused=0"].join("&")}`;
		const timeoutMs = nowMs + (step.timeoutMs ?? 600);
		const answerMs = nowMs + delayOf(this.#scenario, step.name, indexAt(turn));
		const endMs = Math.min(timeoutMs, answerMs);
		const method = step.kind.toUpperCase();
		const call = { method, target, startMs: nowMs, endMs };
		this.#calls.push(call);
		if (step.kind === "post") this.#wrote = true;
		turn.write = writtenBy(turn, call, timeoutMs < answerMs, this.#route);
		if (turn.write !== null) this.#written.push(turn.write);
		turn.call = call;
		turn.endsMs = endMs;
		turn.endsWith = timeoutMs < answerMs ? "upstream_timeout" : null;
		turn.phase = "calls";
	}

	/** What ends a write that was sent is not what ends its step. */
	#abort(turn: Turn): void {
		const { call, inside, of: run } = turn;
		if (turn.phase === "calls" && call !== null && run.step.kind !== "post") {
			call.endMs = Math.min(call.endMs, this.#nowMs);
		}
		if (turn.phase === "reads" && turn.write !== null) {
			turn.write.leftMs = this.#nowMs;
		}
		turn.phase = "gone";
		if (inside !== null) this.#leave(inside);
	}

	/** Nothing in it goes on. */
	#leave(block: Block): void {
		for (const run of block.planned) this.#leaveStep(run);
	}

	#leaveStep(run: StepRun): void {
		if (run.state === "ended" || run.state === "dropped") return;
		run.state = "dropped";
		this.#abortItems(run);
		if (run.filling !== null) run.filling.phase = "gone";
	}

	#abortItems(run: StepRun): void {
		run.next = run.count;
		for (const turn of run.turns) if (isActive(turn)) this.#abort(turn);
	}

	#answered(turn: Turn): void {
		if (turn.phase !== "calls") return;
		if (turn.write !== null) turn.write.waited = true;
		const { of: run, endsWith } = turn;
		const { step } = run;
		const ending = endingOf(step, indexAt(turn));
		if (endsWith !== null) return this.#stop(turn, endsWith);
		const listed = listedFor(step, ending);
		if (listed !== null) {
			return this.#reads(turn, step.answers, () =>
				this.#rounded(turn, made(listed, step.answers, run.block)),
			);
		}
		if (ending === "status") return this.#stop(turn, "upstream_status");
		if (ending === "invalid") return this.#stop(turn, "upstream_invalid");
		const { expect } = step;
		if (expect === null) return this.#picks(turn);
		this.#reads(turn, [expect], () => {
			const held = rawOf(expect, run.block) !== null;
			if (held) this.#picks(turn);
			else this.#stop(turn, "upstream_invalid");
		});
	}

	#picks(turn: Turn): void {
		const { step, block } = turn.of;
		const pick = step.pick ?? [];
		this.#reads(turn, pick, () => {
			if (endingOf(step, indexAt(turn)) === "pick") {
				this.#stop(turn, "reference_missing");
			} else this.#rounded(turn, made("picked", pick, block));
		});
	}

	/** Reads other steps when they have ended. Even without any the turn ends only when all that can start has started. */
	#reads(turn: Turn, reads: readonly Read[], then: () => void): void {
		turn.phase = turn.phase === "failed" ? "fills" : "reads";
		turn.awaits = reads;
		turn.then = then;
	}

	/** A round has its value. Its condition may read other steps. */
	#rounded(turn: Turn, value: unknown): void {
		const { repeat } = turn.of.step;
		if (repeat === null) return this.#decidesOn(turn, value);
		this.#reads(turn, repeat.reads, () => this.#decidesOn(turn, value));
	}

	/** Whether another round follows, and when. */
	#decidesOn(turn: Turn, value: unknown): void {
		const { of: run, values, kept } = turn;
		const { repeat } = run.step;
		if (turn.write !== null) {
			turn.write.kept = true;
			turn.write.own = value;
		}
		if (repeat === null) return this.#done(turn, value);
		values.push(value);
		kept.push(...turn.marks);
		if (values.length >= repeat.rounds) {
			turn.marks = kept;
			return this.#done(turn, [...values]);
		}
		turn.marks = [];
		if (values.length === repeat.max) return this.#stop(turn, "limit_exceeded");
		if (repeat.waitMs === null) return this.#goesRound(turn);
		const { deadlineMs } = this.#route;
		const limitMs = Math.min(deadlineMs, boundOf(run));
		turn.endsMs = this.#nowMs + repeat.waitMs;
		if (turn.endsMs < limitMs) turn.phase = "waits";
		else {
			const within = limitMs < deadlineMs;
			this.#stop(turn, within ? "upstream_timeout" : "deadline_exceeded");
		}
	}

	#goesRound(turn: Turn): void {
		if (turn.phase === "gone") return;
		turn.round++;
		turn.inside = null;
		turn.phase = "begins";
	}

	#done(turn: Turn, value: unknown): void {
		turn.phase = "done";
		turn.value = value;
		const { of: run } = turn;
		if (run.filling === null) this.#counts(run);
	}

	/** Whether enough items have succeeded, or no longer can. */
	#counts(run: StepRun): void {
		const enough = enoughOf(run.step);
		if (enough === 0) return;
		const { turns } = run;
		if (turns.filter(hasSucceeded).length === enough) {
			for (const turn of turns) if (isActive(turn)) this.#undoes(turn);
			this.#abortItems(run);
			return;
		}
		const failed = turns.filter((turn) => turn.failed > 0);
		const lost = failed.length + turns.filter(({ skipped }) => skipped).length;
		if (run.count - lost >= enough) return;
		const last = failed.toSorted((a, b) => a.failed - b.failed).at(-1);
		this.#fillsAll(
			run,
			last?.code ?? "reference_missing",
			last?.later ?? new Set(),
		);
	}

	/** The whole list has failed: what fills in does it for all of it. */
	#fillsAll(run: StepRun, code: string, later: ReadonlySet<StepRun>): void {
		this.#abortItems(run);
		this.#failedMs.push(this.#nowMs);
		const turn = this.#turnOf(run, -1, indexOf(run.block), "failed");
		turn.code = code;
		turn.later = new Set(later);
		run.filling = turn;
	}

	/** One carrying-out, one step or one group comes to its end, or a part of its way nearer. */
	#endsOne(): boolean {
		// To put things in order takes the model's time, so only those that can end are.
		const turns = this.#turns.filter(goesOn);
		const steps = this.#steps.filter(({ state }) => state === "running");
		const blocks = this.#blocks.filter(isUnderWay);
		const ends = [
			...turns.map((turn) => ending(turn, () => this.#goesOn(turn))),
			...steps.map((run) => ending(run, () => this.#completes(run))),
			...blocks.map((block) => ending(block, () => this.#makes(block))),
		];
		return this.#order(ends).some(({ end }) => end());
	}

	#goesOn(turn: Turn): boolean {
		const { block } = turn.of;
		if (turn.phase === "failed") {
			const { of: run } = turn;
			if (enoughOf(run.step) > 0 && turn !== run.filling) {
				turn.phase = "gone";
				turn.inside = null;
				turn.failed = ++this.#failures;
				this.#undoes(turn);
				this.#counts(run);
			} else this.#fillsIn(turn);
			return true;
		}
		if (turn.phase !== "reads" && turn.phase !== "fills") return false;
		// A group's value sees its own steps, too.
		const sees = turn.inside ?? block;
		if (!turn.awaits.every(({ step }) => hasEnded(step, sees))) return false;
		for (const { step } of turn.awaits) {
			const run = find(step, sees);
			if (run.block !== turn.inside) turn.later.add(run);
		}
		turn.then();
		return true;
	}

	#fillsIn(turn: Turn): void {
		const { of: run, code, item: index } = turn;
		const { step, path, block } = run;
		const { fallback, optional } = step;
		if (fallback !== null || optional) {
			const all = turn === run.filling ? run.turns : [turn];
			for (const one of all) this.#undoes(one);
		}
		turn.inside = null;
		const filled = (value: unknown) => {
			turn.marks = [{ path, index, code }];
			this.#done(turn, value);
		};
		if (fallback === null) {
			if (optional) filled(null);
			else this.#failsBlock(run, code, turn);
			return;
		}
		this.#reads(turn, fallback.reads, () => {
			const failure = `${code} ${statusOf(code)}`;
			if (!fallback.fails) {
				filled(made(`filled ${failure}`, fallback.reads, block));
			} else if (optional) filled(null);
			else this.#failsBlock(run, code, turn);
		});
	}

	/** A step has ended when all its items have. */
	#completes(run: StepRun): boolean {
		const { state, turns, count, step, filling } = run;
		if (state !== "running") return false;
		if (filling !== null) {
			if (filling.phase !== "done") return false;
			run.marks = filling.marks;
			run.later = filling.later;
			this.#ended(run, filling.value, filling.marks[0]?.code ?? null);
			return true;
		}
		if (run.next < count) return false;
		if (run.refusal !== null) {
			this.#refuses(run, run.refusal);
			return true;
		}
		const enough = enoughOf(step);
		if (enough > 0) {
			const good = turns.filter(hasSucceeded);
			if (good.length < enough) return false;
			run.marks = good.flatMap(({ marks }) => marks);
			run.later = new Set(good.flatMap(({ later }) => [...later]));
			const list = Array.from({ length: count }, (_, at) => {
				const turn = turns[at];
				return turn && hasSucceeded(turn) ? turn.value : null;
			});
			const own = run.marks.find(({ path }) => path === run.path);
			this.#ended(run, list, own?.code ?? null);
			return true;
		}
		if (turns.some(({ phase }) => phase !== "done")) return false;
		run.marks = turns.flatMap(({ marks }) => marks);
		run.later = new Set(turns.flatMap(({ later }) => [...later]));
		const own = run.marks.find(({ path }) => path === run.path);
		const values = turns.map(({ value }) => value);
		this.#ended(run, step.each ? values : values[0], own?.code ?? null);
		return true;
	}

	#ended(run: StepRun, value: unknown, code: string | null): void {
		run.state = "ended";
		run.value = value;
		run.code = code;
	}

	/** A step fails, and nothing fills in: its group fails at once, or the route. */
	#failsBlock(run: StepRun, code: string, failed: Turn | null): void {
		const { block } = run;
		const { around } = block;
		this.#failedMs.push(this.#nowMs);
		if (around === null) return this.#fails(code);
		// Of everything inside only what the failed step has read shows.
		run.later = failed?.later ?? new Set();
		for (const read of outside(block, [run])) around.later.add(read);
		this.#abort(around);
		around.code = code;
		around.phase = "failed";
	}

	/** When all steps of a block have ended or are not needed, it makes its value. */
	#makes(block: Block): boolean {
		const { around, planned: runs } = block;
		const over = runs.every(
			({ state }) => state === "ended" || state === "dropped",
		);
		if (!over) return false;
		if (around === null && this.#route.proxied) return this.#passesOn();
		if (around === null) {
			this.#answers(200, this.#responds(block), madeOf(block));
			return true;
		}
		if (around.phase !== "inside" || around.inside !== block) return false;
		const { step } = around.of;
		const { pick, repeat } = step;
		this.#reads(around, [...(pick ?? []), ...(repeat?.reads ?? [])], () => {
			const own = runs.filter(({ step }) => madeOf(block).includes(step.name));
			for (const read of outside(block, own)) around.later.add(read);
			if (pick !== null && endingOf(step, indexAt(around)) === "pick") {
				return this.#stop(around, "reference_missing");
			}
			around.marks = marksOf(block, madeOf(block));
			const whole = runs.map((run) => [run.step.name, run.value]);
			this.#decidesOn(
				around,
				pick ? made("group", pick, block) : Object.fromEntries(whole),
			);
		});
		return true;
	}

	#responds(block: Block): object | null {
		const { respond, empties } = this.#route;
		const values = respond.map((name) => [name, find(name, block).value]);
		const [first] = values;
		if (empties && first?.[1] === null) return null;
		return Object.fromEntries(values);
	}

	/** A step that only reads is dropped when all that could read it have ended. */
	#dropsOne(): boolean {
		for (const block of this.#order(this.#blocks.filter(isUnderWay))) {
			for (const run of block.planned) {
				if (run.state !== "waiting" && run.state !== "running") continue;
				const { step } = run;
				if (hasEffect(step) || block.result.includes(step.name)) continue;
				const needed = block.planned.some(
					(other) =>
						(other.state === "waiting" || other.state === "running") &&
						readsOf(other.step).includes(step.name),
				);
				if (needed) continue;
				this.#leaveStep(run);
				return true;
			}
		}
		return false;
	}

	/* A request that is passed on */

	#passesOn(): boolean {
		if (this.#passed !== null) return false;
		// Nobody takes the answer, or no time is left for its head.
		if (this.#left || this.#late) {
			this.#fails(this.#left ? "client_closed" : "deadline_exceeded");
			return true;
		}
		const query = this.#route.respond.map((name) => {
			const read = { step: name, code: false };
			return `${name}=${valueOf(read, this.#main)}`;
		});
		const target = `/${passedOn}${query.length > 0 ? "?" : ""}${query.join("&")}`;
		const endMs = this.#nowMs + Math.min(600, this.#passedMs());
		this.#passed = { method: "GET", target, startMs: this.#nowMs, endMs };
		this.#calls.push(this.#passed);
		return true;
	}

	/** How long the upstream takes for its head. */
	#passedMs(): number {
		return delayOf(this.#scenario, passedOn, []);
	}

	#passedBack(): void {
		if (this.#passedMs() >= 600) this.#fails("upstream_timeout");
		else this.#answers(200, {}, madeOf(this.#main));
	}

	/* The end */

	#answers(status: number, body: unknown, names: readonly string[]): void {
		this.#claim(({ kept }) => !kept);
		const missing = marksOf(this.#main, names).map(print);
		const text = body === null ? "" : JSON.stringify(body);
		this.#over(status, null, text, missing);
	}

	#fails(code: string): void {
		this.#claim(() => true);
		this.#over(0, code, "", []);
	}

	/** What was written at a turn, and inside, is undone. */
	#undoes(turn: Turn): void {
		this.#claim((write) => isWithin(write.turn, turn));
	}

	#claim(chosen: (write: Written) => boolean): void {
		for (const write of this.#written) {
			if (write.claimedMs !== never || !chosen(write)) continue;
			write.claimedMs = this.#nowMs;
		}
	}

	#over(
		status: number,
		code: string | null,
		body: string,
		missing: readonly string[],
	): void {
		if (this.#passed !== null) this.#passed.endMs = this.#nowMs;
		const end = { endMs: this.#nowMs, status, code, body, missing };
		// The run ends as if the client were there, but nobody hears how.
		this.#end = this.#left ? { ...end, code: "client_closed" } : end;
		this.#leave(this.#main);
	}

	#open(
		steps: readonly RandomStep[],
		result: readonly string[],
		around: Turn | null,
	): Block {
		const runs = new Map<string, StepRun>();
		const ordered: StepRun[] = [];
		const way = around?.way ?? "";
		const block = { way, steps: runs, planned: ordered, result, around };
		const path = around ? `${around.of.path}.` : "";
		for (const step of planned(steps)) {
			const run: StepRun = {
				step,
				block,
				path: path + step.name,
				way: `${way}${step.name}/`,
				state: "waiting",
				value: null,
				code: null,
				marks: [],
				later: new Set(),
				refusal: null,
				count: 0,
				next: 0,
				turns: [],
				filling: null,
				startMs: never,
				cut: false,
			};
			runs.set(step.name, run);
			ordered.push(run);
			this.#steps.push(run);
		}
		this.#blocks.push(block);
		return block;
	}
}

/** Whether it waits for others only, so that it may go on at once. */
function goesOn({ phase }: Turn): boolean {
	return phase === "failed" || phase === "reads" || phase === "fills";
}

function isUnderWay({ around }: Block): boolean {
	return around === null || around.phase === "inside";
}

/** Whether it ends by itself at an instant. */
function isTimed({ phase }: Turn): boolean {
	return phase === "calls" || phase === "waits";
}

/** When a `within` ends the step, its own or one around it. */
function boundOf({ step, startMs, block }: StepRun): number {
	const own = step.withinMs === null ? never : startMs + step.withinMs;
	return block.around === null ? own : Math.min(own, boundOf(block.around.of));
}

/** How many items of its list must succeed; 0 if all must. */
function enoughOf({ each }: RandomStep): number {
	return each?.enough ?? 0;
}

function hasSucceeded({ phase, skipped }: Turn): boolean {
	return phase === "done" && !skipped;
}

/** The status of the answer by which a step failed with this code, by the replies that the upstream gives; 0 for none. */
function statusOf(code: string): number {
	if (code === "upstream_status") return 500;
	return code === "upstream_invalid" ? 200 : 0;
}

function ending({ way }: Placed, end: () => boolean) {
	return { way, end };
}
