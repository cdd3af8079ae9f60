import {
	type Environment,
	isPem,
	type ResolvedUpstream,
	resolveUpstream,
} from "../config/check-upstream.ts";
import type { UpstreamConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import type { Clock } from "../tasks/clock.ts";
import type {
	Upstream,
	UpstreamContext,
	UpstreamSettings,
} from "../upstream/upstream.ts";
import type { TlsSettings } from "../upstream/wire/wire.ts";

/** How an upstream is reached: over HTTP, or in tests by a function. */
export type OpenUpstream = (
	settings: UpstreamSettings,
	context: UpstreamContext,
) => Upstream;

/** What upstreams are opened with. */
export interface OpenOptions {
	readonly env: Environment;
	readonly clock: Clock;
	readonly events: Events;
	readonly openUpstream: OpenUpstream;
	/** What the files hold that upstreams' `tls` names. */
	readonly files: ReadonlyMap<string, string>;
}

/** An upstream, with what its settings became in this environment. */
export interface OpenedUpstream {
	readonly settings: ResolvedUpstream;
	readonly upstream: Upstream;
	readonly safe: boolean;
	readonly idempotent: boolean;
}

/** Reads the environment for each upstream; opens no connection yet. */
export function openUpstreams(
	configs: readonly UpstreamConfig[],
	options: OpenOptions,
): readonly OpenedUpstream[] {
	const { env, clock, events, openUpstream } = options;
	return configs.map((config): OpenedUpstream => {
		const { upstream: settings } = resolveUpstream(config, env);
		const { origins, connections, bodyBytesMax } = settings;
		const { name, safe, idempotent } = config;
		const tls = tlsOf(settings, options);
		const {
			transport,
			cache,
			coalesce,
			retry,
			hedge,
			budget,
			breaker,
			limiter,
		} = config;
		const limits = {
			name,
			origins,
			connections,
			bodyBytesMax,
			tls,
			transport,
			cache: cache && { ...cache, authorization: credentialOf(settings) },
			coalesce,
			retry,
			hedge,
			budget,
			breaker,
			limiter,
		};
		const upstream = openUpstream(limits, { clock, events });
		return { settings, safe, idempotent, upstream };
	});
}

/** What every call is authorized by; null where the steps say, or nobody does. */
function credentialOf({ headers }: ResolvedUpstream): string | null {
	const [own] = headers.filter(([name]) => name === "authorization");
	return own ? own[1] : null;
}

function tlsOf(
	{ tls }: ResolvedUpstream,
	{ files }: OpenOptions,
): TlsSettings | null {
	if (tls.length === 0) return null;
	const texts = tls.map(([name, text]) => {
		const pem = isPem(text) ? text : files.get(text);
		if (pem !== undefined) return [name, pem] as const;
		throw new GatewayError(
			"config_invalid",
			`${text} was not read: load the config by its file`,
		);
	});
	return Object.fromEntries(texts);
}
