import { checkTarget } from "./check-target.ts";
import {
	refuseOwnCredentials,
	refuseUnsignable,
} from "./check-upstream-auth.ts";
import type { ProxyConfig, ProxyTarget } from "./config.ts";
import { proxyKeys, targetKeys } from "./keys/proxy.ts";
import { withNames } from "./names.ts";
import type { Reader } from "./read-template.ts";
import type { RouteKey } from "./route-key.ts";
import { entryOf } from "./shape.ts";
import { createMap, type MapSource, type Source } from "./source.ts";
import type { RouteContext } from "./steps/common.ts";

interface ProxyContext extends RouteContext {
	readonly reader: Reader;
}

/** Reads the targets of a proxied route. `rest` is the name of its `{rest*}`, or null. */
export function checkProxy(
	source: Source,
	{ method, rest }: Pick<RouteKey, "method" | "rest">,
	context: ProxyContext,
): ProxyConfig | null {
	const judged = { what: "`proxy`", problems: context.problems };
	const settings = source.kind === "map" ? source : asMap(source);
	const { reader } = context;
	const names = withNames(reader.names, ["response"]);
	const answer = { ...reader, names };
	const read = proxyKeys.read(settings, judged, { ...context, answer });
	if (read === undefined) return null;
	const { to, cache, ...others } = read;
	const targets =
		to.kind === "list"
			? checkTargets(to.items, rest, context)
			: [readProxyTarget(to, rest, context)];
	for (const { upstream } of targets) {
		refuseOwnCredentials(settings, upstream, context);
	}
	refuseUnsignable(settings, method, targets, context);
	if (cache) checkCache(entryOf(settings, "cache"), targets, context);
	return { targets, cache, ...others };
}

/** `users/files` alone is short for a map with `to`. */
function asMap(to: Source): MapSource {
	const { at } = to;
	return createMap(at, [{ key: "to", at, value: to }]);
}

/** Only the last has no condition. So each may be chosen, and one always is. */
function checkTargets(
	items: readonly Source[],
	rest: string | null,
	context: ProxyContext,
): ProxyTarget[] {
	const { problems } = context;
	return items.flatMap((item, index) => {
		const judged = { what: "a target", problems };
		const written = item.kind === "map" ? item : asMap(item);
		const read = targetKeys.read(written, judged, context);
		const isLast = index === items.length - 1;
		if ((entryOf(written, "when") === null) !== isLast) {
			const message = isLast
				? "the last target stands without `when`, so that there is always one: a step with `reply` may answer the other cases"
				: "nothing after a target without `when` is ever chosen: give it one, or put it last";
			problems.push({ at: item.at, message });
		}
		if (read === undefined) return [];
		const { when, to } = read;
		return [{ ...readProxyTarget(to, rest, context), when }];
	});
}

function readProxyTarget(
	source: Source | null,
	rest: string | null,
	context: ProxyContext,
): ProxyTarget {
	const { reader, problems } = context;
	const nowhere = { when: null, upstream: "", path: [], rest: false };
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
	const target = checkTarget(
		{ ...source, text: fixed, value: fixed },
		reader,
		context,
	);
	if (target === null) return nowhere;
	return { when: null, ...target, rest: mark !== null };
}

/** Every target's upstream must have a cache, so that the same request is kept wherever it goes. */
function checkCache(
	source: Source | null,
	targets: readonly ProxyTarget[],
	{ upstreams, problems }: ProxyContext,
): void {
	const names = new Set(targets.map(({ upstream }) => upstream));
	for (const name of names) {
		if (source === null || upstreams.get(name)?.cache !== null) continue;
		problems.push({
			at: source.at,
			message: `\`${name}\` has no cache to keep answers in: write \`cache: true\` there, too`,
		});
	}
}
