import { GatewayError } from "../core/errors.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import type { ClientConnections } from "./client-connections.ts";

/** A draining server ends so many sessions per second at most, if it has the time: one in so many milliseconds. */
const drainEachMs = 10;
const drainStepMs = 50;

/** How long a connection whose answer has just ended may be at rest, at least, in a server that retires. */
const restMsMin = 100;

/** The port of a server. */
interface Port {
	/** Accepts no more. Connections at rest stay open. */
	stop(): void;
	/** Accepts no more, and closes the connections at rest. Resolves when no connection is left. */
	close(): Promise<unknown>;
	/** Closes the connections at rest. */
	closeResting(): Promise<void>;
}

interface DrainMeans {
	readonly clock: Clock;
	/** The server's own lifetime. */
	readonly scope: Scope;
	/** Cancelled when the server takes no more requests. */
	readonly accepting: Scope;
	readonly port: Port;
	readonly connections: ClientConnections;
	/** How many requests have no answer yet. */
	readonly running: () => number;
}

/** How a server ends. */
export class Drain {
	readonly #means: DrainMeans;
	/** Whether the health check fails, and connections end with their next answer. */
	draining = false;
	/** Whether requests are refused. */
	refusing = false;
	/** Called when no request is running. */
	onIdle: () => void = nothing;
	#drained: Promise<boolean> | null = null;

	constructor(means: DrainMeans) {
		this.#means = means;
	}

	drain(timeoutMs: number, delayMs: number): Promise<boolean> {
		this.#drained ??= this.#drain(timeoutMs, delayMs);
		return this.#drained;
	}

	async #drain(timeoutMs: number, delayMs: number): Promise<boolean> {
		this.#begin();
		// Whoever sends requests here looks at the health check now and then, and must see it before the port is closed.
		if (delayMs > 0) await this.#pause(delayMs);
		this.#stopAccepting();
		void this.#drainSessions(timeoutMs / 2);
		await this.#idleWithin(timeoutMs);
		const finished = this.#hasFinished();
		await this.close();
		return finished;
	}

	#hasFinished(): boolean {
		const { scope, running } = this.#means;
		return !scope.cancelled && running() === 0;
	}

	/** One after the other, because their clients come back at once, to another server or to this one's successor. */
	async #drainSessions(withinMs: number): Promise<void> {
		const { clock, scope, connections } = this.#means;
		const left = Array.from(connections.all, ({ session }) => session).filter(
			(session) => session !== null,
		);
		const count = left.length;
		const spreadMs = Math.min(withinMs, count * drainEachMs);
		const startMs = clock.now();
		while (left.length > 0 && !scope.cancelled) {
			const share = spreadMs > 0 ? (clock.now() - startMs) / spreadMs : 1;
			const due = Math.floor(count * share) + 1;
			const stay = Math.max(0, count - due);
			for (const session of left.splice(stay)) session.drain(draining());
			if (left.length > 0) await this.#pause(drainStepMs);
		}
	}

	retire(timeoutMs: number, restMs: number): Promise<boolean> {
		this.#drained ??= this.#retire(timeoutMs, restMs);
		return this.#drained;
	}

	async #retire(timeoutMs: number, restMs: number): Promise<boolean> {
		const { clock, scope, accepting, port, connections } = this.#means;
		port.stop();
		connections.end();
		// Whoever is told to come back finds another process.
		accepting.cancel(draining());
		void this.#drainSessions(timeoutMs / 2);
		const untilMs = clock.now() + restMs + timeoutMs;
		await this.#emptyWithin(restMs);
		await port.closeResting();
		// A long answer that began before could not say that its connection ends, so that is at rest again.
		while (connections.size > 0 && clock.now() < untilMs) {
			const leftMs = untilMs - clock.now();
			await this.#emptyWithin(Math.min(Math.max(restMs, restMsMin), leftMs));
			if (scope.cancelled) break;
			await port.closeResting();
		}
		const finished = this.#hasFinished();
		await this.close();
		return finished;
	}

	/** Ends early if the server is closed, or when `onEarly` calls back. */
	#pause(ms: number, onEarly: (end: () => void) => void = nothing) {
		const { clock, scope } = this.#means;
		if (scope.cancelled) return Promise.resolve();
		return new Promise<void>((resolve) => {
			const end = () => {
				timer.cancel();
				stopListening();
				resolve();
			};
			const timer = clock.after(ms, end);
			const stopListening = scope.onCancel(end);
			onEarly(end);
		});
	}

	async #idleWithin(timeoutMs: number): Promise<void> {
		if (this.#means.running() === 0) return;
		await this.#pause(timeoutMs, (end) => {
			this.onIdle = end;
		});
	}

	async #emptyWithin(timeoutMs: number): Promise<void> {
		const { connections } = this.#means;
		if (connections.size === 0) return;
		await this.#pause(timeoutMs, (end) => {
			connections.onEmpty = end;
		});
	}

	async close(): Promise<void> {
		const { scope, port, connections } = this.#means;
		this.#stopAccepting();
		scope.cancel(draining());
		connections.cut();
		await port.close();
	}

	#begin(): void {
		this.draining = true;
		this.#means.connections.end();
	}

	#stopAccepting(): void {
		if (this.refusing) return;
		this.refusing = true;
		this.#begin();
		void this.#means.port.close();
		// A client that is told to come back must not find this port open.
		this.#means.accepting.cancel(draining());
	}
}

function nothing(): void {}

export function draining(): GatewayError {
	// No wait, because another instance can answer at once.
	const facts = { retryAfterMs: 1000 };
	return new GatewayError("gateway_draining", "the server is draining", facts);
}
