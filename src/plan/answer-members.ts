import type { CallConfig } from "../config/steps/call.ts";
import { kindOf } from "../config/steps/kinds.ts";
import type { Read } from "../expression/parse.ts";

/** Where a member stands in an answer: `main.temp` is `["main", "temp"]`. */
export type MemberPath = readonly string[];

/**
 * The members of a call's answer that anything may read; null if it may read the whole. `routeReads` are all reads of the
 * route, if they are all that reads the step's value; null if something takes that as a whole.
 */
export function answerMembers(
	step: CallConfig,
	routeReads: readonly Read[] | null,
): readonly MemberPath[] | null {
	const { pick, expect, decode, keepBody, undo, each, repeat } = step;
	if (decode.kind !== "json" || keepBody || undo !== null) return null;
	const reads = readsOfName("answer", kindOf(step).readsLater(step));
	if (pick === null) {
		// The answer is the value, and only then do others see it.
		if (routeReads === null || each !== null || repeat !== null) return null;
		reads.push(...readsOfName(step.name, routeReads));
	}
	// An answer that is not as expected tells what GraphQL says.
	if (expect !== null) reads.push(["errors"]);
	return reads.some(({ length }) => length === 0) ? null : outermost(reads);
}

/** Names inside a group may be those of other steps. Then more is read than needed. */
function readsOfName(name: string, reads: readonly Read[]): MemberPath[] {
	return reads
		.filter((read) => read.name === name)
		.map(({ path }) => mapPath(path));
}

/** The part of a path that leads through maps alone: lists and texts have a length, and indexes. */
function mapPath(path: MemberPath): MemberPath {
	const end = path.findIndex((name) => name === "length" || /^\d+$/.test(name));
	return end < 0 ? path : path.slice(0, end);
}

/** Without those that stand in others. */
function outermost(paths: readonly MemberPath[]): readonly MemberPath[] {
	const starts = (path: MemberPath, one: MemberPath) =>
		path.length <= one.length && path.every((name, at) => one[at] === name);
	return paths.filter(
		(one, index) =>
			!paths.some(
				(other, at) =>
					starts(other, one) && (other.length < one.length || at < index),
			),
	);
}
