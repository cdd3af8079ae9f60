import { leave } from "../../core/body/byte-stream.ts";
import { type ErrorCode, GatewayError } from "../../core/errors.ts";
import { type HeaderList, headersWithout } from "../../core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import type { Asker } from "../../core/trail.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import type { CallEnd, Guard } from "../policy.ts";
import { PolicyEnd } from "../policy-end.ts";
import {
	type PromisedCall,
	promised,
	tellEnd,
	waitingPolicy,
} from "../promised.ts";
import { codeOf } from "../verdict.ts";
import type { Token, TokenKeeper } from "./token.ts";

/** The means by which calls get tokens. */
export interface TokenMeans {
	readonly upstream: string;
	/** Has the tokens for calls with these header fields. Throws if they can have none. */
	readonly keeperOf: (headers: HeaderList) => TokenKeeper;
	/** Hears that a call waits for a token, is sent once more with another one, or gets none, for this reason. */
	readonly tell: (
		asker: Asker,
		what: "failed" | "renewed" | "waited",
		reason: ErrorCode | null,
	) => void;
}

interface Asking extends Asker {
	readonly headers: HeaderList;
}

/**
 * Gives each call a token. If the upstream refuses it with 401, the call is sent once more with another token: what was
 * refused was not done, whatever it was. A second 401 is the answer.
 */
export function withToken(means: TokenMeans): Guard {
	const { tell } = means;
	const take = (request: Asking, keeper: TokenKeeper, scope: Scope) => {
		const token = keeper.take(scope);
		if (!(token instanceof Promise)) return token;
		tell(request, "waited", null);
		return token.catch((error: unknown) => {
			if (!scope.cancelled) tell(request, "failed", codeOf(error));
			throw error;
		});
	};
	/** Null if there is none. Whoever asked has its 401 then. */
	const another = async (
		request: Asking,
		keeper: TokenKeeper,
		refused: Token,
		scope: Scope,
	): Promise<Token | null> => {
		try {
			return await keeper.another(refused, scope);
		} catch (error) {
			if (scope.cancelled) throw error;
			tell(request, "failed", codeOf(error));
			return null;
		}
	};
	/** Sends a call once more that was refused with this answer, if there is another token. */
	const again = async (
		next: PromisedCall,
		{ request, keeper, token, scope }: Refused,
		refusal: UpstreamResponse,
	): Promise<UpstreamResponse> => {
		const other = await another(request, keeper, token, scope);
		// Asked last, because from then on it is certain that the call is sent.
		if (other === null || request.onAgain?.(false) === false) return refusal;
		tell(request, "renewed", "upstream_status");
		return next(bearing(request, other), scope);
	};
	return {
		call: (next) =>
			function callWithToken(request, scope, ended) {
				const keeper = means.keeperOf(request.headers);
				const token = take(request, keeper, scope);
				const send = (token: Token) => {
					const sent = { request, keeper, token, scope };
					const sendAgain = (refusal: UpstreamResponse) =>
						again(promised(next), sent, refusal);
					const end = new EndWithToken(sendAgain, scope, ended);
					end.begin(next, bearing(request, token), scope);
				};
				if (!(token instanceof Promise)) send(token);
				else token.then(send, (error: unknown) => ended.failed(error));
			},
		stream: waitingPolicy(
			(next) =>
				async function streamWithToken(request, scope) {
					const keeper = means.keeperOf(request.headers);
					const token = await take(request, keeper, scope);
					// A body that was read is gone.
					if (request.body !== null || !keeper.mayRenew(token)) {
						return next(bearing(request, token), scope);
					}
					const first = openScope({ parent: scope });
					let refused = false;
					const onHead: typeof request.onHead = (head) => {
						refused = head.status === 401;
						if (!refused) return request.onHead(head);
						leave(head.body);
						first.cancel(givenUp);
					};
					try {
						await next({ ...bearing(request, token), onHead }, first);
					} catch (thrown) {
						if (!refused || scope.cancelled) throw thrown;
					} finally {
						first.close();
					}
					if (!refused) return;
					const other = await another(request, keeper, token, scope);
					if (other === null) throw noOther(means.upstream);
					tell(request, "renewed", "upstream_status");
					return next(bearing(request, other), scope);
				},
		),
	};
}

/** A call, and the token that was refused. */
interface Refused {
	readonly request: UpstreamRequest;
	readonly keeper: TokenKeeper;
	readonly token: Token;
	readonly scope: Scope;
}

/** The end of a call with its first token. */
class EndWithToken extends PolicyEnd {
	readonly #again: (refusal: UpstreamResponse) => Promise<UpstreamResponse>;
	readonly #scope: Scope;

	constructor(
		again: (refusal: UpstreamResponse) => Promise<UpstreamResponse>,
		scope: Scope,
		outer: CallEnd,
	) {
		super(outer);
		this.#again = again;
		this.#scope = scope;
	}

	protected override onAnswered(
		response: UpstreamResponse,
	): UpstreamResponse | null {
		if (response.status !== 401 || this.#scope.cancelled) return response;
		tellEnd(this.#again(response), this.outer);
		return null;
	}
}

/** Ends the reading of an answer that says that the token is refused. Nobody sees this error. */
const givenUp = new GatewayError("call_aborted", "the token was refused");

/** The 401 itself cannot be given any more. */
function noOther(upstream: string): GatewayError {
	const message = "the upstream refused the token, and there is no other";
	const facts = { upstream, upstreamStatus: 401 };
	return new GatewayError("upstream_auth_failed", message, facts);
}

function bearing<Request extends Asking>(
	request: Request,
	{ value }: Token,
): Request {
	return {
		...request,
		headers: authorized(request.headers, `Bearer ${value}`),
	};
}

/** The fields with this `Authorization`, and no other. */
export function authorized(headers: HeaderList, value: string): HeaderList {
	const others = headersWithout(headers, (name) => name === "authorization");
	return [...others, "authorization", value];
}
