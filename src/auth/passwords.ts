import {
	createHash,
	createHmac,
	randomBytes,
	scrypt,
	timingSafeEqual,
} from "node:crypto";
import { LRUCache } from "lru-cache";
import type { PasswordEntry } from "../config/config.ts";
import { scryptMemory } from "../config/keys/auth-hash.ts";
import { GatewayError } from "../core/errors.ts";
import { Slots } from "../policy/slots.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import { Denial, type Judgement, scopeOf } from "./identity.ts";

/** How many passwords are computed at once. Each takes a thread of four, which names, files and signatures need, too. */
const computedMax = 2;

/** How many more may wait for that. Beyond it somebody of the address with the most is refused. */
const waitingMax = 64;

/** A password that was right is not computed again for so long. */
const rememberedMs = 5 * 60_000;
const rememberedMax = 1_000;

/**
 * Names and passwords. To compute a password takes a fifth of a second on purpose, so few are computed at once, clients
 * take turns by their address, and a right one is remembered.
 */
export class Passwords {
	readonly #entries: ReadonlyMap<string, PasswordEntry>;
	readonly #slots: Slots;
	/** What is remembered says nothing without this key, which no other process has. */
	readonly #secret = randomBytes(32);
	readonly #right: LRUCache<string, true>;
	readonly #all: readonly PasswordEntry[];
	/** Made of what nobody else knows, and the same in all processes that have these entries. */
	readonly #marks: Buffer;

	constructor(entries: readonly PasswordEntry[], clock: Clock) {
		this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
		this.#all = entries;
		const marks = createHash("sha256");
		for (const { hash } of entries) marks.update(hash.salt).update(hash.digest);
		this.#marks = marks.digest();
		this.#right = new LRUCache({
			max: rememberedMax,
			ttl: rememberedMs,
			perf: { now: () => clock.now() + 1 },
		});
		this.#slots = new Slots(computedMax, clock, {
			what: "places for passwords",
			full: (running, waiting) =>
				new GatewayError(
					"overloaded",
					`${running} passwords are computed and ${waiting} wait`,
				),
		});
	}

	async judge(
		{ name, password }: { readonly name: string; readonly password: string },
		client: string,
		scope: Scope,
	): Promise<Judgement> {
		const entry = this.#entries.get(name);
		const mark = this.#markOf(name, password);
		if (entry && this.#right.get(mark)) return identityOf(entry);
		const asked = entry ?? this.#nobodyNamed(name);
		if (asked === null) return new Denial("invalid", "nobody has a password");
		if (!this.#slots.tryTake()) {
			const turn = this.#slots.wait(client, scope, waitingMax);
			if (turn === null) return new Denial("busy", "too many passwords wait");
			try {
				await turn;
			} catch (error) {
				if (scope.cancelled) throw error;
				return new Denial("busy", "too many passwords wait");
			}
		}
		try {
			const isRight = await isPasswordOf(password, asked);
			if (!isRight || entry === undefined) {
				return new Denial("invalid", "no such name and password");
			}
		} finally {
			this.#slots.give();
		}
		this.#right.set(mark, true);
		return identityOf(entry);
	}

	/**
	 * Stands for whoever has no entry, so that nobody finds out by the time who has one. Entries may differ in their cost, so each name
	 * has one of its own, the same in each process and after each start. Null if there are no entries.
	 */
	#nobodyNamed(name: string): PasswordEntry | null {
		const digest = createHmac("sha256", this.#marks).update(name).digest();
		return this.#all[digest.readUInt32BE() % this.#all.length] ?? null;
	}

	#markOf(name: string, password: string): string {
		const hmac = createHmac("sha256", this.#secret);
		return hmac.update(JSON.stringify([name, password])).digest("base64url");
	}
}

function identityOf({ name, claims }: PasswordEntry): Judgement {
	return {
		values: { by: "", sub: name, claims, scope: scopeOf(claims), key: null },
		untilMs: null,
	};
}

/** Computed on a thread of libuv. */
function isPasswordOf(
	password: string,
	{ hash: { cost, salt, digest } }: PasswordEntry,
): Promise<boolean> {
	const { N, r, p } = cost;
	const options = { N, r, p, maxmem: 2 * scryptMemory(cost) };
	return new Promise((resolve, reject) => {
		scrypt(password, salt, digest.length, options, (error, computed) => {
			if (error) reject(error);
			else resolve(timingSafeEqual(computed, digest));
		});
	});
}
