import { createDecoded, type Decoded } from "../core/body/decoded.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { Memory, SharedMemory } from "../core/memory.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import {
	type Call,
	type CallEnd,
	createReporter,
	type Policy,
	type PolicyContext,
} from "./policy.ts";
import { PolicyEnd } from "./policy-end.ts";
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
		function callShared(request, scope, ended) {
			if (!request.safe) {
				next(request, scope, ended);
				return;
			}
			if (scope.cancelled) throw scope.reason;
			const key = sameRequestKey(request);
			const running = inFlight.get(key);
			if (running !== undefined) {
				report(request, "joined", null);
				running.follow(request, scope, ended);
				return;
			}
			const own = new SharedCall(context, () => inFlight.delete(key));
			inFlight.set(key, own);
			own.follow(request, scope, ended);
			own.begin(next, request);
		};
}

/** Waits for the shared call, and gives up when its own scope is cancelled. */
interface Follower {
	readonly request: UpstreamRequest;
	readonly sinceMs: number;
	readonly ended: CallEnd;
	stop: () => void;
	/** Whether it has heard of its end. */
	told: boolean;
}

/** A shared call. */
class SharedCall implements CallEnd {
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

	follow(request: UpstreamRequest, scope: Scope, ended: CallEnd): void {
		if (this.#followers.size > 0) this.#shared = true;
		const sinceMs = scope.clock.now();
		const waits = { request, sinceMs, ended };
		const follower: Follower = { ...waits, stop: () => {}, told: false };
		this.#followers.add(follower);
		follower.stop = scope.onCancel((reason) => this.#leave(follower, reason));
		if (this.#sent && !follower.told) request.onSent?.();
	}

	begin(next: Call, request: UpstreamRequest): void {
		const shared = { ...request, onSent: () => this.#tellSent() };
		new PolicyEnd(this).begin(next, shared, this.#scope);
	}

	answered(response: UpstreamResponse): void {
		const answer = this.#shared
			? { ...response, decoded: this.#decodedOf(response) }
			: response;
		this.#end(({ ended }) => ended.answered(answer));
	}

	failed(error: unknown): void {
		this.#end(({ ended }) => ended.failed(error));
	}

	#decodedOf({ body }: UpstreamResponse): Decoded {
		return createDecoded(new SharedMemory(this.#memory, body.length));
	}

	#tellSent(): void {
		if (this.#sent) return;
		this.#sent = true;
		// Whoever joins meanwhile is told by `follow`. Whoever is told may end another, which is not to hear of it any more.
		for (const follower of [...this.#followers]) {
			if (!follower.told) follower.request.onSent?.();
		}
	}

	#leave(follower: Follower, reason: unknown): void {
		follower.told = true;
		this.#followers.delete(follower);
		if (this.#followers.size === 0) {
			this.#finish();
			this.#scope.cancel(reason);
		}
		const { ended } = follower;
		ended.failed(this.#sent ? reason : this.#unsent(reason, follower));
	}

	#unsent(reason: unknown, { sinceMs }: Follower): unknown {
		const waitedMs = this.#scope.clock.now() - sinceMs;
		const what = `a shared call to ${this.#upstream} to be sent`;
		return whileWaiting(reason, waitedMs, what, this.#upstream);
	}

	/**
	 * A follower that throws must not keep the others from hearing. One that hears may end the scope of another, which has then
	 * heard of its own end.
	 */
	#end(tell: (follower: Follower) => void): void {
		const followers = [...this.#followers];
		this.#followers.clear();
		this.#finish();
		this.#scope.close();
		const bugs: unknown[] = [];
		for (const follower of followers) {
			if (follower.told) continue;
			follower.told = true;
			follower.stop();
			try {
				tell(follower);
			} catch (bug) {
				bugs.push(bug);
			}
		}
		if (bugs.length === 1) throw bugs[0];
		if (bugs.length > 1) throw new AggregateError(bugs);
	}

	#finish(): void {
		if (this.#over) return;
		this.#over = true;
		this.#onEnd();
	}
}
