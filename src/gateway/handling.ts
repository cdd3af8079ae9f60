import type { ServerConfig } from "../config/config.ts";
import type { Events } from "../core/events.ts";
import type { Memory } from "../core/memory.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Channels } from "../live/channels.ts";
import type { RefusePage } from "../live/page-origin.ts";
import type { Load } from "../run/run.ts";
import type { SharedLimits } from "../store/shared-limits.ts";
import type { Clock } from "../tasks/clock.ts";
import type { IsOwner } from "./door.ts";
import type { GatewayRoute } from "./gateway-route.ts";
import type { Overload } from "./overload.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { Outliving } from "./request-end.ts";
import type { Route } from "./router.ts";
import type { Posting } from "./session-post.ts";
import type { Via } from "./via.ts";

/** What a gateway has to answer requests with. */
export interface Handling {
	readonly route: Route<GatewayRoute>;
	readonly events: Events;
	readonly server: ServerConfig;
	readonly clock: Clock;
	readonly memory: Memory;
	/** Of every request. */
	readonly rateLimit: RateLimit | null;
	/** Null if limits hold for this process alone. */
	readonly shared: SharedLimits | null;
	/** Documents for clients that look for tokens, by path. */
	readonly metadata: ReadonlyMap<string, string>;
	/** Who asks where no route says which credentials it takes; null if nobody knows. */
	readonly isOwner: IsOwner;
	readonly overload: Overload | null;
	readonly load: Load;
	readonly channels: Channels;
	/** Of whoever listens over a WebSocket. */
	readonly refusePage: RefusePage;
	/** Null if no route has jobs. */
	readonly jobs: Jobs | null;
	readonly via: Via;
	readonly outliving: Outliving;
	/** Made once, because each listener over a WebSocket holds it. */
	readonly posting: Posting;
}
