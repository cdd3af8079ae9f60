import type { RouteConfig } from "./config.ts";
import { stepsInside } from "./graph.ts";
import type { Problem } from "./problem.ts";
import { entryOf } from "./shape.ts";
import type { Source } from "./source.ts";
import type { StepConfig } from "./steps/kinds.ts";

/** The time of what stands around a step. */
interface Bound {
	readonly ms: number;
	/** `the route's deadline`, for messages. */
	readonly words: string;
}

/** A time that is longer than another one around it never ends anything. That is likely a mistake, but does no harm. */
export function warnOfUselessBounds(
	{ deadlineMs, steps }: Pick<RouteConfig, "deadlineMs" | "steps">,
	source: Source | null,
	problems: Problem[],
): void {
	const deadline = { ms: deadlineMs, words: "the route's deadline" };
	for (const step of steps) {
		warnOfStep(step, entryOf(source, step.name), deadline, problems);
	}
}

function warnOfStep(
	step: StepConfig,
	source: Source | null,
	around: Bound,
	problems: Problem[],
): void {
	const { name, withinMs, repeat } = step;
	const warn = (
		key: string,
		ms: number,
		bound: Bound,
		where: Source | null,
	) => {
		if (ms <= bound.ms) return;
		problems.push({
			at: entryOf(where, key)?.at ?? 0,
			warning: true,
			message: `\`${key}\` is ${ms} ms, and ${bound.words} ends this step after ${bound.ms} ms: write less, or a longer time there`,
		});
	};
	if (withinMs !== null) warn("within", withinMs, around, source);
	const own =
		withinMs !== null && withinMs < around.ms
			? { ms: withinMs, words: `the \`within\` of \`${name}\`` }
			: around;
	// A `timeout` beyond the step's own `within` may come from an alias that several steps share.
	if (step.kind === "call") {
		warn("timeout", step.timeoutMs ?? 0, around, source);
	}
	warn("wait", repeat?.waitMs ?? 0, own, entryOf(source, "repeat"));
	for (const inner of stepsInside(step)) {
		const written = entryOf(entryOf(source, "steps"), inner.name);
		warnOfStep(inner, written, own, problems);
	}
}
