import { asGatewayError, GatewayError } from "../core/errors.ts";
import { type KeySet, KeysUnreadable } from "../core/key-set.ts";
import type { Clock, Timer } from "../tasks/clock.ts";

export interface RemoteKeysOptions {
	readonly renewMs: number;
	/** How long keys hold if the issuer gives no others. */
	readonly keepMs: number;
}

export interface RemoteKeysContext {
	readonly clock: Clock;
	/** Asks the issuer once. Rejects if there is no answer in time, or if it is none. */
	readonly ask: () => Promise<string>;
	readonly read: (text: string) => KeySet;
	/** Hears of each end of asking: null if it went well. */
	readonly asked: (error: GatewayError | null) => void;
}

/** For a key that is not known the issuer is asked at most so often, however many such tokens come. */
const forcedMs = 10_000;

/** The pauses after failures: the first, and the longest. */
const againMsMin = 1_000;
const againMsMax = 60_000;

/** What is known of the keys when a token comes. */
export interface KnownKeys {
	/** Null if there are none, or if they are too old. */
	readonly keys: KeySet | null;
	/** Whether the issuer has given what it has now: then a key that is not there does not exist. */
	readonly current: boolean;
}

/**
 * The keys of one issuer. They are fetched at once and renewed in the background, so no request waits for them, but for
 * one whose key is not known. While the issuer is away, the keys that it gave last hold on.
 */
export class RemoteKeys {
	readonly #options: RemoteKeysOptions;
	readonly #context: RemoteKeysContext;
	#keys: KeySet | null = null;
	#givenMs = 0;
	#failures = 0;
	#forcedMs = Number.NEGATIVE_INFINITY;
	#asking: Promise<void> | null = null;
	#next: Timer | null = null;
	#closed = false;
	/** Rises with each new set. What was judged by an old one may not hold any more. */
	version = 0;
	/** Resolves when the issuer has answered, or not answered, for the first time. */
	readonly settled: Promise<void>;

	constructor(options: RemoteKeysOptions, context: RemoteKeysContext) {
		this.#options = options;
		this.#context = context;
		this.settled = this.#renew();
	}

	/** The keys for a token that names this one. Waits only if it is not known, and the issuer is being asked. */
	knownFor(kid: string | null): KnownKeys | Promise<KnownKeys> {
		const known = this.#known();
		if (known.keys?.knows(kid)) return known;
		const { clock } = this.#context;
		if (this.#asking === null) {
			if (clock.now() - this.#forcedMs < forcedMs) return known;
			this.#forcedMs = clock.now();
		}
		return this.#renew().then(() => this.#known());
	}

	/** Whether there are keys that are not too old. */
	get holds(): boolean {
		return this.#known().keys !== null;
	}

	#known(): KnownKeys {
		const ageMs = this.#context.clock.now() - this.#givenMs;
		const keys = ageMs <= this.#options.keepMs ? this.#keys : null;
		return { keys, current: keys !== null && this.#failures === 0 };
	}

	#renew(): Promise<void> {
		if (this.#closed) return Promise.resolve();
		this.#asking ??= this.#ask().finally(() => {
			this.#asking = null;
		});
		return this.#asking;
	}

	async #ask(): Promise<void> {
		const { ask, read, asked, clock } = this.#context;
		this.#next?.cancel();
		let pauseMs = this.#options.renewMs;
		let failure: GatewayError | null = null;
		try {
			const keys = read(await ask());
			if (this.#closed) return;
			this.#keys = keys;
			this.#givenMs = clock.now();
			this.#failures = 0;
			this.version++;
		} catch (error) {
			if (this.#closed) return;
			pauseMs = Math.min(againMsMin * 2 ** this.#failures, againMsMax, pauseMs);
			this.#failures++;
			failure = failureOf(error);
		}
		this.#next = clock.aside(pauseMs, () => void this.#renew());
		asked(failure);
	}

	close(): void {
		this.#closed = true;
		this.#next?.cancel();
	}
}

function failureOf(error: unknown): GatewayError {
	if (!(error instanceof KeysUnreadable)) return asGatewayError(error);
	return new GatewayError("upstream_invalid", error.message);
}
