import type { Plan, StepPlan } from "../../plan/plan.ts";

/** The steps that a step waits for before it starts, by its path: `orders.items`. Of those that wait for none there is no entry. */
export type Dependencies = ReadonlyMap<string, readonly string[]>;

/** What the plan's routes depend on, by their keys. */
export function dependenciesOf(
	plan: Pick<Plan, "routes">,
): ReadonlyMap<string, Dependencies> {
	return new Map(
		plan.routes.map(({ key, steps }) => {
			const found = new Map<string, readonly string[]>();
			collect([{ prefix: "", steps }], found);
			return [key, found] as const;
		}),
	);
}

/** The steps of a block, and what stands before their names in a path. */
interface Around {
	readonly prefix: string;
	readonly steps: readonly StepPlan[];
}

/** `blocks` are the block whose steps are looked at, and those around it, innermost first. */
function collect(
	blocks: readonly [Around, ...Around[]],
	found: Map<string, readonly string[]>,
): void {
	const [{ prefix, steps }] = blocks;
	for (const step of steps) {
		const path = prefix + step.name;
		const names = step.startsAfter.flatMap(({ up, index }) => {
			const block = blocks[up];
			const other = block?.steps[index];
			return block && other ? [block.prefix + other.name] : [];
		});
		if (names.length > 0) found.set(path, names);
		if (step.kind !== "group") continue;
		collect([{ prefix: `${path}.`, steps: step.steps }, ...blocks], found);
	}
}
