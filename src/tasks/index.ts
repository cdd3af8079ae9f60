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
	type CancelListener,
	DeadlineReached,
	openScope,
	type Scope,
	type ScopeOptions,
} from "./scope.ts";
export { createSemaphore, type Semaphore } from "./semaphore.ts";
