import { handedOn } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import { authenticatingFields } from "../core/http/fields.ts";
import { isHeaderValue } from "../core/http/headers.ts";
import type { Secrets } from "../core/secrets.ts";
import { parseDuration, parseSize } from "../core/units.ts";
import {
	readsOf,
	type Template,
	type TemplateEntry,
} from "../expression/template.ts";
import type { AuthOptions } from "../policy/auth/options.ts";
import type { UpstreamSettings } from "../upstream/upstream.ts";
import type { TlsSettings } from "../upstream/wire/wire.ts";
import { faultOfTls } from "./check-tls.ts";
import { signsCalls, writesAuthorization } from "./check-upstream-auth.ts";
import type { Config, UpstreamConfig } from "./config.ts";
import {
	type Environment,
	environmentReader,
	pairs,
	variablesOf,
} from "./environment.ts";
import { bounds } from "./keys/defaults.ts";
import type { AuthConfig } from "./keys/upstream-auth.ts";
import { isPem } from "./pem.ts";
import { printProblem } from "./problem.ts";
import { identityOf, resolveAuth } from "./resolve-auth.ts";
import {
	addNamedSecrets,
	addOfUpstream,
	upstreamVariables,
} from "./secret-values.ts";
import { accessOf } from "./source-value.ts";

/**
 * An upstream with the environment filled in: the settings for opening it, and the parts that every call gets. Holds
 * secrets.
 */
export interface ResolvedUpstream extends Required<UpstreamSettings> {
	/** The path before every call's own, without a slash at its end. */
	readonly basePath: string;
	readonly query: readonly (readonly [string, string])[];
	readonly headers: readonly (readonly [string, string])[];
	readonly timeoutMs: number;
	/** The most values and keys of an answer's JSON. */
	readonly valuesMax: number;
	readonly safe: boolean;
	readonly idempotent: boolean;
	/** Whether its calls say for whom they are made. */
	readonly forwarded: boolean;
}

/**
 * A config's upstreams in one environment, in the config's order. A print of the config, and its JSON, do not show
 * them.
 */
export class ResolvedUpstreams {
	readonly #upstreams: readonly ResolvedUpstream[];

	constructor(upstreams: readonly ResolvedUpstream[]) {
		this.#upstreams = upstreams;
	}

	reveal(): readonly ResolvedUpstream[] {
		return this.#upstreams;
	}
}

/**
 * The config in another environment than the one in which it was checked. Throws a `config_invalid` that lists the
 * problems there.
 */
export function inEnvironment(config: Config, env: Environment): Config {
	const faults: string[] = [];
	const secrets = config.secrets.copy();
	addNamedSecrets(env, secrets);
	const resolved = config.upstreams.map((upstream) => {
		const resolution = resolveUpstream(upstream, env, secrets);
		const given = resolution.upstream.tls;
		const { tls, unread } = withFiles(given, config.files);
		const unreadFaults = unread.map((name) => {
			const path = given?.[name as keyof TlsSettings] ?? "";
			const entry = upstream.tls.find((one) => one.name === name);
			const words = wordsOfFile(entry, path, env);
			const message = `${words} was not read: load the config by its file`;
			return { key: `tls.${name}`, message };
		});
		const fault = tls === null ? null : faultOfTls(tls);
		const tlsFaults = fault === null ? [] : [{ key: "tls", message: fault }];
		for (const { key, message } of [
			...resolution.faults,
			...unreadFaults,
			...tlsFaults,
		]) {
			const path = pathTo(upstream.name, key);
			const problem = { file: "config", path, message, warning: false };
			faults.push(printProblem(problem));
		}
		return { ...resolution.upstream, tls };
	});
	if (faults.length > 0) {
		throw new GatewayError("config_invalid", faults.join("\n"));
	}
	return { ...config, secrets, resolved: new ResolvedUpstreams(resolved) };
}

/** `upstreams.users.query.appid`: the position of a problem if there is no file. */
function pathTo(upstream: string, key: string): string {
	const [first, inner] = splitKey(key);
	const path = `upstreams${accessOf(upstream, "upstreams")}.${first}`;
	if (inner === undefined) return path;
	if (first === "auth") return `${path}.${inner}`;
	return path + (first === "urls" ? `[${inner}]` : accessOf(inner, path));
}

/** Replaces the named files by their PEM texts. `unread` are the keys whose files were not read. */
export function withFiles(
	tls: TlsSettings | null,
	files: ReadonlyMap<string, string>,
): { tls: TlsSettings | null; unread: readonly string[] } {
	if (tls === null) return { tls, unread: [] };
	const unread: string[] = [];
	const texts = Object.entries(tls).map(([name, text]) => {
		const pem = isPem(text) ? text : files.get(text);
		if (pem === undefined) unread.push(name);
		return [name, pem ?? text];
	});
	return { tls: Object.fromEntries(texts), unread };
}

