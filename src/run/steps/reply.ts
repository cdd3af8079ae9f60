import type { ReplyConfig } from "../../config/steps/reply.ts";
import type { Trail } from "../../core/trail.ts";
import type { StepLinks } from "../../plan/plan.ts";
import { answerBound, prepareMerge } from "../merge.ts";
import type { Work } from "../spot.ts";
import { onlyWhatEveryStepHas, type WorkContext } from "../work.ts";

/** An answer that ends the run at once. Steps that run beside it are aborted. */
export function prepareReply(
	step: ReplyConfig & StepLinks,
	{ layout, answerBytesMax }: WorkContext,
): Work {
	const { status, headers, body, mayBeEmpty, ...others } = step;
	const { undo, kind: _, ...ofEveryStep } = others;
	onlyWhatEveryStepHas(ofEveryStep);
	const answer = { status, headers, body, mayBeEmpty };
	const merge = prepareMerge(answer, answerBound(answerBytesMax), layout);
	return ({ run, block, frame, trail, step: { index } }) => {
		if (trail !== null) {
			trail.ended("ok");
			(run.input.trail as Trail).last = trail;
		}
		run.answer(merge, frame, block.account, [index], undo);
		return null;
	};
}
