import { z } from "zod";
import { isToken } from "../../core/http/headers.ts";
import { isLocal } from "../../core/ip.ts";
import { type JwtAlgorithm, jwtAlgorithms } from "../../core/key-set.ts";
import { Secret } from "../secret.ts";
import { addKeys } from "../secret-values.ts";
import { type FromEnvironment, orFromEnvironment } from "./from-environment.ts";
import type { Hole } from "./input.ts";
import { key, part } from "./key.ts";
import { asWritten, type Kind, plain } from "./kind.ts";
import { durationOrZero, hole, keeping, period, text } from "./kinds.ts";
import { section } from "./section.ts";

/** Where a request has its credentials. Header names are in lower case. */
export interface TokenPlace {
	readonly in: "header" | "cookie" | "query";
	readonly name: string;
}

/** Keys to verify tokens with: a file of them, or the text itself, which may be a secret. */
export type JwtKeys = { readonly file: string } | { readonly text: Secret };

const named = orFromEnvironment(text, "a text");

/** One text or several. */
const oneOrMore: Kind<
	string | Hole | readonly (string | Hole)[],
	readonly string[],
	FromEnvironment
> = {
	schema: z.union([named.schema, z.array(named.schema).min(1).max(20)], {
		error: "a text, or a list of 1 to 20 texts",
	}),
	take(source, judged, context) {
		if (source.kind !== "list") {
			const one = named.take(source, judged, context);
			return one === undefined ? undefined : [one];
		}
		if (source.items.length === 0 || source.items.length > 20) {
			const message = `${judged.what} takes a text, or a list of 1 to 20 texts`;
			judged.problems.push({ at: source.at, message });
			return undefined;
		}
		const all = source.items.map((item) => named.take(item, judged, context));
		return all.includes(undefined) ? undefined : (all as string[]);
	},
};

const urlWords =
	"a URL with http or https, such as `https://login.example.com/keys`";

function isUrl(written: string): boolean {
	const url = URL.parse(written);
	return (
		url !== null &&
		/^https?:$/.test(url.protocol) &&
		url.username + url.password + url.hash === ""
	);
}

const readUrl = orFromEnvironment(text, urlWords, (written) =>
	isUrl(written) ? written : null,
);

/** Whoever can change what comes from there chooses who is let in. */
const keysUrl: Kind<string | Hole, string, FromEnvironment> = {
	schema: readUrl.schema,
	take(source, judged, context) {
		const written = readUrl.take(source, judged, context);
		if (written === undefined) return undefined;
		const { at } = source;
		if (!isUrl(written)) {
			judged.problems.push({
				at,
				message: `${judged.what} must be ${urlWords}`,
			});
			return undefined;
		}
		const { protocol, hostname } = new URL(written);
		if (protocol === "http:" && !isLocal(hostname.replace(/^\[|\]$/g, ""))) {
			const message = `${judged.what} is fetched without TLS: whoever can change it on the way chooses whose tokens are good; write \`https://\``;
			judged.problems.push({ at, message, warning: true });
		}
		return written;
	},
};

const keysWords = "a file, or the keys themselves: a JWK set or PEM texts";
const readKeys = orFromEnvironment(text, keysWords);

/** Secrets and private keys come from a file or the environment: a config is read by more people than may sign tokens. */
const keysText: Kind<string | Hole, JwtKeys, FromEnvironment> = {
	schema: readKeys.schema,
	take(source, judged, context) {
		const written = readKeys.take(source, judged, context);
		if (written === undefined) return undefined;
		const isText = /^\s*\{|-----BEGIN /.test(written);
		if (!isText) return { file: written };
		const isFromHere =
			source.kind === "scalar" && !hole.safeParse(source.value).success;
		if (isFromHere && /"oct"|"d"\s*:|PRIVATE KEY/.test(written)) {
			const message = `${judged.what} holds a secret, so it comes from a file or the environment: write \`\${env.TOKEN_KEYS}\``;
			judged.problems.push({ at: source.at, message });
			return undefined;
		}
		addKeys(written, context.secrets);
		return { text: new Secret(written) };
	},
};

const algorithms = asWritten<readonly JwtAlgorithm[]>(
	z
		.array(z.enum(jwtAlgorithms), {
			error: `a list of some of ${jwtAlgorithms.map((one) => `\`${one}\``).join(", ")}`,
		})
		.min(1),
);

type ClaimValue = string | number | boolean;
const claimValue = z.union([z.string(), z.number(), z.boolean()], {
	error: "a text, a number, `true` or `false`",
});

/** A claim, and the values of which one is asked for. */
export interface ClaimRule {
	readonly name: string;
	readonly values: readonly ClaimValue[];
}

const claimRules: Kind<
	Readonly<Record<string, ClaimValue | readonly ClaimValue[]>>,
	readonly ClaimRule[]
> & { readonly absent: () => readonly ClaimRule[] } = {
	...plain(
		z.record(
			z.string(),
			z.union([claimValue, z.array(claimValue).min(1)], {
				error: "a value, or a list of values",
			}),
			{ error: "a map of claims to values" },
		),
		(
			written: Readonly<Record<string, ClaimValue | readonly ClaimValue[]>>,
		): readonly ClaimRule[] =>
			Object.entries(written).map(([name, values]) => ({
				name,
				values: [values].flat() as ClaimValue[],
			})),
	),
	absent: () => [],
};

const placeKeys = section({
	header: part(text, {}),
	cookie: part(text, {}),
	query: part(text, {}),
});

function placeOf(
	{ header, cookie, query }: Readonly<Record<TokenPlace["in"], string | null>>,
	say: (message: string) => void,
): TokenPlace | null {
	const given = Object.entries({ header, cookie, query }).filter(
		([, name]) => name !== null,
	) as [TokenPlace["in"], string][];
	const [first, ...others] = given;
	if (first === undefined) return null;
	if (others.length > 0) {
		say(
			"credentials stand in one place: write one of `header`, `cookie`, `query`",
		);
	}
	const [where, name] = first;
	if (where !== "query" && !isToken(name)) {
		say(`\`${name}\` cannot be the name of a ${where}`);
	}
	return { in: where, name: where === "header" ? name.toLowerCase() : name };
}

