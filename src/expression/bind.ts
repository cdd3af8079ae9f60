import type { Field, Pattern, PatternPart } from "./ast.ts";
import { spreadInto } from "./functions.ts";
import { OpenMap } from "./open-map.ts";
import { elementOf } from "./operators.ts";
import { cellOf, type Frame, type Preparation, siteOf } from "./preparation.ts";
import { itemsOf, type Site } from "./site.ts";
import { memberOf, orNull } from "./values.ts";

/** Takes a value apart into cells. The value is never undefined. */
export type Binder = (frame: Frame, value: unknown) => void;

/** Binds a parameter or a part of one. If the value is null, the default after `=` is taken. */
export function bindTarget(
	{ pattern, otherwise }: PatternPart,
	preparation: Preparation,
): Binder {
	const bind = bindPattern(pattern, preparation);
	if (otherwise === null) return bind;
	const other = preparation.prepare(otherwise);
	return (frame, value) => bind(frame, value ?? other(frame));
}

export function bindPattern(
	pattern: Pattern,
	preparation: Preparation,
): Binder {
	switch (pattern.kind) {
		case "bind": {
			const cell = cellOf(pattern.slot, preparation);
			return (_frame, value) => {
				cell.value = value;
			};
		}
		case "fields":
			return bindFields(pattern, preparation);
		case "items":
			return bindItems(pattern, preparation);
	}
}

/** `{ name, other: renamed, ...rest }`; a field of null is null, like any member of null. */
function bindFields(
	pattern: Pattern & { kind: "fields" },
	preparation: Preparation,
): Binder {
	const site = siteOf(pattern, preparation);
	const fields = pattern.fields.map((field) =>
		bindField(field, site, preparation),
	);
	if (pattern.rest === null) {
		return (frame, value) => {
			for (const bind of fields) bind(frame, value);
		};
	}
	const rest = cellOf(pattern.rest.slot, preparation);
	return (frame, value) => {
		const taken = new Set<string>();
		for (const bind of fields) {
			const key = bind(frame, value);
			if (key !== null) taken.add(key);
		}
		const left = new OpenMap();
		spreadInto(site, left, value, taken);
		rest.value = left.value;
	};
}

/** Binds one field and returns its key. A computed key that is null finds nothing. */
function bindField(
	{ key, target }: Field,
	site: Site,
	preparation: Preparation,
): (frame: Frame, value: unknown) => string | null {
	const bind = bindTarget(target, preparation);
	if (typeof key === "string") {
		return (frame, value) => {
			bind(frame, memberOf(value, key));
			return key;
		};
	}
	const keyOf = preparation.prepare(key);
	return (frame, value) => {
		const computed = keyOf(frame);
		bind(frame, elementOf(site, value, computed));
		return computed === null ? null : String(computed);
	};
}

/** `[first, , third, ...rest]`; null has no items, as in a spread. */
function bindItems(
	pattern: Pattern & { kind: "items" },
	preparation: Preparation,
): Binder {
	const site = siteOf(pattern, preparation);
	const binders = pattern.items.map(
		(item) => item && bindTarget(item, preparation),
	);
	const rest = pattern.rest && bindPattern(pattern.rest, preparation);
	return (frame, value) => {
		const items = value === null ? [] : itemsOf(site, value, pattern);
		for (let index = 0; index < binders.length; index++) {
			binders[index]?.(frame, orNull(items[index]));
		}
		if (rest) {
			const left = items.slice(binders.length);
			site.chargeList(left.length);
			rest(frame, left);
		}
	};
}
