import type { EachConfig } from "../config/config.ts";
import { clientNames } from "../config/names.ts";
import { GatewayError } from "../core/errors.ts";
import type { Evaluate, Place } from "../expression/evaluate.ts";
import type { Read } from "../expression/parse.ts";
import {
	prepareTemplate,
	readsOf,
	type Template,
} from "../expression/template.ts";
import type { StepRef } from "../plan/plan.ts";

/**
 * Where names stand. A block — a route, or the group of a step — has a frame with a slot for each of its steps; an item
 * of an `each` has a frame too, which for a group is the group's.
 */
export interface Layout {
	placeOf(name: string): Place;
	/** The step of that name; null where it is none. */
	refOf(name: string): StepRef | null;
	/** Where the client gave what is read, as a fault names it: `query.city`; null where it is not the client's. */
	clientsPlaceOf(read: Read): string | null;
}

/** The first slots of a route's frame. */
export const requestSlots = {
	params: 0,
	query: 1,
	headers: 2,
	cookies: 3,
	body: 4,
	request: 5,
	missing: 6,
} as const;

/** The first slots of the frame of an item, or of a group. */
export const itemSlots = {
	item: 0,
	index: 1,
	answer: 2,
	response: 3,
	missing: 4,
} as const;

/** Where a block keeps its own: for each step its value, and behind that its call's answer and response. */
export interface BlockSlots {
	readonly first: number;
	readonly missing: number;
}

/** A route's block: before its steps stands what the request gave, and what is missing. */
export const routeBlock: BlockSlots = { first: 7, missing: 6 };
/** A group's block, in a frame whose `parent` holds the names around it. */
export const groupBlock: BlockSlots = { first: 5, missing: 4 };

export function stepSlot({ first }: BlockSlots, index: number): number {
	return first + 3 * index;
}

export function frameSize({ first }: BlockSlots, steps: number): number {
	return first + 3 * steps;
}

/** The names of a route. */
export function routeLayout(steps: readonly string[]): Layout {
	return blockLayout(
		{
			placeOf: (name) => ({
				up: 0,
				slot: requestSlots[name as keyof typeof requestSlots],
			}),
			refOf: () => null,
			clientsPlaceOf: (read) =>
				clientNames.has(read.name) ? placeInRequest(read) : null,
		},
		steps,
		routeBlock,
	);
}

/** In the words of `request.ts`: `headers.accept-language`, `body/items/0`. */
function placeInRequest({ name, path }: Read): string {
	if (name === "body") return [name, ...path].join("/");
	const [member] = path;
	if (member === undefined) return name;
	return `${name}.${name === "headers" ? member.replaceAll("_", "-") : member}`;
}

/** The names inside a group, whose frame is that of `around`. */
export function groupLayout(around: Layout, steps: readonly string[]): Layout {
	const missing = { up: 0, slot: groupBlock.missing };
	const outer: Layout = {
		...around,
		placeOf: (name) => (name === "missing" ? missing : around.placeOf(name)),
		refOf: (name) => outwards(around.refOf(name)),
	};
	return blockLayout(outer, steps, groupBlock);
}

function outwards(ref: StepRef | null): StepRef | null {
	return ref && { up: ref.up + 1, index: ref.index };
}

function blockLayout(
	around: Layout,
	steps: readonly string[],
	slots: BlockSlots,
): Layout {
	const indexes = new Map(steps.map((name, index) => [name, index]));
	return {
		clientsPlaceOf: (read) =>
			indexes.has(read.name) ? null : around.clientsPlaceOf(read),
		refOf(name) {
			const index = indexes.get(name);
			return index === undefined ? around.refOf(name) : { up: 0, index };
		},
		placeOf(name) {
			const index = indexes.get(name);
			return index === undefined
				? around.placeOf(name)
				: { up: 0, slot: stepSlot(slots, index) };
		},
	};
}

/** The names in a frame of its own inside another: of an item, or of a group. */
export function innerLayout(around: Layout, each: EachConfig | null): Layout {
	const own = new Map<string, number>([
		["answer", itemSlots.answer],
		["response", itemSlots.response],
	]);
	if (each) {
		own.set(each.as, itemSlots.item);
		own.set("index", itemSlots.index);
	}
	const [placeOfList = null] = each
		? (clientsPlaces(readsOf(each.list), around) ?? [])
		: [];
	return {
		refOf: around.refOf,
		clientsPlaceOf: (read) =>
			each !== null && (read.name === each.as || read.name === "index")
				? placeOfList
				: around.clientsPlaceOf(read),
		placeOf(name) {
			const slot = own.get(name);
			if (slot !== undefined) return { up: 0, slot };
			const place = around.placeOf(name);
			return { up: place.up + 1, slot: place.slot };
		},
	};
}

/** The names of a call without `each`: its answer is kept in its block's frame. */
export function callLayout(around: Layout, slot: number): Layout {
	return {
		...around,
		placeOf(name) {
			if (name === "answer") return { up: 0, slot: slot + 1 };
			if (name === "response") return { up: 0, slot: slot + 2 };
			return around.placeOf(name);
		},
	};
}

/** The steps a template reads, `missing.<step>` included. */
export function refsIn(template: Template | null, layout: Layout): StepRef[] {
	const names = new Set(
		readsOf(template).map(({ name, path }) =>
			name === "missing" ? (path[0] ?? "") : name,
		),
	);
	return [...names].flatMap((name) => layout.refOf(name) ?? []);
}

/**
 * Where the client gave what is read, if all of it is the client's: what is wrong with it is then the client's fault.
 * Else null.
 */
export function clientsPlaces(
	reads: readonly Read[],
	layout: Layout,
): readonly string[] | null {
	const places = new Set<string>();
	for (const read of reads) {
		const place = layout.clientsPlaceOf(read);
		if (place === null) return null;
		places.add(place);
	}
	return places.size > 0 ? [...places] : null;
}

/** Whether a template reads something, and nothing but what the client sent. */
export function readsOnlyClients(template: Template, layout: Layout): boolean {
	return clientsPlaces(readsOf(template), layout) !== null;
}

/** A closure of a template that answers 400 where what a hole lacks is the client's input and nothing else. */
export function prepare(template: Template, layout: Layout): Evaluate {
	return prepareTemplate(template, {
		placeOf: layout.placeOf,
		around: (hole, reads) =>
			clientsPlaces(reads, layout) ? blamingClient(hole) : hole,
	});
}

/** Lets a missing value, or one that is too much, be the client's fault: 400 instead of the table's status. */
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
