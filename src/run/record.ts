import { printJson } from "../core/json.ts";
import type { Recorded } from "../core/trail.ts";
import type { Frame } from "../expression/evaluate.ts";
import { Fuel } from "../expression/fuel.ts";
import type { TemplateEntry } from "../expression/template.ts";
import { type Layout, prepare } from "./layout.ts";
import type { RunInput, RunRoute } from "./run.ts";

/** Evaluates a route's `record` in the frame of a run that is over. A step that has no value is null. Never throws. */
export type PreparedRecord = (frame: Frame) => Recorded;

/** How many nodes all columns of a row may visit. It takes 10 ms at most, in which the gateway answers nobody. */
const nodesMax = 100_000;

/** The longest value, in characters of a text or of JSON. */
const lengthMax = 4_000;

const bound = { bytesMax: 3 * lengthMax, what: "a value of `record`" };

/** Null without a column. */
export function prepareRecord(
	entries: readonly TemplateEntry[],
	layout: Layout,
): PreparedRecord | null {
	if (entries.length === 0) return null;
	const columns = entries.map(({ name, value }) => ({
		name,
		evaluate: prepare(value, layout),
	}));
	return ({ values, parent, fuel }) => {
		// The request's own fuel may be used up, and its memory has been given back.
		const frame = { values, parent, fuel: new Fuel(fuel.turn, nodesMax) };
		let faults = 0;
		const read = ({ name, evaluate }: (typeof columns)[number]) => {
			try {
				return [name, scalarOf(evaluate(frame), frame.fuel)] as const;
			} catch {
				faults++;
				return [name, null] as const;
			}
		};
		return { values: Object.fromEntries(columns.map(read)), faults };
	};
}

/** Throws if the value is too long. */
function scalarOf(
	value: unknown,
	fuel: Fuel,
): string | number | boolean | null {
	if (value === null || typeof value === "boolean") return value;
	if (typeof value === "number") return value;
	const text =
		typeof value === "string" ? value : printJson(value, fuel, bound);
	if (text.length > lengthMax) throw new RangeError("the value is too long");
	return text.toWellFormed();
}

/** Lets whoever wants the request's trail evaluate the route's `record`. */
export function noteRecord(
	{ record }: RunRoute,
	{ trail }: RunInput,
	frame: Frame,
): void {
	if (record !== null && trail !== null) trail.recorded = () => record(frame);
}