/** A file of `tls` in words. What a variable holds may be a key that lacks its first line, and is not shown. */
export function wordsOfFile(
	entry: TemplateEntry | undefined,
	path: string,
	env: Environment,
): string {
	const reads = entry === undefined ? [] : readsOf(entry.value);
	// Without any of its variables it is a path that the config says.
	return entry === undefined ||
		reads.every(({ path: [name = ""] }) => !env[name])
		? path
		: `what ${variablesOf(entry.value)} holds is no PEM text itself, and as a file it`;
}

/** A fault of a setting, by its key in the upstream: `timeout`, `query.appid`. */
interface Fault {
	readonly key: string;
	readonly message: string;
}

/** `query.appid` as `query` and `appid`. The second part may contain dots. */
export function splitKey(key: string): readonly [string, string?] {
	const dot = key.indexOf(".");
	return dot < 0 ? [key] : [key.slice(0, dot), key.slice(dot + 1)];
}

export interface Resolution {
	/** Its `tls` may still name files. */
	readonly upstream: ResolvedUpstream;
	readonly faults: readonly Fault[];
	/** They keep nothing from starting. */
	readonly doubts: readonly Fault[];
}

/** Reads the environment into an upstream's settings, and tells what is secret of it. Faults name variables, never their values. */
export function resolveUpstream(
	config: UpstreamConfig,
	env: Environment,
	secrets: Secrets,
): Resolution {
	const faults: Fault[] = [];
	const doubts: Fault[] = [];
	const say = (key: string, message: string) => faults.push({ key, message });
	const untold = (key: string, variable: string) => {
		const message = `what \`${variable}\` holds is not hidden where an upstream repeats it, because it could be any word or number: take a longer secret`;
		doubts.push({ key, message });
	};
	const { onVariable, reads } = upstreamVariables(secrets, untold);
	const evaluate = environmentReader(env, say, onVariable);
	const setting = <T>(
		key: string,
		template: Template,
		parse: (text: string) => T | null,
		wanted: string,
		cureFor: (written: string) => string = () => "",
	): T | null => {
		const value = evaluate(key, template);
		if (value === null) return null;
		const parsed = parse(value);
		if (parsed !== null) return parsed;
		const variables = variablesOf(template);
		const [written] = key.split(".");
		say(
			key,
			`${variables ? `what ${variables} holds` : `\`${written}\``} is not ${wanted}${cureFor(variables ? "" : value)}`,
		);
		return null;
	};
	const { urls, connections, streams, ...settings } = config;
	const { maxBody, maxHeaderBytes, maxValues, timeout, tls, ...others } =
		settings;
	const { query: queryOf, headers: headersOf, auth: authOf, ...whole } = others;
	const protection = handedOn<ResolvedUpstream>()(whole);
	const urlKey = (index: number) => (urls.length > 1 ? `urls.${index}` : "url");
	const parsed = urls.map((url, index) =>
		setting(
			urlKey(index),
			url,
			parseUrl,
			"a URL with http or https, without user, password and query",
			cureForUrl,
		),
	);
	const urlsFrom = urls.map(variablesOf);
	const origins = parsed.map((url) => url?.origin ?? "");
	const paths = parsed.map((url) => url?.pathname.replace(/\/+$/, "") ?? null);
	for (const [index, path] of paths.entries()) {
		const [first = null] = paths;
		if (path !== null && first !== null && path !== first) {
			say(urlKey(index), otherPath(urlsFrom, index, [path, first]));
		}
		if (path !== null && origins.indexOf(origins[index] ?? "") < index) {
			say(urlKey(index), "this URL stands in `urls` twice");
		}
	}
	const query = pairs("query", queryOf, evaluate);
	const fields = pairs("headers", headersOf, evaluate);
	const hosts = fields.filter(([name]) => name === "host");
	const headers = fields.filter(([name]) => name !== "host");
	const [[, host] = ["", null]] = hosts;
	const auth = resolveAuth(authOf, evaluate, say);
	if (authOf !== null) refuseBeside(authOf, { headersOf, origins, host }, say);
	const basePath = paths[0] ?? "";
	const became = { auth, headers, headersOf, query, basePath };
	addOfUpstream(became, reads, secrets);
	const upstream = {
		...protection,
		auth,
		credentials: credentialsOf(headers, auth),
		origins,
		originsFrom: urlsFrom,
		host,
		basePath,
		query,
		headers,
		// Nothing is opened after a fault: the zeros stand for no value.
		timeoutMs: setting("timeout", timeout, parseDuration, "a duration") ?? 0,
		connections:
			setting(
				"connections",
				connections,
				countUpTo(bounds.connections),
				"a number of connections",
			) ?? 0,
		streams:
			setting(
				"streams",
				streams,
				countUpTo(bounds.streams),
				"a number of streams",
			) ?? 0,
		bodyBytesMax: setting("maxBody", maxBody, parseSize, "a size") ?? 0,
		headerBytesMax:
			setting(
				"maxHeaderBytes",
				maxHeaderBytes,
				headerSize,
				"a size of at most `256KiB`",
			) ?? 0,
		valuesMax:
			setting(
				"maxValues",
				maxValues,
				countUpTo(bounds.values),
				"a number of values",
			) ?? 0,
		tls:
			tls.length > 0 ? Object.fromEntries(pairs("tls", tls, evaluate)) : null,
	};
	const given = tls.map(({ name }) => name);
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
	for (const { name, value } of headersOf) {
		const texts = fields.filter(([header]) => header === name);
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
	if (hosts.length > 1 || (host !== null && !isHost(host))) {
		const from = headersOf.find(({ name }) => name === "host");
		const variables = from === undefined ? "" : variablesOf(from.value);
		say(
			"headers.host",
			`${variables ? `what ${variables} holds` : "`host`"} is not one host, with or without a port: write \`api.example.com\` or \`api.example.com:8443\``,
		);
	}
	return { upstream, faults, doubts };
}

