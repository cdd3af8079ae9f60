import type { Memory } from "../../core/memory.ts";
import type { Clock } from "../../tasks/clock.ts";
import type { ReportDecision } from "../policy.ts";
import type { Intake } from "./intake.ts";
import type { Keeper } from "./keeper.ts";
import type { Misses } from "./misses.ts";
import type { Refreshes } from "./refresh.ts";

/** The parts that the faces of a cache share. */
export interface CacheParts {
	readonly upstream: string;
	readonly clock: Clock;
	readonly memory: Memory;
	readonly report: ReportDecision<"cache">;
	readonly keeper: Keeper;
	readonly intake: Intake;
	readonly refreshes: Refreshes;
	/** Those who wait for an answer that is being asked for. Null for calls if `coalesce` lets them share it. */
	readonly misses: { readonly calls: Misses | null; readonly streams: Misses };
}
