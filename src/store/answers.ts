import crypto from "node:crypto";
import { LRUCache } from "lru-cache";
import {
	changeScript,
	findScript,
	keepScript,
	releaseScript,
} from "./answer-scripts.ts";
import {
	keptMsMax,
	packed,
	type StoredAnswer,
	unpacked,
} from "./answer-value.ts";
import type { Store } from "./store.ts";

/** What the store says of an answer. If nobody has it, `lease` is given to one of those who ask. */
export type FoundAnswer =
	| { readonly kind: "kept"; readonly answer: StoredAnswer }
	/** Somebody else asks for it now. */
	| { readonly kind: "wait" }
	/** It is to be asked for, and may be kept under this lease. */
	| { readonly kind: "ask"; readonly lease: Lease }
	/** The store is of no use now. */
	| { readonly kind: "away" };

/** The right to keep an answer. Others wait for it only if it has a token. */
export interface Lease {
	readonly keys: readonly string[];
	readonly token: string;
	/** The marks of the address when it was given. */
	readonly marks: string;
}

/** How long others wait for the one who asks, at most. Then the next one asks. */
const leaseMs = 2_000;

/** How long nobody waits for an answer of a kind that is not kept. */
const aloneMs = 10_000;

/** The most answers that are looked through and put into the store at once. A further one is not. */
const keepingMax = 64;

/** Targets by their digest, so that a message about one need not name it. */
const targetsMax = 10_000;

/** A shorter time is not worth a round trip. */
const keptMsMin = 100;

/**
 * Answers of one upstream that processes share. Nothing here rejects: without the store there are just no answers in
 * it. An answer is never given to another request than the one that it was kept for, nor after its address was changed.
 */
export class SharedAnswers {
	readonly #store: Store;
	readonly #identity: string;
	readonly #channel: string;
	readonly #self = crypto.randomBytes(9).toString("base64url");
	readonly #targets = new LRUCache<string, string>({ max: targetsMax });
	#keeping = 0;
	/** Whether a change could not be told. Then all answers of the upstream are made old before another is looked for. */
	#untold = false;
	/** While that is told. What others find meanwhile may be old. */
	#telling: Promise<boolean> | null = null;

