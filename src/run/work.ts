import type { UserFunction, WorkerFunction } from "../config/config.ts";
import type { StepCommon } from "../config/steps/common.ts";
import { handedOn } from "../core/all-read.ts";
import type { Publisher } from "../core/channels.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Template } from "../expression/template.ts";
import type { StepLinks, StepPlan } from "../plan/plan.ts";
import type { Slots } from "../policy/slots.ts";
import type { Pool } from "../tasks/pool.ts";
import type { PreparedBlock } from "./block.ts";
import type { Layout } from "./layout.ts";
import type { PrintMessage } from "./message.ts";
import type { OpenedUpstream } from "./open.ts";

/**
 * Takes the rest of a step from which its work has taken its own keys. A key that no work takes is an error of types.
 */
export const onlyWhatEveryStepHas = handedOn<StepCommon & StepLinks>();

/** The means to prepare the work of every step. */
export interface Resources {
	/** In the order of the plan. */
	readonly upstreams: readonly OpenedUpstream[];
	/** The user's functions, by reference. */
	readonly functions: ReadonlyMap<string, UserFunction>;
	/** The functions that run on a thread, by reference. */
	readonly workers: ReadonlyMap<string, WorkerFunction>;
	/** Null if no step runs on a thread. */
	readonly threads: Threads | null;
	/** In the order of the plan. */
	readonly channels: readonly OpenedChannel[];
	/** Whether answers of the route are for one client alone, so that its calls may be, too. */
	readonly personal: boolean;
	/** The longest answer. */
	readonly answerBytesMax: number;
	readonly secrets: Secrets;
}

/** A channel, with what makes its messages of values. */
export interface OpenedChannel {
	readonly publisher: Publisher;
	readonly print: PrintMessage;
}

/** The threads of a gateway, and the slots for them, in which clients take turns. */
export interface Threads {
	readonly pool: Pool;
	readonly slots: Slots;
	readonly waitingMax: number;
}

/** The means to prepare the work of one step. */
export interface WorkContext extends Resources {
	/** The names at the spot where the work is done. */
	readonly layout: Layout;
	/** Whether the work is done once per item of a list, its own or one around. */
	readonly inList: boolean;
	/** The first of the two slots that the step has of its own in the frame of that spot. */
	readonly ownSlot: number;
	/** The condition of the step's `repeat`, which reads the work's own names. The work evaluates it after its value. */
	readonly condition: Template | null;
	/** Prepares the steps inside a step. */
	readonly prepareBlock: (steps: BlockParts, layout: Layout) => PreparedBlock;
}

/** Steps that end together, as the plan has them: a route's, or a group's. */
export interface BlockParts {
	readonly steps: readonly StepPlan[];
	/** The templates of the answer, or of the group's value. */
	readonly result: readonly unknown[];
	/** The steps that these templates read, by index. */
	readonly reads: readonly number[];
	/** The first slot of the steps in the block's frame. */
	readonly firstSlot: number;
	/** Whether the block is carried out once per item of a list. */
	readonly inList: boolean;
}
