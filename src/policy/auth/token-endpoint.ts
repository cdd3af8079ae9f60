import { GatewayError } from "../../core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import { formEncoded } from "../../core/http/query.ts";
import type { Scope } from "../../tasks/scope.ts";
import type { Call } from "../policy.ts";
import { promised } from "../promised.ts";
import { codeOf } from "../verdict.ts";
import type { TokenOptions } from "./options.ts";
import type { IssuedToken } from "./token.ts";

/** The means to ask a token endpoint. */
export interface EndpointContext {
	/** The upstream for which tokens are asked for. */
	readonly upstream: string;
	/** The endpoint as an upstream of its own, with its timeout, its breaker and the bound of its answers. */
	readonly endpoint: Call;
	/** The lifetime of the requests: the upstream's. */
	readonly scope: Scope;
}

/** Asks for a token. `subject` is the client's own token, for an exchange. Rejects with `upstream_auth_failed`. */
export type AskForToken = (subject: string | null) => Promise<IssuedToken>;

/** RFC 6749, 4.4 and RFC 8693, 2.1. */
const grants = {
	oauth2: "client_credentials",
	exchange: "urn:ietf:params:oauth:grant-type:token-exchange",
} as const;

/** RFC 8693, 3. */
const accessToken = "urn:ietf:params:oauth:token-type:access_token";

/** The value behind `Bearer` (RFC 6750, 2.1). A longer one fits into no header field of most servers. */
const bearerPattern = /^[\w.~+/-]{1,16384}=*$/;

export function createTokenEndpoint(
	options: TokenOptions,
	{ upstream, endpoint, scope }: EndpointContext,
): AskForToken {
	const { pathname, search } = new URL(options.token);
	const { headers, fields } = authentication(options);
	const ask = promised(endpoint);
	return async (subject) => {
		const asked = new URLSearchParams({
			grant_type: grants[options.kind],
			...(options.scope !== null && { scope: options.scope }),
			...(options.audience !== null && { audience: options.audience }),
			...(subject !== null && {
				subject_token: subject,
				subject_token_type: accessToken,
			}),
			...fields,
		});
		const request: UpstreamRequest = {
			method: "POST",
			target: pathname + search,
			headers,
			body: asked.toString(),
			// Asked twice, it gives two tokens, and nothing else happens.
			...{ safe: false, idempotent: true, tried: null },
			...{ requestId: "", client: "", trail: null },
			timeoutMs: options.timeoutMs,
			...{ onSent: null, onAgain: null },
		};
		let answer: UpstreamResponse;
		try {
			answer = await ask(request, scope);
		} catch (thrown) {
			const why = thrown instanceof Error ? thrown.message : "it failed";
			throw noToken(upstream, `the endpoint: ${why} (${codeOf(thrown)})`);
		}
		const issued = tokenOf(answer, subject !== null);
		if ("fault" in issued) throw noToken(upstream, issued.fault, issued.status);
		return issued;
	};
}

/**
 * How the gateway says who it is (RFC 6749, 2.3.1). Both parts are encoded as in a form, of which `-`, `.` and `_` stay, as
 * most servers expect.
 */
function authentication({ client, secret, post }: TokenOptions): {
	readonly headers: readonly string[];
	readonly fields: Readonly<Record<string, string>>;
} {
	const headers = [
		...["content-type", "application/x-www-form-urlencoded"],
		...["accept", "application/json", "user-agent", "sluice"],
	];
	if (post)
		return { headers, fields: { client_id: client, client_secret: secret } };
	const basic = `${formEncoded(client)}:${formEncoded(secret)}`;
	const value = `Basic ${Buffer.from(basic).toString("base64")}`;
	return { headers: [...headers, "authorization", value], fields: {} };
}

interface Fault {
	/** Holds nothing of the answer but a code of the table below: an answer may hold a token, and any text. */
	readonly fault: string;
	/** Of the client's answer, if its own token is to blame. */
	readonly status?: number;
}

function tokenOf(
	{ status, body }: UpstreamResponse,
	exchanged: boolean,
): IssuedToken | Fault {
	const answer = membersOf(body);
	if (status !== 200) return refusal(status, answer?.error, exchanged);
	if (answer === null) return { fault: "the endpoint's answer is no JSON" };
	const { access_token: value, token_type: type, expires_in: seconds } = answer;
	if (typeof value !== "string" || value === "") {
		return { fault: "the endpoint's answer has no `access_token`" };
	}
	if (typeof type !== "string" || type.toLowerCase() !== "bearer") {
		return { fault: "the endpoint's token is not of the type `Bearer`" };
	}
	if (!bearerPattern.test(value)) {
		return { fault: "the endpoint's token cannot stand in a header" };
	}
	if (seconds === undefined || seconds === null) return { value, lifeMs: null };
	// Some write the number as a text.
	const life =
		typeof seconds === "string" ? Number.parseFloat(seconds) : seconds;
	if (typeof life !== "number" || Number.isNaN(life)) {
		return { fault: "`expires_in` of the endpoint's answer is no number" };
	}
	return life > 0
		? { value, lifeMs: life * 1000 }
		: { fault: "the endpoint's token was over when it came" };
}

/** The members of a JSON object; null if it is none. */
function membersOf(body: Uint8Array): Readonly<Record<string, unknown>> | null {
	try {
		const answer: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
		const isMap = typeof answer === "object" && !Array.isArray(answer);
		return isMap ? (answer as Record<string, unknown> | null) : null;
	} catch {
		return null;
	}
}

/** RFC 6749, 5.2 and RFC 8693, 2.2.2. True are those by which an exchange refuses the client's own token. */
const refusals = {
	invalid_request: true,
	invalid_grant: true,
	invalid_target: true,
	invalid_client: false,
	invalid_scope: false,
	unauthorized_client: false,
	unsupported_grant_type: false,
	temporarily_unavailable: false,
	server_error: false,
} as const;

function isRefusal(code: unknown): code is keyof typeof refusals {
	return typeof code === "string" && Object.hasOwn(refusals, code);
}

function refusal(status: number, code: unknown, exchanged: boolean): Fault {
	const known = isRefusal(code);
	const fault = `the endpoint answered ${status}${known ? ` with ${code}` : ""}`;
	const isClients = exchanged && status < 500 && known && refusals[code];
	return isClients ? { fault, status: 401 } : { fault };
}

function noToken(upstream: string, why: string, status?: number): GatewayError {
	return new GatewayError("upstream_auth_failed", `no token: ${why}`, {
		upstream,
		// RFC 6750, 3.1: the client's own token is to blame.
		...(status !== undefined && {
			...{ status, challenges: ['Bearer error="invalid_token"'] },
		}),
	});
}
