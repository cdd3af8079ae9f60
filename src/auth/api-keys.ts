import { createHash, timingSafeEqual } from "node:crypto";
import type { ApiKeyEntry } from "../config/config.ts";
import { apiKeyDigestOf, apiKeyForm } from "../config/keys/auth-hash.ts";
import { Denial, type Judgement, scopeOf } from "./identity.ts";

/** Takes as long as a comparison with a real one. */
const nobodysDigest = createHash("sha256").update("nobody").digest();

/** The keys that are good, found by their beginning. */
export class ApiKeys {
	readonly #entries = new Map<string, ApiKeyEntry>();

	constructor(entries: readonly ApiKeyEntry[]) {
		for (const entry of entries) this.#entries.set(entry.hash.prefix, entry);
	}

	judge(key: string, nowMs: number): Judgement {
		const prefix = apiKeyForm.exec(key)?.[1];
		if (prefix === undefined) return new Denial("invalid", "it is no API key");
		const entry = this.#entries.get(prefix);
		const known = entry?.hash.digest ?? nobodysDigest;
		// The digests are of one length, and comparing them says nothing of where they differ.
		const isKey = timingSafeEqual(apiKeyDigestOf(key), known);
		if (!isKey || entry === undefined) {
			return new Denial("invalid", "there is no such API key");
		}
		const { name, expiresMs, claims } = entry;
		if (expiresMs !== null && expiresMs <= nowMs) {
			return new Denial("expired", `the key of ${name} has expired`);
		}
		const sub = typeof claims.sub === "string" ? claims.sub : name;
		return {
			values: { by: "", sub, claims, scope: scopeOf(claims), key: name },
			untilMs: expiresMs,
		};
	}
}
