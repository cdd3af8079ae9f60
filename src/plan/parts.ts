import { readsIn } from "../config/graph.ts";
import { valuesOf } from "../config/steps/kind.ts";
import { kindOf } from "../config/steps/kinds.ts";
import type { Template } from "../expression/template.ts";
import type { RoutePlan, StepPlan } from "./plan.ts";

/** A member of a route's answer, which is sent as soon as it can be made. */
export interface PartPlan {
	/** The member's name in a map, or its number in a list; null for an answer that is neither, and is one part. */
	readonly at: string | number | null;
	/** Whether it is left out if its value is null. */
	readonly optional: boolean;
	readonly value: Template;
	/** The steps that must have ended before it is sent, by index. */
	readonly waitsFor: readonly number[];
	/** Present if it is a list whose items are parts of their own. */
	readonly items: ItemsPlan | null;
}

/** The items of an `each`, each of which is sent as soon as it has ended. */
export interface ItemsPlan {
	/** The step that makes the list, by index. */
	readonly step: number;
	/** The steps that must have ended before any item is sent, by index. */
	readonly waitsFor: readonly number[];
}

/**
 * The parts of a route's answer, in written order; null if it is never sent in parts. Each waits for the steps that the
 * status and the header fields read, and for every `reply`. So no part is sent before it is known that there is such an answer.
 */
export function partsOf(route: RoutePlan): readonly PartPlan[] | null {
	const { proxy, listen, stream, status, headers, steps } = route;
	const typed = headers.some(({ name }) => name === "content-type");
	if (proxy !== null || listen !== null || !stream || typed) return null;
	const replies = steps.filter((step) => kindOf(step).endsRun);
	const first = new Set([
		...readsIn([status, ...valuesOf(headers)]),
		...replies.map(({ name }) => name),
	]);
	const indexesOf = (names: ReadonlySet<string>) =>
		steps.flatMap(({ name }, index) => (names.has(name) ? [index] : []));
	return membersOf(route).map((member) => {
		const reads = readsIn([member.value]);
		const waitsFor = indexesOf(first.union(reads));
		const listed = member.at === null ? listedBy(route) : null;
		const items = listed && {
			step: steps.indexOf(listed),
			waitsFor: mayBecomeAnother(listed) ? waitsFor : indexesOf(first),
		};
		return { ...member, waitsFor, items };
	});
}

/** The step whose list is the whole answer; null if the answer is anything else. */
function listedBy({ respond, steps }: RoutePlan): StepPlan | null {
	if (respond.kind !== "whole") return null;
	const { ast } = respond.expression;
	const named =
		ast.kind === "name" && steps.find((one) => one.name === ast.name);
	return named && named.each !== null ? named : null;
}

/** Whether something may fill in for the whole list after items of it have ended well. */
function mayBecomeAnother({ each, fallback, optional }: StepPlan): boolean {
	const counts = each !== null && each.enough !== null;
	return counts && (fallback !== null || optional);
}

function membersOf({
	respond,
}: RoutePlan): Pick<PartPlan, "at" | "optional" | "value">[] {
	if (respond.kind === "map") {
		return respond.entries.map(({ name: at, optional, value }) => ({
			...{ at, optional, value },
		}));
	}
	if (respond.kind === "list") {
		return respond.items.map((value, at) => ({ at, optional: false, value }));
	}
	return [{ at: null, optional: false, value: respond }];
}
