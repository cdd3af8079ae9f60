import type { Clock, Timer } from "../../tasks/clock.ts";
import { type Connect, createConnect } from "./connect.ts";
import { type ConnectionOwner, UpstreamConnection } from "./connection.ts";
import { HeadReader } from "./head-reader.ts";
import type { WireSettings } from "./wire.ts";

/** An idle connection is closed before common servers do it after 5 s: one closed while a request travels fails it. */
const restMs = 4_000;

/** Where a server says how long it keeps one, it is believed, less what a request may take to get there. */
const marginMs = 1_000;
const restMsMax = 60_000;

/** Idle connections are looked at so often, all at once: a timer for each would cost every call. */
const sweepMs = 500;

/** What one read takes at most. */
const readBytesMax = 64 * 1024;

/** The connections to one origin. There are as many as calls at once; those at rest are used again. */
export class ConnectionPool implements ConnectionOwner {
	readonly settings: WireSettings;
	closed = false;
	readonly heads = new HeadReader();
	readonly memory: Buffer = Buffer.allocUnsafeSlow(readBytesMax);
	readonly connect: Connect;
	readonly #clock: Clock;
	readonly #all = new Set<UpstreamConnection>();
	/** The one used last is taken first: it is the likeliest to be open, and the surplus closes for lack of use. */
	#idle: UpstreamConnection[] = [];
	/** Connections that settle: see `settle`. Those in `settling` have one turn of the loop behind them. */
	#fresh = new Settling();
	#settling = new Settling();
	#turning = false;
	#sweep: Timer | null = null;
	/** Counts sweeps, so that an age costs no look at the clock. */
	#sweeps = 0;

	constructor(settings: WireSettings, clock: Clock) {
		this.settings = settings;
		this.#clock = clock;
		this.connect = createConnect(settings);
	}

	/** A connection that nobody uses, perhaps one that has to settle first. */
	take(): UpstreamConnection {
		for (;;) {
			const connection = this.#idle.pop();
			if (connection === undefined) break;
			if (!connection.dead) return connection;
		}
		return this.#settling.take() ?? this.#fresh.take() ?? this.open();
	}

	/** One that nothing was ever sent on. */
	open(): UpstreamConnection {
		const connection = new UpstreamConnection(this);
		this.#all.add(connection);
		return connection;
	}

	rest(connection: UpstreamConnection, keptMs: number | null): void {
		const ms =
			keptMs === null ? restMs : Math.min(keptMs - marginMs, restMsMax);
		connection.restsUntil = this.#sweeps + Math.floor(ms / sweepMs);
		if (this.closed || connection.restsUntil <= this.#sweeps) {
			connection.destroy();
			return;
		}
		connection.kept = true;
		this.settle(connection);
		this.#sweep ??= this.#clock.aside(sweepMs, () => this.#sweepIdle());
	}

	/**
	 * Lets a whole turn of the loop pass before the connection carries a request: what comes unasked, an answer too many
	 * or the other side's end, often comes at once, and is seen then. Costs one immediate for all that settle together.
	 */
	settle(connection: UpstreamConnection): void {
		this.#fresh.connections.push(connection);
		if (this.#turning) return;
		this.#turning = true;
		setImmediate(this.#turn);
	}

	readonly #turn = (): void => {
		const settled = this.#settling.connections;
		this.#settling = this.#fresh;
		this.#fresh = new Settling();
		this.#turning = this.#settling.connections.length > 0;
		if (this.#turning) setImmediate(this.#turn);
		for (const connection of settled) {
			if (connection.dead) continue;
			if (!connection.settled()) this.#idle.push(connection);
		}
		// Connections that wait for nothing but another request are no reason for the process to live on.
		if (this.#idle.length < this.#all.size) return;
		for (const connection of this.#idle) connection.release();
	};

	#sweepIdle(): void {
		this.#sweeps++;
		this.#idle = this.#idle.filter((connection) => {
			if (connection.dead) return false;
			if (connection.restsUntil > this.#sweeps) return true;
			connection.destroy();
			return false;
		});
		const some = this.#idle.length > 0 || this.#turning;
		this.#sweep = some
			? this.#clock.aside(sweepMs, () => this.#sweepIdle())
			: null;
	}

	forget(connection: UpstreamConnection): void {
		this.#all.delete(connection);
	}

	async close(): Promise<void> {
		this.closed = true;
		this.#sweep?.cancel();
		this.#sweep = null;
		await Promise.all(Array.from(this.#all, (each) => each.close()));
	}
}

/** Connections that settle together. Taken in their order, so that calls are sent in the order they were made. */
class Settling {
	readonly connections: UpstreamConnection[] = [];
	/** Before it none is free, nor ever will be. */
	#next = 0;

	take(): UpstreamConnection | null {
		while (this.#next < this.connections.length) {
			const connection = this.connections[this.#next++] as UpstreamConnection;
			if (!connection.dead && connection.exchange === null) return connection;
		}
		return null;
	}
}
