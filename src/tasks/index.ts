export {
	type Clock,
	realClock,
	type Timer,
	type VirtualClock,
	virtualClock,
} from "./clock.ts";
export { type GatherOptions, gather, type Work } from "./gather.ts";
export { type Outcome, outcomeOf } from "./outcome.ts";
export {
	createPool,
	type OffloadOptions,
	offload,
	type Pool,
	type PoolOptions,
} from "./pool.ts";
export { PoolClosed, PoolFull, ThreadEnded } from "./pool-errors.ts";
export {
	type CancelListener,
	DeadlineReached,
	openScope,
	type Scope,
	type ScopeOptions,
} from "./scope.ts";
export { createSemaphore, type Semaphore } from "./semaphore.ts";
export { type Transfer, transfer } from "./thread-message.ts";