/** A name or an address, with or without a port (RFC 9110, 7.2). */
function isHost(text: string): boolean {
	const pattern = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;
	return pattern.test(text) && URL.canParse(`http://${text}`);
}

/** Says that a URL has another path than the first. A path that a variable holds is not shown. */
function otherPath(
	urlsFrom: readonly string[],
	index: number,
	paths: readonly [own: string, first: string],
): string {
	const [own, first] = [index, 0].map((at, which) => {
		const variables = urlsFrom[at];
		return variables ? `what ${variables} holds` : `\`${paths[which] || "/"}\``;
	});
	return `all of \`urls\` share one path, and this one's is ${own}, not ${first}`;
}

/** The credentials of every call, by field. Of two in one field the last, so that the other counts as a user's. */
function credentialsOf(
	headers: readonly (readonly [string, string])[],
	auth: AuthOptions | null,
): ReadonlyMap<string, string> {
	const own = headers.filter(([name]) => authenticatingFields.includes(name));
	return new Map(auth === null ? own : [...own, ["auth", identityOf(auth)]]);
}

/** What cannot stand beside `auth`. */
function refuseBeside(
	auth: AuthConfig,
	{
		headersOf,
		origins,
		host,
	}: {
		readonly headersOf: readonly TemplateEntry[];
		readonly origins: readonly string[];
		readonly host: string | null;
	},
	say: (key: string, message: string) => void,
): void {
	if (
		writesAuthorization(auth) &&
		headersOf.some(({ name }) => name === "authorization")
	) {
		say(
			"headers.authorization",
			"`auth` writes this field: remove it here, or `auth`",
		);
	}
	const hosts = new Set(origins.map((origin) => URL.parse(origin)?.host));
	if (signsCalls(auth) && hosts.size > 1 && host === null) {
		say(
			"auth",
			"a signature names the host, and `urls` have several: write the one that is meant, `headers: { host: … }`",
		);
	}
}

/** What to write instead of a text that is no URL of an upstream. Empty if nobody can tell. */
function cureForUrl(written: string): string {
	const variable =
		/^(?:https?:\/\/)?(?:\$|%|\{\{\s*(?:env\.|\.)?|\$\{?env:)([A-Za-z_]\w*)/.exec(
			written,
		)?.[1];
	if (variable !== undefined) return `: write \`\${env.${variable}}\``;
	if (/^[^/]*(?:\/\/)?[^/]*@/.test(written)) {
		return ': a user and a password stand in a header, `headers: { authorization: "Basic …" }`';
	}
	const url = URL.parse(written);
	const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(written);
	if (!hasScheme && URL.canParse(`http://${written}`)) {
		return `: write \`http://${written}\``;
	}
	if (url === null) return "";
	if (url.username !== "") {
		return ': a user and a password stand in a header, `headers: { authorization: "Basic …" }`';
	}
	if (url.search !== "")
		return ": parameters of every call stand under `query`";
	return "";
}

function parseUrl(text: string): URL | null {
	if (!URL.canParse(text)) return null;
	const url = new URL(text);
	const { search, hash, username, password } = url;
	const plain = search + hash + username + password === "";
	return /^https?:$/.test(url.protocol) && plain ? url : null;
}

/** Heads are not counted in the memory, so they have a bound of their own. */
function headerSize(text: string): number | null {
	const bytes = parseSize(text);
	return bytes !== null && bytes <= 256 * 1024 ? bytes : null;
}

/** Reads a whole number from 1 to `most`. */
function countUpTo(most: number): (text: string) => number | null {
	return (text) => {
		const number = Number(text);
		const valid = Number.isInteger(number) && number >= 1 && number <= most;
		return valid ? number : null;
	};
}
