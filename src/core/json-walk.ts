import { nestingMax } from "./json.ts";
import {
	endOfColon,
	endOfDigits,
	endOfExponent,
	endOfPlainText,
	endOfSpace,
	endOfText,
	endOfWord,
	startOfSpace,
	unfit,
} from "./json-grammar.ts";

/** A member that is asked for. */
export interface Asked {
	readonly name: string;
	/** The name in UTF-8. */
	readonly key: Uint8Array;
	/** Where the value is noted; -1 if only members of it are asked for. */
	readonly index: number;
	/** What is asked for of the value, if it is a map. */
	readonly members: readonly Asked[];
}

/** How many members may be asked for of one map. The bits of an integer say which were seen. */
export const askedMax = 31;

/** Where a value stands, and what it is made of. Counted as `surveyJson` counts it. */
export interface Found {
	readonly start: number;
	readonly end: number;
	readonly values: number;
	readonly longs: number;
	readonly memory: number;
}

/** A longer number may be one that no double holds, or that no reader takes. */
const numberLengthMax = 200;

/**
 * Walks once over JSON, as strictly as JSON.parse, finds the members that are asked for, and makes nothing of them. It also
 * gives up before what only a reader can judge: deep nesting, a number that no double may hold, and a map in which
 * a member is asked for and stands twice, or any key has an escape. Whether the bytes are UTF-8 is not judged.
 */
