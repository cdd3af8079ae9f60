import { formsOf } from "./secret-forms.ts";
import { TextSearch } from "./text-search.ts";

/** What stands in an output instead of a secret. Shorter than any, so that no output grows. */
const stars = "***";

/** The shortest secret that is looked for. A shorter one would be found where it does not stand. */
const lengthMin = 6;

/** Letters alone are a word until there are so many, and digits a number or a time. */
const wordLengthMin = 12;
const numberLengthMin = 16;

/** The most tokens that are known at once. Of those that were fetched first nobody knows any more. */
const tokensMax = 8_192;

/** Tokens whose time is over are forgotten when so many are known, and when twice as many are that were left. */
const tidiedMin = 64;

interface TokenFacts {
	/** When it came, and until when it is good, in milliseconds of one clock. */
	readonly nowMs: number;
	readonly untilMs: number;
	/** Whether it is for one client alone. */
	readonly ofClient: boolean;
}

/**
 * The secrets of one config, and the tokens that were fetched with them. Everything that operators read passes through here:
 * a secret is known by where it comes from, so it is found wherever it stands. Neither a print nor JSON shows them.
 */
export class Secrets {
	readonly #values = new Set<string>();
	/** Names that everybody reads. */
	#names: readonly string[] = [];
	/** When the time of a token is over, in milliseconds of the gateway's clock. */
	readonly #tokens = new Map<string, number>();
	/** Those of them that are no client's, in which every form is looked for. */
	readonly #own = new Set<string>();
	#tidyAt = tidiedMin;
	/** Made when the first output passes. */
	#search: TextSearch | null = null;

	/** A secret from now on, if it can be told from ordinary words and numbers. */
	add(value: string): void {
		for (const text of [value, value.trim()]) {
			if (!isTelling(text) || this.#isNamed(text) || this.#values.has(text)) {
				continue;
			}
			this.#values.add(text);
			this.#search = null;
		}
	}

	/**
	 * These names stand in the config, and in every output. What is part of one is no secret: who knows the name would learn
	 * from the stars what the secret is.
	 */
	exceptNames(names: readonly string[]): void {
		this.#names = [...this.#names, ...names];
		for (const value of this.#values) {
			if (this.#isNamed(value)) this.#values.delete(value);
		}
		this.#search = null;
	}

	#isNamed(value: string): boolean {
		return this.#names.some((name) => name.includes(value));
	}

	/**
	 * A token that was fetched. Those that are for one client each are many, and are found only as they are.
	 */
	addToken(token: string, { nowMs, untilMs, ofClient }: TokenFacts): void {
		if (this.#tokens.size >= this.#tidyAt) this.#tidy(nowMs);
		for (const part of partsOf(token)) {
			if (!isTelling(part)) continue;
			this.#tokens.delete(part);
			this.#tokens.set(part, untilMs);
			const forms = ofClient ? [part] : formsOf(part);
			for (const form of forms) {
				if (this.#search?.add(form) === false) this.#search = null;
			}
			if (!ofClient) this.#own.add(part);
		}
	}

	#tidy(nowMs: number): void {
		let surplus = this.#tokens.size - tokensMax;
		for (const [token, untilMs] of this.#tokens) {
			if (surplus-- <= 0 && untilMs > nowMs) continue;
			this.#tokens.delete(token);
			this.#own.delete(token);
			this.#search = null;
		}
		const doubled = Math.max(tidiedMin, 2 * this.#tokens.size);
		this.#tidyAt = Math.min(doubled, tokensMax + tidiedMin);
	}

	/** The same secrets, to which others may be added. */
	copy(): Secrets {
		const copy = new Secrets();
		copy.#names = this.#names;
		for (const value of this.#values) copy.#values.add(value);
		return copy;
	}

	/** The text with stars for the secrets in it. */
	hide(text: string): string {
		const found = this.#searched()?.find(text) ?? null;
		if (found === null) return text;
		let hidden = "";
		let to = 0;
		for (let at = 0; at < found.length; at += 2) {
			// Two may share the escape between them.
			const from = Math.max(to, escapeAround(text, found[at] as number));
			hidden += text.slice(to, from) + stars;
			to = Math.max(from, endOfEscape(text, found[at + 1] as number));
		}
		return hidden + text.slice(to);
	}

	/** The same of JSON, which stays JSON. */
	hideInJson(json: string): string {
		const hidden = this.hide(json);
		return hidden === json || isJson(hidden) ? hidden : `"${stars}"`;
	}

	/** The same of a value that prints as JSON. */
	hideInValue<Value>(value: Value): Value {
		const json = JSON.stringify(value);
		if (json === undefined || !this.has(json)) return value;
		return JSON.parse(this.hideInJson(json)) as Value;
	}

	/** The same of bytes in UTF-8. Without a secret in them they are not copied. */
	hideInBytes<Bytes extends Uint8Array>(bytes: Bytes): Bytes | Buffer {
		const buffer = bufferOf(bytes);
		if (!this.#searched()?.mayStandIn(buffer)) return bytes;
		return Buffer.from(this.hide(buffer.toString("latin1")), "latin1");
	}

	/** Whether any secret stands in this text, or in these bytes. */
	has(text: string | Uint8Array): boolean {
		const search = this.#searched();
		if (search === null) return false;
		if (typeof text === "string") return search.find(text) !== null;
		const buffer = bufferOf(text);
		if (!search.mayStandIn(buffer)) return false;
		return search.find(buffer.toString("latin1")) !== null;
	}

	/** Null if there are no secrets. */
	#searched(): TextSearch | null {
		if (this.#values.size + this.#tokens.size === 0) return null;
		if (this.#search !== null) return this.#search;
		const whole = [...this.#values, ...this.#own];
		const forms = whole.flatMap((value) => [...formsOf(value)]);
		this.#search = new TextSearch(new Set([...forms, ...this.#tokens.keys()]));
		return this.#search;
	}
}

/** Whether a text is found only where it is meant. */
function isTelling(text: string): boolean {
	if (/^[\d\s.:+-]*$/.test(text)) return text.length >= numberLengthMin;
	if (/^[A-Za-z\s._-]*$/.test(text)) return text.length >= wordLengthMin;
	return text.length >= lengthMin;
}

/** A token of three parts (JWT) may be shown without its signature, and its claims are a person's. The first is that of all tokens. */
function partsOf(token: string): readonly string[] {
	const parts = token.split(".");
	return parts.length === 3 ? parts.slice(1) : [token];
}

/** Where the escape of JSON begins that this place is in, such as `\n` and `\u001b`. A part of one would be no JSON. */
function escapeAround(text: string, at: number): number {
	const before = text.slice(Math.max(0, at - 5), at);
	const open = /\\(?:u[\dA-Fa-f]{0,3})?$/.exec(before);
	if (open === null) return at;
	const begin = at - open[0].length;
	if (!/["\\/bfnrtu]/.test(text[begin + 1] ?? "")) return at;
	let slashes = 0;
	while (text[begin - 1 - slashes] === "\\") slashes++;
	return slashes % 2 === 0 ? begin : at;
}

/** Where that escape ends. */
function endOfEscape(text: string, at: number): number {
	const begin = escapeAround(text, at);
	if (begin === at) return at;
	return Math.min(text.length, begin + (text[begin + 1] === "u" ? 6 : 2));
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
	return Buffer.from(buffer, byteOffset, byteLength);
}

function isJson(text: string): boolean {
	try {
		JSON.parse(text);
		return true;
	} catch {
		return false;
	}
}
