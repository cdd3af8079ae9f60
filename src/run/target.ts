import type { PathSegment } from "../config/config.ts";
import type { ResolvedUpstream } from "../config/resolve-upstream.ts";
import { GatewayError } from "../core/errors.ts";
import { type HeaderList, isHeaderValue } from "../core/http/headers.ts";
import { faultOfPath } from "../core/http/path.ts";
import { type Frame, prepareExpression } from "../expression/evaluate.ts";
import { Fuel } from "../expression/fuel.ts";
import type { Expression } from "../expression/parse.ts";
import { printTemplate } from "../expression/print.ts";
import {
	readsOf,
	type Template,
	type TemplateEntry,
	textOf,
} from "../expression/template.ts";
import {
	blamingClient,
	type Inputs,
	inputsOf,
	type Layout,
	prepare,
	readsOnlyInput,
} from "./layout.ts";

/**
 * Here data becomes part of a target. Data cannot change where a call goes. A value in a path is one encoded segment,
 * and a value in a query is one encoded value. A value in a header has no line break. Null is refused.
 */

/** The call's path and query from the upstream's origin, encoded. */
export function prepareTarget(
	path: readonly PathSegment[],
	query: readonly TemplateEntry[],
	upstream: ResolvedUpstream,
	layout: Layout,
): (frame: Frame) => string {
	const segments = path.map((segment) => prepareSegment(segment, layout));
	const own = new Set(query.map(({ name }) => name));
	const fixed = upstream.query
		.filter(([name]) => !own.has(name))
		.map(
			([name, value]) =>
				`${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
		)
		.join("&");
	const print = prepareParameters(query, layout, fixed);
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

/** Percent-encodes everything but unreserved characters (RFC 3986, 2.3) and `!'()*`, which separate nothing. */
function encode(text: string, inputs: Inputs): string {
	return encodeURIComponent(wellFormed(text, inputs));
}

/** The text itself. Fails if UTF-8 cannot represent it and would send another character. */
export function wellFormed(
	text: string,
	inputs: Inputs,
	where?: string,
): string {
	if (text.isWellFormed()) return text;
	throw refused("holds half a surrogate pair", inputs, where);
}

/** The error for a value that cannot stand where it was put: the client's fault if the value is the client's. */
function refused(
	message: string,
	inputs: Inputs,
	where = "an address",
): GatewayError {
	if (inputs === null) {
		return new GatewayError("step_failed", `a value of ${where} ${message}`);
	}
	const errors = inputs.map((at) => ({ at, message }));
	const words = `${inputs.join(", ")} ${message}`;
	return new GatewayError("request_invalid", words, { errors });
}

/** Query parameters or fields of a form, after those of `fixed`: `name=value` with `&` between, encoded. */
export function prepareParameters(
	entries: readonly TemplateEntry[],
	layout: Layout,
	fixed = "",
): (frame: Frame) => string {
	const parameters = entries.map((entry) => prepareParameter(entry, layout));
	return (frame) => {
		let pairs = fixed;
		for (const parameter of parameters) pairs = parameter(frame, pairs);
		return pairs;
	};
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

/** Without the parameter the call may ask for everything. So an empty list is refused like null. */
export function refuseEmpty(source: string): never {
	throw new GatewayError(
		"reference_missing",
		`\${${source}} is an empty list, and its parameter would not be sent`,
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
function isConstant(template: Template): boolean {
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

/** Appends the value's text: for a list one for each item, for an optional null nothing. */
function prepareValues<Target>(
	template: Template,
	optional: boolean,
	layout: Layout,
	append: (text: string, target: Target) => Target,
	onEmpty: (source: string) => void = () => {},
): (frame: Frame, target: Target) => Target {
	const evaluate = prepare(template, layout);
	const source = sourceOf(template);
	const appendAll = (frame: Frame, target: Target) => {
		const value = evaluate(frame);
		if (value === null && optional) return target;
		if (!Array.isArray(value)) return append(textOf(value, source), target);
		if (value.length === 0 && !optional) onEmpty(source);
		let appended = target;
		for (const item of value) appended = append(textOf(item, source), appended);
		return appended;
	};
	return readsOnlyInput(template, layout)
		? blamingClient(appendAll)
		: appendAll;
}

/** The value's name in the log: the expression as written, without `${}`. */
function sourceOf(template: Template): string {
	const printed = printTemplate(template);
	const text = typeof printed === "string" ? printed : JSON.stringify(printed);
	const whole = readsOf(template).length > 0 && template.kind === "whole";
	return whole ? text.slice(2, -1) : text;
}
