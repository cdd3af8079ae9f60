import { entriesIn } from "../config/auth-files.ts";
import type {
	ApiKeyEntry,
	AuthConfig,
	PasswordEntry,
} from "../config/config.ts";
import { readApiKeys, readPasswords } from "../config/keys/auth-entries.ts";
import { allHeadersOf } from "../core/http/headers.ts";
import { ApiKeys } from "./api-keys.ts";
import type { Auth, AuthContext } from "./auth.ts";
import { bearerChallenge } from "./challenge.ts";
import { givenAt, schemed } from "./given.ts";
import { Denial, type Identity, type Judgement } from "./identity.ts";
import { Passwords } from "./passwords.ts";
import { WatchedFile } from "./watched-file.ts";

type OfKind<Kind extends AuthConfig["kind"]> = Extract<
	AuthConfig,
	{ readonly kind: Kind }
>;

/** What entries are made into, of the config itself or of a file that is read again. */
interface Held<Value> {
	readonly value: Value;
	close(): void;
}

function hold<Entry, Value>(
	name: string,
	{
		file,
		list,
	}: { readonly file: string | null; readonly list: readonly Entry[] },
	read: Parameters<typeof entriesIn<Entry>>[1],
	make: (entries: readonly Entry[]) => Value,
	{ clock, told }: AuthContext,
): Held<Value> {
	if (file === null) return { value: make(list), close: () => {} };
	return new WatchedFile(file, {
		clock,
		read: (text) => make(entriesIn(text, read)),
		reread: (error) => told(name, error),
	});
}

/** API keys. */
export function createKeysAuth(
	config: OfKind<"keys">,
	context: AuthContext,
): Auth {
	const { name, place } = config;
	const make = (entries: readonly ApiKeyEntry[]) => new ApiKeys(entries);
	const keys = hold(name, config, readApiKeys, make, context);
	const isBearer = place.name === "authorization" && place.in === "header";
	return {
		name,
		settled: Promise.resolve(),
		...{ bearsTokens: false, resource: null },
		judge(request) {
			const key = givenAt(place, request);
			if (key instanceof Denial) return key;
			return named(name, keys.value.judge(key, Date.now()));
		},
		challenge: (denial) =>
			isBearer
				? bearerChallenge(name, denial, null)
				: `ApiKey realm="${name}", in="${place.in}", name=${quoted(place.name)}`,
		close: () => keys.close(),
	};
}

/** Names and passwords (RFC 7617). */
export function createBasicAuth(
	config: OfKind<"basic">,
	context: AuthContext,
): Auth {
	const { name } = config;
	const make = (entries: readonly PasswordEntry[]) =>
		new Passwords(entries, context.clock);
	const passwords = hold(name, config, readPasswords, make, context);
	return {
		name,
		settled: Promise.resolve(),
		...{ bearsTokens: false, resource: null },
		async judge({ headers, ip }, scope) {
			const given = schemed("basic", allHeadersOf(headers, "authorization"));
			if (given instanceof Denial) return given;
			const pair = pairIn(given);
			if (pair === null) return new Denial("invalid", "it is no pair");
			return named(name, await passwords.value.judge(pair, ip, scope));
		},
		challenge: () => `Basic realm="${name}", charset="UTF-8"`,
		close: () => passwords.close(),
	};
}

function named(by: string, judged: Judgement): Judgement {
	if (judged instanceof Denial) return judged;
	const { values, untilMs } = judged;
	return { values: { ...values, by }, untilMs } satisfies Identity;
}

/** The first colon ends the name. Null if it is not base64 of UTF-8 text without control characters. */
function pairIn(
	given: string,
): { readonly name: string; readonly password: string } | null {
	if (!/^[A-Za-z0-9+/]+=*$/.test(given)) return null;
	const bytes = Buffer.from(given, "base64");
	if (bytes.toString("base64") !== given) return null;
	const text = textOf(bytes);
	const colon = text?.indexOf(":") ?? -1;
	if (text === null || colon < 1 || /\p{Cc}/u.test(text)) return null;
	return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function textOf(bytes: Buffer): string | null {
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
	} catch {
		return null;
	}
}

function quoted(text: string): string {
	return JSON.stringify(text);
}
