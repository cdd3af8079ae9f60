import type { IdentityValues } from "../auth/identity.ts";
import {
	fieldsRead,
	fieldsUndeclared,
	isEarly,
} from "../config/check-rate-limit.ts";
import type { RateLimitConfig, RequestConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import { networkOf } from "../core/ip.ts";
import { printTemplate } from "../expression/print.ts";
import { textOf } from "../expression/template.ts";
import type { Plan, RoutePlan } from "../plan/plan.ts";
import { prepare, routeLayout } from "../run/layout.ts";
import {
	type Counted,
	type LimitRule,
	LocalLimits,
	slackMsOf,
	worthMsOf,
} from "../store/limit.ts";
import type { SharedHolder } from "../store/shared-limits.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import { prepareEarlyFrame } from "./early-frame.ts";

/** The limits of the gateway, or of one route. They hold together: a request that one of them refuses is counted to none. */
export interface RateLimit {
	/** The keys of a request, one for each limit. Throws if the client has not given what they read. */
	keysOf(
		request: GatewayRequest,
		params: Readonly<Record<string, string>>,
		identity?: IdentityValues | null,
	): readonly string[];
	/** What is said of a request that was counted. */
	quotaOf(counted: Counted): Quota;
	/** Where it is counted: in this process, and by what all processes know it. */
	readonly holder: SharedHolder;
}

/** What one client has left of each limit after a request was counted. */
export interface Quota {
	/** Items of `RateLimit-Policy`, and of `RateLimit`. */
	readonly policy: string;
	readonly state: string;
	/** Null if the request may go on. */
	readonly refusal: GatewayError | null;
}

/** The most keys of all limits of a gateway together: some 15 MB when all are in use. */
const keysMax = 100_000;

/** Each limit may hold at least so many keys, however many limits there are. */
const keysMin = 1_000;

/** Limits of a plan, made once. */
export interface RateLimits {
	/** The limits of every request that hold before anybody knows who asks. */
	readonly gateway: RateLimit | null;
	/** The limits of one route that hold before anybody knows who asks. */
	ofRoute(route: RoutePlan): RateLimit | null;
	/** Those that read who asks: of the gateway, which all its routes share, and of the route. */
	ofIdentity(route: RoutePlan): readonly RateLimit[];
}

/** Each limit counts separately. All state is in memory, and bounded. */
export function createRateLimits(plan: Plan, turn: LoopTurn): RateLimits {
	const holders = [plan, ...plan.routes];
	const count = holders.flatMap(({ rateLimits }) => rateLimits).length;
	const share = Math.max(keysMin, Math.floor(keysMax / Math.max(1, count)));
	const create = (
		name: string,
		identity: string,
		limits: readonly RateLimitConfig[],
		fieldsOf: (by: RateLimitConfig["by"]) => RequestConfig,
	): RateLimit | null => {
		if (limits.length === 0) return null;
		const keys = limits.map(({ by }) => prepareKey(by, fieldsOf(by), turn));
		const rules = limits.map(({ limit, perMs, by: _, ...unread }) => {
			allRead(unread);
			return { limit, perMs };
		});
		const told = limits.map(({ limit, perMs, by }) => [
			...[limit, perMs],
			printTemplate(by),
		]);
		const local = new LocalLimits(rules, share);
		return {
			keysOf: (request, params, identity = null) =>
				keys.map((keyOf) => keyOf(request, params, identity)),
			quotaOf: createQuotas(name, rules),
			holder: {
				...{ rules, local },
				identity: JSON.stringify([identity, ...told]),
			},
		};
	};
	const late = (limits: readonly RateLimitConfig[]) =>
		limits.filter((limit) => !isEarly(limit));
	const { rateLimits } = plan;
	const ofClients = create(
		"gateway-identity",
		"",
		late(rateLimits),
		fieldsUndeclared,
	);
	return {
		gateway: create(
			"gateway",
			"",
			rateLimits.filter(isEarly),
			fieldsUndeclared,
		),
		ofRoute: ({ key, rateLimits, request }) =>
			create("route", key, rateLimits.filter(isEarly), (by) =>
				fieldsRead(by, request),
			),
		ofIdentity({ key, rateLimits: own, request }) {
			const ofRoute = create("identity", key, late(own), (by) =>
				fieldsRead(by, request),
			);
			return [ofClients, ofRoute].filter((limit) => limit !== null);
		},
	};
}

/** Says what is left after a request was counted. */
function createQuotas(
	holder: string,
	rules: readonly LimitRule[],
): RateLimit["quotaOf"] {
	const named = rules.map((rule, at) => ({
		name: at === 0 ? holder : `${holder}-${at + 1}`,
		perMs: rule.perMs,
		worthMs: worthMsOf(rule),
		slackMs: slackMsOf(rule),
		q: rule.limit,
	}));
	const policy = named
		.map(({ name, q, perMs }) => `"${name}";q=${q};w=${perMs / 1000}`)
		.join(", ");
	return ({ earlyMs, debtsMs }) => {
		let state = "";
		let at = 0;
		for (const { name, perMs, worthMs, slackMs } of named) {
			const debtMs = debtsMs[at++] as number;
			const left = Math.max(
				0,
				Math.floor((perMs - debtMs + slackMs) / worthMs),
			);
			const wholeInS = Math.max(0, Math.ceil((debtMs - slackMs) / 1000));
			const item = `"${name}";r=${left};t=${wholeInS}`;
			state = state === "" ? item : `${state}, ${item}`;
		}
		const refusal = earlyMs === 0 ? null : tooMany(holder, earlyMs);
		return { policy, state, refusal };
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
	identity: IdentityValues | null,
) => string;

/**
 * Throws `request_invalid` if a value that the key reads is not as declared, and `reference_missing` if the key is
 * null.
 */
function prepareKey(
	by: RateLimitConfig["by"],
	fields: RequestConfig,
	turn: LoopTurn,
): KeyOf {
	const source = by.kind === "whole" ? by.expression.source.trim() : "by";
	if (source === "request.ip") return ({ ip }) => networkOf(ip);
	const frameOf = prepareEarlyFrame(fields, turn, namesOf);
	const evaluate = prepare(by, routeLayout([]));
	return (request, params, identity) => {
		const value = evaluate(frameOf(request, params, identity));
		if (value === null) throw keyMissing(source);
		return textOf(value, source);
	};
}

function namesOf({ ip, method, target }: GatewayRequest): object {
	return { ip: networkOf(ip), method, path: pathOf(target) };
}

/**
 * Everything that a key reads is the client's. If a null key were not counted, a client that leaves it out would have
 * no limit.
 */
function keyMissing(source: string): GatewayError {
	const message = `\${${source}} is null: nobody knows whom to count the request to`;
	return new GatewayError("reference_missing", message, { status: 400 });
}
