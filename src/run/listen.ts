import { asGatewayError } from "../core/errors.ts";
import type { StepFailure } from "../core/events.ts";
import type { Frame } from "../expression/evaluate.ts";
import { readsOf, type Template } from "../expression/template.ts";
import type { HeardPlan, ListenPlan } from "../plan/plan.ts";
import { type ComposedRoute, carryOut } from "./compose.ts";
import { blamingClient, inputsOf, type Layout, prepare } from "./layout.ts";
import { printOf } from "./message.ts";
import {
	createFrame,
	isFailure,
	Run,
	type RunInput,
	type RunResult,
	type RunRoute,
} from "./run.ts";
import { prepareInstance } from "./target.ts";

/** Where a client listens, and who it is there. */
export interface ListenPlace {
	/** Index into the plan's channels. */
	readonly channelIndex: number;
	/** Encoded as a segment of a path; empty for a channel without instances. */
	readonly instance: string;
	/** As JSON; null for a client that is not among those who are there. */
	readonly member: string | null;
}

export type PreparedListen = (frame: Frame) => ListenPlace;

/** Everybody in a room is told of every member. */
const memberBound = { bytesMax: 1024, what: "`member`" };

export function prepareListen(
	{ channelIndex, instance, member }: ListenPlan,
	layout: Layout,
): PreparedListen {
	const instanceOf = prepareInstance(instance, layout);
	const memberOf = member && prepareMember(member, layout);
	return (frame) => ({
		channelIndex,
		instance: instanceOf(frame),
		member: memberOf && memberOf(frame),
	});
}

function prepareMember(
	member: Template,
	layout: Layout,
): (frame: Frame) => string {
	const memberOf = prepare(member, layout);
	const inputs = inputsOf(readsOf(member), layout);
	const print = (frame: Frame) =>
		printOf(memberOf(frame), frame.fuel, memberBound, inputs, "a `member`");
	return inputs === null ? print : blamingClient(print);
}

/** Which instance of a channel a request means before any step has run. Throws if it means none. */
export type PreparedHeard = (input: RunInput) => string;

/** The channel of a live route, after whose messages it runs again. */
export function prepareHeard(
	{ instance }: HeardPlan,
	route: RunRoute,
	layout: Layout,
): PreparedHeard {
	const instanceOf = prepareInstance(instance, layout);
	return (input) => instanceOf(createFrame(route, input));
}

/** The end of the steps before listening: a place, unless a step has answered. */
export type ListenResult =
	| RunResult
	| { readonly place: ListenPlace; readonly missing: readonly StepFailure[] };

/** Carries out the steps of a route with `listen`, as `compose` does, and says where its client listens then. */
export function composeListening(
	route: ComposedRoute,
	listen: PreparedListen,
	input: RunInput,
): Promise<ListenResult> {
	return new Promise((resolve, reject) => {
		const run = new Run(route, input, resolve, reject);
		carryOut(route, run, ({ frame, account }) => {
			if (run.over) return;
			try {
				const place = listen(frame);
				const missing = account.missing().filter(isFailure);
				run.handOver();
				run.handedOver(true);
				resolve({ place, missing });
			} catch (error) {
				run.fail(asGatewayError(error));
			}
		});
	});
}
