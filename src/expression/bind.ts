import type { Ast, Field, Pattern, Span, Target } from "./ast.ts";
import type { Evaluate, Frame } from "./evaluate.ts";
import { spreadInto } from "./functions.ts";
import { elementOf } from "./operators.ts";
import { itemsOf, type Site } from "./site.ts";
import { memberOf, orNull } from "./values.ts";

/** Where the value of an arrow's parameter stands while the arrow runs. */
export interface Cell {
	value: unknown;
}

/** Takes a value, never undefined, apart into cells. */
export type Binder = (frame: Frame, value: unknown) => void;

/** What binding needs of the expression that is being prepared. */
export interface BindingTools {
	prepare(ast: Ast): Evaluate;
	siteOf(span: Span): Site;
	cellOf(slot: number): Cell;
}

/** Binds a parameter or a part of one; where the value is null, what stands behind `=` is taken. */
export function bindTarget(
	{ pattern, otherwise }: Target,
	tools: BindingTools,
): Binder {
	const bind = bindPattern(pattern, tools);
	if (otherwise === null) return bind;
	const other = tools.prepare(otherwise);
	return (frame, value) => bind(frame, value ?? other(frame));
}

export function bindPattern(pattern: Pattern, tools: BindingTools): Binder {
	switch (pattern.kind) {
		case "bind": {
			const cell = tools.cellOf(pattern.slot);
			return (_frame, value) => {
				cell.value = value;
			};
		}
		case "fields":
			return bindFields(pattern, tools);
		case "items":
			return bindItems(pattern, tools);
	}
}

/** `{ name, other: renamed, ...rest }`; a field of null is null, as any member of null is. */
function bindFields(
	pattern: Pattern & { kind: "fields" },
	tools: BindingTools,
): Binder {
	const site = tools.siteOf(pattern);
	const fields = pattern.fields.map((field) => bindField(field, site, tools));
	if (pattern.rest === null) {
		return (frame, value) => {
			for (const bind of fields) bind(frame, value);
		};
	}
	const rest = tools.cellOf(pattern.rest.slot);
	return (frame, value) => {
		const left: Record<string, unknown> = {};
		spreadInto(site, left, value);
		for (const bind of fields) {
			const key = bind(frame, value);
			if (key !== null) delete left[key];
		}
		rest.value = left;
	};
}

/** Binds one field and tells its key; a computed key that is null finds nothing. */
function bindField(
	{ key, target }: Field,
	site: Site,
	tools: BindingTools,
): (frame: Frame, value: unknown) => string | null {
	const bind = bindTarget(target, tools);
	if (typeof key === "string") {
		return (frame, value) => {
			bind(frame, memberOf(value, key));
			return key;
		};
	}
	const keyOf = tools.prepare(key);
	return (frame, value) => {
		const computed = keyOf(frame);
		bind(frame, elementOf(site, value, computed));
		return computed === null ? null : String(computed);
	};
}

/** `[first, , third, ...rest]`; null has no items, as where it is spread. */
function bindItems(
	pattern: Pattern & { kind: "items" },
	tools: BindingTools,
): Binder {
	const site = tools.siteOf(pattern);
	const binders = pattern.items.map((item) => item && bindTarget(item, tools));
	const rest = pattern.rest && bindPattern(pattern.rest, tools);
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
