import { z } from "zod";
import { printTemplate } from "../../expression/print.ts";
import type { Template } from "../../expression/template.ts";
import type { Written } from "../keys/input.ts";
import { reading } from "../keys/kind.ts";
import { type Reader, readTemplate } from "../read-template.ts";
import { plainOf } from "../shape.ts";
import type { Source } from "../source.ts";
import type { StepReading } from "./common.ts";

/** All statuses that begin with this digit. `any` are those that no other key names, but not 2xx. */
const statusClasses = ["2xx", "3xx", "4xx", "5xx", "any"] as const;
export type StatusClass = (typeof statusClasses)[number];

/** A status, or a class of them. A status goes before its class, and a class before `any`. */
export type StatusKey = number | StatusClass;

export type AnswersConfig =
	| {
			readonly kind: "values";
			readonly values: readonly {
				readonly status: StatusKey;
				readonly value: Template;
			}[];
	  }
	| { readonly kind: "statuses"; readonly statuses: readonly StatusKey[] };

const statuses = z.array(
	z.union([z.int().min(100).max(599), z.enum(statusClasses)]),
	{
		error:
			"a list of statuses: numbers from 100 to 599, `3xx`, `4xx`, `5xx` or `any`",
	},
);

/** A list of statuses alone. */
export const statusList = reading<
	readonly StatusKey[],
	readonly StatusKey[],
	StepReading
>(statuses, (source, { answer }) => {
	const listed = plainOf(source) as StatusKey[];
	checkList(source, listed, answer);
	return listed;
});

export const answers = reading<Written<"answers">, AnswersConfig, StepReading>(
	z.union([z.record(z.string(), z.unknown()), statuses], {
		error:
			"a map of statuses to values, or a list of statuses: numbers from 100 to 599, `3xx`, `4xx`, `5xx` or `any`",
	}),
	(source, { answer }) => readAnswers(source, answer),
);

function readAnswers(source: Source, reader: Reader): AnswersConfig {
	if (source.kind !== "map") {
		const statuses = plainOf(source) as StatusKey[];
		checkList(source, statuses, reader);
		return { kind: "statuses", statuses };
	}
	const values = source.entries.map(({ key, at, value }) => {
		const message = faultOfKey(key);
		if (message !== null) reader.problems.push({ at, message });
		return { status: keyOf(key), value: readTemplate(value, reader) };
	});
	return { kind: "values", values };
}

function keyOf(key: string): StatusKey {
	return isClass(key) ? key : Number(key);
}

function isClass(key: string): key is StatusClass {
	return (statusClasses as readonly string[]).includes(key);
}

function faultOfKey(key: string): string | null {
	if (/^[1-5]\d\d$/.test(key) || isClass(key)) return null;
	const [, digit] =
		/^([2-5])(?:[xX*.]{1,2}|00\s*(?:-|\.\.).*)$/.exec(key) ?? [];
	const others = /^(?:\*|default|else|others?|rest|all)$/i.test(key);
	const instead = digit === undefined ? (others ? "any" : null) : `${digit}xx`;
	return instead === null
		? `\`${key}\` is no status: a number from 100 to 599, \`3xx\`, \`4xx\`, \`5xx\` or \`any\``
		: `\`${key}\` is no status: write \`${instead}\``;
}

/** In a list all go on in the same way, so what a class has need not be listed. */
function checkList(
	source: Source,
	statuses: readonly StatusKey[],
	{ problems }: Reader,
): void {
	const items = source.kind === "list" ? source.items : [];
	for (const [index, { at }] of items.entries()) {
		const status = statuses[index] as StatusKey;
		const whole = classesOf(status).find((one) => statuses.includes(one));
		if (statuses.indexOf(status) < index) {
			problems.push({ at, message: `\`${status}\` is listed twice` });
		} else if (whole !== undefined) {
			const message = `\`${status}\` is among \`${whole}\` already`;
			problems.push({ at, message });
		}
	}
}

/** The larger classes to which a status belongs. */
function classesOf(status: StatusKey): StatusClass[] {
	const own = `${String(status).slice(0, 1)}xx` as StatusClass;
	const classes: StatusClass[] = own === "2xx" ? [own] : [own, "any"];
	return classes.filter((one) => one !== status);
}

export function templatesOfAnswers(answers: AnswersConfig | null): Template[] {
	return answers?.kind === "values"
		? answers.values.map(({ value }) => value)
		: [];
}

export function printAnswers(answers: AnswersConfig): object {
	if (answers.kind === "statuses") return answers.statuses;
	return Object.fromEntries(
		answers.values.map(({ status, value }) => [
			status,
			{ value: printTemplate(value) },
		]),
	);
}
