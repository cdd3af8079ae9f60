import { z } from "zod";
import type { Template, TemplateEntry } from "../../expression/template.ts";
import type { Hole } from "./input.ts";
import { part } from "./key.ts";
import { asWritten } from "./kind.ts";
import { flag, patience } from "./kinds.ts";
import { map, section } from "./section.ts";
import { scalarTemplate, textTemplate } from "./templates.ts";

/** As whom an upstream is asked, before the environment is read. */
export interface AuthConfig {
	readonly kind:
		| "basic"
		| "bearer"
		| "exchange"
		| "hmac"
		| "oauth2"
		| "pass"
		| "sigv4";
	/** The texts, by their keys. Those that are secret name variables. */
	readonly settings: readonly TemplateEntry[];
	/** Whether a client's secret stands in the body of the token request. */
	readonly post: boolean;
	/** How long the token endpoint may take; null if there is none. */
	readonly timeoutMs: number | null;
}

const text = scalarTemplate<string>(textTemplate);

const secretWords =
	"an expression of `env`, such as `${env.SECRET}`: more people read a config than may know a secret";

/** It must come from the environment. */
const secret = scalarTemplate<Hole>(
	z
		.string({ error: secretWords })
		.refine((written) => written.includes("${"), { error: secretWords })
		.meta({ pattern: "\\$\\{" }),
);

const endpoint = section({
	token: part(text, { required: true }),
	client: part(text, { required: true }),
	secret: part(secret, { required: true }),
	scope: part(text, {}),
	audience: part(text, {}),
	post: part(flag, { default: false }),
	timeout: part(patience, { field: "timeoutMs", default: "2s" }),
});

const basicKeys = section({
	user: part(text, { required: true }),
	password: part(secret, { required: true }),
});

const signKeys = section(
	{
		hmac: part(
			map(
				section({
					key: part(text, { required: true }),
					secret: part(secret, { required: true }),
				}),
			),
			{},
		),
		sigv4: part(
			map(
				section({
					region: part(text, { required: true }),
					service: part(text, { required: true }),
					key: part(text, { required: true }),
					secret: part(secret, { required: true }),
					session: part(secret, {}),
				}),
			),
			{},
		),
	},
	{
		finish({ hmac, sigv4 }, say): AuthConfig | null {
			if (hmac !== null && sigv4 !== null) {
				say(null, "a call has one signature: write `hmac` or `sigv4`");
			}
			if (hmac !== null) return authOf("hmac", hmac);
			if (sigv4 !== null) return authOf("sigv4", sigv4);
			say(null, "`sign` needs `hmac` or `sigv4`");
			return null;
		},
	},
);

export const upstreamAuthKeys = section(
	{
		oauth2: part(map(endpoint), {}),
		exchange: part(map(endpoint), {}),
		pass: part(asWritten<true>(z.literal(true, { error: "`true`" })), {}),
		basic: part(map(basicKeys), {}),
		bearer: part(secret, {}),
		sign: part(map(signKeys), {}),
	},
	{
		finish(
			{ oauth2, exchange, pass, basic, bearer, sign },
			say,
		): AuthConfig | null {
			const given = [
				oauth2 && ofEndpoint("oauth2", oauth2),
				exchange && ofEndpoint("exchange", exchange),
				pass && authOf("pass", {}),
				basic && authOf("basic", basic),
				bearer && authOf("bearer", { bearer }),
				sign,
			].filter((one) => one !== null);
			const [auth = null, ...others] = given;
			if (auth === null || others.length > 0) {
				say(
					null,
					"`auth` takes one of `oauth2`, `exchange`, `pass`, `basic`, `bearer` and `sign`",
				);
			}
			return auth;
		},
	},
);

type Texts = Readonly<Record<string, Template | null>>;

function authOf(kind: AuthConfig["kind"], texts: Texts): AuthConfig {
	const settings = Object.entries(texts).flatMap(([name, value]) =>
		value === null ? [] : [{ name, optional: false, value }],
	);
	return { kind, settings, post: false, timeoutMs: null };
}

type Endpoint = ReturnType<typeof endpoint.read>;

function ofEndpoint(
	kind: "exchange" | "oauth2",
	{ post, timeoutMs, ...texts }: Exclude<Endpoint, undefined>,
): AuthConfig {
	return { ...authOf(kind, texts), post, timeoutMs };
}
