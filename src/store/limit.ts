import crypto from "node:crypto";

/** `limit` requests at once, and as many more in each `perMs`. */
export interface LimitRule {
	readonly limit: number;
	readonly perMs: number;
}

/** What became of a request before several limits that all must let it through. */
export interface Counted {
	/** How much too early it came; 0 if it was counted. */
	readonly earlyMs: number;
	/** For each limit: in how long all requests of its key are paid off. */
	readonly debtsMs: readonly number[];
}

/** A request is worth so much of its time. */
export function worthMsOf({ limit, perMs }: LimitRule): number {
	return perMs / limit;
}

/** Sums are not exact: without this the last request of a burst comes too early by 1e-11, and waits a second more. */
export function slackMsOf(rule: LimitRule): number {
	return Math.min(worthMsOf(rule) / 1000, 0.01);
}

/** A longer key is kept as its digest, which has one character more than any other key. */
const keyLengthMax = 63;

/**
 * The limits of one holder, counted in this process. The generic cell rate algorithm: for each key one instant is kept, at which all its
 * requests are paid off. A request moves the instant on by `per` divided by `limit`, and may not move it further than
 * `per` from now. So there is no moment at which every client's window begins anew. A key whose instant is past equals
 * one never seen.
 */
export class LocalLimits {
	readonly #rules: readonly (LimitRule & {
		readonly worthMs: number;
		readonly slackMs: number;
		readonly evenAt: RecentKeys;
	})[];

	/** Each rule keeps at most `share` keys. */
	constructor(rules: readonly LimitRule[], share: number) {
		this.#rules = rules.map(({ limit, perMs }) => ({
			...{ limit, perMs },
			worthMs: worthMsOf({ limit, perMs }),
			slackMs: slackMsOf({ limit, perMs }),
			evenAt: createRecentKeys(share, perMs),
		}));
	}

	/** Counts a request, unless one of the limits refuses it: then it is counted to none. `keys` has one for each. */
	count(keys: readonly string[], nowMs: number): Counted {
		// Loops of its own: this runs for every request, and most holders have one limit.
		const debtsMs: number[] = [];
		let earlyMs = 0;
		let at = 0;
		for (const { worthMs, perMs, slackMs, evenAt } of this.#rules) {
			const evenMs = evenAt.get(keys[at++] as string, nowMs);
			const debtMs = Math.max(evenMs - nowMs, 0);
			debtsMs.push(debtMs);
			const early = debtMs + worthMs - perMs;
			if (early > slackMs && early > earlyMs) earlyMs = early;
		}
		const counted = earlyMs === 0;
		at = 0;
		for (const { worthMs, evenAt } of this.#rules) {
			const debtMs = (debtsMs[at] as number) + (counted ? worthMs : 0);
			debtsMs[at] = debtMs;
			const key = keys[at++] as string;
			// A key that owes nothing needs no memory: a flood of new ones that are refused drives out no other.
			if (debtMs > 0) evenAt.set(key, nowMs + debtMs);
		}
		return { earlyMs, debtsMs };
	}

	/** Takes over what others have counted, so that this process goes on from there alone. */
	adopt(keys: readonly string[], { debtsMs }: Counted, nowMs: number): void {
		let at = 0;
		for (const { evenAt } of this.#rules) {
			const key = keys[at] as string;
			const debtMs = debtsMs[at++] as number;
			evenAt.get(key, nowMs);
			if (debtMs > 0) evenAt.set(key, nowMs + debtMs);
		}
	}
}

/** Instants by key, for recently used keys. */
interface RecentKeys {
	/** The instant last set; 0 if none is kept. */
	get(key: string, nowMs: number): number;
	/** Right after `get` of the same key. */
	set(key: string, instant: number): void;
}

/**
 * Two generations. A key that is used moves to the young one. When that has grown old, it replaces the old one. A key
 * that was not used for `perMs` has paid off its requests, so nothing is lost with it. If the table is full before, it
 * forgets the keys that were used least recently. A client with so many addresses need not use one twice. If new keys
 * were refused instead, a flood could lock everybody out.
 */
function createRecentKeys(share: number, perMs: number): RecentKeys {
	const youngMax = Math.ceil(share / 2);
	let young = new Map<string, number>();
	let old = new Map<string, number>();
	let bornMs = 0;
	return {
		get(text, nowMs) {
			if (young.size >= youngMax || nowMs - bornMs >= perMs) {
				old = young;
				young = new Map();
				bornMs = nowMs;
			}
			const key = shortened(text);
			return young.get(key) ?? old.get(key) ?? 0;
		},
		set(text, instant) {
			const key = shortened(text);
			young.set(young.has(key) ? key : ownText(key), instant);
		},
	};
}

function shortened(text: string): string {
	return text.length > keyLengthMax ? crypto.hash("sha256", text) : text;
}

/** In some versions of V8 (Node 20's, not 26's) a slice of a header field keeps the whole field in memory. */
function ownText(text: string): string {
	return Buffer.from(text, "utf16le").toString("utf16le");
}
