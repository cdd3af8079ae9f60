import type { Ast } from "../expression/ast.ts";
import type { RouteConfig } from "./config.ts";
import { readsIn, stepsInside } from "./graph.ts";
import type { Problem } from "./problem.ts";
import { entryOf } from "./shape.ts";
import type { Source } from "./source.ts";
import type { CallConfig } from "./steps/call.ts";
import type { StepConfig } from "./steps/kinds.ts";

/**
 * A path cannot hold null. If a step answers null for a status, such as 404, then a call whose path reads it fails at
 * each such answer. That is likely forgotten, but the failure may be meant.
 */
export function warnOfNullPaths(
	{ steps }: Pick<RouteConfig, "steps">,
	source: Source | null,
	problems: Problem[],
): void {
	const ends = steps.filter(({ kind }) => kind === "reply");
	// A reply that asks for the value answers in place of a failing call.
	const answered = readsIn(ends.map(({ when }) => when));
	warnIn(steps, source, new Set(), answered, problems);
}

function warnIn(
	steps: readonly StepConfig[],
	source: Source | null,
	around: ReadonlySet<string>,
	guarded: ReadonlySet<string>,
	problems: Problem[],
): void {
	const own = steps.filter(answersNull).map(({ name }) => name);
	const nullable = new Set([...around, ...own]);
	for (const step of steps) {
		// The author has said what happens if the step fails.
		if (step.optional || step.fallback !== null) continue;
		const { when, each } = step;
		const asked = new Set([...guarded, ...readsIn([when, each?.list ?? null])]);
		const written = entryOf(source, step.name);
		const left = [...nullable].filter((name) => !asked.has(name));
		if (step.kind === "call") warnOfCall(step, left, written, problems);
		const inside = stepsInside(step);
		if (inside.length === 0) continue;
		warnIn(inside, entryOf(written, "steps"), nullable, asked, problems);
	}
}

/** Whether the step is null after an answer with a listed status. The value of a list or of rounds is a list. */
function answersNull(step: StepConfig): boolean {
	if (step.kind !== "call" || step.each || step.repeat) return false;
	if (step.answers?.kind !== "values") return false;
	return step.answers.values.some(
		({ value }) => value.kind === "literal" && value.value === null,
	);
}

function warnOfCall(
	{ method, path }: CallConfig,
	nullable: readonly string[],
	source: Source | null,
	problems: Problem[],
): void {
	const pieces = path.flatMap((segment) =>
		typeof segment === "string" ? [] : segment,
	);
	for (const piece of pieces) {
		if (typeof piece === "string") continue;
		const name = nullable.find((one) => isNullWith(piece.ast, one));
		if (name === undefined) continue;
		problems.push({
			at: entryOf(source, method.toLowerCase())?.at ?? 0,
			warning: true,
			message: `\`\${${piece.source}}\` is null if \`${name}\` is, by its \`answers\`, and a path cannot hold null: write \`when: \${${name}}\` on this step`,
		});
		return;
	}
}

/** Whether a value is null, or has none, because this name is null. */
function isNullWith(ast: Ast, name: string): boolean {
	switch (ast.kind) {
		case "name":
			return ast.name === name;
		case "member":
		case "index":
		case "method":
			return isNullWith(ast.of, name);
		case "logical":
			return ast.operator === "&&"
				? isNullWith(ast.left, name)
				: isNullWith(ast.left, name) && isNullWith(ast.right, name);
		case "text":
			return ast.parts.some(
				(part) => typeof part !== "string" && isNullWith(part, name),
			);
		default:
			return false;
	}
}
