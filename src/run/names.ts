import { clientNames } from "../config/names.ts";
import { GatewayError } from "../core/errors.ts";
import type { Evaluate, Place } from "../expression/evaluate.ts";
import type { Read } from "../expression/parse.ts";
import {
	prepareTemplate,
	readsOf,
	type Template,
} from "../expression/template.ts";
import type { RoutePlan, StepPlan } from "../plan/plan.ts";

/** Where names stand, and which of them hold nothing but the client's input. */
export interface Layout {
	placeOf(name: string): Place;
	/** Where the client gave what is read, as a fault names it: `query.city`; null where it is not the client's. */
	clientsPlaceOf(read: Read): string | null;
}

/** The first slots of a route's frame. */
export const requestSlots = {
	params: 0,
	query: 1,
	headers: 2,
	body: 3,
	request: 4,
} as const;
const firstStepSlot = 5;

/** The slots of the frame that each item of an `each` has of its own. */
export const itemSlots = { item: 0, index: 1, answer: 2, response: 3 } as const;
export const itemFrameSize = 4;

/** The slot of a step's value in its route's frame. */
export function stepSlot(index: number): number {
	return firstStepSlot + index;
}

/** How many values a route's frame holds: every step has, beside its value, a place for its answer and response. */
export function frameSize(route: RoutePlan): number {
	return firstStepSlot + 3 * route.steps.length;
}

/** Where a call without `each` puts its answer; the response is in the slot behind it. */
function answerSlot(route: RoutePlan, index: number): number {
	return firstStepSlot + route.steps.length + 2 * index;
}

export function routeLayout(route: RoutePlan): Layout {
	const slots = new Map<string, number>(Object.entries(requestSlots));
	route.steps.forEach(({ name }, index) => {
		slots.set(name, stepSlot(index));
	});
	return {
		placeOf: (name) => ({ up: 0, slot: slots.get(name) as number }),
		clientsPlaceOf: (read) =>
			clientNames.has(read.name) ? placeInRequest(read) : null,
	};
}

/** In the words of `request.ts`: `headers.accept-language`, `body/items/0`. */
function placeInRequest({ name, path }: Read): string {
	if (name === "body") return [name, ...path].join("/");
	const [member] = path;
	if (member === undefined) return name;
	return `${name}.${name === "headers" ? member.replaceAll("_", "-") : member}`;
}

/** The names inside a step: its answer and, with `each`, its item, in a frame of their own. */
export function stepLayout(
	outer: Layout,
	route: RoutePlan,
	step: StepPlan,
	index: number,
): Layout {
	const { each } = step;
	if (each === null) {
		const answer = answerSlot(route, index);
		return {
			clientsPlaceOf: outer.clientsPlaceOf,
			placeOf(name) {
				if (name === "answer") return { up: 0, slot: answer };
				if (name === "response") return { up: 0, slot: answer + 1 };
				return outer.placeOf(name);
			},
		};
	}
	const own: Record<string, number> = {
		[each.as]: itemSlots.item,
		index: itemSlots.index,
		answer: itemSlots.answer,
		response: itemSlots.response,
	};
	const [placeOfList = null] = clientsPlaces(readsOf(each.list), outer) ?? [];
	return {
		clientsPlaceOf: (read) =>
			read.name === each.as || read.name === "index"
				? placeOfList
				: outer.clientsPlaceOf(read),
		placeOf(name) {
			if (Object.hasOwn(own, name)) return { up: 0, slot: own[name] as number };
			const place = outer.placeOf(name);
			return { up: place.up + 1, slot: place.slot };
		},
	};
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

export function readsOnlyClients(template: Template, layout: Layout): boolean {
	return clientsPlaces(readsOf(template), layout) !== null;
}

/** A closure of a template that answers 400 for a missing value where all it reads is the client's input. */
export function prepare(template: Template, layout: Layout): Evaluate {
	const evaluate = prepareTemplate(template, layout.placeOf);
	return readsOnlyClients(template, layout)
		? blamingClient(evaluate)
		: evaluate;
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
			if (code !== "reference_missing" && code !== "limit_exceeded")
				throw error;
			throw new GatewayError(code, message, { ...facts, status: 400 });
		}
	};
}
