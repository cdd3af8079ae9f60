import type { HeaderList } from "../core/http/headers.ts";
import { nobody } from "../core/ip.ts";
import { Fuel } from "../expression/fuel.ts";
import type { WebhookPlan } from "../plan/plan.ts";
import { promised } from "../policy/promised.ts";
import type { Scope } from "../tasks/scope.ts";
import { routeLayout } from "./layout.ts";
import type { OpenedUpstream } from "./open.ts";
import { defaultHeaders, prepareTarget } from "./target.ts";

/** A call that tells of a job's end, with a body of JSON and these header fields. Gives the status of the answer. */
export type CallHook = (
	message: {
		readonly requestId: string;
		readonly headers: HeaderList;
		readonly body: string;
	},
	scope: Scope,
) => Promise<number>;

/** Its upstream's protection holds for it as for any call. It may be sent twice, because its header says which message it is. */
export function prepareHook(
	{ upstreamIndex, path }: WebhookPlan,
	upstreams: readonly OpenedUpstream[],
): CallHook {
	const { settings, upstream } = upstreams[upstreamIndex] as OpenedUpstream;
	const target = prepareTarget(path, [], settings, routeLayout([]));
	const own = defaultHeaders(settings.headers, "application/json").flat();
	const { timeoutMs } = settings;
	const ask = promised(upstream.call);
	// Nothing of a request stands in it.
	const frame = { values: [], parent: null, fuel: new Fuel() };
	return async ({ requestId, headers, body }, scope) => {
		const { status } = await ask(
			{
				...{ method: "POST", target: target(frame), body, requestId },
				headers: [...own, ...headers],
				...{ safe: false, idempotent: true, tried: null, timeoutMs },
				...{ trail: null, client: nobody, onSent: null, onAgain: null },
			},
			scope,
		);
		return status;
	};
}
