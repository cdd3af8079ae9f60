import { z } from "zod";
import { printTemplate } from "../../expression/print.ts";
import { readsOf, type Template } from "../../expression/template.ts";
import type { UserFunction } from "../config.ts";
import { key } from "../keys/key.ts";
import type { Kind } from "../keys/kind.ts";
import { flag } from "../keys/kinds.ts";
import { section } from "../keys/section.ts";
import { template } from "../keys/templates.ts";
import { checkShape, entryOf, placeOfKey, plainOf } from "../shape.ts";
import {
	commonKeys,
	commonOf,
	type Reference,
	type StepCommon,
	type StepSource,
} from "./common.ts";
import { onlyCommonKeys, type StepKind } from "./kind.ts";

/** A user's function, by reference. */
export type RunConfig = StepCommon & {
	readonly kind: "run";
	/** `./score.ts#score`, as written: the key of the config's functions. */
	readonly reference: string;
	readonly args: Template | null;
	/** Whether it runs on a thread of the pool. */
	readonly worker: boolean;
};

/** A function by its file and name. In a config of JavaScript values it may be the function itself. */
const functionReference: Kind<
	unknown,
	{ readonly name: string; readonly call: UserFunction | null }
> = {
	schema: z
		.string({ error: "`./file.ts#function`" })
		.regex(/^[^#]+#[A-Za-z_$][\w$]*$/, { error: "`./file.ts#function`" }),
	take(source, judged) {
		if (source.kind === "function" && source.inputs === null) {
			return { name: "", call: source.call as UserFunction };
		}
		const valid = checkShape(functionReference.schema, source, judged);
		return { name: valid ? String(plainOf(source)) : "", call: null };
	},
};

export const runKeys = {
	run: section({
		run: key(functionReference, {
			required: true,
			description:
				"A function of your own: `./file.ts#name`, called with `args` and `{ call, signal, deadline }`. The path is relative to the config.",
			example: "run: ./score.ts#score\nargs: { id: 7 }",
		}),
		args: key(template, {
			description: "The function's first argument.",
			example: "run: ./score.ts#score\nargs: { id: 7 }",
		}),
		worker: key(flag, {
			description:
				"`true`: the function runs on a thread of the `pool`, so that computing does not keep the gateway from answering. The function is ended when nobody waits for it any more, whatever it does.",
			example: "run: ./score.ts#score\nworker: true\nwithin: 500ms",
			default: false,
		}),
		...commonKeys,
	}),
};

/** A function may do anything: read clocks and files, and change something. */
export const run: StepKind<RunConfig> = {
	keys: runKeys,
	check,
	readsFirst: ({ args }) => readsOf(args),
	readsLater: () => [],
	writes: () => "perhaps",
	repeatable: () => false,
	longestMs: (_, { functionMs }) => functionMs,
	free: false,
	pure: false,
	endsRun: false,
	print({ kind: _, reference, args, worker, ...ofEveryStep }) {
		onlyCommonKeys(ofEveryStep);
		return {
			run: reference,
			args: args && { value: printTemplate(args) },
			worker: worker || null,
		};
	},
};

function check(step: StepSource): RunConfig | null {
	const { source, judged, reading, context } = step;
	const read = runKeys.run.read(source, judged, reading);
	if (read === undefined) return null;
	const { run, args, worker, ...common } = read;
	const { references, problems } = context;
	const { call } = run;
	const name = call ? nameOfFunction(call, references) : run.name;
	if (worker && call) {
		problems.push({
			at: placeOfKey(source, "worker"),
			message:
				"a function itself cannot go to a thread: write `run: ./file.ts#function`",
		});
	}
	const { at } = entryOf(source, "run") ?? source;
	references.push({ name, at, call, worker });
	return {
		...commonOf(common, step),
		...{ kind: "run", reference: name, args, worker },
	};
}

/** A function's own name, with a number if another one has the same name. */
function nameOfFunction(
	call: UserFunction,
	references: readonly Reference[],
): string {
	const same = references.find((reference) => reference.call === call);
	if (same) return same.name;
	const name = call.name || "function";
	const taken = new Set(references.map((reference) => reference.name));
	let free = name;
	for (let number = 2; taken.has(free); number++) free = `${name}-${number}`;
	return free;
}