	/** `identity` is equal for all who may share. `onChange` hears of targets that others have changed; null is all. */
	constructor(
		store: Store,
		identity: string,
		onChange: (target: string | null) => void,
	) {
		this.#store = store;
		this.#identity = identity;
		this.#channel = `${store.prefix}changed:${this.#digest("")}`;
		store.listen(this.#channel, (message) => this.#hear(message, onChange));
	}

	/** `asked` is a text that two requests have in common only if they are the same. */
	async find(
		asked: string,
		target: string,
		bytesMax: number,
	): Promise<FoundAnswer> {
		const away: FoundAnswer = { kind: "away" };
		if (!this.#store.up) return this.#alone(away);
		// Another change may have failed meanwhile.
		while (this.#untold || this.#telling !== null) {
			if (!(await this.#tellAll())) return this.#alone(away);
		}
		const digest = this.#digest(target);
		this.#targets.set(digest, target);
		const { prefix } = this.#store;
		const own = this.#digest(`\n${asked}`);
		const keys = [
			`${prefix}answer:${own}`,
			`${prefix}lease:${own}`,
			`${prefix}mark:${digest}`,
			this.#markOfAll,
		];
		const token = crypto.randomBytes(9).toString("base64url");
		try {
			const args = [token, String(leaseMs)];
			const found = await this.#store.script(findScript, keys, args, readFound);
			if (found.kind === "wait") return { kind: "wait" };
			const lease = { keys, marks: found.marks, token };
			if (found.kind === "ask") return { kind: "ask", lease };
			if (found.kind === "alone") {
				return { kind: "ask", lease: { ...lease, token: "" } };
			}
			const answer = await unpacked(found.value, bytesMax);
			if (answer === null)
				return { kind: "ask", lease: { ...lease, token: "" } };
			const goneMs = Math.max(0, answer.keptMs - found.leftMs);
			return {
				kind: "kept",
				answer: { ...answer, ageMs: answer.ageMs + goneMs },
			};
		} catch {
			return this.#alone(away);
		}
	}

	/** Keeps an answer for all, and lets those go on who wait for it. `mayBeShared` is asked only if it would be kept, because it may cost much. */
	async keep(
		{ keys, token, marks }: Lease,
		answer: StoredAnswer,
		mayBeShared: () => Promise<boolean>,
	): Promise<void> {
		const keptMs = Math.floor(Math.min(answer.keptMs, keptMsMax));
		const worth =
			keptMs >= keptMsMin && this.#keeping < keepingMax && this.#store.up;
		if (!worth) return this.#release(keys, token, aloneMs);
		this.#keeping++;
		try {
			const value = (await mayBeShared())
				? await packed({ ...answer, keptMs })
				: null;
			if (value === null) return this.#release(keys, token, aloneMs);
			const args = [token, marks, String(keptMs), value];
			await this.#store.script(keepScript, keys, args, isNumber);
		} catch {
			// The store has told of it.
		} finally {
			this.#keeping--;
		}
	}

	/** Lets those go on who wait: the next asks if it `failed`, all if it is of a kind that is not kept. */
	release({ keys, token }: Lease, failed: boolean): void {
		this.#release(keys, token, failed ? 0 : aloneMs);
	}

	/** Something has changed what is at these targets: no process gives what was kept of them. */
	changed(targets: readonly string[]): void {
		const digests = targets.map((target) => this.#digest(target));
		const { prefix } = this.#store;
		const keys = digests.map((digest) => `${prefix}mark:${digest}`);
		void this.#mark(keys, digests);
	}

	#release(keys: readonly string[], token: string, forMs: number): void {
		if (token === "" || !this.#store.up) return;
		const [, lease = ""] = keys;
		this.#store
			.script(releaseScript, [lease], [token, String(forMs)], isNumber)
			.catch(() => {});
	}

	#tellAll(): Promise<boolean> {
		if (this.#telling !== null) return this.#telling;
		this.#untold = false;
		const telling = this.#mark([this.#markOfAll], null).finally(() => {
			this.#telling = null;
		});
		this.#telling = telling;
		return telling;
	}

	async #mark(
		keys: readonly string[],
		digests: readonly string[] | null,
	): Promise<boolean> {
		const mark = crypto.randomBytes(6).toString("base64url");
		// A mark outlives every answer that was kept before it.
		const forMs = String(2 * keptMsMax);
		const message = JSON.stringify([this.#self, digests]);
		const args = [mark, forMs, this.#channel, message];
		try {
			// Whole, and not by its digest: a second attempt would come behind what is looked for meanwhile.
			const count = String(keys.length);
			const words = ["EVAL", changeScript, count, ...keys, ...args];
			await this.#store.call(words, isNumber);
			return true;
		} catch {
			this.#untold = true;
			return false;
		}
	}

	/** A message may be anybody's. At worst something is asked for anew. */
	#hear(message: string, onChange: (target: string | null) => void): void {
		let said: unknown;
		try {
			said = JSON.parse(message);
		} catch {
			return;
		}
		if (!Array.isArray(said) || said[0] === this.#self) return;
		const digests: unknown = said[1];
		if (digests === null) return onChange(null);
		if (!Array.isArray(digests)) return;
		for (const digest of digests) {
			const target = this.#targets.get(String(digest));
			if (target !== undefined) onChange(target);
		}
	}

	#alone(away: FoundAnswer): FoundAnswer {
		this.#store.decidedLocally("answers");
		return away;
	}

	get #markOfAll(): string {
		return `${this.#store.prefix}mark:${this.#digest("")}`;
	}

	/** An address may hold a secret, and the store has other readers. */
	#digest(text: string): string {
		const whole = `${this.#identity}\n${text}`;
		return crypto.hash("sha256", whole, "base64url").slice(0, 27);
	}
}

type FoundValue =
	| { readonly kind: "wait"; readonly marks: string }
	| { readonly kind: "ask"; readonly marks: string }
	| { readonly kind: "alone"; readonly marks: string }
	| {
			readonly kind: "kept";
			readonly marks: string;
			readonly value: Buffer;
			readonly leftMs: number;
	  };

function readFound(reply: unknown): FoundValue | null {
	if (!Array.isArray(reply)) return null;
	const [kind, marks, value, leftMs] = reply.map((one: unknown, at) =>
		Buffer.isBuffer(one) && at < 2 ? one.toString() : one,
	);
	if (typeof marks !== "string" || marks.length > 255) return null;
	switch (kind) {
		case "wait":
		case "ask":
		case "alone":
			return { kind, marks };
		case "kept":
			return Buffer.isBuffer(value) && typeof leftMs === "number"
				? { kind, marks, value, leftMs }
				: null;
		default:
			return null;
	}
}

function isNumber(reply: unknown): true | null {
	return typeof reply === "number" ? true : null;
}
