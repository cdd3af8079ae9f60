import type { StepPlan } from "../../plan/plan.ts";
import type { Work } from "../spot.ts";
import type { WorkContext } from "../work.ts";
import { prepareCall } from "./call.ts";
import { prepareFunction } from "./function.ts";
import { prepareGroup } from "./group.ts";
import { preparePublish } from "./publish.ts";
import { prepareReply } from "./reply.ts";
import { prepareValue } from "./value.ts";

/** A step's work, by its kind. */
export function prepareWork(step: StepPlan, context: WorkContext): Work {
	switch (step.kind) {
		case "call":
			return prepareCall(step, context);
		case "group":
			return prepareGroup(step, context);
		case "value":
			return prepareValue(step, context);
		case "run":
			return prepareFunction(step, context);
		case "publish":
			return preparePublish(step, context);
		case "reply":
			return prepareReply(step, context);
	}
}
