import { type ByteStream, leave } from "../core/body/byte-stream.ts";
import { asGatewayError } from "../core/errors.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { Block, type PreparedBlock } from "./block.ts";
import type { PreparedMerge } from "./merge.ts";
import type { PreparedProxy } from "./prepare-proxy.ts";
import { passOn, refuseUpgrade } from "./proxy.ts";
import { noteRecord } from "./record.ts";
import {
	createFrame,
	deadlineExceeded,
	isFailure,
	Run,
	type RunInput,
	type RunResult,
	type RunRoute,
} from "./run.ts";

/** A route with steps. */
interface SteppedRoute extends RunRoute {
	readonly block: PreparedBlock;
}

/** A route whose answer is made of its steps. */
export interface ComposedRoute extends SteppedRoute {
	readonly merge: PreparedMerge;
}

/**
 * Carries out a route's steps for one request. Every step starts when the values that it reads are there. At the
 * deadline running calls are aborted, and the ordinary rules of fallback and optional apply. Rejects with the
 * GatewayError of the required step that failed first. When it has settled, nothing of it runs any more, except a write
 * that was sent.
 */
export function compose(
	route: ComposedRoute,
	input: RunInput,
): Promise<RunResult> {
	return new Promise((resolve, reject) => {
		const run = new Run(route, input, resolve, reject);
		carryOut(route, run, ({ frame, account }) =>
			run.answer(route.merge, frame, account),
		);
	});
}

/**
 * Starts the steps. `last` is called when all have ended well, unless one has answered. Null if the run was over before it
 * began.
 */
export function carryOut(
	{ block: plan }: SteppedRoute,
	run: Run,
	last: (block: Block) => void,
): Block | null {
	if (run.over) return null;
	const frame = createFrame(run.route, run.input);
	noteRecord(run.route, run.input, frame);
	const block: Block = new Block(plan, {
		run,
		frame,
		scope: run.calls,
		around: null,
		path: "",
		index: [],
		onEnd: () => void frame.fuel.lastPiece(last, block),
		onFail: (error) => run.fail(error),
	});
	block.start();
	return block;
}

/** A route that passes requests on after its steps. */
export interface SteppedProxy extends SteppedRoute {
	readonly proxy: PreparedProxy;
	/** Throws if no target could take the request. */
	readonly refuse: (request: GatewayRequest) => void;
}

/**
 * Carries out the route's steps, then passes the request on with this body, unless a step answers. Nothing of the body is
 * read before. Calls `onPassing` then. Until the answer's head is there the deadline holds for both.
 */
export async function composeProxied(
	route: SteppedProxy,
	input: RunInput,
	body: ByteStream | null,
	onPassing: () => void,
): Promise<RunResult> {
	let passing = false;
	try {
		refuseUpgrade(input.request, route.proxy);
		route.refuse(input.request);
		return await new Promise((resolve, reject) => {
			const run = new Run(route, input, resolve, reject);
			carryOut(route, run, (block) => {
				if (!mayPass(run)) return;
				passing = true;
				onPassing();
				passAfterSteps(route, run, block, body).then(resolve, reject);
			});
		});
	} finally {
		if (!passing && body !== null) leave(body);
	}
}

/** A client that has left gets nothing, and a late request has no time left for its head. */
function mayPass(run: Run): boolean {
	if (run.over) return false;
	const { scope } = run.input;
	try {
		if (scope.cancelled) throw scope.reason;
		if (scope.clock.now() >= run.deadline) throw deadlineExceeded();
		run.countCall();
		return true;
	} catch (reason) {
		run.fail(asGatewayError(reason));
		return false;
	}
}

async function passAfterSteps(
	route: SteppedProxy,
	run: Run,
	{ frame, account }: Block,
	body: ByteStream | null,
): Promise<RunResult> {
	const { input, trace } = run;
	const marks = account.missing();
	run.handOver();
	const passage = { route, input, body, frame, trace, marks };
	try {
		const response = await passOn(route.proxy, passage);
		run.handedOver(true);
		return { response, missing: marks.filter(isFailure) };
	} catch (error) {
		run.handedOver(false);
		throw error;
	}
}
