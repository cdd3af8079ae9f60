import type { GatewayError } from "./errors.ts";
import type { Decision, DecisionReason, PolicyKey } from "./events.ts";

/** For whom something is done to an upstream. */
export interface Asker {
	/** The client's request; of a shared call the first one. Only events use it. */
	readonly requestId: string;
	/** Notes what becomes of the call. Null or absent if nobody wants to know. */
	readonly trail?: CallTrail | null;
}

/** The clock that a trail reads. */
interface Instants {
	now(): number;
}

/** A policy did something about a call besides passing it on. */
export interface DecisionMark {
	/** When, in milliseconds on the gateway's clock. */
	readonly atMs: number;
	readonly policy: PolicyKey;
	readonly decision: Decision;
	/** As in the event `policyDecided`. */
	readonly number: number | null;
	readonly reason: DecisionReason | null;
}

/** More decisions of one call are not noted. */
const decisionsMax = 100;

/** The record of one call, as it goes. All instants are milliseconds on the gateway's clock. */
export class CallTrail {
	readonly upstream: string;
	readonly method: string;
	/** The call's path with its holes unfilled: `/users/${params.id}`. Null if a function made it. */
	readonly template: string | null;
	readonly startedMs: number;
	endedMs: number | null = null;
	/** The status of the answer that the step got; null if there was none. */
	status: number | null = null;
	error: GatewayError | null = null;
	/** In the order in which they began. A kept answer needs none, nor does one that another call gets. */
	readonly attempts: AttemptTrail[] = [];
	readonly decisions: DecisionMark[] = [];
	readonly #clock: Instants;

	constructor(
		clock: Instants,
		of: Pick<CallTrail, "upstream" | "method" | "template">,
	) {
		this.#clock = clock;
		this.upstream = of.upstream;
		this.method = of.method;
		this.template = of.template;
		this.startedMs = clock.now();
	}

	decided(mark: Omit<DecisionMark, "atMs">): void {
		if (this.decisions.length === decisionsMax) return;
		this.decisions.push({ atMs: this.#clock.now(), ...mark });
	}

	/** Begins the record of another attempt. */
	attempt(): AttemptTrail {
		const attempt = new AttemptTrail(this.#clock);
		this.attempts.push(attempt);
		return attempt;
	}

	/** The answer is there. To read it may need other steps, which is not part of the call's time. */
	answered(status: number): void {
		this.status = status;
		this.endedMs = this.#clock.now();
	}

	ended(error: GatewayError | null): void {
		this.endedMs ??= this.#clock.now();
		this.error = error;
	}
}

/** The record of one attempt. An instant is null if the attempt did not come so far. */
export class AttemptTrail {
	readonly startedMs: number;
	/** Which of the upstream's `urls` was asked, from 0. */
	url = 0;
	/** When it had its slot among the upstream's calls. */
	placedMs: number | null = null;
	/** When its connection could carry it, and its first byte was about to be written. */
	sentMs: number | null = null;
	/** Whether its connection had carried a call before. */
	kept = false;
	/** When the head of the answer was there. */
	headMs: number | null = null;
	/** How much of the answer's body came, in bytes as sent. */
	bytes = 0;
	endedMs: number | null = null;
	status: number | null = null;
	error: GatewayError | null = null;
	readonly #clock: Instants;

	constructor(clock: Instants) {
		this.#clock = clock;
		this.startedMs = clock.now();
	}

	placed(url: number): void {
		this.placedMs = this.#clock.now();
		this.url = url;
	}

	/** Also when it is sent once more, because a kept connection turned out to be closed. */
	sent(kept: boolean): void {
		this.sentMs = this.#clock.now();
		this.kept = kept;
	}

	head(status: number): void {
		this.headMs = this.#clock.now();
		this.status = status;
	}

	ended(error: GatewayError | null): void {
		this.endedMs = this.#clock.now();
		this.error = error;
	}
}
