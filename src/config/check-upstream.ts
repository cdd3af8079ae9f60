import { callFieldsRefused } from "../core/http/fields.ts";
import type { Template } from "../expression/template.ts";
import { readProtection } from "./check-protection.ts";
import type { Defaults, UpstreamConfig } from "./config.ts";
import type { Problem } from "./problem.ts";
import {
	nothing,
	type Reader,
	readHeaders,
	readParameters,
	readTemplate,
} from "./read-template.ts";
import {
	type Environment,
	isPem,
	type ResolvedUpstream,
	resolveUpstream,
	splitKey,
} from "./resolve-upstream.ts";
import { upstreamSchema } from "./schema.ts";
import { checkShape, entryOf } from "./shape.ts";
import type { Source } from "./source.ts";

export interface UpstreamContext {
	readonly defaults: Defaults;
	readonly env: Environment;
	readonly problems: Problem[];
	/** Takes the files to be read. */
	readonly files: FileReference[];
}

/** A file that a config names. */
export interface FileReference {
	/** As written, relative to the config. */
	readonly path: string;
	readonly at: number;
}

export interface CheckedUpstream {
	readonly config: UpstreamConfig;
	/** Its `tls` may still name files. */
	readonly resolved: ResolvedUpstream;
}

/** Reads the environment for what an upstream takes from it. Of use only where no problem was added. */
export function checkUpstream(
	name: string,
	source: Source,
	{ defaults, env, problems, files }: UpstreamContext,
): CheckedUpstream {
	checkShape(upstreamSchema, source, { what: "an upstream", problems });
	const reader = {
		names: new Map([["env", null]]),
		problems,
		misread: new Set<string>(),
	};
	const settingOr = (key: string, fallback: string | number): Template => {
		const found = entryOf(source, key);
		return found?.kind === "scalar"
			? readTemplate(found, reader)
			: { kind: "literal", value: fallback };
	};
	const says = (key: string, value: boolean | string) => {
		const found = entryOf(source, key);
		return found?.kind === "scalar" && found.value === value;
	};
	const config: UpstreamConfig = {
		name,
		urls: readUrls(source, reader),
		query: readParameters(entryOf(source, "query"), reader),
		headers: readHeaders(entryOf(source, "headers"), reader, callFieldsRefused),
		timeout: settingOr("timeout", defaults.timeout),
		connections: settingOr("connections", 64),
		maxBody: settingOr("maxBody", defaults.maxBody),
		tls: readParameters(entryOf(source, "tls"), reader),
		transport: says("transport", "undici") ? "undici" : "http1",
		safe: says("safe", true),
		idempotent: says("idempotent", true),
		coalesce: says("coalesce", true),
		...readProtection(source, problems),
	};
	const { upstream: resolved, faults } = resolveUpstream(config, env);
	for (const { key, message } of faults) {
		const at = placeOfSetting(source, key);
		if (at !== null) problems.push({ at, message });
	}
	for (const [name, text] of Object.entries(resolved.tls ?? {})) {
		const at = placeOfSetting(source, `tls.${name}`);
		if (at !== null && !isPem(text)) files.push({ path: text, at });
	}
	return { config, resolved };
}

/** One URL, or several that do the same. */
function readUrls(source: Source, reader: Reader): Template[] {
	const { problems } = reader;
	const one = entryOf(source, "url");
	const several = entryOf(source, "urls");
	if (one === null && several === null && source.kind === "map") {
		problems.push({
			at: source.at,
			message: "`url` is missing in an upstream",
		});
	}
	if (one !== null && several !== null) {
		problems.push({
			at: several.at,
			message: "`urls` stands instead of `url`: write one of the two",
		});
	}
	const written = several?.kind === "list" ? several.items : one ? [one] : [];
	return written.map((url) =>
		url.kind === "scalar" ? readTemplate(url, reader) : nothing,
	);
}

/** The place of `timeout`, or of `query.appid`; null for a setting the author did not write. */
function placeOfSetting(source: Source, key: string): number | null {
	const [first, inner] = splitKey(key);
	const found = entryOf(source, first);
	if (found === null || inner === undefined) return found?.at ?? null;
	if (found.kind === "list") return found.items[Number(inner)]?.at ?? found.at;
	return (entryOf(found, inner) ?? entryOf(found, `${inner}?`) ?? found).at;
}
