import { z } from "zod";
import { suggest } from "../../core/suggest.ts";
import { plainOf } from "../shape.ts";
import { apiKeyList, passwordList } from "./auth-entries.ts";
import { jwtKeys } from "./auth-jwt.ts";
import { mtlsKeys } from "./auth-mtls.ts";
import { orFromEnvironment } from "./from-environment.ts";
import { key } from "./key.ts";
import { reading } from "./kind.ts";
import { text } from "./kinds.ts";
import { map, section } from "./section.ts";

const path = orFromEnvironment(text, "a path");

const fileText = {
	description:
		"A file of entries, YAML or JSON, relative to the config. It is read again when it changes. `file` or `list` is required.",
};

export const apiKeyKeys = section({
	file: key(path, { ...fileText, example: "file: ./keys.yaml" }),
	list: key(apiKeyList, {
		description:
			"The entries themselves, as `sluice key` prints them: `name`, `hash`, perhaps `expires` and `claims`. One name may have several keys, so that a new one is good before the old one ends.",
		example:
			"list:\n  - name: acme\n    hash: sha256:2qG7Zk1P:mYgVYcnc9MHbKpQZ0xPHqZ0Yxw0hR2z8fJ1nJ3yq0aY\n    expires: 2027-06-30\n    claims: { scope: orders:read }",
	}),
	header: key(text, {
		description:
			"The header field of the key, `x-api-key` if nothing else is said. In `authorization` it stands behind `Bearer`.",
		example: "header: authorization",
	}),
	query: key(text, {
		description:
			"The query parameter of the key, instead of a header field. What stands in a URL is written to many logs.",
		example: "query: api_key",
	}),
});

export const basicKeys = section({
	file: key(path, { ...fileText, example: "file: ./staff.yaml" }),
	list: key(passwordList, {
		description:
			"The entries themselves, as `sluice key --password` prints them: `name`, `hash`, perhaps `claims`.",
		example:
			"list:\n  - name: ada\n    hash: $scrypt$ln=15,r=8,p=3$c2FsdHNhbHRzYWx0c2FsdA$mYgVYcnc9MHbKpQZ0xPHqZ0Yxw0hR2z8fJ1nJ3yq0aY",
	}),
});

/** The kinds of credentials, of which each `auth` has one. */
export const authKeys = section({
	jwt: key(map(jwtKeys), {
		description:
			"Tokens that somebody else signs (JSON Web Tokens): users of an identity provider, or other services.",
		example:
			"jwt:\n  issuer: https://login.example.com/\n  audience: https://api.example.com\n  jwks: https://login.example.com/.well-known/jwks.json",
	}),
	keys: key(map(apiKeyKeys), {
		description: "API keys, which `sluice key` makes.",
		example: "keys: { file: ./keys.yaml }",
	}),
	basic: key(map(basicKeys), {
		description:
			"Names and passwords (`Authorization: Basic`), for a few people or programs.",
		example: "basic: { file: ./staff.yaml }",
	}),
	mtls: key(map(mtlsKeys), {
		description:
			"Certificates that clients show in the handshake (mutual TLS): other services, machines, partners. `server.tls.clientCa` says who issues them.",
		example: 'mtls: { names: "URI:spiffe://example.org/orders" }',
	}),
});

/** The names under `auth`, for whoever refers to them. */
export interface AuthNames {
	readonly auths: readonly string[];
}

/** The auths of a route: any of them lets in. An empty list is none. */
export const authOfRoute = {
	...reading<string | readonly string[] | false, readonly string[], AuthNames>(
		z.union([text.schema, z.array(text.schema).min(1), z.literal(false)], {
			error: "a name under `auth`, a list of such names, or `false`",
		}),
		(source, { auths }, { problems }) => {
			if (plainOf(source) === false) return [];
			const items = source.kind === "list" ? source.items : [source];
			return items.flatMap((item) => {
				if (item.kind !== "scalar") return [];
				const { text: name, at } = item;
				if (auths.includes(name)) return [name];
				problems.push({ at, message: unknownAuth(name, auths) });
				return [];
			});
		},
	),
};

function unknownAuth(name: string, auths: readonly string[]) {
	return auths.length === 0
		? `there is no \`auth\` at the top of the config: declare \`${name}\` there`
		: () => `unknown auth \`${name}\`${suggest(name, auths)}`;
}
