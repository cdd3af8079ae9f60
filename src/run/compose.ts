import type { Frame } from "../expression/evaluate.ts";
import { Block, type PreparedBlock } from "./block.ts";
import type { PreparedMerge } from "./merge.ts";
import {
	createFrame,
	Run,
	type RunInput,
	type RunResult,
	type RunRoute,
} from "./run.ts";

/** A route whose answer is made of its steps. */
export interface ComposedRoute extends RunRoute {
	readonly block: PreparedBlock;
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
		if (run.over) return;
		const frame = createFrame(route, input);
		const block: Block = new Block(route.block, {
			run,
			frame,
			scope: run.calls,
			around: null,
			path: "",
			index: [],
			onEnd: () => void frame.fuel.lastPiece(answer, frame),
			onFail: (error) => run.fail(error),
		});
		const answer = (frame: Frame) =>
			run.answer(route.merge, frame, block.account);
		block.start();
	});
}
