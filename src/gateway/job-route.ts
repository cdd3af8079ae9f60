import {
	allHeadersOf,
	type HeaderList,
	headersWithout,
} from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { prefersAsync } from "../core/http/prefer.ts";
import { printJson } from "../core/json.ts";
import type { StoredRequest } from "../jobs/job.ts";
import { identityWith } from "../plan/identity-parts.ts";
import type { JobPlan, Plan, RoutePlan } from "../plan/plan.ts";
import { attemptsOf } from "../plan/run-again.ts";
import { watchedBy } from "../plan/watched.ts";
import type { RequestValues } from "../run/request.ts";

/** What a route with jobs has besides. */
export interface JobRoute {
	readonly config: JobPlan;
	/** How often a job is begun at most. */
	readonly attempts: number;
	/** What of a request its run needs. Nothing else is written down. */
	readonly keep: (
		request: GatewayRequest,
		body: Uint8Array | null,
		values: RequestValues,
	) => StoredRequest;
}

/** They say to which trace a request belongs, and by which way it came. */
const alwaysKept = ["traceparent", "tracestate", "via"];

/** Whether a request becomes a job. */
export function wantsJob({ always }: JobPlan, headers: HeaderList): boolean {
	return always || prefersAsync(headers);
}

export function jobRouteOf(
	route: RoutePlan,
	{ upstreams }: Plan,
): JobRoute | null {
	const { job, request } = route;
	if (job === null) return null;
	const { way, auth: parts } = watchedBy(route, upstreams);
	const kept = new Set([
		...alwaysKept,
		...request.headers.map(({ wireName }) => wireName.toLowerCase()),
		...(way ? ["host"] : []),
		...(hasBody(request) ? ["content-type"] : []),
	]);
	const cookies = new Set(request.cookies.map(({ wireName }) => wireName));
	return {
		config: job,
		attempts: attemptsOf(route),
		keep({ method, target, headers, ip, scheme = null }, body, { auth }) {
			const some = headersWithout(headers, (name) => !kept.has(name));
			return {
				...{ method, target, ip, scheme: way ? scheme : null },
				...(auth && { auth: printJson(identityWith(auth, parts)) }),
				headers: kept.has("cookie")
					? some
					: [...some, ...cookiesOf(headers, cookies)],
				body: body ?? new Uint8Array(),
			};
		},
	};
}

function hasBody({ body, form, text, bytes }: RoutePlan["request"]): boolean {
	return [body, form, text, bytes].some((one) => one !== null);
}

/** The pairs of these names, each in a field of its own. */
function cookiesOf(headers: HeaderList, names: ReadonlySet<string>): string[] {
	if (names.size === 0) return [];
	return allHeadersOf(headers, "cookie")
		.flatMap((line) => line.split(";"))
		.filter((pair) => names.has((pair.split("=", 1)[0] ?? "").trim()))
		.flatMap((pair) => ["cookie", pair.trim()]);
}
