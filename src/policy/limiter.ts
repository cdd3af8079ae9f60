import { GatewayError } from "../core/errors.ts";
import type { Scope } from "../tasks/scope.ts";
import { createSemaphore } from "../tasks/semaphore.ts";
import type { Guard } from "./policy.ts";

export interface LimiterOptions {
	/** Stands in the facts of a refusal. */
	readonly upstream: string;
	/** How many calls run at once. */
	readonly runningMax: number;
	/** How many wait for their turn, in order of arrival; the rest is refused at once with `limiter_full`. */
	readonly waitingMax: number;
}

/** Lets so many calls run at once and so many wait; all that it is put around share these places. */
export function limiter(options: LimiterOptions): Guard {
	const slots = createSemaphore(options.runningMax);
	const inSlot: InSlot = (next) =>
		async function callInSlot(request, scope) {
			if (scope.cancelled) throw scope.reason;
			if (!slots.tryTake()) {
				if (slots.waiting >= options.waitingMax) throw full(options);
				await slots.take(scope);
			}
			try {
				return await next(request, scope);
			} finally {
				slots.give();
			}
		};
	return { call: inSlot, stream: inSlot };
}

type InSlot = <Request, Answer>(
	next: (request: Request, scope: Scope) => Promise<Answer>,
) => (request: Request, scope: Scope) => Promise<Answer>;

function full({ upstream, runningMax, waitingMax }: LimiterOptions) {
	const message = `${runningMax} calls run and ${waitingMax} wait`;
	return new GatewayError("limiter_full", message, { upstream });
}
