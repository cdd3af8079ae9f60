import { GatewayError } from "../core/errors.ts";
import { isHeaderValue } from "../core/http/messages.ts";
import { parseDuration, parseSize } from "../core/units.ts";
import {
	prepareTemplate,
	readsOf,
	type Template,
	type TemplateEntry,
	textOf,
} from "../expression/template.ts";
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
import { bounds, upstreamSchema } from "./schema.ts";
import { checkShape, entryOf } from "./shape.ts";
import type { Source } from "./source.ts";

/** Variables by name, as in process.env. */
export type Environment = Readonly<Record<string, string | undefined>>;

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

/** Reads the environment for what an upstream takes from it. Of use only where no problem was added. */
export function checkUpstream(
	name: string,
	source: Source,
	{ defaults, env, problems, files }: UpstreamContext,
): UpstreamConfig {
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
		headers: readHeaders(entryOf(source, "headers"), reader),
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
	const { upstream, faults } = resolveUpstream(config, env);
	for (const { key, message } of faults) {
		const at = placeOfSetting(source, key);
		if (at !== null) problems.push({ at, message });
	}
	for (const [name, text] of upstream.tls) {
		const at = placeOfSetting(source, `tls.${name}`);
		if (at !== null && !isPem(text)) files.push({ path: text, at });
	}
	return config;
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
	const [first = "", inner] = key.split(".");
	const found = entryOf(source, first);
	if (found === null || inner === undefined) return found?.at ?? null;
	if (found.kind === "list") return found.items[Number(inner)]?.at ?? found.at;
	return (entryOf(found, inner) ?? entryOf(found, `${inner}?`) ?? found).at;
}

/** An upstream with the environment read: what calls are made of. Holds secrets; lives in closures only. */
export interface ResolvedUpstream {
	/** Of each URL, in their order. */
	readonly origins: readonly string[];
	/** The path before every call's own, without a slash at its end. */
	readonly basePath: string;
	readonly query: readonly (readonly [string, string])[];
	readonly headers: readonly (readonly [string, string])[];
	readonly timeoutMs: number;
	readonly connections: number;
	readonly bodyBytesMax: number;
	/** `ca`, `cert` and `key`: each a PEM text, or the path of a file that holds one. */
	readonly tls: readonly (readonly [string, string])[];
}

/** Whether a text holds certificates or a key itself, and does not name a file (RFC 7468). */
export function isPem(text: string): boolean {
	return text.includes("-----BEGIN ");
}

export interface Resolution {
	readonly upstream: ResolvedUpstream;
	/** What is wrong, by the upstream's key: `timeout`, `query.appid`. */
	readonly faults: readonly {
		readonly key: string;
		readonly message: string;
	}[];
}

