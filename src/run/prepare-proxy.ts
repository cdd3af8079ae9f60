import { printPath } from "../config/steps/sent.ts";
import { allRead } from "../core/all-read.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { isOfHost, originsOf } from "../core/http/origin.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Evaluate, Frame } from "../expression/evaluate.ts";
import type { ForWhom } from "../plan/for-whom.ts";
import type { ProxyPlan, RoutePlan, TargetPlan } from "../plan/plan.ts";
import { isOfClient } from "../policy/auth/options.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { asClient } from "./as-client.ts";
import { madeFields } from "./call-request.ts";
import { dependenceOf, stepsDecide } from "./freshness.ts";
import { type Layout, prepare } from "./layout.ts";
import type { OpenedUpstream } from "./open.ts";
import { holdsSecret, type Passed, prepareMapField } from "./proxy-location.ts";
import {
	answerHeadersOf,
	type OwnFields,
	prepareOwnFields,
	prepareProxyHeaders,
	prepareProxyTarget,
} from "./proxy-target.ts";
import { isSkip } from "./spot.ts";
import { type Said, saidBeside } from "./trace.ts";

/** How a proxied route passes requests on. */
export interface PreparedProxy {
	readonly cached: boolean;
	readonly idleMs: number;
	/** The longest body of a request that is passed on. */
	readonly bodyBytesMax: number;
	/** The last has no condition. */
	readonly targets: readonly PreparedTarget[];
	/** Null if the answer's fields are the upstream's alone. */
	readonly own: OwnFields | null;
	/** Null if no WebSocket is passed on. */
	readonly websocket: PreparedWebSocket | null;
}

/** How WebSockets are passed on. */
export interface PreparedWebSocket {
	readonly messageBytesMax: number;
	/** How long neither side may send a message. */
	readonly idleMs: number;
	/** Whether a page of this origin may open one at this host. */
	readonly admits: (origin: string, host: string) => boolean;
}

/** Where requests are passed on to. */
export interface PreparedTarget {
	/** Null: it is taken in any case. */
	readonly when: Evaluate | null;
	readonly upstream: Upstream;
	/** As in a trail. */
	readonly template: string;
	readonly timeoutMs: number;
	/** Path and query of the call. Throws `request_invalid` if the client's own would lead elsewhere. */
	readonly target: (request: GatewayRequest, frame: Frame) => string;
	readonly headers: (request: GatewayRequest, frame: Frame) => HeaderList;
	/** The fields of the call that are made of who asks. */
	readonly identifying: readonly string[];
	readonly said: Said;
	/** The header fields of an answer that the client gets. Throws `upstream_invalid`. */
	readonly answerHeaders: (
		headers: HeaderList,
		upstream: string,
		passed: Passed,
	) => HeaderList;
}

export function prepareProxy(
	route: RoutePlan,
	proxy: ProxyPlan,
	slot: number,
	layout: Layout,
	upstreams: readonly OpenedUpstream[],
	around: Surroundings,
): PreparedProxy {
	const { targets, cache, idleMs, bodyBytesMax, ...more } = proxy;
	const { websocket, ...others } = more;
	// The plan counts what it names among the steps that are read.
	const { after: _, ...passed } = others;
	return {
		cached: cache,
		idleMs,
		bodyBytesMax,
		own: prepareOwnFields(proxy.answer, slot, layout),
		websocket: websocket && prepareWebSocket(websocket),
		targets: targets.map((target) =>
			prepareTarget(
				route,
				{ ...target, ...passed },
				layout,
				upstreams[target.upstreamIndex] as OpenedUpstream,
				around,
			),
		),
	};
}

/** What holds for a route besides its own plan. */
interface Surroundings {
	readonly whom: ForWhom;
	/** The fields that the server gives to every answer. */
	readonly fixed: HeaderList;
	/** No field of an upstream's answer shows one. */
	readonly secrets: Secrets;
}

/** An upstream's field gives way to the gateway's own, unless the route passes it by its name. */
function dropped(
	drop: readonly string[],
	pass: ProxyPlan["pass"],
	fixed: HeaderList,
): readonly string[] {
	const names = fixed.filter((_, at) => at % 2 === 0);
	return [
		...drop,
		...names.filter((name) => pass === "all" || !pass.includes(name)),
	];
}

function prepareWebSocket({
	origins,
	...bounds
}: NonNullable<ProxyPlan["websocket"]>): PreparedWebSocket {
	const admits = origins === null ? isOfHost : originsOf(origins);
	return { ...bounds, admits };
}

/** What passes, wherever it goes. */
type PassedPlan = Pick<
	ProxyPlan,
	"answer" | "drop" | "headers" | "pass" | "paths" | "query"
>;

/** What passes is the same for each target, but each upstream has query parameters, fields and addresses of its own. */
function prepareTarget(
	route: RoutePlan,
	target: TargetPlan & PassedPlan,
	layout: Layout,
	{ settings, upstream }: OpenedUpstream,
	{ whom, fixed, secrets }: Surroundings,
): PreparedTarget {
	const { path } = route;
	const asksAgain = stepsDecide(route);
	const { upstream: _, upstreamIndex: _1, path: base, rest, ...more } = target;
	const { when, query, paths, headers, pass, drop, answer, ...unread } = more;
	allRead(unread);
	const to = { path: base, rest, query, paths };
	const fields = prepareProxyHeaders({ headers, pass }, settings, layout);
	return {
		when: when && prepare(when, layout),
		upstream,
		template: printPath(rest ? [...base, `{${route.rest}*}`] : base),
		timeoutMs: settings.timeoutMs,
		target: prepareProxyTarget(
			path.length,
			to,
			settings,
			layout,
			route.credentialParameters,
		),
		headers: isOfClient(settings.auth)
			? (request, frame) => asClient(fields(request, frame), request)
			: fields,
		identifying: whom.one
			? [...madeFields(headers), ...route.credentialFields]
			: [],
		said: saidBeside(
			new Set([
				...settings.headers.map(([name]) => name),
				...headers.map(({ name }) => name),
			]),
			settings,
		),
		answerHeaders: answerHeadersOf(
			{ pass, drop: dropped(drop, pass, fixed), answer },
			dependenceOf(whom),
			asksAgain,
			prepareMapField(path.length, to, settings),
			(text) => holdsSecret(text, secrets),
		),
	};
}

/** The first whose condition holds. */
export function targetFor(
	targets: readonly PreparedTarget[],
	frame: Frame,
): PreparedTarget {
	const chosen = targets.find(
		({ when }) => when === null || !isSkip(when(frame)),
	);
	return chosen as PreparedTarget;
}
