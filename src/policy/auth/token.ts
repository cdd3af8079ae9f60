import { GatewayError } from "../../core/errors.ts";
import type { Clock } from "../../tasks/clock.ts";
import { createFuture, type Future } from "../../tasks/future.ts";
import type { Scope } from "../../tasks/scope.ts";
import { whileWaiting } from "../waited.ts";

/** A token as its endpoint gave it. */
export interface IssuedToken {
	readonly value: string;
	/** How long it is good, from now on. Null if the endpoint did not say. */
	readonly lifeMs: number | null;
}

/** A token that is used. */
export interface Token {
	readonly value: string;
	/** From here on it is not used any more. */
	readonly untilMs: number;
	/** From here on a new one is asked for, while this one is still used. */
	readonly renewMs: number;
}

export interface TokenContext {
	readonly upstream: string;
	readonly clock: Clock;
	/** Asks the endpoint. It ends by itself, with a token or a `GatewayError`. */
	readonly issue: () => Promise<IssuedToken>;
	/** Hears of each token before it is used. Default: nobody does. */
	readonly onToken?: (token: Token) => void;
}

/** A token is renewed when a tenth of its life is left, but not earlier than this before its end. */
const marginMsMax = 60_000;

/** How long a token is used whose endpoint does not say how long it is good. */
const unknownLifeMs = 3_600_000;

/** A token that is good for longer is asked for again all the same. */
const lifeMsMax = 24 * 3_600_000;

/** After a failure, the endpoint is not asked for so long: all that need a token fail at once. */
const failureMs = 1_000;

/** So long after a renewal for a 401, no other 401 makes one. An upstream that refuses every token costs no more. */
const refusedMs = 10_000;

/** One token, which any number of calls use. However many need a new one at once, the endpoint is asked once. */
export class TokenKeeper {
	readonly #context: TokenContext;
	#token: Token | null = null;
	#issuing: Future<Token> | null = null;
	#failed: { readonly error: GatewayError; readonly untilMs: number } | null =
		null;
	#refusedUntilMs = Number.NEGATIVE_INFINITY;

	constructor(context: TokenContext) {
		this.#context = context;
	}

	/** The token for a call. A promise only if the call has to wait, which ends with its scope. */
	take(scope: Scope): Token | Promise<Token> {
		const token = this.#token;
		const now = this.#context.clock.now();
		if (token === null || now >= token.untilMs) return this.#wait(scope, now);
		if (now >= token.renewMs && this.#issuing === null && !this.#failing(now)) {
			void this.#issue();
		}
		return token;
	}

	/**
	 * Another token, because the upstream has refused this one with 401. Null if there is none: the last one was renewed
	 * for that reason only just now.
	 */
	another(refused: Token, scope: Scope): Token | Promise<Token> | null {
		const now = this.#context.clock.now();
		// Somebody else has had it renewed meanwhile.
		if (this.#token !== null && this.#token !== refused) return this.#token;
		if (this.#issuing !== null) return this.#wait(scope, now);
		if (now < this.#refusedUntilMs) return null;
		this.#refusedUntilMs = now + refusedMs;
		this.#token = null;
		return this.#wait(scope, now);
	}

	/** Whether there may be another token than this one, if it is refused now. */
	mayRenew(token: Token): boolean {
		return (
			token !== this.#token ||
			this.#issuing !== null ||
			this.#context.clock.now() >= this.#refusedUntilMs
		);
	}

	#failing(now: number): boolean {
		return this.#failed !== null && now < this.#failed.untilMs;
	}

	async #wait(scope: Scope, sinceMs: number): Promise<Token> {
		if (scope.cancelled) throw scope.reason;
		if (this.#issuing === null && this.#failing(sinceMs)) {
			throw again(this.#failed?.error as GatewayError);
		}
		const { clock, upstream } = this.#context;
		const issuing = this.#issuing ?? this.#issue();
		try {
			return await issuing.result(scope);
		} catch (reason) {
			const what = `a token for ${upstream}`;
			throw whileWaiting(reason, clock.now() - sinceMs, what, upstream);
		}
	}

	/** It belongs to no call, so that a client that leaves ends nothing but its own wait. */
	#issue(): Future<Token> {
		const { issue, clock, onToken } = this.#context;
		const issuing = createFuture<Token>();
		this.#issuing = issuing;
		issue().then(
			(issued) => {
				const token = usedUntil(issued, clock.now());
				onToken?.(token);
				this.#token = token;
				this.#failed = null;
				this.#issuing = null;
				issuing.resolve(token);
			},
			(error: GatewayError) => {
				this.#failed = { error, untilMs: clock.now() + failureMs };
				this.#issuing = null;
				issuing.reject(error);
			},
		);
		return issuing;
	}
}

/** Its life counts from when it came, on the gateway's own clock. So no clock of another machine matters. */
function usedUntil({ value, lifeMs }: IssuedToken, now: number): Token {
	const life = Math.min(lifeMs ?? unknownLifeMs, lifeMsMax);
	const untilMs = now + life;
	return {
		value,
		untilMs,
		renewMs: untilMs - Math.min(life / 10, marginMsMax),
	};
}

/** The same failure for another call. */
function again({ code, message, facts }: GatewayError): GatewayError {
	return new GatewayError(code, `${message} (a moment ago)`, facts);
}
