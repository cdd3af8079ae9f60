import crypto from "node:crypto";
import { LRUCache } from "lru-cache";
import { GatewayError } from "../../core/errors.ts";
import { type HeaderList, onlyHeaderOf } from "../../core/http/headers.ts";
import type { TokenKeeper } from "./token.ts";

/** The tokens of so many clients are kept, those who have asked last. A token has at most 16 KiB, and mostly one. */
const clientsMax = 4_096;

/** The tokens that were exchanged for clients' own, by a hash of these: nothing here holds what clients have sent. */
export class ClientTokens {
	readonly #keepers = new LRUCache<string, TokenKeeper>({ max: clientsMax });
	readonly #create: (subject: string) => TokenKeeper;

	constructor(create: (subject: string) => TokenKeeper) {
		this.#create = create;
	}

	of(subject: string): TokenKeeper {
		const key = crypto.hash("sha256", subject, "base64url");
		const kept = this.#keepers.get(key);
		if (kept !== undefined) return kept;
		const created = this.#create(subject);
		this.#keepers.set(key, created);
		return created;
	}
}

/** The client's own token, which an exchange needs. Throws a 401 without one. */
export function bearerOf(headers: HeaderList, upstream: string): string {
	const value = onlyHeaderOf(headers, "authorization") ?? "";
	const token = /^bearer +([\w.~+/-]+=*)$/i.exec(value)?.[1];
	if (token !== undefined) return token;
	const message = "the client sent no token that could be exchanged";
	throw new GatewayError("upstream_auth_failed", message, {
		...{ upstream, status: 401, challenges: ["Bearer"] },
	});
}
