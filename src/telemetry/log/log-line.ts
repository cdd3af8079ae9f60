// Not by name: an old Node, which has no `styleText`, must get as far as saying that it is too old.
import util from "node:util";
import { shown, shownInOneLine } from "../../core/shown.ts";
import { type JsonBytes, Pieces } from "../trail/json-bytes.ts";

/** The fields of a line of the log. */
interface Fields {
	readonly level: number;
	readonly time: string;
	readonly msg: string;
	readonly code?: string;
	readonly message?: string;
	readonly stack?: string;
}

const levels = new Map([
	[30, { name: "info", style: "dim" }],
	[40, { name: "warn", style: "yellow" }],
	[50, { name: "error", style: "red" }],
] as const);

/** Fields that write themselves, as they would be written one by one. For lines of which there are thousands a second. */
export abstract class OwnFields {
	abstract writeTo(out: JsonBytes): void;
}

/**
 * Writes a line of JSON: how bad it is, the time, the fields in their order, and what happened. It shows what a terminal
 * would obey. `atMs` is the time in milliseconds since 1970.
 */
export function writeLine(
	out: JsonBytes,
	level: number,
	fields: object,
	words: string,
	worker: number | null = null,
	atMs = Date.now(),
): void {
	writeBegin(out, level, worker, atMs);
	if (fields instanceof OwnFields) fields.writeTo(out);
	else {
		for (const name of Object.keys(fields)) {
			writeField(out, name, (fields as Record<string, unknown>)[name]);
		}
	}
	writeField(out, "msg", words);
	out.closeMap();
	out.end();
	out.raw("\n");
}

export function writeField(out: JsonBytes, name: string, value: unknown): void {
	if (value === undefined) return;
	out.key(name);
	if (typeof value === "number") out.number(value);
	else if (typeof value === "boolean") out.json(value ? "true" : "false");
	else if (typeof value !== "string" || !out.plain(value)) {
		// JSON escapes the control characters of ASCII alone.
		out.json(shown(JSON.stringify(value)));
	}
}

/** The last second of which a line told, since 1970. */
let second = Number.NaN;

/** How its lines begin, up to the point before the milliseconds. To write dates costs more than the rest of a line. */
const begins = new Pieces<number>((level) => {
	const text = new Date(second * 1_000).toISOString().slice(0, -4);
	return `{"level":${level},"time":"${text}`;
});

/** What comes after the milliseconds. */
const zones = new Pieces<number | null>((worker) =>
	worker === null ? 'Z",' : `Z","worker":${worker},`,
);

/** The level and the time, as RFC 3339 has it, and the worker. */
function writeBegin(
	out: JsonBytes,
	level: number,
	worker: number | null,
	atMs: number,
): void {
	const own = Math.floor(atMs / 1_000);
	if (own !== second) {
		second = own;
		begins.clear();
	}
	out.piece(begins.of(level));
	out.threeDigits(atMs - own * 1_000);
	out.piece(zones.of(worker));
}

/**
 * A line of JSON for people, who watch it on a terminal: the time, how bad it is, what happened, the error's code and
 * words, then the other fields.
 */
export function readable(json: string, colour: boolean): string {
	const { level, time, msg, code, message, stack, ...others } = JSON.parse(
		json,
	) as Fields;
	const { name = "log", style = "dim" } =
		levels.get(level as 30 | 40 | 50) ?? {};
	const said = [msg, code, message].filter((text) => text !== undefined);
	const fields = Object.entries(others)
		.filter(([, value]) => value !== null)
		.map(([key, value]) => ` ${key}=${valueOf(value)}`);
	const paint = (text: string, as: typeof style) =>
		colour ? util.styleText(as, text, { validateStream: false }) : text;
	const clock = new Date(time).toTimeString().slice(0, 8);
	const line = `${clock} ${paint(name.padEnd(5), style)} ${shownInOneLine(said.join(": "))}${paint(shownInOneLine(fields.join("")), "dim")}\n`;
	return stack === undefined ? line : `${line}${shown(stack)}\n`;
}

/** A text that could be taken for several is in quotes. Of a missing part the step and the code are enough for a glance. */
function valueOf(value: unknown): string {
	if (Array.isArray(value) && typeof value[0] === "object") {
		return value.map(({ step, code }) => `${step}:${code}`).join(",");
	}
	const text = typeof value === "string" ? value : JSON.stringify(value);
	return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}
