import type { ResolvedUpstream } from "../config/resolve-upstream.ts";
import { GatewayError } from "../core/errors.ts";
import { createEvents } from "../core/events.ts";
import type { UpstreamRequest } from "../core/http/messages.ts";
import type { Memory } from "../core/memory.ts";
import { promised } from "../policy/promised.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope } from "../tasks/scope.ts";
import type { Upstream, UpstreamContext } from "../upstream/upstream.ts";

/** How issuers are reached: over HTTP, or in tests by a function. */
export type OpenIssuer = (
	settings: ResolvedUpstream,
	context: UpstreamContext,
) => Upstream;

/** Key sets have some kilobytes. */
const bodyBytesMax = 256 * 1024;

/** A request whose key is not known waits for it. */
const timeoutMs = 3_000;

/** Asks an issuer for its keys, by a connection of our own, bounded in time and size. */
export interface KeysSource {
	/** Rejects if there is no answer of 200 in time. Follows no redirect: the config says where keys are. */
	ask(): Promise<string>;
	close(): Promise<void>;
}

export function openKeysSource(
	name: string,
	url: string,
	open: OpenIssuer,
	context: { readonly clock: Clock; readonly memory: Memory },
): KeysSource {
	const { origin, pathname, search } = new URL(url);
	// With events of its own: what is fetched here belongs to no request.
	const events = createEvents();
	const upstream = open(settingsOf(name, origin), { ...context, events });
	const request: UpstreamRequest = {
		method: "GET",
		target: pathname + search,
		headers: [
			...["accept", "application/jwk-set+json, application/json"],
			...["user-agent", "sluice"],
		],
		body: null,
		safe: true,
		idempotent: true,
		tried: null,
		requestId: name,
		client: name,
		timeoutMs,
		onSent: null,
		onAgain: null,
	};
	const closing = openScope({ clock: context.clock });
	const ask = promised(upstream.call);
	return {
		async ask() {
			const { status, body } = await ask({ ...request }, closing);
			if (status !== 200) {
				const words = `${url} answered ${status}`;
				throw new GatewayError("upstream_status", words);
			}
			return new TextDecoder().decode(body);
		},
		async close() {
			const words = "the gateway was closed";
			closing.cancel(new GatewayError("gateway_draining", words));
			await upstream.close();
		},
	};
}

function settingsOf(name: string, origin: string): ResolvedUpstream {
	return {
		...{ name, origins: [origin], originsFrom: [], host: null, tls: null },
		...{ basePath: "", query: [], headers: [], credentials: new Map() },
		...{ timeoutMs, connections: 1, streams: 1, connectionAgeMs: 60_000 },
		pipelining: 1,
		...{ bodyBytesMax, headerBytesMax: 16 * 1024, valuesMax: 10_000 },
		...{ safe: true, idempotent: true, forwarded: false, coalesce: false },
		...{ cache: null, retry: null, hedge: null, budget: null },
		...{ breaker: null, limiter: null, auth: null },
	};
}
