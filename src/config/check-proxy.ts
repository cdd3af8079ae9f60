import type { ProxyConfig } from "./config.ts";
import { proxyKeys } from "./keys/proxy.ts";
import { unknownUpstream } from "./names.ts";
import { type Reader, readTarget } from "./read-template.ts";
import { entryOf } from "./shape.ts";
import { createMap, type MapSource, type Source } from "./source.ts";
import type { RouteContext } from "./steps/common.ts";

interface ProxyContext extends RouteContext {
	readonly reader: Reader;
}

/** Reads the target of a proxied route. `rest` is the name of its `{rest*}`, or null. */
export function checkProxy(
	source: Source,
	rest: string | null,
	context: ProxyContext,
): ProxyConfig | null {
	const judged = { what: "`proxy`", problems: context.problems };
	const settings = source.kind === "map" ? source : asMap(source);
	const read = proxyKeys.read(settings, judged, context);
	if (read === undefined) return null;
	const { to, cache, ...others } = read;
	const target = checkTarget(to, rest, context);
	if (cache) checkCache(entryOf(settings, "cache"), target.upstream, context);
	return { ...target, cache, ...others };
}

/** `users/files` alone is short for a map with `to`. */
function asMap(to: Source): MapSource {
	const { at } = to;
	return createMap(at, [{ key: "to", at, value: to }]);
}

function checkTarget(
	source: Source | null,
	rest: string | null,
	{ reader, upstreams, problems }: ProxyContext,
): Pick<ProxyConfig, "upstream" | "path" | "rest"> {
	const nowhere = { upstream: "", path: [], rest: false };
	if (source?.kind !== "scalar" || typeof source.value !== "string") {
		return nowhere;
	}
	const mark = /\/\{([^{}$]*)\*\}$/.exec(source.text);
	if (mark && mark[1] !== rest) {
		problems.push({
			at: source.at,
			message: `the route's path has no \`{${mark[1]}*}\`${rest === null ? "" : `, but \`{${rest}*}\``}`,
		});
	}
	const fixed = mark ? source.text.slice(0, mark.index) : source.text;
	const target = readTarget({ ...source, text: fixed, value: fixed }, reader);
	if (target === null) return nowhere;
	if (!upstreams.has(target.upstream)) {
		problems.push({
			at: source.at,
			message: unknownUpstream(target.upstream, upstreams),
		});
	}
	return { ...target, rest: mark !== null };
}

function checkCache(
	source: Source | null,
	name: string,
	{ upstreams, problems }: ProxyContext,
): void {
	const upstream = upstreams.get(name);
	if (source === null || upstream?.cache !== null) return;
	problems.push({
		at: source.at,
		message: `\`${name}\` has no cache to keep answers in: write \`cache: true\` there, too`,
	});
}
