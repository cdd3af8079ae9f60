// First: it says which Node is needed.
import "../node-version.ts";

export {
	type Clock,
	realClock,
	type Timer,
	type VirtualClock,
	virtualClock,
} from "./clock.ts";
export { completed } from "./completed.ts";
export { createFuture, type Future } from "./future.ts";
export { type GatherOptions, gather, type Work } from "./gather.ts";
export { group, shield, timeout } from "./group.ts";
export type { CancelListener } from "./lifetime.ts";
export { type Outcome, outcomeOf } from "./outcome.ts";
export {
	createPool,
	type OffloadOptions,
	offload,
	type Pool,
	type PoolOptions,
} from "./pool.ts";
export { PoolClosed, PoolFull, ThreadEnded } from "./pool-errors.ts";
export { createQueue, type Queue, QueueClosed } from "./queue.ts";
export { Cancelled, DeadlineReached, TimedOut } from "./reason.ts";
export { Interrupted, type RunOptions, run } from "./run.ts";
export {
	openScope,
	type Scope,
	type ScopeOptions,
	type Task,
	type TaskOptions,
	type TaskWork,
} from "./scope.ts";
export { createSemaphore, type Semaphore } from "./semaphore.ts";
export { sleep } from "./sleep.ts";
export { type Transfer, transfer } from "./thread-message.ts";
