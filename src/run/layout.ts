import { clientNames } from "../config/names.ts";
import type { EachConfig } from "../config/steps/common.ts";
import { GatewayError } from "../core/errors.ts";
import type { Evaluate, Slot, Slots } from "../expression/evaluate.ts";
import type { Read } from "../expression/parse.ts";
import {
	prepareTemplate,
	readsOf,
	type Template,
} from "../expression/template.ts";
import type { StepRef } from "../plan/plan.ts";

/**
 * The meaning of names where a template stands. A route, a group and an item of an `each` each have a frame. The frames
 * of a route and a group have slots for their steps.
 */
export interface Layout extends Slots {
	/** The slot of a step's error code, which `missing.<step>` reads. */
	memberSlotOf(name: string, member: string): Slot | null;
	/** The step of that name; null if there is none. */
	refOf(name: string): StepRef | null;
	/** The client's input that is read, as a fault names it: `query.city`; null if it is not the client's. */
	inputOf(read: Read): string | null;
	/** How many frames outwards the frame of the innermost round is; null if no `repeat` is around. */
	readonly roundUp: number | null;
}

/** The inputs of the client that a value is made of, as faults name them; null if it is made of anything else. */
export type Inputs = readonly string[] | null;

/** The first slots of a route's frame. */
export const requestSlots = {
	params: 0,
	query: 1,
	headers: 2,
	cookies: 3,
	body: 4,
	request: 5,
	form: 6,
	text: 7,
	bytes: 8,
	auth: 9,
} as const;

/** The slots of an item's frame; its step has two of its own from `own` on. */
export const itemSlots = { item: 0, index: 1, own: 2 } as const;
export const itemFrameSize = 4;

/** The slots of a round's frame. `again` is the result of its condition. */
export const roundSlots = { last: 0, round: 1, again: 2, own: 3 } as const;
export const roundFrameSize = 5;

/** The first slot of a block's steps in its frame. */
export const firstSlots = { route: 10, group: 0 } as const;

/** A step has a slot for its value, behind it two slots of its own, and one for its error code. */
const slotsPerStep = 4;

export function stepSlot(firstSlot: number, index: number): number {
	return firstSlot + slotsPerStep * index;
}

/** The slot of the error code of the step whose value has this slot. */
export function codeSlot(slot: number): number {
	return slot + 3;
}

export function frameSize(firstSlot: number, steps: number): number {
	return stepSlot(firstSlot, steps);
}

/** The names of a route. */
export function routeLayout(steps: readonly string[]): Layout {
	const slots = new Map(Object.entries(requestSlots));
	return blockLayout(steps, firstSlots.route, {
		slotOf: (name) => ({ up: 0, slot: slots.get(name) as number }),
		memberSlotOf: () => null,
		refOf: () => null,
		roundUp: null,
		inputOf: (read) => (clientNames.has(read.name) ? inputIn(read) : null),
	});
}

/** In the form of `request.ts`: `headers.accept-language`, `body/items/0`. */
function inputIn({ name, path }: Read): string {
	if (name === "body") return [name, ...path].join("/");
	const [member] = path;
	// A text and bytes have no members that a client sends.
	if (member === undefined || name === "text" || name === "bytes") return name;
	return `${name}.${name === "headers" ? member.replaceAll("_", "-") : member}`;
}

/** The names inside a group. */
export function groupLayout(around: Layout, steps: readonly string[]): Layout {
	return blockLayout(steps, firstSlots.group, {
		inputOf: around.inputOf,
		...slotsOutside(around),
		refOf(name) {
			const ref = around.refOf(name);
			return ref && outwards(ref);
		},
	});
}

/** The slots of a frame, as the frame inside it sees them. */
function slotsOutside(
	around: Layout,
): Pick<Layout, "memberSlotOf" | "roundUp" | "slotOf"> {
	return {
		roundUp: around.roundUp === null ? null : around.roundUp + 1,
		slotOf: (name) => outwards(around.slotOf(name)),
		memberSlotOf(name, member) {
			const slot = around.memberSlotOf(name, member);
			return slot && outwards(slot);
		},
	};
}

function outwards<T extends { readonly up: number }>(one: T): T {
	return { ...one, up: one.up + 1 };
}

function blockLayout(
	steps: readonly string[],
	firstSlot: number,
	around: Layout,
): Layout {
	const indexes = new Map(steps.map((name, index) => [name, index]));
	return {
		roundUp: around.roundUp,
		inputOf: (read) => (indexes.has(read.name) ? null : around.inputOf(read)),
		refOf(name) {
			const index = indexes.get(name);
			return index === undefined ? around.refOf(name) : { up: 0, index };
		},
		slotOf(name) {
			const index = indexes.get(name);
			return index === undefined
				? around.slotOf(name)
				: { up: 0, slot: stepSlot(firstSlot, index) };
		},
		memberSlotOf(name, member) {
			const index = name === "missing" ? indexes.get(member) : undefined;
			return index === undefined
				? around.memberSlotOf(name, member)
				: { up: 0, slot: codeSlot(stepSlot(firstSlot, index)) };
		},
	};
}

