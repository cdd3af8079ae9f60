import { createHash, timingSafeEqual } from "node:crypto";
import { type ByteStream, isStream } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import { problemResponse, unsniffed } from "../core/http/problem.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Scope } from "../tasks/scope.ts";

/** What stands at one path of the admin server. */
export interface Page {
	/** Default: it is read, by GET and HEAD. */
	readonly method?: "POST";
	/** Whether nobody needs the token to read it. For files that hold no data, and for probes, which can bring none. Default: false. */
	readonly open?: true;
	/** `name` is the last part of the path where the page stands at `/…/*`, else empty. It fails with what the client gets. */
	answer(
		request: GatewayRequest,
		scope: Scope,
		name: string,
	): PageAnswer | Promise<PageAnswer>;
}

export interface PageAnswer {
	readonly status: number;
	/** The media type. */
	readonly type: string;
	readonly body: string | Uint8Array | ByteStream;
	/** The Content-Security-Policy. Default: it may load, run and be framed by nothing. */
	readonly policy?: string;
}

/** An answer with 200 that is JSON. */
export function jsonAnswer(value: unknown): PageAnswer {
	return {
		status: 200,
		type: "application/json",
		body: `${JSON.stringify(value)}\n`,
	};
}

/** Whether a request brings the token. */
type Allows = (request: GatewayRequest) => boolean;

/**
 * Answers for the pages, by their paths: `/config`, or `/traffic/*` for each path below. A reading request needs the token
 * if there is one. Any other always needs it, because a page of another origin can send it. No answer may be kept, read by
 * another origin, or framed by a page. None shows a secret. Streams hide theirs themselves, because a secret may lie across two
 * of their pieces.
 */
export function createAdminHandle(
	pages: ReadonlyMap<string, Page>,
	token: string | null,
	secrets: Secrets,
): (request: GatewayRequest, scope: Scope) => Promise<GatewayResponse> {
	const allows: Allows = token === null ? () => false : bringing(token);
	const answer = async (
		request: GatewayRequest,
		scope: Scope,
	): Promise<GatewayResponse> => {
		const { method } = request;
		const reads = method === "GET" || method === "HEAD";
		const { page, name } = find(pages, pathOf(request.target));
		const free = reads && (token === null || page?.open === true);
		if (!free && !allows(request)) throw unauthorized();
		if (isFromElsewhere(request)) throw forbidden();
		if (page === null) {
			throw new GatewayError("route_not_found", "no page of the admin server");
		}
		if (page.method === undefined ? !reads : method !== page.method) {
			const allow = page.method === undefined ? ["GET", "HEAD"] : [page.method];
			throw new GatewayError("method_not_allowed", "not for pages", { allow });
		}
		const answered = await page.answer(request, scope, name);
		return responseOf(request, hiding(answered, secrets));
	};
	return async (request, scope) => {
		try {
			return await answer(request, scope);
		} catch (thrown) {
			if (!(thrown instanceof GatewayError)) throw thrown;
			// It repeats what the client wrote. Stars in it would tell everybody which guess is a secret.
			const response = guarded(problemResponse(thrown, request.id));
			if (thrown.code !== "unauthorized") return response;
			const headers = [...response.headers, "www-authenticate", "Bearer"];
			return { ...response, headers };
		}
	};
}

function find(
	pages: ReadonlyMap<string, Page>,
	path: string,
): { readonly page: Page | null; readonly name: string } {
	const whole = pages.get(path);
	if (whole !== undefined) return { page: whole, name: "" };
	const slash = path.lastIndexOf("/") + 1;
	const page = pages.get(`${path.slice(0, slash)}*`) ?? null;
	return { page, name: path.slice(slash) };
}

/** The page's own files hold none. */
function hiding(answer: PageAnswer, secrets: Secrets): PageAnswer {
	const { body, type } = answer;
	if (typeof body !== "string") return answer;
	const isJson = type === "application/json";
	return {
		...answer,
		body: isJson ? secrets.hideInJson(body) : secrets.hide(body),
	};
}

function responseOf(
	request: GatewayRequest,
	{ status, type, body, policy }: PageAnswer,
): GatewayResponse {
	const headers = ["content-type", type, ...unsniffed];
	if (!isStream(body)) request.memory.keepAnswer(2 * body.length);
	return guarded({ status, headers, body }, policy);
}

function guarded(
	response: GatewayResponse,
	policy = "default-src 'none'; frame-ancestors 'none'",
): GatewayResponse {
	const named = response.headers.filter(
		(_, at, all) => all[at - (at % 2)] !== "cache-control",
	);
	const headers = [...named, "content-security-policy", policy, ...guards];
	return { ...response, headers };
}

const guards = [
	...["cache-control", "no-store"],
	...["cross-origin-resource-policy", "same-origin"],
	...["referrer-policy", "no-referrer"],
];

/**
 * Whether a browser says that a page of another origin sends it. That page could read nothing, but it could take
 * connections and listen. To follow a link from there is no harm, because the page is left.
 */
function isFromElsewhere({ headers }: GatewayRequest): boolean {
	const site = headerOf(headers, "sec-fetch-site") ?? "none";
	if (site === "none" || site === "same-origin") return false;
	return (
		headerOf(headers, "sec-fetch-mode") !== "navigate" ||
		headerOf(headers, "sec-fetch-dest") !== "document"
	);
}

function forbidden(): GatewayError {
	const message = "is sent by a page of another origin";
	const errors = [{ at: "headers.sec-fetch-site", message }];
	const facts = { status: 403, errors };
	return new GatewayError("request_invalid", message, facts);
}

function unauthorized(): GatewayError {
	return new GatewayError("unauthorized", "without the admin server's token");
}

/** Compares digests, which have one length: the time tells nothing about the token. */
function bringing(token: string): Allows {
	const wanted = digestOf(token);
	return ({ headers }) => {
		const [, given] =
			/^Bearer +(\S+)$/i.exec(headerOf(headers, "authorization") ?? "") ?? [];
		return given !== undefined && timingSafeEqual(digestOf(given), wanted);
	};
}

function digestOf(text: string): Buffer {
	return createHash("sha256").update(text).digest();
}
