import { placesIn } from "./json-places.ts";
import { KnownTokens } from "./known-tokens.ts";
import { formsOf } from "./secret-forms.ts";
import { TextSearch } from "./text-search.ts";

/** What stands in an output instead of a secret. Shorter than any, so that no output grows. */
const stars = "***";

/** The shortest secret that is looked for. A shorter one would be found where it does not stand. */
const lengthMin = 6;

/** Letters alone are a word until there are so many, and digits a number or a time. */
const wordLengthMin = 12;
const numberLengthMin = 16;

/** The most tokens of clients that are known at once. Of those that were fetched first nobody knows any more. */
const clientTokensMax = 8_192;

/** The gateway's own are few. Only an endpoint that gives new ones all the time, each for long, could make them many. */
const ownTokensMax = 1_024;

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
	/** In these every form is looked for. Clients cannot push them out. */
	readonly #own = new KnownTokens(ownTokensMax);
	readonly #ofClients = new KnownTokens(clientTokensMax);
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
		const tokens = ofClient ? this.#ofClients : this.#own;
		if (tokens.tidy(nowMs)) this.#search = null;
		for (const part of partsOf(token)) {
			if (!isTelling(part)) continue;
			tokens.add(part, untilMs);
			const forms = ofClient ? [part] : formsOf(part);
			for (const form of forms) {
				if (this.#search?.add(form) === false) this.#search = null;
			}
		}
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
		return found === null ? text : withStars(text, found);
	}

	/**
	 * The same of JSON, which stays JSON: only its texts and its long numbers can be secrets, and not what stands between them.
	 * Several documents may follow each other, with words between them, such as lines of a log.
	 */
	hideInJson(json: string): string {
		const found = this.#searched()?.find(json) ?? null;
		if (found === null) return json;
		let hidden = "";
		let to = 0;
		for (const { from, end, isText, isWithin } of placesIn(json, found)) {
			const place = json.slice(from, end);
			if (isText) {
				hidden += json.slice(to, from);
				hidden += isWithin && place !== "" ? stars : this.hide(place);
			} else if (this.has(place)) {
				hidden += `${json.slice(to, from)}"${stars}"`;
			} else continue;
			to = end;
		}
		return hidden + json.slice(to);
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

	/** The same of bytes of JSON. */
	hideInJsonBytes<Bytes extends Uint8Array>(bytes: Bytes): Bytes | Buffer {
		const buffer = bufferOf(bytes);
		if (!this.#searched()?.mayStandIn(buffer)) return bytes;
		return Buffer.from(this.hideInJson(buffer.toString("latin1")), "latin1");
	}

	/** Whether there is nothing to look for. */
	get areNone(): boolean {
		return this.#values.size + this.#own.size + this.#ofClients.size === 0;
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
		if (this.#search !== null) return this.#search;
		if (this.areNone) return null;
		const whole = [...this.#values, ...this.#own.all()];
		const forms = whole.flatMap((value) => [...formsOf(value)]);
		this.#search = new TextSearch(
			new Set([...forms, ...this.#ofClients.all()]),
		);
		return this.#search;
	}
}

/** Whether a text is found only where it is meant, and so is looked for. Lists of numbers stand in many outputs. */
export function isTelling(text: string): boolean {
	const plain = text.replace(/\b(?:true|false|null)\b/g, "");
	if (/^[\d\s.:;,+/[\]{}-]*$/.test(plain))
		return text.length >= numberLengthMin;
	if (/^[A-Za-z\s._-]*$/.test(text)) return text.length >= wordLengthMin;
	return text.length >= lengthMin;
}

/**
 * A JWT may be shown without its signature, and its claims are a person's. Its first part is that of all tokens. Of what only
 * looks like one every part may be secret.
 */
function partsOf(token: string): readonly string[] {
	const parts = token.split(".");
	if (parts.length !== 3) return [token];
	return isJoseHead(parts[0] ?? "") ? parts.slice(1) : [token, ...parts];
}

function isJoseHead(text: string): boolean {
	try {
		const head = JSON.parse(Buffer.from(text, "base64url").toString());
		return typeof head === "object" && head !== null && "alg" in head;
	} catch {
		return false;
	}
}

function withStars(text: string, found: readonly number[]): string {
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
