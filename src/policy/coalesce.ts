import { createDecoded, type Decoded } from "../core/body/decoded.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { Memory, SharedMemory } from "../core/memory.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import {
	type Call,
	createReporter,
	type Policy,
	type PolicyContext,
} from "./policy.ts";
import { sameRequestKey } from "./same-request.ts";
import { whileWaiting } from "./waited.ts";

export interface CoalesceContext extends PolicyContext {
	/** The lifetime of shared calls: the upstream's. */
	readonly scope: Scope;
	/** Counts the answers that are shared. Default: nothing bounds them. */
	readonly memory?: Memory;
}

/**
 * Lets equal calls in flight that only read share one call. None of its followers owns it. Each leaves at its own
 * deadline, and the last to leave aborts it. So it runs as long as its longest-waiting follower. All get the same
 * answer object, or the same error.
 */
export function coalesce(context: CoalesceContext): Policy {
	const report = createReporter("coalesce", context);
	const inFlight = new Map<string, SharedCall>();
	return (next) =>
		async function callShared(request, scope) {
			if (!request.safe) return next(request, scope);
			if (scope.cancelled) throw scope.reason;
			const key = sameRequestKey(request);
			const running = inFlight.get(key);
			if (running !== undefined) {
				report(request, "joined", null);
				return running.follow(request, scope);
			}
			const own = new SharedCall(context, () => inFlight.delete(key));
			inFlight.set(key, own);
			const answer = own.follow(request, scope);
			own.begin(next, request);
			return answer;
		};
}

/** Waits for the shared call, and gives up when its own scope is cancelled. */
interface Follower {
	readonly request: UpstreamRequest;
	readonly sinceMs: number;
	readonly resolve: (response: UpstreamResponse) => void;
	readonly reject: (reason: unknown) => void;
	stop: () => void;
}

/** A shared call. */
class SharedCall {
	readonly #scope: Scope;
	readonly #upstream: string;
	readonly #onEnd: () => void;
	readonly #memory: Memory;
	readonly #followers = new Set<Follower>();
	#sent = false;
	#shared = false;
	#over = false;

	/** `onEnd` is called once, before any follower hears of the end. From then on an equal call is a new one. */
	constructor(context: CoalesceContext, onEnd: () => void) {
		const { scope, upstream, memory = new Memory() } = context;
		this.#memory = memory;
		this.#scope = openScope({ parent: scope });
		this.#upstream = upstream;
		this.#onEnd = onEnd;
	}

	follow(request: UpstreamRequest, scope: Scope): Promise<UpstreamResponse> {
		if (this.#followers.size > 0) this.#shared = true;
		return new Promise((resolve, reject) => {
			const follower: Follower = {
				request,
				sinceMs: scope.clock.now(),
				resolve,
				reject,
				stop: () => {},
			};
			this.#followers.add(follower);
			follower.stop = scope.onCancel((reason) => this.#leave(follower, reason));
			if (this.#sent) request.onSent?.();
		});
	}

	begin(next: Call, request: UpstreamRequest): void {
		void this.#run(next, { ...request, onSent: () => this.#tellSent() });
	}

	async #run(next: Call, request: UpstreamRequest): Promise<void> {
		try {
			const response = await next(request, this.#scope);
			const answer = this.#shared
				? { ...response, decoded: this.#decodedOf(response) }
				: response;
			this.#end(({ resolve }) => resolve(answer));
		} catch (error) {
			this.#end(({ reject }) => reject(error));
		}
	}

	#decodedOf({ body }: UpstreamResponse): Decoded {
		return createDecoded(new SharedMemory(this.#memory, body.length));
	}

	#tellSent(): void {
		if (this.#sent) return;
		this.#sent = true;
		for (const { request } of this.#followers) request.onSent?.();
	}

	#leave(follower: Follower, reason: unknown): void {
		this.#followers.delete(follower);
		follower.reject(this.#sent ? reason : this.#unsent(reason, follower));
		if (this.#followers.size > 0) return;
		this.#finish();
		this.#scope.cancel(reason);
	}

	#unsent(reason: unknown, { sinceMs }: Follower): unknown {
		const waitedMs = this.#scope.clock.now() - sinceMs;
		const what = `a shared call to ${this.#upstream} to be sent`;
		return whileWaiting(reason, waitedMs, what, this.#upstream);
	}

	#end(settle: (follower: Follower) => void): void {
		const followers = [...this.#followers];
		this.#followers.clear();
		this.#finish();
		this.#scope.close();
		for (const follower of followers) {
			follower.stop();
			settle(follower);
		}
	}

	#finish(): void {
		if (this.#over) return;
		this.#over = true;
		this.#onEnd();
	}
}
