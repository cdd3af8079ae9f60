import { allRead } from "../core/all-read.ts";
import { isToken } from "../core/http/headers.ts";
import { type KeyRules, KeysUnreadable, readKeySet } from "../core/key-set.ts";
import type { AuthConfig, JwtConfig, ServerConfig } from "./config.ts";
import { authKeys } from "./keys/auth.ts";
import type { FromEnvironment } from "./keys/from-environment.ts";
import type { ReadOf } from "./keys/section.ts";
import { hasFault, type Problem } from "./problem.ts";
import { entryOf } from "./shape.ts";
import type { MapSource } from "./source.ts";

type Say = (key: string, message: string) => void;

/** Of use only if no problem was added. */
export function checkAuth(
	source: MapSource | null,
	context: FromEnvironment & { readonly problems: Problem[] },
): AuthConfig[] {
	const { problems } = context;
	return (source?.entries ?? []).flatMap(({ key: name, at, value }) => {
		if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) {
			problems.push({
				at,
				message: `\`${name}\` cannot name an auth: a letter first, then letters, digits, \`_\` and \`-\``,
			});
		}
		const before = problems.length;
		const read = authKeys.read(value, { what: "an auth", problems }, context);
		if (hasFault(problems, before)) return [];
		const auth = checkKind(name, read, (kind) => (key, message) => {
			const written = entryOf(value, kind) ?? value;
			const { at } = entryOf(written, key) ?? written;
			problems.push({ at, message });
		});
		return auth ?? [];
	});
}

type Read = ReadOf<typeof authKeys.keys>;

function checkKind(
	name: string,
	{ jwt, keys, basic, mtls, ...unread }: Read,
	sayOf: (kind: string) => Say,
): AuthConfig | null {
	allRead(unread);
	const kinds = [jwt, keys, basic, mtls].filter((one) => one !== null);
	if (kinds.length === 1 && jwt) return checkJwt(name, jwt, sayOf("jwt"));
	if (kinds.length === 1 && keys) return checkKeys(name, keys, sayOf("keys"));
	if (kinds.length === 1 && basic) {
		return checkBasic(name, basic, sayOf("basic"));
	}
	if (kinds.length === 1 && mtls) return { name, kind: "mtls", ...mtls };
	const message =
		"an auth has one kind of credentials: write one of `jwt`, `keys`, `basic`, `mtls`";
	sayOf("")("", message);
	return null;
}

function checkJwt(
	name: string,
	{ jwks, keys, ...rules }: NonNullable<Read["jwt"]>,
	say: Say,
): AuthConfig | null {
	if ((jwks === null) === (keys === null)) {
		say("jwks", "write one of `jwks` and `keys`");
		return null;
	}
	const common = { name, kind: "jwt" as const, ...rules };
	if (jwks !== null) return { ...common, keys: { kind: "url", url: jwks } };
	if (keys === null) return null;
	if ("file" in keys) {
		return { ...common, keys: { kind: "file", file: keys.file } };
	}
	const fault = faultOfKeys(keys.text.reveal(), rules.algorithms);
	if (fault !== null) say("keys", `\`keys\`: ${fault}`);
	return { ...common, keys: { kind: "text", text: keys.text } };
}

function checkKeys(
	name: string,
	{ file, list, header, query, ...unread }: NonNullable<Read["keys"]>,
	say: Say,
): AuthConfig {
	allRead(unread);
	refuseTwoSources(file, list, say);
	if (header !== null && query !== null) {
		say("query", "the key stands in one place: write `header` or `query`");
	}
	const place =
		query === null
			? { in: "header" as const, name: (header ?? "x-api-key").toLowerCase() }
			: { in: "query" as const, name: query };
	if (place.in === "header" && !isToken(place.name)) {
		say("header", `\`${place.name}\` cannot be a header's name`);
	}
	return { name, kind: "keys", file, list: list ?? [], place };
}

function checkBasic(
	name: string,
	{ file, list, ...unread }: NonNullable<Read["basic"]>,
	say: Say,
): AuthConfig {
	allRead(unread);
	refuseTwoSources(file, list, say);
	return { name, kind: "basic", file, list: list ?? [] };
}

function refuseTwoSources(
	file: string | null,
	list: readonly unknown[] | null,
	say: Say,
): void {
	if ((file === null) === (list === null)) {
		say("file", "write one of `file` and `list`");
	}
}

/** Refuses auths by certificate if the server asks for none. */
export function refuseUnasked(
	auths: readonly AuthConfig[],
	{ tls }: ServerConfig,
	written: MapSource | null,
	problems: Problem[],
): void {
	if (tls?.clientCa) return;
	for (const { name, kind } of auths) {
		if (kind !== "mtls") continue;
		const at = entryOf(entryOf(written, name), kind)?.at ?? 0;
		const message =
			"no client is asked for a certificate: write `clientCa` in `server.tls`, the authorities that issue them";
		problems.push({ at, message });
	}
}

/** What the file of an auth is; the text of its keys is no file. */
export function fileOf(auth: AuthConfig): string | null {
	if (auth.kind === "mtls") return null;
	if (auth.kind !== "jwt") return auth.file;
	return auth.keys.kind === "file" ? auth.keys.file : null;
}

/** The rules by which the keys of a file or a text are read. */
export function rulesOfKeys({
	algorithms,
}: Pick<JwtConfig, "algorithms">): KeyRules {
	return { algorithms, secrets: true };
}

export function faultOfKeys(
	text: string,
	algorithms: JwtConfig["algorithms"],
): string | null {
	try {
		const { size } = readKeySet(text, rulesOfKeys({ algorithms }));
		return size > 0 ? null : noKey;
	} catch (error) {
		if (error instanceof KeysUnreadable) return error.message;
		throw error;
	}
}

const noKey =
	"there is no key that tokens can be verified with: RSA of 2,048 bits or more, EC, Ed25519, or a secret with its `alg` and as many bits as that needs";
