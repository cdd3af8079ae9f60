import type { Ast, MapEntry, MapLiteral, Span, Spread, Text } from "./ast.ts";
import { spreadInto } from "./functions.ts";
import { append } from "./list-methods.ts";
import { OpenMap } from "./open-map.ts";
import {
	type Evaluate,
	type Frame,
	type Preparation,
	siteOf,
} from "./preparation.ts";
import { itemsOf, type Site, textOf } from "./site.ts";
import { joined } from "./text-methods.ts";

/** A template literal. */
export function prepareText(ast: Text, preparation: Preparation): Evaluate {
	const site = siteOf(ast, preparation);
	const parts = ast.parts.map((part) =>
		typeof part === "string"
			? part
			: { evaluate: preparation.prepare(part), name: site.nameOf(part) },
	);
	return (frame) => {
		let text = "";
		for (const part of parts) {
			const piece =
				typeof part === "string"
					? part
					: textOf(site, part.evaluate(frame), part.name);
			text = joined(site, text, piece);
		}
		return text;
	};
}

/** The items of a list, or the arguments of a function that takes any number of them. */
export function prepareItems(
	items: readonly (Ast | Spread)[],
	span: Span,
	preparation: Preparation,
): (frame: Frame) => unknown[] {
	if (items.some(({ kind }) => kind === "spread")) {
		return prepareOpenList(items, span, preparation);
	}
	const plain = items.filter((item) => item.kind !== "spread");
	const values = plain.map(preparation.prepare);
	return (frame) => {
		const made: unknown[] = [];
		for (const value of values) made.push(value(frame));
		return made;
	};
}

/** A list whose length the data decides. */
function prepareOpenList(
	items: readonly (Ast | Spread)[],
	span: Span,
	preparation: Preparation,
): (frame: Frame) => unknown[] {
	const site = siteOf(span, preparation);
	const steps = items.map((item) =>
		item.kind === "spread"
			? prepareSpread(item, site, preparation)
			: prepareAppend(item, site, preparation),
	);
	return (frame) => {
		const made: unknown[] = [];
		for (const step of steps) step(frame, made);
		return made;
	};
}

type Extend = (frame: Frame, made: unknown[]) => void;

function prepareAppend(
	item: Ast,
	site: Site,
	preparation: Preparation,
): Extend {
	const value = preparation.prepare(item);
	return (frame, made) => {
		site.checkList(made.length + 1);
		made.push(value(frame));
	};
}

function prepareSpread(
	spread: Spread,
	site: Site,
	preparation: Preparation,
): Extend {
	const of = preparation.prepare(spread.of);
	return (frame, made) => {
		const value = of(frame);
		if (value === null) return;
		append(site, made, itemsOf(site, value, spread));
	};
}

/** A map. Its keys are those of the source, if nothing is spread and no key is computed. */
export function prepareMap(
	ast: MapLiteral,
	preparation: Preparation,
): Evaluate {
	const plain = ast.entries.filter(isPlain);
	if (plain.length < ast.entries.length) {
		return prepareOpenMap(ast, preparation);
	}
	const keys = plain.map(({ key }) => key);
	const values = plain.map(({ value }) => preparation.prepare(value));
	return (frame) => {
		const made: Record<string, unknown> = {};
		for (let index = 0; index < keys.length; index++) {
			made[keys[index] as string] = values[index]?.(frame);
		}
		return made;
	};
}

function isPlain(
	entry: MapEntry | Spread,
): entry is MapEntry & { readonly key: string } {
	return entry.kind === "entry" && typeof entry.key === "string";
}

/** A map whose keys the data decides. */
function prepareOpenMap(ast: MapLiteral, preparation: Preparation): Evaluate {
	const steps = ast.entries.map((entry) => {
		const site = siteOf(entry, preparation);
		if (entry.kind === "spread") {
			const of = preparation.prepare(entry.of);
			return (frame: Frame, made: OpenMap) => spreadInto(site, made, of(frame));
		}
		const value = preparation.prepare(entry.value);
		const { key } = entry;
		if (typeof key === "string") {
			return (frame: Frame, made: OpenMap) => {
				made.put(site, key, value(frame));
			};
		}
		const keyOf = preparation.prepare(key);
		return (frame: Frame, made: OpenMap) => {
			const name = textOf(site, keyOf(frame), site.nameOf(key));
			made.set(site, name, value(frame));
		};
	});
	return (frame) => {
		const made = new OpenMap();
		for (const step of steps) step(frame, made);
		return made.value;
	};
}
