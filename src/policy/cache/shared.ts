import { LRUCache } from "lru-cache";
import { conditionFields } from "../../core/http/fields.ts";
import { headersWithout } from "../../core/http/headers.ts";
import type {
	StreamHead,
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import type { Memory } from "../../core/memory.ts";
import type { Secrets } from "../../core/secrets.ts";
import type { StoredAnswer } from "../../store/answer-value.ts";
import type { FoundAnswer, Lease, SharedAnswers } from "../../store/answers.ts";
import type { Clock } from "../../tasks/clock.ts";
import type { Scope } from "../../tasks/scope.ts";
import { sleep } from "../../tasks/sleep.ts";
import type {
	Call,
	CallEnd,
	Guard,
	Policy,
	ReportDecision,
	StreamPolicy,
} from "../policy.ts";
import { PolicyEnd } from "../policy-end.ts";
import {
	type HeardRequest,
	type PromisedStream,
	waitingPolicy,
} from "../promised.ts";
import { askedHeaders } from "../same-request.ts";
import { verdictOfStatus } from "../verdict.ts";
import type { Intake } from "./intake.ts";
import type { Form, Kept, Key } from "./keeper.ts";
import { PlainBodies } from "./plain-body.ts";
import { headFrom } from "./streamed.ts";
import { wishOf } from "./wish.ts";

/** The means that the second level takes from its cache. */
export interface SecondLevelContext {
	readonly answers: SharedAnswers;
	readonly clock: Clock;
	readonly report: ReportDecision<"cache">;
	/** What no store may hold. */
	readonly secrets: Secrets;
	/** Counts what is decoded to look for them. */
	readonly memory: Memory;
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

	readonly #plain: PlainBodies;

	constructor(context: SecondLevelContext) {
		this.#context = context;
		this.#plain = new PlainBodies(context.clock, context.memory);
	}

	/** Looks for answers to what the first level has asked for. */
	guard(intake: Intake): Guard {
		return { call: this.#policy(intake), stream: this.#streamPolicy(intake) };
	}

	#policy(intake: Intake): Policy {
		return (next) => (request, scope, ended) => {
			const asks = request.isKept !== undefined && request.safe;
			const own = withoutConditions(request);
			if (!asks || wishOf(own.headers) !== "fresh") {
				next(request, scope, ended);
				return;
			}
			if (scope.cancelled) throw scope.reason;
			const end = new PolicyEnd(ended);
			this.#look(next, { request, own, scope, intake }, end);
		};
	}

	#streamPolicy(intake: Intake): StreamPolicy {
		return waitingPolicy(
			(next) => (request, scope) =>
				request.forAll === true
					? this.#stream(next, request, scope, intake)
					: next(request, scope),
		);
	}

	/** How much older an answer is than its fields say; 0 if it comes from the upstream. */
	olderMs({ body }: UpstreamResponse): number {
		return this.#found.get(body) ?? 0;
	}

	/** An answer is kept and of use: a step has used it, or it was sent as it is. */
	keep({ form, key, response, bornMs, freshUntilMs }: Kept): void {
		const asked = askedOf(form, key);
		const lease = this.#leases.get(asked);
		if (lease === undefined) return;
		this.#leases.delete(asked);
		const { status, headers, body } = response;
		const nowMs = this.#context.clock.now();
		const answer = {
			...{ status, headers, body },
			ageMs: Math.max(0, nowMs - bornMs),
			keptMs: freshUntilMs - nowMs,
		};
		const mayBeShared = () => this.#hasNoSecret(form, answer);
		void this.#context.answers.keep(lease, answer, mayBeShared);
	}

	/** The store has other readers. The client gets an answer with a secret all the same, and it stays in memory. */
	async #hasNoSecret(form: Form, answer: StoredAnswer): Promise<boolean> {
		const { secrets } = this.#context;
		if (secrets.areNone) return true;
		if (secrets.has(JSON.stringify(answer.headers))) return false;
		const isFree = (body: Uint8Array) => !secrets.has(body);
		// In coded bytes nothing is found.
		return form === "sent"
			? this.#plain.allow(answer, isFree)
			: isFree(answer.body);
	}

	/** An answer was not kept after all, or a step could not use it. */
	refuse({ form, key }: Pick<Kept, "form" | "key">): void {
		this.release(form, key, true);
	}

	/** Whether other gateways wait for the answer. */
	leads(form: Form, key: Key): boolean {
		const token = this.#leases.get(askedOf(form, key))?.token ?? "";
		return token !== "";
	}

	/** Others wait no longer for an answer that is not kept. The next one asks at once if it `failed`. */
	release(form: Form, key: Key, failed: boolean): void {
		this.#giveBack(askedOf(form, key), failed);
	}

	/** Calls of this gateway have changed what is at these targets. */
	changed(targets: readonly string[]): void {
		this.#context.answers.changed(targets);
	}

	/** Looks in the store, and asks if it is not there. Whoever leaves meanwhile hears so at once, and not when the store answers. */
	#look(next: Call, looking: Looking, end: PolicyEnd): void {
		const { own, scope, intake } = looking;
		const asked = askedOf("decoded", own);
		const stop = scope.onCancel((reason) => end.failed(reason));
		this.#find(asked, own.target, scope, intake).then(
			(found) => {
				stop();
				if (!scope.cancelled) this.#goOn(found, asked, next, looking, end);
				// Others wait for whoever has it.
				else if (found?.kind === "ask") this.#release(found.lease);
			},
			(reason: unknown) => {
				stop();
				end.failed(reason);
			},
		);
	}

	#goOn(
		found: FoundAnswer | null,
		asked: string,
		next: Call,
		{ request, own, scope, intake }: Looking,
		end: PolicyEnd,
	): void {
		if (found?.kind === "kept") {
			this.#context.report(request, "shared", null);
			end.answered(this.#given(found.answer));
			return;
		}
		if (found?.kind !== "ask") {
			end.begin(next, request, scope);
			return;
		}
		this.#leases.set(asked, found.lease);
		const told = (response: UpstreamResponse | null) => {
			if (response === null) this.#giveBack(asked, true);
			else this.#judge(asked, own, response, intake);
		};
		new EndOfLease(told, end).begin(next, request, scope);
	}

	/** What will be kept is kept for others when a step has used it. A 304 confirms what is kept. */
	#judge(
		asked: string,
		own: UpstreamRequest,
		response: UpstreamResponse,
		intake: Intake,
	): void {
		const { status, body } = response;
		if (status === 304) return;
		const foreseen = intake.foresee("decoded", own, response, body.length);
		if (foreseen.kept && foreseen.served) return;
		this.#giveBack(asked, verdictOfStatus(status).stale);
	}

	/** Its client may not have read the body when this resolves. Who keeps it, or hears that it is not kept, ends the lease. */
	async #stream(
		next: PromisedStream,
		request: HeardRequest,
		scope: Scope,
		intake: Intake,
	): Promise<void> {
		const { target } = request;
		const { headers } = withoutConditions(request);
		const key: Key = { method: "GET", target, headers, body: null };
		const asked = askedOf("sent", key);
		const found = await this.#find(asked, target, scope, intake);
		if (scope.cancelled) {
			if (found?.kind === "ask") this.#release(found.lease);
			throw scope.reason;
		}
		if (found?.kind === "kept") {
			this.#context.report(request, "shared", null);
			const { ageMs } = found.answer;
			// Of a part of a second nobody keeps note here, so it counts as a whole one.
			const shownMs = 1000 * Math.ceil(ageMs / 1000);
			return request.onHead(headFrom(found.answer, shownMs, "GET", null));
		}
		if (found?.kind !== "ask") return next(request, scope);
		this.#leases.set(asked, found.lease);
		let confirmed = false;
		const onHead = (head: StreamHead) => {
			confirmed = head.status === 304;
			request.onHead(head);
		};
		try {
			await next({ ...request, onHead }, scope);
			// It was about another answer than the one that is kept, or that would have been kept by now; or nobody wants it.
			if (confirmed || scope.cancelled) this.#giveBack(asked, true);
		} catch (error) {
			this.#giveBack(asked, true);
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
		this.#release(lease, failed);
	}

	#release(lease: Lease, failed = true): void {
		this.#context.answers.release(lease, failed);
	}
}

