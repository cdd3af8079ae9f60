import { asGatewayError, type GatewayError } from "../../core/errors.ts";
import { type HeaderList, headerOf } from "../../core/http/headers.ts";
import type { StreamHead, UpstreamResponse } from "../../core/http/messages.ts";
import type { HeardRequest } from "../promised.ts";
import { codeVerdicts } from "../verdict.ts";
import {
	type ForwardReason,
	failureText,
	forwardReason,
	ttlText,
	withStatus,
} from "./cache-status.ts";
import { type Condition, conditionOf, withoutCondition } from "./condition.ts";
import type { Kept, Key } from "./keeper.ts";
import type { Miss } from "./misses.ts";
import { type Rest, restOf } from "./part.ts";
import type { CacheParts } from "./parts.ts";
import { type Range, rangeOf, withoutRange } from "./range.ts";
import { ageMsOf } from "./rules.ts";
import { headFrom, partOfPart } from "./streamed.ts";
import { serves, type Wish, wishOf } from "./wish.ts";

/** One client of a cache of streams: what it asks for, and how it is answered from what is kept. */
export class Client {
	readonly request: HeardRequest;
	/** The request for the whole, without its condition. */
	readonly key: Key;
	/** Null if the client has no copy of its own. */
	readonly condition: Condition | null;
	/** The part that the client asks for; null for all of it. */
	readonly range: Range | null;
	/** Whether it asks for parts that only the upstream can give. */
	readonly ranges: boolean;
	readonly wish: Wish;
	/** Those who wait for the answer to this request; null if it asks for itself alone. */
	miss: Miss | null = null;
	/** Why the upstream was asked, if this request has waited for the answer to another. */
	collapsed: ForwardReason | null = null;
	answered = false;
	readonly #parts: CacheParts;

	constructor(parts: CacheParts, request: HeardRequest) {
		const { headers, target, method, identifying = [] } = request;
		const ranged = headerOf(headers, "range") !== null;
		const range = ranged && method === "GET" ? rangeOf(headers) : null;
		const whole = ranged ? withoutRange(headers) : headers;
		const asked = withoutCondition(whole);
		this.#parts = parts;
		this.request = request;
		this.key = {
			...{ method: "GET", target, headers: asked, body: null },
			identifying,
		};
		this.condition = conditionOf(headers);
		this.range = range;
		this.ranges = ranged && range === null;
		this.wish = wishOf(asked);
	}

	/** Whether it asks for the whole, and has nothing of it. */
	get asksForAll(): boolean {
		const whole = this.range === null && !this.ranges;
		const isGet = this.request.method === "GET";
		return isGet && whole && this.condition === null && this.wish === "fresh";
	}

	reason(kept: Kept | null, now: number): ForwardReason {
		return forwardReason(this.#parts.keeper, this.key, kept, now);
	}

	/** Answers with what is kept, or 304 if the client has it. */
	give(kept: Kept, now: number, said = this.#hitText()): void {
		const { response, bornMs } = kept;
		const { method } = this.request;
		this.use(response);
		const ageMs = now - bornMs;
		this.answer(
			headFrom(response, ageMs, method, this.condition, this.range),
			`${said}; ${ttlText(kept, now)}`,
		);
	}

	/** Answers with what the upstream has confirmed now. */
	giveConfirmed(response: UpstreamResponse, said: string): void {
		const { method } = this.request;
		this.use(response);
		const ageMs = ageMsOf(response.headers);
		this.answer(
			headFrom(response, ageMs, method, this.condition, this.range),
			said,
		);
	}

	#hitText(): string {
		return this.collapsed === null ? "hit" : `fwd=${this.collapsed}; collapsed`;
	}

	/** Gives a part of the part that is kept. False if it has not all of it. */
	givePart(range: Range, now: number): boolean {
		const kept = this.#parts.keeper.find("part", this.key);
		if (kept === null || !serves(kept, this.wish, now)) return false;
		const ageMs = now - kept.bornMs;
		const head = partOfPart(kept.response, ageMs, this.condition, range);
		if (head === null) return false;
		this.use(kept.response);
		this.answer(head, `${this.#hitText()}; ${ttlText(kept, now)}`);
		return true;
	}

	/** Gives a stale answer instead of a failure, if its time for that is not over. */
	standIn(kept: Kept | null, error: GatewayError): boolean {
		const now = this.#parts.clock.now();
		const late = now >= (kept?.ifErrorUntilMs ?? 0);
		if (kept === null || late || this.wish !== "fresh") return false;
		if (this.miss?.left) return false;
		this.#parts.report(this.request, "stale", error.code);
		this.give(kept, now, `fwd=stale; ${failureText(error)}`);
		return true;
	}

	/** As `standIn`, for any failure before there is a head. */
	standsIn(kept: Kept | null, thrown: unknown): boolean {
		const error = asGatewayError(thrown);
		if (this.answered || !codeVerdicts[error.code].stale) return false;
		return this.standIn(kept, error);
	}

	/** What is missing to the part that is kept, if the whole is asked for. */
	rest(): Rest | null {
		const { method } = this.request;
		const whole = this.range === null && this.condition === null;
		if (method !== "GET" || !whole || this.wish !== "fresh") return null;
		const part = this.#parts.keeper.find("part", this.key);
		return part && restOf(part.response);
	}

	/** The fields by which the upstream is asked. */
	asked(conditions: readonly string[], rest: Rest | null): HeaderList {
		const { headers } = this.request;
		if (rest !== null) return [...headers, ...rest.asked];
		if (conditions.length === 0) return headers;
		return [...withoutCondition(headers), ...conditions];
	}

	/** What the cache keeps is not copied for each client. */
	use({ decoded }: UpstreamResponse): void {
		if (decoded) this.request.memory?.useAsAnswer(decoded.memory);
	}

	/** Only others wait for the answer if the client has left. `said` is how the cache has handled it (RFC 9211). */
	answer(head: StreamHead, said: string): void {
		if (this.miss?.left) return;
		this.answered = true;
		this.request.onHead(withStatus(head, said));
	}
}
