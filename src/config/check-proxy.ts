import {
	callFieldsRefused,
	connectionFields,
	neverPassed,
} from "../core/http/fields.ts";
import { isToken } from "../core/http/headers.ts";
import type { RouteContext } from "./check-step.ts";
import type { ProxyConfig } from "./config.ts";
import { unknownUpstream } from "./names.ts";
import {
	type Reader,
	readHeaders,
	readParameters,
	readTarget,
} from "./read-template.ts";
import { proxySchema } from "./schema.ts";
import { checkShape, durationAt, entryOf } from "./shape.ts";
import type { Source } from "./source.ts";

interface ProxyContext extends RouteContext {
	readonly reader: Reader;
}

const idleMsDefault = 60_000;

/** Reads where a route's requests are passed on to. `rest` is the name of its `{rest*}`, or null. */
export function checkProxy(
	source: Source,
	rest: string | null,
	context: ProxyContext,
): ProxyConfig {
	const { reader, problems } = context;
	const settings = source.kind === "map" ? source : null;
	if (settings) {
		checkShape(proxySchema, settings, { what: "`proxy`", problems });
	}
	const query = entryOf(settings, "query");
	const to = settings ? entryOf(settings, "to") : source;
	const target = checkTarget(to, rest, context);
	return {
		...target,
		query: query && readParameters(query, reader),
		headers: readHeaders(
			entryOf(settings, "headers"),
			reader,
			callFieldsRefused,
		),
		pass: checkPass(entryOf(settings, "pass"), context),
		cache: checkCache(entryOf(settings, "cache"), target.upstream, context),
		idleMs: durationAt(settings, "idle") ?? idleMsDefault,
	};
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
	const known = upstreams.map(({ name }) => name);
	if (!known.includes(target.upstream)) {
		problems.push({
			at: source.at,
			message: unknownUpstream(target.upstream, known),
		});
	}
	return { ...target, rest: mark !== null };
}

function checkCache(
	source: Source | null,
	name: string,
	{ upstreams, problems }: ProxyContext,
): boolean {
	if (source?.kind !== "scalar" || source.value !== true) return false;
	const upstream = upstreams.find((one) => one.name === name);
	if (upstream && upstream.cache === null) {
		problems.push({
			at: source.at,
			message: `\`${name}\` has no cache to keep answers in: write \`cache: true\` there, too`,
		});
	}
	return true;
}

function checkPass(
	source: Source | null,
	{ problems }: ProxyContext,
): readonly string[] {
	if (source?.kind !== "list") return [];
	return source.items.flatMap((item) => {
		if (item.kind !== "scalar" || typeof item.value !== "string") return [];
		const name = item.value.toLowerCase();
		const fault = faultOfPassed(name);
		if (fault) problems.push({ at: item.at, message: fault });
		return fault ? [] : [name];
	});
}

function faultOfPassed(name: string): string | null {
	if (!isToken(name)) return `\`${name}\` cannot be a header's name`;
	if (!neverPassed.has(name)) return null;
	if (connectionFields.has(name)) {
		return `\`${name}\` belongs to one connection and cannot pass to another`;
	}
	return callFieldsRefused.has(name)
		? `\`${name}\` cannot pass: it says where a call goes`
		: `\`${name}\` cannot pass: the gateway says it itself`;
}
