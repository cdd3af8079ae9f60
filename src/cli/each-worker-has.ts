import type { Config } from "../config/config.ts";

/** What each worker of this config has for itself, in the words of its keys. docs/scaling.md says what that means. */
export function eachWorkerHas({
	channels,
	routes,
	rateLimits,
	resolved,
	server,
	store,
}: Pick<
	Config,
	"channels" | "routes" | "rateLimits" | "resolved" | "server" | "store"
>): readonly string[] {
	const upstreams = resolved.reveal();
	const limited =
		store === null &&
		(rateLimits.length > 0 ||
			routes.some((route) => route.rateLimits.length > 0));
	const isKeptAlone = ({ cache }: (typeof upstreams)[number]) =>
		cache && !(store && cache.shared);
	return [
		...(store === null && channels.length > 0 ? ["channels"] : []),
		...(limited ? ["rateLimit"] : []),
		...(upstreams.some(isKeptAlone) ? ["cache"] : []),
		...(upstreams.some(({ breaker }) => breaker !== null) ? ["breaker"] : []),
		...(upstreams.length > 0 ? ["connections of upstreams"] : []),
		"server.connections",
		...(server.memoryBytesMax === null ? [] : ["server.memory"]),
	];
}
