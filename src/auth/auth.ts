import type { AuthConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import type { Memory } from "../core/memory.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import { createBasicAuth, createKeysAuth } from "./entries-auth.ts";
import type { OpenIssuer } from "./fetched-keys.ts";
import { Denial, type Identity, type Judgement } from "./identity.ts";
import { createJwtAuth } from "./jwt-auth.ts";
import { createMtlsAuth } from "./mtls-auth.ts";

/** One kind of credentials at work. */
export interface Auth {
	readonly name: string;
	/** Resolves when it is known whether credentials can be judged. */
	readonly settled: Promise<void>;
	/** Never computes for long, and rejects only if the client leaves. */
	judge(request: GatewayRequest, scope: Scope): Judgement | Promise<Judgement>;
	/** Whether it is for tokens of OAuth, and the address of this gateway for those who issue them. */
	readonly bearsTokens: boolean;
	readonly resource: string | null;
	/** How a client is told to ask, as `WWW-Authenticate` has it. */
	challenge(denial: Denial): string;
	close(): Promise<void> | void;
}

export interface AuthContext {
	readonly clock: Clock;
	readonly memory: Memory;
	readonly open: OpenIssuer;
	/** Hears if keys or entries could be read again, and if not, why. */
	readonly told: (auth: string, error: GatewayError | null) => void;
}

/** Throws `config_invalid` if a file cannot be read. */
export function createAuth(config: AuthConfig, context: AuthContext): Auth {
	switch (config.kind) {
		case "jwt": {
			const { name, kind: _, ...rules } = config;
			return createJwtAuth(name, rules, context);
		}
		case "keys":
			return createKeysAuth(config, context);
		case "basic":
			return createBasicAuth(config, context);
		case "mtls": {
			const { name, kind: _, ...rules } = config;
			return createMtlsAuth(name, rules);
		}
	}
}

/**
 * Who asks, by the first of these that knows. Throws `unauthorized` if none does. If one of them cannot tell now, nobody
 * can say that the client is not known, so it is `auth_unavailable`.
 */
export async function identify(
	auths: readonly Auth[],
	request: GatewayRequest,
	scope: Scope,
): Promise<Identity> {
	const denials: Denial[] = [];
	for (const auth of auths) {
		const judging = auth.judge(request, scope);
		const judged = judging instanceof Promise ? await judging : judging;
		if (!(judged instanceof Denial)) return judged;
		denials.push(judged);
	}
	throw refusalOf(auths, denials);
}

function refusalOf(
	auths: readonly Auth[],
	denials: readonly Denial[],
): GatewayError {
	const told = denials.map(({ words }, at) => `${auths[at]?.name}: ${words}`);
	const words = told.join("; ");
	const reasons = denials.map(({ reason }) => reason);
	if (reasons.includes("unavailable")) {
		return new GatewayError("auth_unavailable", words, { retryAfterMs: 5_000 });
	}
	if (reasons.includes("busy")) {
		return new GatewayError("overloaded", words, { retryAfterMs: 1_000 });
	}
	const challenges = auths.map((auth, at) =>
		auth.challenge(denials[at] as Denial),
	);
	return new GatewayError("unauthorized", words, { challenges });
}
