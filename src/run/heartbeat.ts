import type { Clock, Timer } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";

/**
 * How long a stream of events may be silent before a comment shows that it is alive. Proxies and balancers cut a connection
 * that is silent for 30 seconds or a minute.
 */
export const heartbeatMs = 15_000;

/** Calls back whenever nothing was sent for a while, from the first sending on until its scope is cancelled. */
export class Heartbeat {
	readonly #clock: Clock;
	readonly #beat: () => void;
	#sentMs = 0;
	#timer: Timer | null = null;
	#over = false;

	constructor(scope: Scope, beat: () => void) {
		this.#clock = scope.clock;
		this.#beat = beat;
		scope.onCancel(() => this.stop());
	}

	sent(): void {
		this.#sentMs = this.#clock.now();
		if (this.#over) return;
		// One timer is enough for all that is sent meanwhile.
		this.#timer ??= this.#clock.after(heartbeatMs, this.#due);
	}

	readonly #due = (): void => {
		const nowMs = this.#clock.now();
		if (nowMs - this.#sentMs >= heartbeatMs) {
			this.#beat();
			this.#sentMs = nowMs;
		}
		const leftMs = this.#sentMs + heartbeatMs - nowMs;
		this.#timer = this.#clock.after(leftMs, this.#due);
	};

	stop(): void {
		this.#over = true;
		this.#timer?.cancel();
		this.#timer = null;
	}
}
