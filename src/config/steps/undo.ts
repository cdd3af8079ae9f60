import { z } from "zod";
import type { CallMethod } from "../../core/http/method.ts";
import type { Read } from "../../expression/parse.ts";
import { printNamed, printTemplate } from "../../expression/print.ts";
import { readsOf, type Template } from "../../expression/template.ts";
import { checkTarget } from "../check-target.ts";
import { refuseOwnCredentials } from "../check-upstream-auth.ts";
import type { Written } from "../keys/input.ts";
import { key } from "../keys/key.ts";
import type { Kind } from "../keys/kind.ts";
import { section } from "../keys/section.ts";
import { checkShape } from "../shape.ts";
import type { MapSource } from "../source.ts";
import { type StatusKey, statusList } from "./answers.ts";
import { type StepSource, waitKeys } from "./common.ts";
import {
	bodyKeys,
	effectsOf,
	printBody,
	printCallTarget,
	readsOfRequest,
	refuseTwoBodies,
	requestKeys,
	type SentConfig,
	target,
} from "./sent.ts";

/** A call that takes a write back. */
export interface UndoConfig extends SentConfig {
	/** Whether there is something to take back; null if there always is. */
	readonly when: Template | null;
	/** Statuses beside 2xx that say that it is done. */
	readonly answers: readonly StatusKey[];
}

const undoneKeys = {
	...bodyKeys,
	...requestKeys,
	answers: key(statusList, {
		description: "Statuses beside 2xx that mean that the write is undone.",
		example: "answers: [404]",
	}),
	when: waitKeys.when,
};

const sections = {
	post: section({ post: target, ...undoneKeys }),
	put: section({ put: target, ...undoneKeys }),
	patch: section({ patch: target, ...undoneKeys }),
	delete: section({ delete: target, ...undoneKeys }),
};
type UndoKind = keyof typeof sections;
const kinds = Object.keys(sections) as UndoKind[];

const words = `a call that writes: a map with one of ${kinds.map((kind) => `\`${kind}\``).join(", ")}`;
const anyMap = z.record(z.string(), z.unknown(), { error: words });

/** The map is read by `checkUndo`, when it is known which call it is. */
const undo: Kind<Written<"undo">, MapSource> = {
	schema: z.union(
		Object.values(sections).map(({ schema }) => schema),
		{ error: words },
	),
	take: (source, judged) =>
		checkShape(anyMap, source, judged) ? (source as MapSource) : undefined,
};

export const undoKeys = {
	undo: key(undo, {
		description:
			"A call that takes this one back if the run ends badly, or if the step fails and something fills in. It may read what the step reads, the step's own value, `answer` and `response`. Its keys are `query`, `headers`, `body`, `form`, `text`, `bytes`, `timeout`, `idempotent`, `when`, and `answers`: a list of statuses beside 2xx that mean that it is done.",
		example:
			'post: users/orders\nundo: { delete: "users/orders/${answer.id}", answers: [404] }',
	}),
};

/** Null if it was refused. */
export function checkUndo(
	source: MapSource,
	{ reading, context }: StepSource,
): UndoConfig | null {
	const { problems } = context;
	const [first, second] = source.entries.filter(({ key }) => isKind(key));
	if (first === undefined || second !== undefined) {
		const message =
			second === undefined
				? `\`undo\` is ${words}`
				: `\`${first?.key}\` and \`${second.key}\`: \`undo\` is only one of them`;
		problems.push({ at: (second ?? source).at, message });
		return null;
	}
	const kind = first.key as UndoKind;
	const judged = { what: "`undo`", problems };
	const { answer } = reading;
	const inside = { ...reading, reader: answer, before: answer };
	const read = sections[kind].read(source, judged, inside);
	if (read === undefined) return null;
	const { target: written, body, form, text, bytes, ...rest } = read;
	const { idempotent, ...sent } = rest;
	const called = checkTarget(written, inside.reader, context);
	refuseTwoBodies(source, problems);
	if (called === null) return null;
	refuseOwnCredentials(source, called.upstream, context);
	const method = kind.toUpperCase() as CallMethod;
	const effects = { ...called, method, idempotent, safe: false };
	return {
		...sent,
		...called,
		...effectsOf(effects, context.upstreams),
		method,
		body: body ?? form ?? text ?? bytes,
		answers: sent.answers ?? [],
	};
}

function isKind(key: string): key is UndoKind {
	return Object.hasOwn(sections, key);
}

/**
 * The names that it reads before its own step starts: all but the step's own. So whatever it needs is there when the
 * write is sent.
 */
export function readsOfUndo(undo: UndoConfig | null, step: string): Read[] {
	if (undo === null) return [];
	return [...readsOfRequest(undo), ...readsOf(undo.when)].filter(
		({ name, path }) => (name === "missing" ? path[0] : name) !== step,
	);
}

export function printUndo(undo: UndoConfig): object {
	const { when, query, headers, body, answers, timeoutMs, repeatable } = undo;
	const printed = {
		call: printCallTarget(undo),
		when: when && printTemplate(when),
		query: printNamed(query),
		headers: printNamed(headers),
		body: body && printBody(body),
		answers: answers.length > 0 ? answers : null,
		timeoutMs,
		repeatable: repeatable || null,
	};
	return Object.fromEntries(
		Object.entries(printed).filter(([, value]) => value != null),
	);
}