/** Reads the environment into an upstream's settings. Faults name variables, never their values. */
export function resolveUpstream(
	config: UpstreamConfig,
	env: Environment,
): Resolution {
	const faults: { key: string; message: string }[] = [];
	const say = (key: string, message: string) => faults.push({ key, message });
	const evaluate = environmentReader(env, say);
	const setting = <T>(
		key: string,
		template: Template,
		parse: (text: string) => T | null,
		wanted: string,
		otherwise: T,
	): T => {
		const value = evaluate(key, template);
		if (value === null) return otherwise;
		const parsed = parse(value);
		if (parsed !== null) return parsed;
		const variables = variablesOf(template);
		const [written] = key.split(".");
		say(
			key,
			`${variables ? `what ${variables} holds` : `\`${written}\``} is not ${wanted}`,
		);
		return otherwise;
	};
	const { urls } = config;
	const urlKey = (index: number) => (urls.length > 1 ? `urls.${index}` : "url");
	const parsed = urls.map((url, index) =>
		setting(
			urlKey(index),
			url,
			parseUrl,
			"a URL with http or https, without a query",
			null,
		),
	);
	const origins = parsed.map((url) => url?.origin ?? "");
	const paths = parsed.map((url) => url?.pathname.replace(/\/+$/, "") ?? null);
	for (const [index, path] of paths.entries()) {
		const [first = null] = paths;
		if (path !== null && first !== null && path !== first) {
			say(
				urlKey(index),
				`all of \`urls\` share one path, and this one's is \`${path || "/"}\`, not \`${first || "/"}\``,
			);
		}
		if (path !== null && origins.indexOf(origins[index] ?? "") < index) {
			say(urlKey(index), "this URL stands in `urls` twice");
		}
	}
	const upstream = {
		origins,
		basePath: paths[0] ?? "",
		query: pairs("query", config.query, evaluate),
		headers: pairs("headers", config.headers, evaluate),
		timeoutMs: setting(
			"timeout",
			config.timeout,
			parseDuration,
			"a duration",
			2000,
		),
		connections: setting(
			"connections",
			config.connections,
			parseConnections,
			"a number of connections",
			64,
		),
		bodyBytesMax: setting(
			"maxBody",
			config.maxBody,
			parseSize,
			"a size",
			8 * 1024 ** 2,
		),
		tls: pairs("tls", config.tls, evaluate),
	};
	const given = config.tls.map(({ name }) => name);
	if (given.includes("cert") !== given.includes("key")) {
		say("tls", "`cert` and `key` belong together: write both, or none");
	}
	if (
		given.length > 0 &&
		origins.some((origin) => origin.startsWith("http:"))
	) {
		say(
			"tls",
			"`tls` says how an `https` upstream is reached, and this `url` is `http`",
		);
	}
	for (const { name, value } of config.headers) {
		const texts = upstream.headers.filter(([header]) => header === name);
		if (
			variablesOf(value) !== "" &&
			!texts.every(([, text]) => isHeaderValue(text))
		) {
			say(
				`headers.${name}`,
				`what ${variablesOf(value)} holds cannot stand in a header: visible ASCII, space and tab only`,
			);
		}
	}
	return { upstream, faults };
}

type EvaluateSetting = (
	key: string,
	template: Template,
	optional?: boolean,
) => string | null;

function environmentReader(
	env: Environment,
	say: (key: string, message: string) => void,
): EvaluateSetting {
	// Own and set variables only, so that a missing one is null and not an inherited property.
	const variables = Object.fromEntries(
		Object.entries(env).filter(
			([, value]) => value !== undefined && value !== "",
		),
	);
	const frame = { values: [variables], parent: null };
	return (key, template, optional = false) => {
		const reads = readsOf(template);
		// What could not be read, or reads what does not exist here, has been reported already.
		if (template === nothing || reads.some(({ name }) => name !== "env")) {
			return null;
		}
		const names = variablesOf(template);
		try {
			const value = prepareTemplate(template, {
				placeOf: () => ({ up: 0, slot: 0 }),
			})(frame);
			if (value === null && optional) return null;
			return textOf(value, names);
		} catch (error) {
			if (!(error instanceof GatewayError)) throw error;
			const message =
				error.code === "reference_missing" && names !== ""
					? `the environment variable ${names} is not set: set it, or write \`?? 'a default'\``
					: "this expression of `env` fails";
			say(key, message);
			return null;
		}
	};
}

function variablesOf(template: Template): string {
	const names = readsOf(template).map(({ path }) => path[0] ?? "");
	return [...new Set(names)].join(", ");
}

function pairs(
	key: string,
	entries: readonly TemplateEntry[],
	evaluate: EvaluateSetting,
): [string, string][] {
	return entries.flatMap(({ name, optional, value }) => {
		const items = itemsOf(value);
		return items.flatMap((item) => {
			const text = evaluate(`${key}.${name}`, item, optional);
			return text === null ? [] : [[name, text] as [string, string]];
		});
	});
}

/** A list repeats the name; one without any expression is a single literal. */
function itemsOf(value: Template): readonly Template[] {
	if (value.kind === "list") return value.items;
	if (value.kind !== "literal" || !Array.isArray(value.value)) return [value];
	return value.value.map((item) => ({ kind: "literal", value: item }));
}

function parseUrl(text: string): URL | null {
	if (!URL.canParse(text)) return null;
	const url = new URL(text);
	const plain = url.search === "" && url.hash === "" && url.username === "";
	return /^https?:$/.test(url.protocol) && plain ? url : null;
}

function parseConnections(text: string): number | null {
	const number = Number(text);
	const valid =
		Number.isInteger(number) && number >= 1 && number <= bounds.connections;
	return valid ? number : null;
}
