/** As whom an upstream is asked, with everything that is secret about it. */
export type AuthOptions =
	| PassOptions
	| FixedOptions
	| TokenOptions
	| SigV4Options
	| HmacOptions;

/** As the client itself: its own `Authorization`, as it came. */
interface PassOptions {
	readonly kind: "pass";
}

/** One value of `Authorization` for all calls. */
interface FixedOptions {
	readonly kind: "basic" | "bearer";
	readonly value: string;
}

/** By tokens of a token endpoint: one for all calls (`oauth2`), or one for each client's own token (`exchange`). */
export interface TokenOptions {
	readonly kind: "oauth2" | "exchange";
	/** The URL of the endpoint. */
	readonly token: string;
	/** The variables from which it was read, in words; empty if the config says it. */
	readonly tokenFrom: string;
	readonly client: string;
	readonly secret: string;
	readonly scope: string | null;
	readonly audience: string | null;
	/** Whether the client's secret stands in the body, instead of `Authorization`. */
	readonly post: boolean;
	/** How long the endpoint may take to answer. */
	readonly timeoutMs: number;
}

/** By AWS Signature Version 4. */
export interface SigV4Options {
	readonly kind: "sigv4";
	readonly region: string;
	readonly service: string;
	/** The id of the access key. */
	readonly key: string;
	readonly secret: string;
	/** The token of temporary credentials; null without. */
	readonly session: string | null;
}

/** By HTTP Message Signatures (RFC 9421) with `hmac-sha256`. */
export interface HmacOptions {
	readonly kind: "hmac";
	/** The id of the key. */
	readonly key: string;
	readonly secret: string;
}

/** Whether answers are one client's, because its own credentials decide about them. */
export function isOfClient(auth: { readonly kind: string } | null): boolean {
	return auth !== null && (auth.kind === "pass" || auth.kind === "exchange");
}