const bearer: TokenPlace = { in: "header", name: "authorization" };

const place: Kind<
	| { readonly header: string }
	| { readonly cookie: string }
	| { readonly query: string },
	TokenPlace
> & { readonly absent: () => TokenPlace } = {
	schema: placeKeys.schema,
	keys: placeKeys.keys,
	absent: () => bearer,
	take(source, judged) {
		const before = judged.problems.length;
		const read = placeKeys.read(source, judged, {});
		if (judged.problems.length > before) return undefined;
		const say = (message: string) =>
			judged.problems.push({ at: source.at, message });
		return placeOf(read, say) ?? bearer;
	},
};

export const jwtKeys = section({
	issuer: key(named, {
		required: true,
		description:
			"Required. Who makes the tokens: `iss` of each must be this text, to the last slash.",
		example: "issuer: https://login.example.com/",
	}),
	audience: key(oneOrMore, {
		field: "audiences",
		required: true,
		description:
			"Required. For whom tokens are made: one of these must be in `aud`. Otherwise a token for another service would do here.",
		example: "audience: https://api.example.com",
	}),
	jwks: key(keysUrl, {
		description:
			"Where the issuer has its keys (`jwks_uri`). They are fetched at start and renewed in the background. `jwks` or `keys` is required.",
		example: "jwks: https://login.example.com/.well-known/jwks.json",
	}),
	keys: key(keysText, {
		description:
			"Keys that are not fetched: a file of a JWK set or of PEM texts, which is read again when it changes, or that text itself. A secret (HS256) comes from a file or the environment.",
		example: "keys: ${env.TOKEN_KEYS ?? './issuer.pem'}",
	}),
	algorithms: key(algorithms, {
		description:
			"The signatures that are taken. Without it each key is good for what its `alg` says, and without `alg` for what its kind says: RS256 of RSA keys. A token never chooses.",
		example: "algorithms: [ES256]",
	}),
	claims: key(claimRules, {
		description:
			"Claims that each token must have, with one of these values. If a claim is a list, one of its items must be.",
		example: "claims: { tenant: acme, roles: [reader, editor] }",
	}),
	type: key(text, {
		description:
			"The `typ` that each token must have. Without it `JWT`, `at+jwt` and none are taken.",
		example: "type: at+jwt",
	}),
	leeway: key(durationOrZero, {
		field: "leewayMs",
		description: "By how much the issuer's clock may be wrong.",
		example: "leeway: 30s",
		default: "5s",
	}),
	from: key(place, {
		description:
			"Where the token stands, if it is not `Authorization: Bearer`: in a `header`, a `cookie` or a `query` parameter. What stands in a URL is written to many logs.",
		example: "from: { cookie: session }",
	}),
	renew: key(period, {
		field: "renewMs",
		description: "How often the keys of `jwks` are fetched again.",
		example: "renew: 5m",
		default: "10m",
	}),
	keep: key(keeping, {
		field: "keepMs",
		description:
			"How long the last keys hold if the issuer of `jwks` does not answer.",
		example: "keep: 2h",
		default: "24h",
	}),
	resource: key(readUrl, {
		description:
			"The address by which clients know this gateway. With it the gateway tells clients where they get tokens (RFC 9728).",
		example: "resource: https://api.example.com",
	}),
});
