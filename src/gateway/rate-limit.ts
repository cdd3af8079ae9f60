import crypto from "node:crypto";
import { fieldsRead, fieldsUndeclared } from "../config/check-rate-limit.ts";
import type { RateLimitConfig, RequestConfig } from "../config/config.ts";
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

/** A longer key is kept as its digest, which has one character more than any other key. */
const keyLengthMax = 63;

/** The most nodes that a key visits: some 10 ms, because nothing has been refused yet. */
const keyNodesMax = 100_000;

/** Limits of a plan, made once. */
export interface RateLimits {
	/** The limits of every request. */
	readonly gateway: RateLimit | null;
	/** The limits of one route. */
	ofRoute(route: RoutePlan): RateLimit | null;
}

/** Each limit counts separately. All state is in memory, and bounded. */
export function createRateLimits(plan: Plan, turn: LoopTurn): RateLimits {
	const holders = [plan, ...plan.routes];
	const count = holders.flatMap(({ rateLimits }) => rateLimits).length;
	const share = Math.max(keysMin, Math.floor(keysMax / Math.max(1, count)));
	const create = (
		holder: string,
		limits: readonly RateLimitConfig[],
		fieldsOf: (by: RateLimitConfig["by"]) => RequestConfig,
	) => {
		if (limits.length === 0) return null;
		const counters = limits.map(({ limit, perMs, by, ...unread }, at) => {
			allRead(unread);
			const name = at === 0 ? holder : `${holder}-${at + 1}`;
			const keyOf = prepareKey(by, fieldsOf(by), turn);
			return new Counter(name, { limit, perMs }, keyOf, share);
		});
		return createRateLimit(holder, counters);
	};
	return {
		gateway: create("gateway", plan.rateLimits, fieldsUndeclared),
		ofRoute: ({ rateLimits, request }) =>
			create("route", rateLimits, (by) => fieldsRead(by, request)),
	};
}

/** A request that one of the limits refuses is counted to none of them. */
function createRateLimit(
	holder: string,
	counters: readonly Counter[],
): RateLimit {
	const policy = counters.map((counter) => counter.policy).join(", ");
	// Loops of their own: this runs for every request, and most holders have one limit.
	return (request, params) => {
		const asked: Asked[] = [];
		let earlyMs = 0;
		for (const counter of counters) {
			const one = counter.ask(request, params);
			asked.push(one);
			if (one.earlyMs > earlyMs) earlyMs = one.earlyMs;
		}
		const counted = earlyMs === 0;
		let state = "";
		for (const one of asked) {
			const item = one.counter.settle(one, counted);
			state = state === "" ? item : `${state}, ${item}`;
		}
		const refusal = counted ? null : tooMany(holder, earlyMs);
		return { policy, state, refusal };
	};
}

/** A request before one limit, not counted yet. */
interface Asked {
	readonly counter: Counter;
	readonly key: string;
	readonly nowMs: number;
	/** When all earlier requests of this key are paid off; now, if they are. */
	readonly evenMs: number;
	/** How much too early it comes; 0 if it may go on. */
	readonly earlyMs: number;
}

/**
 * The generic cell rate algorithm. For each key one instant is kept, at which all its requests are paid off. A request
 * moves the instant on by `per` divided by `limit`, and may not move it further than `per` from now. So there is no
 * moment at which every client's window begins anew. A key whose instant is past equals one never seen.
 */
class Counter {
	/** An item of `RateLimit-Policy`. */
	readonly policy: string;
	readonly #name: string;
	readonly #perMs: number;
	readonly #worthMs: number;
	/** Sums are not exact: without this the last request of a burst comes too early by 1e-11, and waits a second more. */
	readonly #slackMs: number;
	readonly #keyOf: KeyOf;
	readonly #evenAt: RecentKeys;

	constructor(
		name: string,
		{ limit, perMs }: Pick<RateLimitConfig, "limit" | "perMs">,
		keyOf: KeyOf,
		share: number,
	) {
		this.policy = `"${name}";q=${limit};w=${perMs / 1000}`;
		this.#name = name;
		this.#perMs = perMs;
		this.#worthMs = perMs / limit;
		this.#slackMs = Math.min(this.#worthMs / 1000, 0.01);
		this.#keyOf = keyOf;
		this.#evenAt = createRecentKeys(share, perMs);
	}

	ask(
		request: GatewayRequest,
		params: Readonly<Record<string, string>>,
	): Asked {
		const nowMs = request.arrivedMs;
		const key = this.#keyOf(request, params);
		const evenMs = Math.max(this.#evenAt.get(key, nowMs), nowMs);
		const earlyMs = evenMs + this.#worthMs - this.#perMs - nowMs;
		const refused = earlyMs > this.#slackMs;
		return {
			counter: this,
			key,
			nowMs,
			evenMs,
			earlyMs: refused ? earlyMs : 0,
		};
	}

	/** Right after `ask`. Gives an item of `RateLimit`. */
	settle({ key, nowMs, evenMs }: Asked, counted: boolean): string {
		const nextMs = counted ? evenMs + this.#worthMs : evenMs;
		// A key that owes nothing needs no memory: a flood of new ones that are refused drives out no other.
		if (nextMs > nowMs) this.#evenAt.set(key, nextMs);
		const leftMs = nowMs + this.#perMs - nextMs + this.#slackMs;
		const left = Math.floor(leftMs / this.#worthMs);
		const wholeInS = Math.ceil((nextMs - nowMs - this.#slackMs) / 1000);
		return `"${this.#name}";r=${left};t=${Math.max(0, wholeInS)}`;
	}
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
	fields: RequestConfig,
	turn: LoopTurn,
): KeyOf {
	const source = by.kind === "whole" ? by.expression.source.trim() : "by";
	if (source === "request.ip") return ({ ip }) => networkOf(ip);
	// A key reads no body, so the body's schema is not compiled.
	const { read } = prepareRequest(fields, createBodyCompiler());
	const evaluate = prepare(by, routeLayout([]));
	return (request, params) => {
		const values = read(request, params, null, turn);
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
	return text.length > keyLengthMax ? crypto.hash("sha256", text) : text;
}

/** In some versions of V8 (Node 20's, not 26's) a slice of a header field keeps the whole field in memory. */
function ownText(text: string): string {
	return Buffer.from(text, "utf16le").toString("utf16le");
}
