import { formEncoded } from "../core/http/query.ts";
import { isTelling, type Secrets } from "../core/secrets.ts";
import { printTemplate } from "../expression/print.ts";
import type { TemplateEntry } from "../expression/template.ts";
import type { AuthOptions } from "../policy/auth/options.ts";
import { parseStoreUrl } from "../store/address.ts";
import type { Config } from "./config.ts";
import type { Environment, OnVariable } from "./environment.ts";
import type { StepConfig } from "./steps/kinds.ts";

/**
 * What is secret, by where it comes from: everything that a file of a `NAME_FILE` holds; what a variable gives to `query`,
 * `headers`, a secret of `auth` or a key of TLS; long parts of a path that a variable gives to a URL; and variables whose names
 * say so. What a variable gives to anything else is a setting, such as a port.
 */

/** Long enough for a key in the path of a URL, and too long for a word. */
const pathPartMin = 16;

const secretName =
	/(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|(?:^|_)(?:PASS|PWD|KEY)|(?:API|ACCESS|PRIVATE|SECRET|SIGNING|ENCRYPTION)KEY)$/i;

/** The folder that a shell is in, and what everybody may have. */
const notSecret = /^(?:OLD)?PWD$|PUBLIC_?KEY$/i;

/**
 * Variables that say by their names what they are, although no setting may read them: a user's function can, and its errors
 * are told. So are the credentials of OpenTelemetry's collector.
 */
export function addNamedSecrets(env: Environment, secrets: Secrets): void {
	for (const [name, value] of Object.entries(env)) {
		if (value === undefined) continue;
		if (secretName.test(name) && !notSecret.test(name)) {
			addWhole(value, secrets);
		}
		if (!/^OTEL_EXPORTER_OTLP_(?:TRACES_)?HEADERS$/.test(name)) continue;
		for (const pair of value.split(",")) {
			const text = pair.slice(pair.indexOf("=") + 1);
			for (const one of [text, decoded(text)]) {
				secrets.add(one);
				secrets.add(lastWord(one.trim()));
			}
		}
	}
}

/** A password in the URL of a store. */
export function addPassword(url: string, secrets: Secrets): void {
	const user = parseStoreUrl(url)?.user ?? "";
	const password = user.slice(user.indexOf(":") + 1, -1);
	secrets.add(password);
	secrets.add(decoded(password));
}

/** The private parts of PEM texts, or of a JWK set. */
export function addKeys(text: string, secrets: Secrets): void {
	const blocks =
		/-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(.*?)(?:-----END|$)/gs;
	for (const [, body = ""] of text.matchAll(blocks)) {
		// A line is shown without the others, too. In JSON its end is an escape.
		for (const line of body.split(/\s+|\\n/)) {
			if (line.length >= 2 * pathPartMin) secrets.add(line);
		}
	}
	for (const [, member = ""] of text.matchAll(privateMembers)) {
		// Keys are read with padding and in the other alphabet, too.
		const bytes = Buffer.from(member.replaceAll("\\/", "/"), "base64url");
		const spellings = ["base64", "base64url", "utf8"] as const;
		for (const spelling of spellings) secrets.add(bytes.toString(spelling));
		secrets.add(bytes.toString("base64").replace(/=+$/, ""));
		secrets.add(member);
	}
}

/** RFC 7518, 6.2.2, 6.3.2 and 6.4. */
const privateMembers = /"(?:k|d|p|q|dp|dq|qi)"\s*:\s*"((?:[\w+/-]|\\\/)+=*)"/g;

/** A text that is meant to be secret, whatever it is for, but for certificates: such as the file of a `NAME_FILE`. */
export function addWhole(text: string, secrets: Secrets): void {
	addKeys(text, secrets);
	if (!text.startsWith("-----BEGIN ")) secrets.add(text);
}

