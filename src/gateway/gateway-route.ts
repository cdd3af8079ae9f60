import type { ServerConfig } from "../config/config.ts";
import { headerOf } from "../core/http/headers.ts";
import type { Memory } from "../core/memory.ts";
import { createPageRefusal, type RefusePage } from "../live/page-origin.ts";
import { RouteWatches } from "../live/route-watches.ts";
import type { Plan } from "../plan/plan.ts";
import { type WatchedBy, watchedBy } from "../plan/watched.ts";
import type { PreparedRoute } from "../run/prepare.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Door } from "./door.ts";
import type { JobRoute } from "./job-route.ts";
import type { RateLimit } from "./rate-limit.ts";

/** A route as the gateway answers by it. */
export interface GatewayRoute extends PreparedRoute {
	readonly rateLimit: RateLimit | null;
	/** Null if anybody may ask. */
	readonly door: Door | null;
	/** Null if nobody may watch its answer. */
	readonly live: LiveRoute | null;
	/** Null if no request of it becomes a job. */
	readonly job: JobRoute | null;
	/** Whether its answers are compressed for clients that can read them. */
	readonly compresses: boolean;
}

/** What a live route has besides. */
export interface LiveRoute {
	readonly watches: RouteWatches;
	readonly watchedBy: WatchedBy;
	readonly refusePage: RefusePage;
}

export function liveRouteOf(
	{ plan: route, dependence }: PreparedRoute,
	{ upstreams, server }: Plan,
	held: { readonly clock: Clock; readonly memory: Memory },
): LiveRoute | null {
	const { key, live } = route;
	if (live === null) return null;
	return {
		watches: new RouteWatches(key, live, held),
		watchedBy: watchedBy(route, upstreams),
		refusePage: createPageRefusal(server.cors, dependence?.personal ?? false),
	};
}

/** What such a client says goes to other routes, with its cookies. So its cookies count, whatever its own route reads. */
export function refuseListenersOf(cors: ServerConfig["cors"]): RefusePage {
	const [refuse, refusePersonal] = [false, true].map((personal) =>
		createPageRefusal(cors, personal),
	);
	return (request) => {
		const isPersonal = headerOf(request.headers, "cookie") !== null;
		(isPersonal ? refusePersonal : refuse)?.(request);
	};
}
