import type { GatewayError } from "../../core/errors.ts";
import type { Trial, UpstreamResponse } from "../../core/http/messages.ts";
import type { Asker } from "../../core/trail.ts";
import type { Clock } from "../../tasks/clock.ts";
import type { ReportDecision } from "../policy.ts";
import type { Keeper, Kept } from "./keeper.ts";
import type { SecondLevel } from "./shared.ts";

/** The means that trials take from their cache. */
export interface TrialContext {
	readonly keeper: Keeper;
	readonly clock: Clock;
	readonly report: ReportDecision<"cache">;
	/** Null if nothing is shared. */
	readonly second: Pick<SecondLevel, "keep" | "refuse"> | null;
}

/**
 * A cache cannot see whether an answer is of use: a page of HTML instead of JSON has status 200, too. So it keeps the
 * good answer before it, until a step has made a value of the new one.
 */
export class AnswerTrial implements Trial {
	readonly #context: TrialContext;
	/** The answer on trial; null if it is not kept. */
	kept: Kept | null = null;
	#good: Kept | null;
	#passed: boolean;

	constructor(context: TrialContext, good: Kept | null, passed = false) {
		this.#context = context;
		this.#good = good;
		this.#passed = passed;
	}

	/** Whether a step has used the answer. */
	get passed(): boolean {
		return this.#passed;
	}

	/** The answer that stands in for the one on trial if it is refused. */
	get good(): Kept | null {
		return this.#good;
	}

	/** The trial of the same answer, after a 304 has confirmed it. */
	confirmed(): AnswerTrial {
		return new AnswerTrial(this.#context, this.#good, this.#passed);
	}

	/** The last answer that a step has used, if it may still stand in: the one on trial, or the one before. */
	lastGood(): Kept | null {
		const last = this.#passed ? this.kept : this.#good;
		return last && this.#standsIn(last) ? last : null;
	}

	accept(): void {
		if (this.#passed) return;
		this.#passed = true;
		if (this.kept !== null) this.#context.second?.keep(this.kept);
		const good = this.#good;
		if (good === null) return;
		this.#good = null;
		const { keeper } = this.#context;
		if (this.kept === null) keeper.drop(good);
		else keeper.weigh(this.kept, this.kept.memory);
	}

	refuse(error: GatewayError, asker: Asker): UpstreamResponse | null {
		const { keeper, report, second } = this.#context;
		if (this.kept !== null) second?.refuse(this.kept);
		const good = this.#good && this.#standsIn(this.#good) ? this.#good : null;
		if (this.kept !== null) keeper.replace(this.kept, good);
		// A change of the address may have dropped both meanwhile.
		if (good === null || !keeper.has(good)) return null;
		report(asker, "stale", error.code);
		return staleOf(good, error);
	}

	#standsIn({ ifErrorUntilMs }: Kept): boolean {
		return this.#context.clock.now() < ifErrorUntilMs;
	}
}

/** A kept answer that is given although it is stale. The error is the reason; null while a new answer is on its way. */
export function staleOf(
	kept: Kept,
	error: GatewayError | null,
): UpstreamResponse {
	const sharing = kept.response.freshness?.sharing ?? "all";
	const untilMs = kept.freshUntilMs;
	return {
		...kept.response,
		freshness: { untilMs, sharing, stale: { error } },
	};
}
