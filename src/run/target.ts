import type { PathSegment } from "../config/config.ts";
import type { ResolvedUpstream } from "../config/resolve-upstream.ts";
import { readsOfSegment } from "../config/steps/kind.ts";
import { passesWithAll } from "../core/http/fields.ts";
import {
	type HeaderList,
	isHeaderValue,
	isToken,
} from "../core/http/headers.ts";
import { faultOfPath } from "../core/http/path.ts";
import { lenientName } from "../core/http/query.ts";
import { type Frame, prepareExpression } from "../expression/evaluate.ts";
import { Fuel } from "../expression/fuel.ts";
import type { Expression } from "../expression/parse.ts";
import {
	type NamedTemplates,
	readsOf,
	type Template,
	type TemplateEntry,
	textOf,
} from "../expression/template.ts";
import { blamingClient, type Inputs, inputsOf, type Layout } from "./layout.ts";
import {
	encode,
	prepareAll,
	prepareValues,
	refused,
	refuseEmpty,
} from "./sent-values.ts";

/**
 * Here data becomes part of a target. Data cannot change where a call goes. A value in a path is one encoded segment,
 * and a value in a query is one encoded value. A value in a header has no line break. Null is refused.
 */

/** The call's path and query from the upstream's origin, encoded. */
export function prepareTarget(
	path: readonly PathSegment[],
	query: NamedTemplates,
	upstream: ResolvedUpstream,
	layout: Layout,
): (frame: Frame) => string {
	const segments = path.map((segment) => prepareSegment(segment, layout));
	const own = new Set("all" in query ? [] : query.map(({ name }) => name));
	const fixed = upstream.query
		.filter(([name]) => !own.has(name))
		.map(
			([name, value]) =>
				`${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
		)
		.join("&");
	const names = upstream.query.map(([name]) => name);
	const print = prepareParameters(query, layout, fixed, names);
	const base = upstream.basePath;
	return (frame) => {
		let target = base;
		for (const segment of segments) {
			target +=
				typeof segment === "string" ? `/${segment}` : `/${segment(frame)}`;
		}
		if (target === "") target = "/";
		const pairs = print(frame);
		return pairs === "" ? target : `${target}?${pairs}`;
	};
}

/** The longest name of an instance, encoded. */
const instanceLengthMax = 256;

/** The instance of a channel, as one encoded segment; empty without one. Two values that encode alike are the same. */
export function prepareInstance(
	instance: PathSegment | null,
	layout: Layout,
): (frame: Frame) => string {
	if (instance === null) return () => "";
	const segment = prepareSegment(instance, layout);
	if (typeof segment === "string") return () => segment;
	const reads = readsOfSegment(instance);
	const inputs = inputsOf(reads, layout);
	return (frame) => {
		const name = segment(frame);
		if (name.length <= instanceLengthMax) return name;
		const words = `makes a name longer than ${instanceLengthMax} characters`;
		throw refused(words, inputs, "a channel");
	};
}

function prepareSegment(
	segment: PathSegment,
	layout: Layout,
): string | ((frame: Frame) => string) {
	if (typeof segment === "string") return segment;
	const reads = segment.flatMap((piece) =>
		typeof piece === "string" ? [] : piece.reads,
	);
	const inputs = inputsOf(reads, layout);
	const pieces = segment.map((piece) =>
		typeof piece === "string" ? piece : prepareEncoded(piece, inputs, layout),
	);
	const compose = (frame: Frame) => {
		let text = "";
		for (const piece of pieces) {
			text += typeof piece === "string" ? piece : piece(frame);
		}
		const fault = faultOfValue(text);
		if (fault !== null) throw refused(fault, inputs);
		return text;
	};
	return inputs ? blamingClient(compose) : compose;
}

/** The fault of a segment that holds a value, as it is sent; null if it has none. */
function faultOfValue(segment: string): string | null {
	const fault = segment === "" ? "is empty" : faultOfPath(segment);
	switch (fault) {
		case null:
			return null;
		case "is empty":
		case "has `.` or `..` as a segment":
			return "makes a path's segment empty, `.` or `..`";
		default:
			return fault;
	}
}

function prepareEncoded(
	expression: Expression,
	inputs: Inputs,
	layout: Layout,
): (frame: Frame) => string {
	const evaluate = prepareExpression(expression, layout);
	return (frame) => encode(textOf(evaluate(frame), expression.source), inputs);
}

/**
 * Query parameters or fields of a form, after those of `fixed`: `name=value` with `&` between, encoded. Names that data
 * decides cannot be mistaken for one of `own`.
 */
export function prepareParameters(
	entries: NamedTemplates,
	layout: Layout,
	fixed = "",
	own: readonly string[] = [],
): (frame: Frame) => string {
	if ("all" in entries)
		return prepareAllParameters(entries.all, layout, fixed, own);
	const parameters = entries.map((entry) => prepareParameter(entry, layout));
	return (frame) => {
		let pairs = fixed;
		for (const parameter of parameters) pairs = parameter(frame, pairs);
		return pairs;
	};
}

function prepareAllParameters(
	all: Template,
	layout: Layout,
	fixed: string,
	own: readonly string[],
): (frame: Frame) => string {
	const inputs = inputsOf(readsOf(all), layout);
	const taken = new Set(
		own.map((name) => lenientName(encodeURIComponent(name))),
	);
	const faultOf = (name: string) => {
		if (name === "") return "is empty";
		if (!name.isWellFormed()) return "holds half a surrogate pair";
		return taken.has(lenientName(encodeURIComponent(name)))
			? "may be taken for one of the upstream's own parameters"
			: null;
	};
	return prepareAll(all, layout, faultOf, refuseEmpty, () => {
		let pairs = fixed;
		return {
			append: (name, text) => {
				const pair = `${encodeURIComponent(name)}=${encode(text, inputs)}`;
				pairs = pairs === "" ? pair : `${pairs}&${pair}`;
			},
			made: () => pairs,
		};
	});
}

function prepareParameter(
	{ name, optional, value }: TemplateEntry,
	layout: Layout,
): (frame: Frame, pairs: string) => string {
	const key = `${encodeURIComponent(name)}=`;
	const inputs = inputsOf(readsOf(value), layout);
	return prepareValues(
		value,
		optional,
		layout,
		(text, pairs: string) => {
			const pair = key + encode(text, inputs);
			return pairs === "" ? pair : `${pairs}&${pair}`;
		},
		refuseEmpty,
	);
}

/**
 * The header fields of a call, or of an answer. A step's own replace the upstream's of the same name. If no data is in
 * them, it is the same frozen list every time, so that a text made from it may be kept.
 */
export function prepareHeaders(
	headers: readonly TemplateEntry[],
	fixed: readonly (readonly [string, string])[],
	layout: Layout,
): (frame: Frame) => HeaderList {
	const own = new Set(headers.map(({ name }) => name));
	const kept = fixed.filter(([name]) => !own.has(name)).flat();
	const fields = headers.map((entry) => prepareHeader(entry, layout));
	const print = (frame: Frame) => {
		let list = [...kept];
		for (const field of fields) list = field(frame, list);
		return list;
	};
	if (!headers.every(({ value }) => isConstant(value))) return print;
	const constant: HeaderList = Object.freeze(print(nowhere));
	return () => constant;
}

/**
 * The header fields of a call. A map whose names data decides may have those that a client may pass through a proxied
 * route, and none of the upstream's `own`.
 */
export function prepareCallHeaders(
	headers: NamedTemplates,
	fixed: readonly (readonly [string, string])[],
	own: readonly string[],
	layout: Layout,
): (frame: Frame) => HeaderList {
	if (!("all" in headers)) return prepareHeaders(headers, fixed, layout);
	const inputs = inputsOf(readsOf(headers.all), layout);
	const taken = new Set([...own, ...ownOfCalls]);
	const faultOf = (given: string) => {
		const name = given.toLowerCase();
		if (!isToken(name)) return "cannot be a header's name";
		if (taken.has(name))
			return "is a field of the upstream's or the call's own";
		return passesWithAll(name)
			? null
			: "may be a header only if the config writes it as a key";
	};
	const begin = () => {
		const list: string[] = [];
		const names = new Set<string>();
		return {
			append(given: string, text: string) {
				if (!isHeaderValue(text)) {
					throw refused("holds what is not visible ASCII", inputs, "a header");
				}
				const name = given.toLowerCase();
				names.add(name);
				list.push(name, text);
			},
			made: () => [
				...fixed.filter(([name]) => !names.has(name)).flat(),
				...list,
			],
		};
	};
	return prepareAll(headers.all, layout, faultOf, () => {}, begin);
}

/** The body's type and the codings that are understood belong to the call itself. */
const ownOfCalls = ["accept-encoding", "content-type"];

/**
 * The header fields of every call, unless the author sets them. Some services refuse a request without them, and without
 * an `accept-encoding` any coding would do (RFC 9110, 12.5.3).
 */
export function defaultHeaders(
	own: readonly (readonly [string, string])[],
	bodyType: string | null,
): (readonly [string, string])[] {
	const defaults: [string, string][] = [
		["accept", "application/json"],
		["accept-encoding", "identity"],
		["user-agent", "sluice"],
	];
	if (bodyType) defaults.push(["content-type", bodyType]);
	const names = new Set(own.map(([name]) => name));
	return [...defaults.filter(([name]) => !names.has(name)), ...own];
}

/**
 * Whether it is a text that can be sent as it stands. Anything else may fail, and then fails the request that needs it.
 */
export function isConstant(template: Template): boolean {
	const value = template.kind === "literal" ? template.value : null;
	return typeof value === "string" && isHeaderValue(value);
}

/** An empty frame, in which literals are evaluated. */
const nowhere: Frame = { values: [], parent: null, fuel: new Fuel() };

function prepareHeader(
	{ name, optional, value }: TemplateEntry,
	layout: Layout,
): (frame: Frame, list: string[]) => string[] {
	const inputs = inputsOf(readsOf(value), layout);
	return prepareValues(value, optional, layout, (text, list: string[]) => {
		if (!isHeaderValue(text)) {
			throw refused(
				"holds what is not visible ASCII",
				inputs,
				`the header ${name}`,
			);
		}
		list.push(name, text);
		return list;
	});
}