/** A call that looks in the store. `own` is its request without the conditions of the first level. */
interface Looking {
	readonly request: UpstreamRequest;
	readonly own: UpstreamRequest;
	readonly scope: Scope;
	readonly intake: Intake;
}

/** The end of a call that asks for other gateways, too. */
class EndOfLease extends PolicyEnd {
	readonly #told: (response: UpstreamResponse | null) => void;

	/** `told` is called with the answer, or with null if there is none. */
	constructor(
		told: (response: UpstreamResponse | null) => void,
		outer: CallEnd,
	) {
		super(outer);
		this.#told = told;
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		this.#told(response);
		return response;
	}

	protected override onFailed(error: unknown): never {
		this.#told(null);
		throw error;
	}
}

/** Without the conditions by which the first level asks whether its own answer still holds. */
function withoutConditions<Request extends Pick<Key, "headers">>(
	request: Request,
): Request {
	const headers = headersWithout(request.headers, (name) =>
		conditionFields.has(name),
	);
	return { ...request, headers };
}

/** A text that two calls have in common only if their answers can be given for each other. */
function askedOf(form: Form, key: Key): string {
	const { method, target, body, binary = false } = key;
	const asked = [method, target, body, binary, askedHeaders(key)];
	return JSON.stringify(form === "decoded" ? asked : [...asked, form]);
}
