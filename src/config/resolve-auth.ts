import { isHeaderValue } from "../core/http/headers.ts";
import type { Template } from "../expression/template.ts";
import type { AuthOptions, TokenOptions } from "../policy/auth/options.ts";
import { variablesOf } from "./environment.ts";
import type { AuthConfig } from "./keys/upstream-auth.ts";

type Evaluate = (key: string, template: Template) => string | null;
type Say = (key: string, message: string) => void;

/** What a text must be, in words, and whether it is. */
interface Wanted {
	readonly words: string;
	readonly fits: (text: string) => boolean;
}

const anyText: Wanted = {
	words: "a text of at most 4096 characters, without control characters",
	fits: (text) => text !== "" && text.length <= 4096 && !hasControl(text),
};

const scopes: Wanted = {
	words: "a list of scopes with one space between them, such as `read write`",
	fits: (text) => /^[!#-[\]-~]+(?: [!#-[\]-~]+)*$/.test(text),
};

const tokenUrl: Wanted = {
	words: "a URL with http or https, without user, password and fragment",
	fits(text) {
		const url = URL.parse(text);
		if (url === null || !/^https?:$/.test(url.protocol)) return false;
		return url.username + url.password + url.hash === "";
	},
};

const word: Wanted = {
	words: "a word of letters, digits and `-`",
	fits: (text) => /^[A-Za-z0-9-]{1,64}$/.test(text),
};

const accessKey: Wanted = {
	words: "the id of an access key, such as `AKIDEXAMPLE`",
	fits: (text) => /^\w{4,128}$/.test(text),
};

/** RFC 9421 writes it as a text in quotes. */
const keyId: Wanted = {
	words: 'visible ASCII without `"` and `\\`',
	fits: (text) => /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(text),
};

const hmacSecret: Wanted = {
	words: "at least 16 characters: a shorter one can be guessed",
	fits: (text) => text.length >= 16,
};

const bearer: Wanted = {
	words:
		"a token of letters, digits and any of `-._~+/`, with `=` only at its end",
	fits: (text) => /^[\w.~+/-]+=*$/.test(text),
};

/** RFC 7617, 2: the first colon ends the user. */
const user: Wanted = {
	words: "a user without a colon and control characters",
	fits: (text) => anyText.fits(text) && !text.includes(":"),
};

const inHeader: Wanted = {
	words: "what can stand in a header: visible ASCII, space and tab only",
	fits: (text) => text !== "" && isHeaderValue(text),
};

function hasControl(text: string): boolean {
	return /[\x00-\x1f\x7f]/.test(text);
}

/**
 * As whom an upstream is asked, with the environment filled in. Null without `auth`, and if anything is wrong, which is
 * said. A message names variables, never what they hold.
 */
export function resolveAuth(
	auth: AuthConfig | null,
	evaluate: Evaluate,
	say: Say,
): AuthOptions | null {
	if (auth === null) return null;
	const settings = new Map(
		auth.settings.map(({ name, value }) => [name, value]),
	);
	const around = keyOf(auth.kind);
	let failed = false;
	const optional = (name: string, wanted: Wanted): string | null => {
		const template = settings.get(name);
		if (template === undefined) return null;
		const key = name === around ? `auth.${name}` : `auth.${around}.${name}`;
		const text = evaluate(key, template);
		if (text !== null && wanted.fits(text)) return text;
		failed = true;
		const variables = variablesOf(template);
		const what = variables === "" ? `\`${name}\`` : `what ${variables} holds`;
		// A text that could not be read has been reported.
		if (text !== null) say(key, `${what} is not ${wanted.words}`);
		return null;
	};
	const text = (name: string, wanted: Wanted) => optional(name, wanted) ?? "";
	const options = optionsOf(auth, { text, optional }, settings);
	return failed ? null : options;
}

/** The key around the settings. */
function keyOf(kind: AuthConfig["kind"]): string {
	return kind === "hmac" || kind === "sigv4" ? `sign.${kind}` : kind;
}

interface Texts {
	text(name: string, wanted: Wanted): string;
	optional(name: string, wanted: Wanted): string | null;
}

function optionsOf(
	{ kind, post, timeoutMs }: AuthConfig,
	{ text, optional }: Texts,
	settings: ReadonlyMap<string, Template>,
): AuthOptions {
	switch (kind) {
		case "pass":
			return { kind };
		case "bearer":
			return { kind, value: `Bearer ${text("bearer", bearer)}` };
		case "basic": {
			const pair = `${text("user", user)}:${text("password", anyText)}`;
			const value = `Basic ${Buffer.from(pair).toString("base64")}`;
			return { kind, value };
		}
		case "hmac":
			return {
				kind,
				key: text("key", keyId),
				secret: text("secret", hmacSecret),
			};
		case "sigv4":
			return {
				kind,
				region: text("region", word),
				service: text("service", word),
				key: text("key", accessKey),
				secret: text("secret", anyText),
				session: optional("session", inHeader),
			};
		case "oauth2":
		case "exchange": {
			const token = settings.get("token");
			return {
				kind,
				token: text("token", tokenUrl),
				tokenFrom: token === undefined ? "" : variablesOf(token),
				client: text("client", anyText),
				secret: text("secret", anyText),
				scope: optional("scope", scopes),
				audience: optional("audience", anyText),
				...{ post, timeoutMs: timeoutMs ?? 0 },
			};
		}
	}
}

/**
 * What tells the credentials of one gateway from those of another, without a secret. Gateways with one identity may share
 * answers.
 */
export function identityOf(auth: AuthOptions): string {
	switch (auth.kind) {
		case "pass":
			return "pass";
		case "basic":
		case "bearer":
			return auth.value;
		case "hmac":
			return `hmac ${auth.key}`;
		case "sigv4":
			return `sigv4 ${auth.key}`;
		case "oauth2":
		case "exchange":
			return tokensOf(auth);
	}
}

function tokensOf({
	kind,
	token,
	client,
	scope,
	audience,
}: TokenOptions): string {
	return JSON.stringify([kind, token, client, scope, audience]);
}
