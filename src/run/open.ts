import type { ResolvedUpstream } from "../config/resolve-upstream.ts";
import type { Events } from "../core/events.ts";
import type { Memory } from "../core/memory.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Upstream, UpstreamContext } from "../upstream/upstream.ts";

/** How an upstream is reached: over HTTP, or in tests by a function. */
export type OpenUpstream = (
	settings: ResolvedUpstream,
	context: UpstreamContext,
) => Upstream;

/** The means to open upstreams. */
export interface OpenOptions {
	/** The plan's upstreams in this environment, in their order. */
	readonly upstreams: readonly ResolvedUpstream[];
	readonly clock: Clock;
	readonly events: Events;
	readonly memory: Memory;
	readonly store: Store | null;
	readonly secrets: Secrets;
	readonly openUpstream: OpenUpstream;
}

/** An opened upstream, with its settings in this environment. */
export interface OpenedUpstream {
	readonly settings: ResolvedUpstream;
	readonly upstream: Upstream;
}

/** Opens the plan's upstreams, in their order; nothing is connected yet. */
export function openUpstreams({
	upstreams,
	clock,
	events,
	memory,
	store,
	secrets,
	openUpstream,
}: OpenOptions): OpenedUpstream[] {
	return upstreams.map((settings) => ({
		settings,
		upstream: openUpstream(settings, {
			...{ clock, events, memory, store, secrets },
		}),
	}));
}
