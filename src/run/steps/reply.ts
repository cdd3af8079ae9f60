import type { ReplyConfig } from "../../config/config.ts";
import { prepareMerge } from "../merge.ts";
import type { Work } from "../spot.ts";
import type { WorkContext } from "../work.ts";

/** An answer that ends the run at once. Steps that run beside it are aborted. */
export function prepareReply(step: ReplyConfig, { layout }: WorkContext): Work {
	const merge = prepareMerge(step, layout);
	return ({ run, block, frame, step: { index } }) => {
		run.answer(merge, frame, block.account, [index]);
		return null;
	};
}
