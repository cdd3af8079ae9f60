import { kindOf } from "../config/steps/kinds.ts";
import type { RouteExplanation, StepExplanation } from "../plan/explain.ts";
import { printColumns, usualColumns, widthOf, wrapped } from "./columns.ts";

/** Routes as text for people: what each step does and when, then the longest chain and the worst case. */
export function printExplanation(
	routes: readonly RouteExplanation[],
	columns: number = usualColumns,
): string {
	return routes.map((route) => printRoute(route, columns)).join("\n\n");
}

function printRoute(route: RouteExplanation, columns: number): string {
	const { summary, steps } = route;
	const title = summary === null ? route.route : `${route.route} — ${summary}`;
	const width = columns - indentation.length;
	const table = [
		["step", "at the latest", "does"],
		...steps.flatMap((step) => rowsOf(step, route)),
	];
	const parts = steps.length > 0 ? [printColumns(table, width)] : [];
	const end = route.proxy
		? proxyRows(route, route.proxy)
		: route.listen === null
			? summaryRows(route)
			: listenRows(route, route.listen);
	const rows = [...authRows(route), ...end];
	return [
		wrapped(title, width).join(`\n${indentation}`),
		...[...parts, printColumns(rows, width)].map(indent),
	].join("\n\n");
}

function authRows({ auth, asks }: RouteExplanation): string[][] {
	const who = auth?.by.map(({ name, kind }) => `${name} (${kind})`) ?? [];
	const all = who.join(" or ") || "everybody";
	const last = auth?.require ? `\nif ${auth.require}` : "";
	const whom = asks.map(
		({ upstream, as, by }) => `${upstream} as the ${as} (${by.join(", ")})`,
	);
	return [
		...(auth === null ? [] : [["may ask", `${all}${last}`]]),
		...(whom.length > 0 ? [["asks", whom.join("\n")]] : []),
	];
}

function proxyRows(
	route: RouteExplanation,
	proxy: NonNullable<RouteExplanation["proxy"]>,
): string[][] {
	const { steps, deadlineMs } = route;
	const { targets, passedOnMs, idleMs, websocketIdleMs } = proxy;
	const passed =
		passedOnMs === null
			? "may never be passed on"
			: `passed on within ${passedOnMs} ms`;
	const begun = `the answer begins within ${deadlineMs} ms; its body may stand still for ${idleMs} ms`;
	return [
		...(steps.length > 0 ? [chainRow(route)] : []),
		...targets.map(({ when, to }, index) => [
			index === 0 ? "passes on to" : "or to",
			when === null ? to : `${to}\nif ${when}`,
		]),
		...(steps.length > 0 ? [readsRow("proxy reads", route)] : []),
		...recordsRows(route),
		...finishedRows(route),
		["worst case", steps.length > 0 ? `${passed}; ${begun}` : begun],
		...(websocketIdleMs === null
			? []
			: [
					["WebSocket", `passed on; may stand still for ${websocketIdleMs} ms`],
				]),
	];
}

function listenRows(route: RouteExplanation, listen: string): string[][] {
	const { steps, worstMs } = route;
	const begins = steps.length === 0 ? "at once" : `within ${worstMs} ms`;
	return [
		...(steps.length > 0 ? [chainRow(route)] : []),
		["listens to", listen],
		...(steps.length > 0 ? [readsRow("listen reads", route)] : []),
		...recordsRows(route),
		...finishedRows(route),
		["worst case", `listens ${begins}, as long as the client stays`],
	];
}

/** A longer name has a line of its own, so that the other columns keep their width. */
const nameWidthMax = 24;

function rowsOf(
	step: StepExplanation,
	route: RouteExplanation,
	depth = 0,
): string[][] {
	const { startsAfter, readsLater } = step;
	const name = "  ".repeat(depth) + step.name;
	const later = readsLater.filter((other) => !startsAfter.includes(other));
	const details = [
		...(startsAfter.length > 0 ? [`after ${startsAfter.join(", ")}`] : []),
		...(later.length > 0 ? [`reads ${later.join(", ")} later`] : []),
		...notesOf(step, route),
	];
	const does = [step.call ?? step.kind, details.join("; ")]
		.filter((line) => line !== "")
		.join("\n");
	const inner = step.steps.flatMap((one) => rowsOf(one, route, depth + 1));
	const row = [timesOf(step), does];
	return widthOf(name) > nameWidthMax
		? [[name], ["", ...row], ...inner]
		: [[name, ...row], ...inner];
}

function timesOf({ latestStartMs, latestEndMs }: StepExplanation): string {
	if (latestStartMs === null) return "at the deadline";
	if (latestEndMs === null) return `${latestStartMs} ms – the deadline`;
	return latestStartMs === latestEndMs
		? `${latestStartMs} ms`
		: `${latestStartMs}–${latestEndMs} ms`;
}

