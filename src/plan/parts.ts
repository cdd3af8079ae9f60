import { readsIn } from "../config/graph.ts";
import { valuesOf } from "../config/steps/kind.ts";
import { kindOf } from "../config/steps/kinds.ts";
import type { Template } from "../expression/template.ts";
import type { RoutePlan } from "./plan.ts";

/** A member of a route's answer, which is sent as soon as it can be made. */
export interface PartPlan {
	/** The member's name in a map, or its number in a list; null for an answer that is neither, and is one part. */
	readonly at: string | number | null;
	/** Whether it is left out if its value is null. */
	readonly optional: boolean;
	readonly value: Template;
	/** The steps that must have ended before it is sent, by index. */
	readonly waitsFor: readonly number[];
}

/**
 * The parts of a route's answer, in written order; null if it is never sent in parts. Each waits for the steps that the
 * status and the header fields read, and for every `reply`. So no part is sent before it is known that there is such an answer.
 */
export function partsOf(route: RoutePlan): readonly PartPlan[] | null {
	const { proxy, stream, status, headers, steps } = route;
	const typed = headers.some(({ name }) => name === "content-type");
	if (proxy !== null || !stream || typed) return null;
	const replies = steps.filter((step) => kindOf(step).endsRun);
	const first = new Set([
		...readsIn([status, ...valuesOf(headers)]),
		...replies.map(({ name }) => name),
	]);
	return membersOf(route).map((member) => {
		const reads = readsIn([member.value]);
		const waitsFor = steps.flatMap(({ name }, index) =>
			first.has(name) || reads.has(name) ? [index] : [],
		);
		return { ...member, waitsFor };
	});
}

function membersOf({ respond }: RoutePlan): Omit<PartPlan, "waitsFor">[] {
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
