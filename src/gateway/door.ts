import { type Auth, createAuth, identify } from "../auth/auth.ts";
import { insufficientChallenge } from "../auth/challenge.ts";
import type { OpenIssuer } from "../auth/fetched-keys.ts";
import type { Identity } from "../auth/identity.ts";
import type { AuthConfig, CorsConfig } from "../config/config.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import { type Events, raise } from "../core/events.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { isSafe } from "../core/http/method.ts";
import type { Memory } from "../core/memory.ts";
import type { RoutePlan } from "../plan/plan.ts";
import type { SharedLimits } from "../store/shared-limits.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import { noteQuota } from "./find.ts";
import {
	createForgeryRefusal,
	isAmbient,
	mayWriteOf,
	type RefuseForgery,
} from "./forgery.ts";
import { authOfOwner, ownerOf } from "./job-owner.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { RequestEnd } from "./request-end.ts";
import { prepareRequirement } from "./requirement.ts";

/** A request that wants in. */
export interface Wanting {
	readonly request: GatewayRequest;
	readonly params: Readonly<Record<string, string>>;
	readonly scope: Scope;
	readonly end: RequestEnd;
	/** Null if limits hold for this process alone. */
	readonly shared: SharedLimits | null;
}

/**
 * Finds out who asks, refuses what a page of somebody else's has caused, counts it to the limits by identity, and judges what
 * the route requires. Throws `unauthorized`, `auth_unavailable`, `foreign_origin`, `too_many_requests` or `forbidden`.
 */
export type Door = (wanting: Wanting) => Promise<Identity>;

/**
 * Whether a request's credentials are those of this owner of a job. Throws only if nobody can tell now, or if a page of somebody
 * else's would have the owner's browser change the job.
 */
export type IsOwner = (
	owner: string,
	request: GatewayRequest,
	scope: Scope,
) => Promise<boolean>;

/** All that lets clients in. */
export interface Doors {
	/** Null if anybody may ask. `limits` count by identity. */
	ofRoute(route: RoutePlan, limits: readonly RateLimit[]): Door | null;
	readonly isOwner: IsOwner;
	/** Resolves when it is known whether credentials can be judged. */
	readonly settled: Promise<void>;
	close(): Promise<void>;
}

export interface DoorsContext {
	readonly clock: Clock;
	readonly memory: Memory;
	readonly events: Events;
	readonly open: OpenIssuer;
	/** Which pages may send their user's credentials; null if none of other origins may. */
	readonly cors: CorsConfig | null;
}

export function openDoors(
	configs: readonly AuthConfig[],
	{ clock, memory, open, events, cors }: DoorsContext,
): Doors {
	const told = tellingChanges(events);
	const auths = configs.map((config) =>
		createAuth(config, { clock, memory, open, told }),
	);
	const forgery = {
		ambient: new Set(configs.filter(isAmbient).map(({ name }) => name)),
		refuse: createForgeryRefusal(cors),
	};
	return {
		ofRoute(route, limits) {
			const own = route.authIndexes.map((at) => auths[at] as Auth);
			if (own.length === 0) return null;
			return createDoor(route, own, { limits, clock, forgery });
		},
		async isOwner(owner, request, scope) {
			// A client may show several credentials at once. Those by which it has asked for the job count.
			const by = authOfOwner(owner);
			const own = auths.filter(({ name }) => name === by);
			try {
				const { values } = await identify(own, request, scope);
				if (ownerOf(values) !== owner) return false;
			} catch (error) {
				// A job of somebody is then one that is not there.
				if (asGatewayError(error).code === "unauthorized") return false;
				throw error;
			}
			if (!isSafe(request.method) && forgery.ambient.has(by)) {
				forgery.refuse(request);
			}
			return true;
		},
		settled: Promise.all(auths.map(({ settled }) => settled)).then(() => {}),
		async close() {
			await Promise.all(auths.map((auth) => auth.close()));
		},
	};
}

/** A failure is told when it begins and when it is over. */
function tellingChanges({ authChanged }: Events) {
	const failing = new Set<string>();
	return (auth: string, error: GatewayError | null) => {
		if ((error === null) !== failing.has(auth)) return;
		if (error === null) failing.delete(auth);
		else failing.add(auth);
		raise(authChanged, { auth, error });
	};
}

function createDoor(
	route: RoutePlan,
	auths: readonly Auth[],
	{
		limits,
		clock,
		forgery,
	}: {
		readonly limits: readonly RateLimit[];
		readonly clock: Clock;
		/** `ambient` are the auths whose credentials browsers send by themselves. */
		readonly forgery: {
			readonly ambient: ReadonlySet<string>;
			readonly refuse: RefuseForgery;
		};
	},
): Door {
	const mayWrite = mayWriteOf(route);
	const refusal = route.require && prepareRequirement(route, clock.turn);
	return async (wanting) => {
		const { request, params, scope } = wanting;
		const identity = await identify(auths, request, scope);
		// What a page of somebody else's causes is not counted to its user.
		if (forgery.ambient.has(identity.values.by) && mayWrite(request)) {
			forgery.refuse(request);
		}
		if (limits.length > 0) await countTo(limits, wanting, identity);
		const why = refusal && refusal(request, params, identity.values);
		if (why !== null) throw forbidden(why, auths, identity);
		return identity;
	};
}

/** Counts a request of a client that is known. Throws if it may not go on. */
async function countTo(
	limits: readonly RateLimit[],
	{ request, params, end, shared }: Wanting,
	{ values }: Identity,
): Promise<void> {
	const asks = limits.map((limit) => ({
		holder: limit.holder,
		keys: limit.keysOf(request, params, values),
	}));
	const inStore = shared && (await shared.count(asks));
	for (const [at, limit] of limits.entries()) {
		const { keys = [] } = asks[at] ?? {};
		const counted = inStore
			? inStore[at]
			: limit.holder.local.count(keys, request.arrivedMs);
		noteQuota(limit, counted, end);
	}
}

function forbidden(
	why: string,
	auths: readonly Auth[],
	{ values: { by } }: Identity,
): GatewayError {
	const auth = auths.find(({ name }) => name === by);
	const challenges = auth?.bearsTokens
		? [insufficientChallenge(by, auth.resource)]
		: [];
	return new GatewayError("forbidden", why, { challenges });
}
