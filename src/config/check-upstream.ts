import type { Secrets } from "../core/secrets.ts";
import type { UpstreamConfig } from "./config.ts";
import type { Environment } from "./environment.ts";
import type { Defaults } from "./keys/defaults.ts";
import { budgetKeys } from "./keys/policies.ts";
import { upstreamKeys } from "./keys/upstream.ts";
import { isPem } from "./pem.ts";
import type { Problem } from "./problem.ts";
import {
	type ResolvedUpstream,
	resolveUpstream,
	splitKey,
	wordsOfFile,
} from "./resolve-upstream.ts";
import { entryOf, plainOf } from "./shape.ts";
import type { Source } from "./source.ts";

export interface UpstreamContext {
	readonly defaults: Defaults;
	readonly env: Environment;
	readonly problems: Problem[];
	/** The list that takes the files to be read. */
	readonly files: FileReference[];
	/** Learns what is secret. */
	readonly secrets: Secrets;
}

/** A file that a config names. */
export interface FileReference {
	/** The path, relative to the config. It may have come from the environment. */
	readonly path: string;
	/** The file in words that may be shown. */
	readonly words: string;
	readonly at: number;
}

export interface CheckedUpstream {
	readonly config: UpstreamConfig;
	/** Its `tls` may still name files. */
	readonly resolved: ResolvedUpstream;
}

/** Keys of earlier versions, with a hint for each. */
const goneKeys: ReadonlyMap<string, string> = new Map([
	[
		"transport",
		"`transport` is gone: every call goes over the gateway's own HTTP/1.1; delete the key",
	],
]);

/** Reads an upstream's settings from the environment. Of use only if no problem was added. */
export function checkUpstream(
	name: string,
	source: Source,
	{ defaults, env, problems, files, secrets }: UpstreamContext,
): CheckedUpstream {
	const reader = {
		names: new Map([["env", null]]),
		problems,
	};
	const judged = {
		what: "an upstream",
		problems,
		hintFor: (key: string) => goneKeys.get(key) ?? null,
	};
	const { url, urls, hedge, budget, limiter, breaker, ...others } =
		upstreamKeys.read(source, judged, { reader, defaults });
	checkUrls(source, problems);
	checkProtection(source, problems);
	const extra = others.retry !== null || hedge !== null;
	const config: UpstreamConfig = {
		name,
		urls: urls ?? (url ? [url] : []),
		...others,
		// A budget without `retry` or `hedge` bounds nothing.
		budget: extra ? (budget ?? budgetKeys.read(null, judged, {})) : null,
		hedge,
		limiter,
		breaker,
	};
	const resolution = resolveUpstream(config, env, secrets);
	const { upstream: resolved, faults, doubts } = resolution;
	for (const { key, message } of faults) {
		const at = placeOfSetting(source, key);
		if (at !== null) problems.push({ at, message });
	}
	for (const { key, message } of doubts) {
		const at = placeOfSetting(source, key);
		// Once for each variable, however many settings read it.
		if (at === null || problems.some((one) => one.message === message))
			continue;
		problems.push({ at, warning: true, message });
	}
	for (const [name, text] of Object.entries(resolved.tls ?? {})) {
		const at = placeOfSetting(source, `tls.${name}`);
		if (at === null || isPem(text)) continue;
		const entry = config.tls.find((one) => one.name === name);
		files.push({ path: text, words: wordsOfFile(entry, text, env), at });
	}
	return { config, resolved };
}

/** One URL, or several of the same service. */
function checkUrls(source: Source, problems: Problem[]): void {
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
}

/** Keys that cannot stand together. A policy that was refused counts as present. */
function checkProtection(source: Source, problems: Problem[]): void {
	const written = (key: string) => {
		const found = entryOf(source, key);
		return found === null || plainOf(found) === false ? null : found;
	};
	const say = (found: Source | null, message: string) => {
		if (found !== null) problems.push({ at: found.at, message });
	};
	for (const sharing of ["cache", "coalesce"]) {
		if (written(sharing) === null) continue;
		// The answer may hold the host that its first client wrote.
		say(
			written("forwarded"),
			`\`forwarded\` asks for each client by itself, and \`${sharing}\` gives one client's answer to others: write one of the two`,
		);
	}
	const hedge = written("hedge");
	if (written("retry") !== null) {
		say(hedge, "`hedge` stands instead of `retry`: write one of the two");
	} else if (hedge === null) {
		say(
			written("budget"),
			"`budget` bounds what `retry` and `hedge` do, and neither is here",
		);
	}
	if (written("connections") !== null) {
		say(
			entryOf(written("limiter"), "concurrent"),
			"`concurrent` stands instead of `connections`: write one of the two",
		);
	}
}

/** The offset of `timeout`, or of `query.appid`; null for a setting that the author did not write. */
function placeOfSetting(source: Source, key: string): number | null {
	const [first, inner] = splitKey(key);
	const found = entryOf(source, first);
	if (found === null || inner === undefined) return found?.at ?? null;
	if (found.kind === "list") return found.items[Number(inner)]?.at ?? found.at;
	const named = entryOf(found, inner) ?? entryOf(found, `${inner}?`);
	return (named ?? innermost(found, inner.split("."))).at;
}

/** `oauth2.secret`, below `auth`. */
function innermost(source: Source, path: readonly string[]): Source {
	let found = source;
	for (const key of path) found = entryOf(found, key) ?? found;
	return found;
}
