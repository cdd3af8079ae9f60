import { asGatewayError, GatewayError } from "../../core/errors.ts";
import type { Asker } from "../../core/trail.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import type { Kept } from "./keeper.ts";

/** Asks an upstream anew, and gives the failure that a client would have seen; null if there is none. */
export type AskAnew = (scope: Scope) => Promise<GatewayError | null>;

/** The means that refreshes take from their cache. */
export interface RefreshContext {
	readonly upstream: string;
	/** The upstream's lifetime, because a refresh outlives the request that began it. */
	readonly scope: Scope;
	readonly onFailed: (asker: Asker, error: GatewayError) => void;
}

interface Refresh {
	running: boolean;
	/** Why the last refresh failed; null if none has. */
	error: GatewayError | null;
}

/** Longer than any attempt should take. After it the refresh is given up, and the next request begins another. */
const refreshMsMax = 60_000;

/**
 * Asks anew for kept answers that are served meanwhile. For each answer there is one refresh at a time, for all
 * clients.
 */
export class Refreshes {
	readonly #context: RefreshContext;
	readonly #byAnswer = new WeakMap<Kept, Refresh>();

	constructor(context: RefreshContext) {
		this.#context = context;
	}

	/** Begins to ask anew, unless that is under way. Gives the reason why it failed the last time, or null. */
	begin(kept: Kept, asker: Asker, ask: AskAnew): GatewayError | null {
		const before = this.#byAnswer.get(kept);
		if (before?.running) return before.error;
		const refresh = before ?? { running: false, error: null };
		this.#byAnswer.set(kept, refresh);
		void this.#run(refresh, asker, ask);
		return refresh.error;
	}

	async #run(refresh: Refresh, asker: Asker, ask: AskAnew): Promise<void> {
		const { scope: parent, upstream, onFailed } = this.#context;
		const scope = openScope({
			parent,
			deadline: parent.clock.now() + refreshMsMax,
			deadlineReason: () => givenUp(upstream),
		});
		refresh.running = true;
		const error = await ask(scope).catch(asGatewayError);
		scope.close();
		refresh.running = false;
		refresh.error = error;
		if (error) onFailed(asker, error);
	}
}

function givenUp(upstream: string): GatewayError {
	const message = "the refresh was given up";
	return new GatewayError("upstream_timeout", message, { upstream });
}
