import { hash } from "node:crypto";
import { fieldsRead, fieldsUndeclared } from "../config/check-rate-limit.ts";
import type { RateLimitConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import { networkOf } from "../core/ip.ts";
import { Fuel } from "../expression/fuel.ts";
import { textOf } from "../expression/template.ts";
import type { Plan, RoutePlan } from "../plan/plan.ts";
import { createBodyCompiler } from "../run/json-body.ts";
import { prepare, requestSlots, routeLayout } from "../run/layout.ts";
import { prepareRequest } from "../run/request.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";

/** Counts a request. Its answer says so in any case. */
export type RateLimit = (
	request: GatewayRequest,
	params: Readonly<Record<string, string>>,
) => Quota;

/** What one client has left of a limit after a request was counted. */
export interface Quota {
	/** An item of `RateLimit-Policy`, and one of `RateLimit`. */
	readonly policy: string;
	readonly state: string;
	/** Null if the request may go on. */
	readonly refusal: GatewayError | null;
}

/** The most keys of all limits of a gateway together: some 15 MB when all are in use. */
const keysMax = 100_000;

/** Each limit may hold at least so many keys, however many limits there are. */
const keysMin = 1_000;

/** A longer key is kept as its digest, which has one character more than any other key. */
const keyLengthMax = 63;

/** The most nodes that a key visits: some 10 ms, because nothing has been refused yet. */
const keyNodesMax = 100_000;

/** Limits of a plan, made once. */
export interface RateLimits {
	/** The limit of every request. */
	readonly gateway: RateLimit | null;
	/** The limit of one route. */
	ofRoute(route: RoutePlan): RateLimit | null;
}

/** Each limit counts separately. All state is in memory, and bounded. */
export function createRateLimits(plan: Plan, turn: LoopTurn): RateLimits {
	const limited = plan.routes.filter(({ rateLimit }) => rateLimit !== null);
	const count = limited.length + (plan.rateLimit ? 1 : 0);
	const share = Math.max(keysMin, Math.floor(keysMax / Math.max(1, count)));
	const { rateLimit } = plan;
	const create = (
		name: string,
		{ limit, perMs, by, ...unread }: RateLimitConfig,
		fields: ReturnType<typeof fieldsRead>,
	) => {
		allRead(unread);
		const rate = { limit, perMs };
		const keyOf = prepareKey(by, fields, turn);
		return createRateLimit(name, rate, keyOf, share);
	};
	return {
		gateway:
			rateLimit && create("gateway", rateLimit, fieldsUndeclared(rateLimit.by)),
		ofRoute: ({ rateLimit, request }) =>
			rateLimit &&
			create("route", rateLimit, fieldsRead(rateLimit.by, request)),
	};
}

/**
 * The generic cell rate algorithm. For each key one instant is kept, at which all its requests are paid off. A request
 * moves the instant on by `per` divided by `limit`, and may not move it further than `per` from now. So there is no
 * moment at which every client's window begins anew. A key whose instant is past equals one never seen.
 */
function createRateLimit(
	name: string,
	{ limit, perMs }: Pick<RateLimitConfig, "limit" | "perMs">,
	keyOf: KeyOf,
	share: number,
): RateLimit {
	const worthMs = perMs / limit;
	// Sums are not exact: without this the last request of a burst would come too early by 1e-11, and wait a second more.
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
		const wholeInS = Math.ceil((nextMs - nowMs - slackMs) / 1000);
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

/** Adds to an answer how much its client may still ask: draft-ietf-httpapi-ratelimit-headers-10. */
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

/**
 * Throws `request_invalid` if a value that the key reads is not as declared, and `reference_missing` if the key is
 * null.
 */
function prepareKey(
	by: RateLimitConfig["by"],
	fields: ReturnType<typeof fieldsRead>,
	turn: LoopTurn,
): KeyOf {
	const source = by.kind === "whole" ? by.expression.source.trim() : "by";
	if (source === "request.ip") return ({ ip }) => networkOf(ip);
	// A key reads no body, so the body's schema is not compiled.
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
			path: pathOf(request.target),
		};
		const fuel = new Fuel(turn, keyNodesMax);
		const value = evaluate({ values: slots, parent: null, fuel });
		if (value === null) throw keyMissing(source);
		return textOf(value, source);
	};
}

const slotCount = Object.keys(requestSlots).length;

/**
 * Everything that a key reads is the client's. If a null key were not counted, a client that leaves it out would have
 * no limit.
 */
function keyMissing(source: string): GatewayError {
	const message = `\${${source}} is null: nobody knows whom to count the request to`;
	return new GatewayError("reference_missing", message, { status: 400 });
}

/** Instants by key, for recently used keys. */
interface RecentKeys {
	/** The instant last set; 0 if none is kept. */
	get(key: string, nowMs: number): number;
	/** Right after `get` of the same key. */
	set(key: string, instant: number): void;
}

/**
 * Two generations. A key that is used moves to the young one. When that has grown old, it replaces the old one. A key
 * that was not used for `perMs` has paid off its requests, so nothing is lost with it. If the table is full before, it
 * forgets the keys that were used least recently. A client with so many addresses need not use one twice. If new keys
 * were refused instead, a flood could lock everybody out.
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

/** In some versions of V8 (Node 20's, not 26's) a slice of a header field keeps the whole field in memory. */
function ownText(text: string): string {
	return Buffer.from(text, "utf16le").toString("utf16le");
}
