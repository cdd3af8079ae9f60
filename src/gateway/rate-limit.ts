import { hash } from "node:crypto";
import { fieldsRead, fieldsUndeclared } from "../config/check-rate-limit.ts";
import type { RateLimitConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { networkOf } from "../core/ip.ts";
import { textOf } from "../expression/template.ts";
import type { Plan, RoutePlan } from "../plan/plan.ts";
import { prepare, requestSlots, routeLayout } from "../run/names.ts";
import { createBodyCompiler, prepareRequest } from "../run/request.ts";

/** Counts a request; the answer says so, whatever it is. */
export type RateLimit = (
	request: GatewayRequest,
	params: Readonly<Record<string, string>>,
) => Quota;

/** What is left of a limit after a request was counted, for one client. */
export interface Quota {
	/** An item of `RateLimit-Policy`, and one of `RateLimit`. */
	readonly policy: string;
	readonly state: string;
	/** Null where the request may go on. */
	readonly refusal: GatewayError | null;
}

/** Of all limits of a gateway together: some 15 MB when all of them are in use. */
const keysMax = 100_000;

/** Under so many no limit may fall, however many limits there are. */
const keysMin = 1_000;

/** A key that is longer is kept as its digest, which has one character more than any other key. */
const keyLengthMax = 63;

/** Limits of a plan, made once. */
export interface RateLimits {
	/** Of every request. */
	readonly gateway: RateLimit | null;
	/** Of one route. */
	ofRoute(route: RoutePlan): RateLimit | null;
}

/** Each limit counts for itself. All state is in memory, and bounded. */
export function createRateLimits(plan: Plan): RateLimits {
	const limited = plan.routes.filter(({ rateLimit }) => rateLimit !== null);
	const count = limited.length + (plan.rateLimit ? 1 : 0);
	const share = Math.max(keysMin, Math.floor(keysMax / Math.max(1, count)));
	const { rateLimit } = plan;
	const create = (
		name: string,
		config: RateLimitConfig,
		fields: ReturnType<typeof fieldsRead>,
	) => createRateLimit(name, config, prepareKey(config, fields), share);
	return {
		gateway:
			rateLimit && create("gateway", rateLimit, fieldsUndeclared(rateLimit.by)),
		ofRoute: ({ rateLimit, request }) =>
			rateLimit &&
			create("route", rateLimit, fieldsRead(rateLimit.by, request)),
	};
}

/**
 * The generic cell rate algorithm: of each key one instant is kept, at which all its requests are made up for. A request
 * moves it on by the time one request is worth, and may not move it further than `per` from now. So there is no moment at
 * which every client's window begins anew, and a key whose instant is past is as good as one never seen.
 */
function createRateLimit(
	name: string,
	{ limit, perMs }: RateLimitConfig,
	keyOf: KeyOf,
	share: number,
): RateLimit {
	const worthMs = perMs / limit;
	// Sums of thirds are not whole: without it the last request of a burst would come too early by 1e-11.
	const slackMs = Math.min(worthMs / 1000, 0.01);
	const policy = `"${name}";q=${limit};w=${perMs / 1000}`;
	const evenAt = createRecentKeys(share, perMs);
	return (request, params) => {
		const nowMs = request.arrivedMs;
		const key = keyOf(request, params);
		const evenMs = Math.max(evenAt.get(key, nowMs), nowMs);
		const earlyMs = evenMs + worthMs - perMs - nowMs;
		const refused = earlyMs > slackMs;
		const nextMs = refused ? evenMs : evenMs + worthMs;
		evenAt.set(key, nextMs);
		const left = Math.floor((nowMs + perMs - nextMs + slackMs) / worthMs);
		const wholeInS = Math.ceil((nextMs - nowMs) / 1000);
		return {
			policy,
			state: `"${name}";r=${left};t=${wholeInS}`,
			refusal: refused ? tooMany(name, earlyMs) : null,
		};
	};
}

function tooMany(name: string, retryAfterMs: number): GatewayError {
	const message = `over the rate limit of the ${name}`;
	return new GatewayError("too_many_requests", message, { retryAfterMs });
}

/** Adds to an answer what its client may still ask: draft-ietf-httpapi-ratelimit-headers-10. */
export function withQuotas(
	response: GatewayResponse,
	quotas: readonly Quota[],
): GatewayResponse {
	const headers = [
		...response.headers,
		"ratelimit-policy",
		quotas.map(({ policy }) => policy).join(", "),
		"ratelimit",
		quotas.map(({ state }) => state).join(", "),
	];
	return { ...response, headers };
}

type KeyOf = (
	request: GatewayRequest,
	params: Readonly<Record<string, string>>,
) => string;

/** Throws `request_invalid` where what it reads is not as declared, and `reference_missing` where it is null. */
function prepareKey(
	{ by }: RateLimitConfig,
	fields: ReturnType<typeof fieldsRead>,
): KeyOf {
	const source = by.kind === "whole" ? by.expression.source.trim() : "by";
	if (source === "request.ip") return ({ ip }) => networkOf(ip);
	// It reads no body, so nothing compiles its schema.
	const readRequest = prepareRequest(fields, createBodyCompiler());
	const evaluate = prepare(by, routeLayout([]));
	return (request, params) => {
		const values = readRequest(request, params, null);
		const slots: unknown[] = new Array(slotCount).fill(null);
		slots[requestSlots.params] = values.params;
		slots[requestSlots.query] = values.query;
		slots[requestSlots.headers] = values.headers;
		slots[requestSlots.cookies] = values.cookies;
		slots[requestSlots.request] = {
			ip: networkOf(request.ip),
			method: request.method,
			path: request.target.split("?", 1)[0],
		};
		const value = evaluate({ values: slots, parent: null });
		if (value === null) throw keyMissing(source);
		return textOf(value, source);
	};
}

const slotCount = Object.keys(requestSlots).length;

/** All it reads is the client's. Let through uncounted, whoever leaves it out would have no limit. */
function keyMissing(source: string): GatewayError {
	const message = `\${${source}} is null: nobody knows whom to count the request to`;
	return new GatewayError("reference_missing", message, { status: 400 });
}

/** Instants by key, of keys used lately. */
interface RecentKeys {
	/** The instant last set; 0 where none is kept. */
	get(key: string, nowMs: number): number;
	/** Right after `get` of the same key. */
	set(key: string, instant: number): void;
}

/**
 * Two generations: what is used moves to the young one, and when that has grown old it takes the old one's place.
 * After `perMs` of age nothing is lost, for what was not used for so long is even again. Full before its time, it loses
 * those that were used least lately: with so many addresses at hand nobody needs to come back with the same. Refusing
 * new keys instead would let whoever floods it lock everybody out.
 */
function createRecentKeys(share: number, perMs: number): RecentKeys {
	const youngMax = Math.ceil(share / 2);
	let young = new Map<string, number>();
	let old = new Map<string, number>();
	let bornMs = 0;
	return {
		get(text, nowMs) {
			if (young.size >= youngMax || nowMs - bornMs >= perMs) {
				old = young;
				young = new Map();
				bornMs = nowMs;
			}
			const key = shortened(text);
			return young.get(key) ?? old.get(key) ?? 0;
		},
		set(text, instant) {
			const key = shortened(text);
			young.set(young.has(key) ? key : ownText(key), instant);
		},
	};
}

function shortened(text: string): string {
	return text.length > keyLengthMax ? hash("sha256", text) : text;
}

/** In some versions of V8 (Node 20's, not 26's) a slice of a header field keeps all of the field in memory. */
function ownText(text: string): string {
	return Buffer.from(text, "utf16le").toString("utf16le");
}
