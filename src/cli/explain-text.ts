import { kindOf } from "../config/steps/kinds.ts";
import type { RouteExplanation, StepExplanation } from "../plan/explain.ts";
import { printColumns } from "./columns.ts";

/** Routes as text for people: a line per step, then the longest chain and the worst case. */
export function printExplanation(routes: readonly RouteExplanation[]): string {
	return routes.map(printRoute).join("\n\n");
}

function printRoute(route: RouteExplanation): string {
	const { summary, steps } = route;
	const title = summary === null ? route.route : `${route.route} — ${summary}`;
	const table = [columnTitles, ...steps.flatMap((step) => rowsOf(step, route))];
	const parts = steps.length > 0 ? [printColumns(table)] : [];
	const summaryLines = route.proxy
		? printProxy(route, route.proxy)
		: printSummary(route);
	return [title, ...parts, summaryLines]
		.map((part, index) => (index === 0 ? part : indent(part)))
		.join("\n\n");
}

function printProxy(
	{ deadlineMs }: RouteExplanation,
	{ to, idleMs }: NonNullable<RouteExplanation["proxy"]>,
): string {
	return [
		`passes on to   ${to}`,
		`worst case     the answer begins within ${deadlineMs} ms; its body may stand still for ${idleMs} ms`,
	].join("\n");
}

const columnTitles = [
	"step",
	"does",
	"starts after",
	"reads later",
	"at the latest",
	"",
];

function rowsOf(
	step: StepExplanation,
	route: RouteExplanation,
	depth = 0,
): string[][] {
	const row = [
		"  ".repeat(depth) + step.name,
		step.call ?? step.kind,
		step.startsAfter.join(", "),
		step.readsLater
			.filter((name) => !step.startsAfter.includes(name))
			.join(", "),
		timesOf(step),
		notesOf(step, route).join("; "),
	];
	const inner = step.steps.flatMap((one) => rowsOf(one, route, depth + 1));
	return [row, ...inner];
}

function timesOf({ latestStartMs, latestEndMs }: StepExplanation): string {
	if (latestStartMs === null) return "at the deadline";
	if (latestEndMs === null) return `${latestStartMs} ms – the deadline`;
	return latestStartMs === latestEndMs
		? `${latestStartMs} ms`
		: `${latestStartMs}–${latestEndMs} ms`;
}

function notesOf(step: StepExplanation, route: RouteExplanation): string[] {
	const { when, each, attempts, writes, onThread, onFailure, latestStartMs } =
		step;
	const startMs = latestStartMs ?? Number.POSITIVE_INFINITY;
	const mayBeLate = !kindOf(step).free && startMs >= route.deadlineMs;
	return [
		...(mayBeLate ? ["may never start"] : []),
		...(when === null ? [] : ["conditional"]),
		...(each ? [eachWords(each)] : []),
		...((attempts ?? 1) > 1 ? [`at most ${attempts} attempts`] : []),
		...(writes ? ["writes"] : []),
		...(onThread ? ["on a thread"] : []),
		...(onFailure === "fallback" ? ["has a fallback"] : []),
		...(onFailure === "null" ? ["optional"] : []),
	];
}

function eachWords({
	max,
	parallel,
	waves,
}: NonNullable<StepExplanation["each"]>) {
	const times = waves === 1 ? "" : `, ${waves} times in a row`;
	return `each of at most ${max}, ${Math.min(max, parallel)} at once${times}`;
}

function printSummary({
	longestChain,
	worstMs,
	deadlineMs,
	answerReads,
}: RouteExplanation): string {
	const { steps, ms } = longestChain;
	const took = ms === null ? "until the deadline" : `${ms} ms`;
	const cut =
		worstMs < deadlineMs
			? `${worstMs} ms; the deadline is ${deadlineMs} ms`
			: `${worstMs} ms, which is the deadline`;
	return printColumns([
		["longest chain", steps.length > 0 ? `${steps.join(" → ")}: ${took}` : "–"],
		["worst case", cut],
		["answer reads", answerReads.join(", ") || "no step"],
	]);
}

function indent(text: string): string {
	return text.replaceAll(/^(?=.)/gm, "  ");
}
