import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import type { Scope } from "../../tasks/scope.ts";
import type { Call, CallEnd } from "../policy.ts";
import { PolicyEnd } from "../policy-end.ts";
import type { Flight } from "./intake.ts";
import type { Kept } from "./keeper.ts";
import type { CacheParts } from "./parts.ts";
import { conditionsOf, confirms } from "./validate.ts";
import { serves, wishOf } from "./wish.ts";

/** One call: how it asks, and who hears of its end. */
export interface Asking {
	readonly next: Call;
	readonly request: UpstreamRequest;
	readonly scope: Scope;
	readonly ended: CallEnd;
}

/** A call of the upstream that keeps a new answer. Gives the kept one, newly dated, if the upstream confirms it. */
export function validating(
	parts: CacheParts,
	next: Call,
	kept: Kept | null,
): Call {
	const conditions = kept ? conditionsOf(kept.response.headers) : [];
	const doubt = kept && conditions.length > 0 ? { kept, conditions } : null;
	return (request, scope, ended) =>
		fetch(parts, { next, request, scope, ended }, doubt);
}

/** The answer to be confirmed, and the fields that ask for it. */
interface Doubt {
	readonly kept: Kept;
	readonly conditions: readonly string[];
}

function fetch(parts: CacheParts, asking: Asking, doubt: Doubt | null): void {
	const { next, request, scope } = asking;
	const { keeper, intake } = parts;
	const flight = intake.begin(request.target);
	const isKept = () => {
		const kept = keeper.find("decoded", request);
		const wish = wishOf(request.headers);
		return kept !== null && serves(kept, wish, scope.clock.now());
	};
	const headers = doubt
		? [...request.headers, ...doubt.conditions]
		: request.headers;
	const end = new EndOfFetch(parts, asking, doubt, flight);
	end.begin(next, { ...request, headers, isKept }, scope);
}

/** The end of one request to the upstream, whose answer is kept if it may be. */
class EndOfFetch extends PolicyEnd {
	readonly #parts: CacheParts;
	readonly #asking: Asking;
	readonly #doubt: Doubt | null;
	readonly #flight: Flight;

	constructor(
		parts: CacheParts,
		asking: Asking,
		doubt: Doubt | null,
		flight: Flight,
	) {
		super(asking.ended);
		this.#parts = parts;
		this.#asking = asking;
		this.#doubt = doubt;
		this.#flight = flight;
	}

	override answered(response: UpstreamResponse): void {
		const doubt = this.#doubt;
		if (doubt === null || !this.#isOfAnother(response, doubt)) {
			super.answered(response);
			return;
		}
		// The 304 is about another answer than ours.
		this.#parts.intake.end(this.#flight);
		this.#parts.keeper.drop(doubt.kept);
		const { next, request, scope } = this.#asking;
		const again = validating(this.#parts, next, null);
		new PolicyEnd(this.outer).begin(again, request, scope);
	}

	#isOfAnother({ status, headers }: UpstreamResponse, { kept }: Doubt) {
		return status === 304 && !confirms(headers, kept.response.headers);
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		const { keeper, intake, report } = this.#parts;
		const { request } = this.#asking;
		const doubt = this.#doubt;
		try {
			const kept = keeper.find("decoded", request);
			if (kept?.origin === response) return kept.response;
			if (doubt === null || response.status !== 304) {
				return intake.take("decoded", request, response, this.#flight);
			}
			report(request, "revalidated", null);
			return intake.confirm(request, doubt.kept, response, this.#flight);
		} finally {
			intake.end(this.#flight);
		}
	}

	protected override onFailed(error: unknown): never {
		this.#parts.intake.end(this.#flight);
		throw error;
	}
}
