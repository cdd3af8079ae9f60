import { GatewayError } from "../core/errors.ts";
import type { Frame } from "../expression/evaluate.ts";
import { printTemplate } from "../expression/print.ts";
import { readsOf, type Template, textOf } from "../expression/template.ts";
import { isMap } from "../expression/values.ts";
import {
	blamingClient,
	type Inputs,
	inputsOf,
	type Layout,
	prepare,
	readsOnlyInput,
} from "./layout.ts";

/** How values become the texts that are sent: in a path, a query, a form, a header. */

/** Percent-encodes everything but unreserved characters (RFC 3986, 2.3) and `!'()*`, which separate nothing. */
export function encode(text: string, inputs: Inputs): string {
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
export function refused(
	message: string,
	inputs: Inputs,
	where = "an address",
	what = `a value of ${where}`,
): GatewayError {
	if (inputs === null) {
		return new GatewayError("step_failed", `${what} ${message}`);
	}
	const said = what.startsWith("a value")
		? message
		: `has ${what} that ${message}`;
	const errors = inputs.map((at) => ({ at, message: said }));
	const words = `${inputs.join(", ")} ${said}`;
	return new GatewayError("request_invalid", words, { errors });
}

/** Appends the value's text: for a list one for each item, for an optional null nothing. */
export function prepareValues<Target>(
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

/** Takes the texts of a map's values, one by one. */
export interface Taking<Made> {
	readonly append: (name: string, text: string) => void;
	readonly made: () => Made;
}

/** What is made of all values of a map whose names data decides. Each name is judged, and each value is as in a map of YAML. */
export function prepareAll<Made>(
	all: Template,
	layout: Layout,
	faultOf: (name: string) => string | null,
	onEmpty: (source: string) => void,
	begin: () => Taking<Made>,
): (frame: Frame) => Made {
	const evaluate = prepare(all, layout);
	const source = sourceOf(all);
	const inputs = inputsOf(readsOf(all), layout);
	const make = (frame: Frame) => {
		const map = evaluate(frame);
		if (!isMap(map)) throw noMap(map, source);
		const names = Object.keys(map);
		// To judge a name takes a microsecond.
		frame.fuel.burn(10 * names.length);
		const taking = begin();
		for (const name of names) {
			const fault = faultOf(name);
			if (fault !== null) throw refused(fault, inputs, undefined, "a name");
			const value = map[name] ?? null;
			if (value === null) throw nullIn(source);
			if (!Array.isArray(value)) {
				taking.append(name, textOf(value, source));
				continue;
			}
			if (value.length === 0) onEmpty(source);
			for (const item of value) taking.append(name, textOf(item, source));
		}
		return taking.made();
	};
	return inputs === null ? make : blamingClient(make);
}

function noMap(value: unknown, source: string): GatewayError {
	return value === null || value === undefined
		? new GatewayError(
				"reference_missing",
				`\${${source}} is null, where a map of names is needed`,
			)
		: new GatewayError("step_failed", `\${${source}} is no map of names`);
}

function nullIn(source: string): GatewayError {
	return new GatewayError(
		"reference_missing",
		`a value in \${${source}} is null, and null cannot become text: leave such values out by \`compact(…)\``,
	);
}

/** Without the parameter the call may ask for everything. So an empty list is refused like null. */
export function refuseEmpty(source: string): never {
	throw new GatewayError(
		"reference_missing",
		`\${${source}} is an empty list, and its parameter would not be sent`,
	);
}