/** The names at an item of an `each`. */
export function itemLayout(around: Layout, { list, as }: EachConfig): Layout {
	const [inputOfList = null] = inputsOf(readsOf(list), around) ?? [];
	const own = new Map<string, number>([
		[as, itemSlots.item],
		["index", itemSlots.index],
	]);
	const outside = slotsOutside(around);
	return {
		...outside,
		refOf: around.refOf,
		inputOf: (read) =>
			own.has(read.name) ? inputOfList : around.inputOf(read),
		slotOf(name) {
			const slot = own.get(name);
			return slot === undefined ? outside.slotOf(name) : { up: 0, slot };
		},
	};
}

/** The names in a round of a `repeat`. */
export function roundLayout(around: Layout): Layout {
	const own = new Map<string, number>([
		["last", roundSlots.last],
		["round", roundSlots.round],
	]);
	const outside = slotsOutside(around);
	return {
		...outside,
		roundUp: 0,
		refOf: around.refOf,
		inputOf: (read) => (own.has(read.name) ? null : around.inputOf(read)),
		slotOf(name) {
			const slot = own.get(name);
			return slot === undefined ? outside.slotOf(name) : { up: 0, slot };
		},
	};
}

/** Whether these reads give the same in every round of the innermost `repeat`. */
export function sameInRounds(
	reads: readonly Read[],
	{ roundUp, slotOf, memberSlotOf }: Layout,
): boolean {
	if (roundUp === null) return true;
	return reads.every(({ name, path }) => {
		const slot =
			name === "missing" ? memberSlotOf(name, path[0] ?? "") : slotOf(name);
		return slot === null || slot.up > roundUp;
	});
}

/** The names where the head of a proxied answer is read. It is kept in this slot of the route's frame. */
export function responseLayout(around: Layout, slot: number): Layout {
	return {
		...around,
		slotOf: (name) =>
			name === "response" ? { up: 0, slot } : around.slotOf(name),
	};
}

/** The names where a call's answer is read. Its step keeps the answer in its own two slots. */
export function answerLayout(around: Layout, ownSlot: number): Layout {
	return {
		...around,
		slotOf(name) {
			if (name === "answer") return { up: 0, slot: ownSlot };
			if (name === "response") return { up: 0, slot: ownSlot + 1 };
			return around.slotOf(name);
		},
	};
}

/** The names where a fallback is read, which may read the failure. */
export function failureLayout(around: Layout, ownSlot: number): Layout {
	return {
		...around,
		slotOf: (name) =>
			name === "failure" ? { up: 0, slot: ownSlot } : around.slotOf(name),
	};
}

/** The slots of the frame of an undo. */
const undoSlots = { answer: 0, response: 1, value: 2 } as const;

/** The names that the undo of a step reads: the step's own value is that of the item, if it has items. */
export function undoLayout(around: Layout, step: string): Layout {
	const own = new Map<string, number>([
		["answer", undoSlots.answer],
		["response", undoSlots.response],
		[step, undoSlots.value],
	]);
	const outside = slotsOutside(around);
	return {
		...outside,
		refOf: around.refOf,
		inputOf: (read) => (own.has(read.name) ? null : around.inputOf(read)),
		slotOf(name) {
			const slot = own.get(name);
			return slot === undefined ? outside.slotOf(name) : { up: 0, slot };
		},
	};
}

/**
 * The client's inputs that are read, if only those are read; a fault in them is then the client's. Null if something
 * else is read, or nothing.
 */
export function inputsOf(reads: readonly Read[], layout: Layout): Inputs {
	const inputs = new Set<string>();
	for (const read of reads) {
		const input = layout.inputOf(read);
		if (input === null) return null;
		inputs.add(input);
	}
	return inputs.size > 0 ? [...inputs] : null;
}

/** Whether a template reads something, and only the client's input. */
export function readsOnlyInput(template: Template, layout: Layout): boolean {
	return inputsOf(readsOf(template), layout) !== null;
}

/** A closure of a template. It answers 400 if the value that a hole lacks is only the client's input. */
export function prepare(template: Template, layout: Layout): Evaluate {
	return prepareTemplate(template, {
		slotOf: layout.slotOf,
		memberSlotOf: layout.memberSlotOf,
		around: (hole, reads) =>
			inputsOf(reads, layout) ? blamingClient(hole) : hole,
	});
}

/** A template that is evaluated when the steps that it reads have ended. */
export interface Later {
	readonly evaluate: Evaluate;
	readonly reads: readonly StepRef[];
}

export function prepareLater(template: Template, layout: Layout): Later {
	return {
		evaluate: prepare(template, layout),
		reads: refsIn(template, layout),
	};
}

/** The steps that a template reads, `missing.<step>` included. */
function refsIn(template: Template, layout: Layout): StepRef[] {
	const names = new Set(
		readsOf(template).map(({ name, path }) =>
			name === "missing" ? (path[0] ?? "") : name,
		),
	);
	return [...names].flatMap((name) => layout.refOf(name) ?? []);
}

/** Makes a missing value, or one that is too large, the client's fault: 400 instead of the table's status. */
export function blamingClient<A extends unknown[], T>(
	fn: (...args: A) => T,
): (...args: A) => T {
	return (...args) => {
		try {
			return fn(...args);
		} catch (error) {
			if (!(error instanceof GatewayError)) throw error;
			const { code, message, facts } = error;
			if (code !== "reference_missing" && code !== "limit_exceeded") {
				throw error;
			}
			throw new GatewayError(code, message, { ...facts, status: 400 });
		}
	};
}