/** Hears of the variables of one upstream's settings. `untold` hears of a secret that no output can be searched for. */
export function upstreamVariables(
	secrets: Secrets,
	untold: (key: string, variable: string) => void,
): {
	readonly onVariable: OnVariable;
	/** Whether a setting reads a variable, by its key. */
	readonly reads: (key: string) => boolean;
} {
	const keys = new Set<string>();
	return {
		reads: (key) => keys.has(key),
		onVariable(key, { name, value, fromFile }) {
			keys.add(key);
			const isMeant = /^auth\./.test(key) || secretName.test(name);
			if (isSecret(key) && isMeant && !isTelling(value.trim())) {
				untold(key, name);
			}
			if (fromFile) addWhole(value, secrets);
			else if (key === "tls.key") addKeys(value, secrets);
			else if (isSecret(key)) secrets.add(value);
		},
	};
}

function isSecret(key: string): boolean {
	if (key === "headers.host") return false;
	return /^(?:query|headers)\.|^auth\..*\b(?:secret|password|session|bearer)$/.test(
		key,
	);
}

/** What the settings became. An expression may have taken a part of a variable, or put two together. */
export function addOfUpstream(
	{
		auth,
		headers,
		headersOf,
		query,
		basePath,
	}: {
		readonly auth: AuthOptions | null;
		readonly headers: readonly (readonly [string, string])[];
		/** The same as written. */
		readonly headersOf: readonly TemplateEntry[];
		readonly query: readonly (readonly [string, string])[];
		readonly basePath: string;
	},
	reads: (key: string) => boolean,
	secrets: Secrets,
): void {
	for (const [name, text] of headers) {
		if (!reads(`headers.${name}`)) continue;
		const written = headersOf.filter((one) => one.name === name);
		const fixed = JSON.stringify(
			written.map((one) => printTemplate(one.value)),
		);
		for (const word of wordsOf(text)) {
			if (!fixed.includes(word)) secrets.add(word);
		}
	}
	for (const [name, text] of query) {
		if (reads(`query.${name}`)) secrets.add(text);
	}
	if (reads("url") || reads("urls.0")) addPath(basePath, secrets);
	if (auth?.kind === "oauth2" || auth?.kind === "exchange") {
		if (reads(`auth.${auth.kind}.token`)) addUrl(auth.token, secrets);
	}
	for (const text of textsOf(auth)) secrets.add(text);
}

/** Each word of a header's text, and of `name=value` the value, too: `Bearer`, `sid=7`, `7`. */
function wordsOf(text: string): readonly string[] {
	return text
		.split(/[\s;,]+/)
		.flatMap((word) => [word, word.slice(word.indexOf("=") + 1)])
		.map((word) => word.replace(/^"(.*)"$/, "$1"));
}

function addPath(path: string, secrets: Secrets): void {
	for (const part of path.split("/")) {
		if (part.length < pathPartMin) continue;
		secrets.add(part);
		secrets.add(decoded(part));
	}
}

function addUrl(text: string, secrets: Secrets): void {
	const url = URL.parse(text);
	if (url === null) return;
	addPath(url.pathname, secrets);
	for (const value of url.searchParams.values()) secrets.add(value);
}

function textsOf(auth: AuthOptions | null): readonly string[] {
	switch (auth?.kind) {
		case "bearer":
			return [lastWord(auth.value)];
		case "basic": {
			const pair = lastWord(auth.value);
			return [pair, Buffer.from(pair, "base64").toString()];
		}
		case "hmac":
			return [auth.secret];
		case "sigv4":
			return [auth.secret, auth.session ?? ""];
		case "oauth2":
		case "exchange": {
			const { client, secret } = auth;
			const sent = [client, secret].map(formEncoded);
			return [secret, `${client}:${secret}`, sent.join(":")];
		}
		default:
			return [];
	}
}

/** What follows the name of a scheme, such as `Bearer`. */
function lastWord(text: string): string {
	return text.slice(text.lastIndexOf(" ") + 1);
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/** The names that stand in every output. */
export function namesIn({
	upstreams,
	routes,
	channels,
	auth,
}: Pick<Config, "upstreams" | "routes" | "channels" | "auth">): string[] {
	const ofSteps = (steps: readonly StepConfig[]): string[] =>
		steps.flatMap((step) => [
			step.name,
			...("steps" in step ? ofSteps(step.steps) : []),
		]);
	return [
		...[upstreams, channels, auth].flat().map(({ name }) => name),
		...routes.flatMap(({ key, steps, record }) => [
			...[key, ...ofSteps(steps)],
			...record.map(({ name }) => name),
		]),
	];
}