export class JsonWalk {
	/** By the index of what is asked for. What is not there is undefined. */
	readonly found: (Found | undefined)[] = [];
	/** Values and keys of the lists and maps behind the walk. */
	values = 0;
	/** Numbers that may need all their digits. */
	longs = 0;
	/** The memory that the lists and maps would take, without their texts. */
	memory = 0;
	readonly #bytes: Uint8Array;
	/** Behind the last byte that is no white space: the closing bracket of the whole. */
	readonly #end: number;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
		this.#end = startOfSpace(bytes, bytes.length);
	}

	/** Walks over a map with these members. Whether it has come to the end. */
	whole(asked: readonly Asked[]): boolean {
		const bytes = this.#bytes;
		const end = this.#end;
		// No part of JSON but a map ends with its bracket, so that nothing is read behind it.
		if (end === 0 || bytes[end - 1] !== 0x7d) return false;
		const start = endOfSpace(bytes, 0);
		return bytes[start] === 0x7b && this.#map(start, asked, 0) === end;
	}

	/*
	 * Each method takes where something begins, and gives the index behind it, or `unfit`. `outer` lists and maps are around.
	 */

	#map(at: number, asked: readonly Asked[], outer: number): number {
		if (outer === nestingMax) return unfit;
		const bytes = this.#bytes;
		let next = endOfSpace(bytes, at + 1);
		if (bytes[next] === 0x7d) return this.#ended(next + 1, 1, 0);
		let seen = 0;
		for (let keys = 1; ; keys++) {
			if (bytes[next] !== 0x22) return unfit;
			const key = next + 1;
			next = endOfPlainText(bytes, key);
			if (next === unfit) return unfit;
			const which = indexOfKey(bytes, key, next - 1, asked);
			next = endOfColon(bytes, next);
			if (next === unfit) return unfit;
			if (which < 0) next = this.#value(next, outer + 1);
			else {
				if (((seen >>> which) & 1) === 1) return unfit;
				seen |= 1 << which;
				next = this.#member(next, asked[which] as Asked, outer + 1);
			}
			if (next === unfit) return unfit;
			if ((bytes[next] as number) <= 0x20) next = endOfSpace(bytes, next);
			if (bytes[next] === 0x7d) return this.#ended(next + 1, 2 * keys, keys);
			if (bytes[next] !== 0x2c) return unfit;
			next++;
			if ((bytes[next] as number) <= 0x20) next = endOfSpace(bytes, next);
		}
	}

	#member(at: number, { index, members }: Asked, outer: number): number {
		if (index < 0) {
			// Of any other value these members are null.
			if (this.#bytes[at] !== 0x7b) return this.#value(at, outer);
			return this.#inner(this.#map(at, members, outer));
		}
		const { values, longs, memory } = this;
		const end = this.#value(at, outer);
		this.found[index] = {
			start: at,
			end,
			values: 1 + this.values - values,
			longs: this.longs - longs,
			memory: end - at + 8 + this.memory - memory,
		};
		return end;
	}

	/** Where a map has ended that has another around it, and so is not the end. */
	#inner(end: number): number {
		return end === this.#end ? unfit : end;
	}

	#value(at: number, outer: number): number {
		const bytes = this.#bytes;
		const first = bytes[at] as number;
		if (first === 0x22) return endOfText(bytes, at + 1);
		if (first === 0x7b) return this.#inner(this.#anyMap(at, outer));
		if (first === 0x5b) return this.#list(at, outer);
		if (first === 0x2d) return this.#number(at, at + 1);
		return first <= 0x39 ? this.#number(at, at) : endOfWord(bytes, at);
	}

	/** A map of which no member is asked for. */
	#anyMap(at: number, outer: number): number {
		if (outer === nestingMax) return unfit;
		const bytes = this.#bytes;
		let next = at + 1;
		if ((bytes[next] as number) <= 0x20) next = endOfSpace(bytes, next);
		if (bytes[next] === 0x7d) return this.#ended(next + 1, 1, 0);
		for (let keys = 1; ; keys++) {
			if (bytes[next] !== 0x22) return unfit;
			next = endOfText(bytes, next + 1);
			if (next === unfit) return unfit;
			next = endOfColon(bytes, next);
			if (next === unfit) return unfit;
			next = this.#value(next, outer + 1);
			if (next === unfit) return unfit;
			if ((bytes[next] as number) <= 0x20) next = endOfSpace(bytes, next);
			if (bytes[next] === 0x7d) return this.#ended(next + 1, 2 * keys, keys);
			if (bytes[next] !== 0x2c) return unfit;
			next++;
			if ((bytes[next] as number) <= 0x20) next = endOfSpace(bytes, next);
		}
	}

	#list(at: number, outer: number): number {
		if (outer === nestingMax) return unfit;
		const bytes = this.#bytes;
		let next = at + 1;
		if ((bytes[next] as number) <= 0x20) next = endOfSpace(bytes, next);
		if (bytes[next] === 0x5d) return this.#ended(next + 1, 1, 0);
		for (let items = 1; ; items++) {
			next = this.#value(next, outer + 1);
			if (next === unfit) return unfit;
			if ((bytes[next] as number) <= 0x20) next = endOfSpace(bytes, next);
			if (bytes[next] === 0x5d) return this.#ended(next + 1, items, 0);
			if (bytes[next] !== 0x2c) return unfit;
			next++;
			if ((bytes[next] as number) <= 0x20) next = endOfSpace(bytes, next);
		}
	}

	/** Counts a list or map. */
	#ended(end: number, values: number, keys: number): number {
		this.values += values;
		this.memory += 56 + 8 * values + 42 * keys;
		return end;
	}

	/** A number whose first digit is at `start`. */
	#number(at: number, start: number): number {
		const bytes = this.#bytes;
		const point = endOfDigits(bytes, start);
		if (point === start) return unfit;
		if (point > start + 1 && bytes[start] === 0x30) return unfit;
		let end = point;
		if (bytes[point] === 0x2e) {
			end = endOfDigits(bytes, point + 1);
			if (end === point + 1) return unfit;
		}
		if (end - start >= 16) this.#countDigits(start, point, end);
		const mark = bytes[end];
		if (mark === 0x65 || mark === 0x45) end = endOfExponent(bytes, end);
		return end - at <= numberLengthMax ? end : unfit;
	}

	/** Counts a number that may need all its digits: as an integer, or with those behind its point. */
	#countDigits(start: number, point: number, end: number): void {
		const before = point - start;
		const behind = end - point - 1;
		if (before >= 16) {
			this.longs++;
			this.values += 3;
			this.memory += 3 * 8 + 64;
		}
		// A zero before the point is no digit of the value, and what is long already is not counted again.
		const isZero = before === 1 && this.#bytes[start] === 0x30;
		const whole = before >= 16 || isZero ? 0 : before;
		if (behind > 0 && whole + behind >= 16) {
			this.longs++;
			this.memory += 64;
		}
	}
}

/** Which of the members has the key between these indexes; -1 if none has. */
function indexOfKey(
	bytes: Uint8Array,
	start: number,
	end: number,
	asked: readonly Asked[],
): number {
	const length = end - start;
	for (let index = 0; index < asked.length; index++) {
		const { key } = asked[index] as Asked;
		if (key.length !== length) continue;
		let same = 0;
		while (same < length && key[same] === bytes[start + same]) same++;
		if (same === length) return index;
	}
	return -1;
}
