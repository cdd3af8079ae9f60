/** The longest end of a text that is looked for before the rest of it is compared. */
const windowMax = 32;

/** So many characters are judged at a time. No text may be shorter. */
const block = 4;

/** How many blocks are told apart, as a power of two: at least so many for each block of a text, so that most skips stay long. */
const bitsMin = 14;
const bitsMax = 20;
const perBlock = 8;

/**
 * Looks for many texts at once in a time that hardly depends on how many they are (Wu and Manber, 1994): most of a text is
 * skipped, because its characters stand at no end of any that is looked for. A regular expression with so many alternatives
 * tries each of them at each character.
 */
export class TextSearch {
	/** The length of the shortest text, at most `windowMax`. */
	readonly #window: number;
	/** How far one may go on behind a block. 0: it is the end of a text that is looked for. */
	readonly #skips: Uint8Array;
	/** The texts by their last characters. Tokens of one issuer begin alike more often than they end alike. */
	readonly #byEnd = new Map<string, string[]>();
	/** How many texts there may be. */
	readonly #countMax: number;
	#count = 0;

	constructor(texts: ReadonlySet<string>) {
		let window = windowMax;
		for (const { length } of texts) window = Math.min(window, length);
		this.#window = window;
		let bits = bitsMin;
		// Others are added later, up to twice as many.
		const wanted = 2 * texts.size * (window - block + 1) * perBlock;
		while (bits < bitsMax && 2 ** bits < wanted) bits++;
		this.#countMax =
			bits === bitsMax ? Number.POSITIVE_INFINITY : 2 * texts.size;
		this.#skips = new Uint8Array(2 ** bits).fill(window - block + 1);
		for (const text of texts) this.#take(text);
	}

	/** Looks for this text, too. False if it has to be made anew for that. */
	add(text: string): boolean {
		if (text.length < this.#window || this.#count >= this.#countMax)
			return false;
		this.#take(text);
		return true;
	}

	#take(text: string): void {
		const window = this.#window;
		const end = text.slice(-window);
		const alike = this.#byEnd.get(end);
		if (alike?.includes(text)) return;
		if (alike !== undefined) alike.push(text);
		else this.#byEnd.set(end, [text]);
		this.#count++;
		const skips = this.#skips;
		const mask = skips.length - 1;
		for (let at = block - 1; at < window; at++) {
			const here = blockAt(end, at, mask);
			skips[here] = Math.min(skips[here] as number, window - 1 - at);
		}
	}

	/** Where texts stand that are looked for, from and to in turn. Null if there are none. Those that overlap are one. */
	find(text: string): readonly number[] | null {
		const skips = this.#skips;
		const mask = skips.length - 1;
		const { length } = text;
		let found: number[] | null = null;
		for (let at = this.#window - 1; at < length; ) {
			const skip = skips[blockAt(text, at, mask)] as number;
			if (skip > 0) {
				at += skip;
				continue;
			}
			at++;
			const from = this.#longestUpTo(text, at);
			if (from >= 0) {
				found ??= [];
				join(found, from, at);
			}
		}
		return found;
	}

	/** Whether a text may stand in these bytes, each of which is a character. It nearly always does then. */
	mayStandIn(bytes: Buffer): boolean {
		const window = this.#window;
		const skips = this.#skips;
		const mask = skips.length - 1;
		const { length } = bytes;
		for (let at = window - 1; at < length; ) {
			// The same as `blockAt`. To make a text of the bytes first would take as long as to search it.
			const here =
				((bytes[at - 3] as number) << 12) ^
				((bytes[at - 2] as number) << 8) ^
				((bytes[at - 1] as number) << 4) ^
				(bytes[at] as number);
			const skip = skips[here & mask] as number;
			if (skip > 0) {
				at += skip;
				continue;
			}
			at++;
			if (this.#byEnd.has(bytes.toString("latin1", at - window, at)))
				return true;
		}
		return false;
	}

	/** Where the longest text begins that ends here; -1 if none does. */
	#longestUpTo(text: string, end: number): number {
		const ending = this.#byEnd.get(text.slice(end - this.#window, end)) ?? [];
		let longest = -1;
		for (const one of ending) {
			const from = end - one.length;
			if (from < 0 || (longest >= 0 && from > longest)) continue;
			if (text.startsWith(one, from)) longest = from;
		}
		return longest;
	}
}

/** Adds a place behind the others. Those that it overlaps become one with it. */
function join(found: number[], from: number, to: number): void {
	let begin = from;
	while (found.length > 0 && begin < (found.at(-1) as number)) {
		begin = Math.min(begin, found.at(-2) as number);
		found.length -= 2;
	}
	found.push(begin, to);
}

/** A number for the characters that end here. */
function blockAt(text: string, at: number, mask: number): number {
	return (
		((text.charCodeAt(at - 3) << 12) ^
			(text.charCodeAt(at - 2) << 8) ^
			(text.charCodeAt(at - 1) << 4) ^
			text.charCodeAt(at)) &
		mask
	);
}