function notesOf(step: StepExplanation, route: RouteExplanation): string[] {
	const {
		when,
		each,
		repeat,
		attempts,
		writes,
		undo,
		undoes,
		onThread,
		onFailure,
		latestStartMs,
	} = step;
	const startMs = latestStartMs ?? Number.POSITIVE_INFINITY;
	const mayBeLate = !kindOf(step).free && startMs >= route.deadlineMs;
	return [
		...(mayBeLate ? ["may never start"] : []),
		...(when === null ? [] : ["conditional"]),
		...(each ? [eachWords(each)] : []),
		...(repeat ? [repeatWords(repeat)] : []),
		...((attempts ?? 1) > 1 ? [`at most ${attempts} attempts`] : []),
		...(writes ? ["writes"] : []),
		...(undo === null ? [] : [`undone by ${undo}`]),
		...(undoes ? ["undoes all that was written"] : []),
		...(onThread ? ["on a thread"] : []),
		...(onFailure === "fallback" ? ["has a fallback"] : []),
		...(onFailure === "null" ? ["optional"] : []),
	];
}

function eachWords({
	max,
	parallel,
	waves,
	enough,
}: NonNullable<StepExplanation["each"]>) {
	const times = waves === 1 ? "" : `, ${waves} times in a row`;
	const until = enough === null ? "" : `, until ${enough} have succeeded`;
	return `each of at most ${max}, ${Math.min(max, parallel)} at once${times}${until}`;
}

function repeatWords({ max, waitMs }: NonNullable<StepExplanation["repeat"]>) {
	const wait = waitMs === null ? "" : `, ${waitMs} ms between them`;
	return `at most ${max} rounds${wait}`;
}

function recordsRows({ records }: RouteExplanation): string[][] {
	return records.length === 0 ? [] : [["records", records.join(", ")]];
}

function summaryRows(route: RouteExplanation): string[][] {
	const { worstMs, deadlineMs } = route;
	const cut =
		worstMs < deadlineMs
			? `${worstMs} ms; the deadline is ${deadlineMs} ms`
			: `${worstMs} ms, which is the deadline`;
	return [
		chainRow(route),
		["worst case", cut],
		readsRow("answer reads", route),
		...partsRows(route),
		...liveRows(route),
		...recordsRows(route),
		...finishedRows(route),
	];
}

/** One part is the whole answer, unless it is a list that is sent item by item. */
function partsRows({ parts }: RouteExplanation): string[][] {
	if (parts === null) return [];
	const [only, ...others] = parts;
	if (others.length > 0) {
		const words = parts.map(
			({ at, waitsFor }) => `${at} ${afterWords(waitsFor) || "at once"}`,
		);
		return [["in parts", words.join("; ")]];
	}
	const items = only?.items;
	if (!items) return [];
	const words = ["each item of", items.step, afterWords(items.waitsFor)];
	return [["in parts", words.join(" ").trimEnd()]];
}

function afterWords(steps: readonly string[]): string {
	return steps.length === 0 ? "" : `after ${steps.join(" and ")}`;
}

function liveRows({ live }: RouteExplanation): string[][] {
	if (live === null) return [];
	const { everyMs, on, diff, sharedBy, watchesMax, watchersMax } = live;
	const times = [
		...(everyMs === null ? [] : [`every ${everyMs} ms`]),
		...(on === null ? [] : [`after each message to ${on}`]),
	];
	const when =
		times.length === 0
			? "runs again when an answer is no longer fresh"
			: `runs ${times.join(" and ")} while somebody watches`;
	const names = sharedBy.map((one) =>
		one === "forwarded" ? "address, host and scheme" : one,
	);
	const whom =
		names.length === 0
			? "one run for all"
			: `one run for all with the same ${names.join(", ")}`;
	const bounds = `at most ${watchesMax} at once, for ${watchersMax} clients`;
	const changes = diff ? ["sends changes as patches"] : [];
	return [["live", [when, whom, bounds, ...changes].join("; ")]];
}

function finishedRows({ finishedFrom }: RouteExplanation): string[][] {
	if (finishedFrom.length === 0) return [];
	const from = finishedFrom.join(" or ");
	return [["finished", `from ${from} on, although the client leaves`]];
}

function chainRow({ longestChain }: RouteExplanation): string[] {
	const { steps, ms } = longestChain;
	const took = ms === null ? "until the deadline" : `${ms} ms`;
	const chain = steps.length > 0 ? `${steps.join(" → ")}: ${took}` : "–";
	return ["longest chain", chain];
}

function readsRow(words: string, { answerReads }: RouteExplanation): string[] {
	return [words, answerReads.join(", ") || "no step"];
}

const indentation = "  ";

function indent(text: string): string {
	return text.replaceAll(/^(?=.)/gm, indentation);
}
