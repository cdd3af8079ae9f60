import type { Secrets } from "../../core/secrets.ts";
import type { Scope } from "../../tasks/scope.ts";
import {
	type Call,
	createReporter,
	type Guard,
	type PolicyContext,
} from "../policy.ts";
import { bearerOf, ClientTokens } from "./client-token.ts";
import { createMessageSignature } from "./message-signature.ts";
import type { AuthOptions, TokenOptions } from "./options.ts";
import { signing } from "./sign.ts";
import { createSigV4 } from "./sigv4.ts";
import { type Token, TokenKeeper } from "./token.ts";
import { createTokenEndpoint } from "./token-endpoint.ts";
import { authorized, withToken } from "./with-token.ts";

/** The means that credentials take from their upstream. */
export interface AuthContext extends PolicyContext {
	/** The value of `Host`, which signatures cover. */
	readonly host: string;
	/** The lifetime of token requests: the upstream's. */
	readonly scope: Scope;
	/** Opens the token endpoint. Called once, if tokens are needed. */
	readonly openEndpoint: (options: TokenOptions) => Call;
	/** Learns the tokens, so that no output shows them. */
	readonly secrets?: Secrets;
	/** Milliseconds since 1970. A signature says when it was made. */
	readonly wallMs: () => number;
}

/**
 * Says to the upstream who asks. What a call says of that itself is replaced, whoever wrote it. Null if there is nothing
 * to do: the client's own credentials are part of the call, so that no cache gives its answer to another.
 */
export function authorize(
	auth: AuthOptions,
	context: AuthContext,
): Guard | null {
	const { host, wallMs, upstream } = context;
	switch (auth.kind) {
		case "pass":
			return null;
		case "basic":
		case "bearer":
			return fixed(auth.value);
		case "sigv4":
			return signing(createSigV4(auth, host, wallMs), upstream);
		case "hmac":
			return signing(createMessageSignature(auth, host, wallMs), upstream);
		case "oauth2":
		case "exchange":
			return byToken(auth, context);
	}
}

function fixed(value: string): Guard {
	return {
		call: (next) => (request, scope, ended) => {
			const headers = authorized(request.headers, value);
			next({ ...request, headers }, scope, ended);
		},
		stream: (next) => (request, scope, ended) => {
			const headers = authorized(request.headers, value);
			next({ ...request, headers }, scope, ended);
		},
	};
}

function byToken(auth: TokenOptions, context: AuthContext): Guard {
	const { upstream, clock, scope, openEndpoint, secrets } = context;
	const tell = createReporter("auth", context);
	const endpoint = openEndpoint(auth);
	const ask = createTokenEndpoint(auth, { upstream, endpoint, scope });
	const ofClient = auth.kind === "exchange";
	const onToken = ({ value, untilMs }: Token) =>
		secrets?.addToken(value, { nowMs: clock.now(), untilMs, ofClient });
	const keeper = (subject: string | null) =>
		new TokenKeeper({ upstream, clock, issue: () => ask(subject), onToken });
	if (auth.kind === "oauth2") {
		const own = keeper(null);
		return withToken({ upstream, tell, keeperOf: () => own });
	}
	const clients = new ClientTokens(keeper);
	return withToken({
		...{ upstream, tell },
		keeperOf: (headers) => clients.of(bearerOf(headers, upstream)),
	});
}
