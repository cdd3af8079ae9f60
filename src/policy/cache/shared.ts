import { LRUCache } from "lru-cache";
import { conditionFields } from "../../core/http/fields.ts";
import { headersWithout } from "../../core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import type { Secrets } from "../../core/secrets.ts";
import type { StoredAnswer } from "../../store/answer-value.ts";
import type { FoundAnswer, Lease, SharedAnswers } from "../../store/answers.ts";
import type { Clock } from "../../tasks/clock.ts";
import type { Scope } from "../../tasks/scope.ts";
import { sleep } from "../../tasks/sleep.ts";
import type { Policy, ReportDecision } from "../policy.ts";
import { type PromisedCall, promised, tellEnd } from "../promised.ts";
import { askedHeaders } from "../same-request.ts";
import { verdictOfStatus } from "../verdict.ts";
import type { Intake } from "./intake.ts";
import type { Kept, Key } from "./keeper.ts";
import { wishOf } from "./wish.ts";

/** The means that the second level takes from its cache. */
export interface SecondLevelContext {
	readonly answers: SharedAnswers;
	readonly clock: Clock;
	readonly report: ReportDecision<"cache">;
	/** What no store may hold. */
	readonly secrets: Secrets;
}

/** The pauses in which one looks again for what another asks for. */
const pauseMsMin = 20;
const pauseMsMax = 100;

/** After so long one asks, whoever else does: some two leases. */
const patienceMs = 4_000;

/** The most leases that are held at once. What the oldest was for is then not kept for others. */
const leasesMax = 1_024;

/**
 * Answers that several gateways share, behind the memory of each. What is found there comes as from a cache before the upstream, with its `Age`, and the
 * first level judges it as any other. What the first level keeps, and a step has used, is kept for the others.
 */
export class SecondLevel {
	readonly #context: SecondLevelContext;
	/** By what was asked. */
	readonly #leases = new LRUCache<string, Lease>({ max: leasesMax });
	/** The part of a second by which an answer from there is older than its `Age` says. */
	readonly #found = new WeakMap<Uint8Array, number>();

	constructor(context: SecondLevelContext) {
		this.#context = context;
	}

	/** Looks for answers to calls that the first level has sent. */
	policy(intake: Intake): Policy {
		return (next) => (request, scope, ended) => {
			const asks = request.isKept !== undefined && request.safe;
			const own = withoutConditions(request);
			if (!asks || wishOf(own.headers) !== "fresh") {
				next(request, scope, ended);
				return;
			}
			// The store is waited for in any case.
			const ask = promised(next);
			tellEnd(this.#call(ask, request, own, scope, intake), ended);
		};
	}

	/** How much older an answer is than its fields say; 0 if it comes from the upstream. */
	olderMs({ body }: UpstreamResponse): number {
		return this.#found.get(body) ?? 0;
	}

	/** A step has used an answer that is kept. */
	keep({ key, response, bornMs, freshUntilMs }: Kept): void {
		const asked = askedOf(key);
		const lease = this.#leases.get(asked);
		if (lease === undefined) return;
		this.#leases.delete(asked);
		const { status, headers, body } = response;
		const { answers, clock, secrets } = this.#context;
		const nowMs = clock.now();
		// The store has other readers. Its clients get such an answer all the same, and it stays in memory.
		const isSecret = secrets.has(body) || secrets.has(JSON.stringify(headers));
		void answers.keep(lease, {
			...{ status, headers, body },
			ageMs: Math.max(0, nowMs - bornMs),
			keptMs: isSecret ? 0 : freshUntilMs - nowMs,
		});
	}

	/** An answer was not kept after all, or a step could not use it. */
	refuse({ key }: Pick<Kept, "key">): void {
		this.#giveBack(askedOf(key), true);
	}

	/** Calls of this gateway have changed what is at these targets. */
	changed(targets: readonly string[]): void {
		this.#context.answers.changed(targets);
	}

	async #call(
		next: PromisedCall,
		request: UpstreamRequest,
		own: UpstreamRequest,
		scope: Scope,
		intake: Intake,
	): Promise<UpstreamResponse> {
		const asked = askedOf(own);
		const found = await this.#find(asked, own.target, scope, intake);
		if (scope.cancelled) throw scope.reason;
		if (found?.kind === "kept") {
			this.#context.report(request, "shared", null);
			return this.#given(found.answer);
		}
		const lease = found?.kind === "ask" ? found.lease : null;
		if (lease !== null) this.#leases.set(asked, lease);
		try {
			const response = await next(request, scope);
			// What will be kept is kept for others when a step has used it. A 304 confirms what is kept.
			if (lease !== null && response.status !== 304) {
				const { length } = response.body;
				const { kept, served } = intake.foresee(
					"decoded",
					own,
					response,
					length,
				);
				if (!kept || !served) {
					this.#giveBack(asked, verdictOfStatus(response.status).stale);
				}
			}
			return response;
		} catch (error) {
			if (lease !== null) this.#giveBack(asked, true);
			throw error;
		}
	}

	/** Null if it waited in vain for whoever asks. */
	async #find(
		asked: string,
		target: string,
		scope: Scope,
		intake: Intake,
	): Promise<FoundAnswer | null> {
		const { answers, clock } = this.#context;
		const untilMs = clock.now() + patienceMs;
		for (
			let pauseMs = pauseMsMin;
			;
			pauseMs = Math.min(2 * pauseMs, pauseMsMax)
		) {
			const found = await answers.find(asked, target, intake.answerBytesMax);
			if (found.kind !== "wait") return found;
			if (clock.now() >= untilMs) return null;
			await sleep(pauseMs, scope);
		}
	}

	#given({ status, headers, body, ageMs }: StoredAnswer): UpstreamResponse {
		const age = Math.floor(ageMs / 1000);
		this.#found.set(body, ageMs - 1000 * age);
		const others = headersWithout(headers, (name) => name === "age");
		return { status, headers: [...others, "age", String(age)], body };
	}

	#giveBack(asked: string, failed: boolean): void {
		const lease = this.#leases.get(asked);
		if (lease === undefined) return;
		this.#leases.delete(asked);
		this.#context.answers.release(lease, failed);
	}
}

/** Without the conditions by which the first level asks whether its own answer still holds. */
function withoutConditions(request: UpstreamRequest): UpstreamRequest {
	const headers = headersWithout(request.headers, (name) =>
		conditionFields.has(name),
	);
	return { ...request, headers };
}

/** A text that two calls have in common only if their answers can be given for each other. */
function askedOf(key: Key): string {
	const { method, target, body, binary = false } = key;
	return JSON.stringify([method, target, body, binary, askedHeaders(key)]);
}
