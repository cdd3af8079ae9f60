import type { SessionCounts } from "../../core/http/web-socket.ts";
import type { Clock, Timer } from "../../tasks/clock.ts";
import { tellApart } from "../../tasks/failure.ts";
import { type Connect, createConnect } from "./connect.ts";
import { type ConnectionOwner, UpstreamConnection } from "./connection.ts";
import { HeadReader } from "./head-reader.ts";
import type { WireSettings, WireState } from "./wire.ts";

/**
 * An idle connection is closed before common servers close it after 5 s. A close while a request travels would fail the
 * request.
 */
const restMs = 4_000;

/**
 * If a server says how long it keeps a connection, it is believed, less the time that a request may take to get there.
 */
const marginMs = 1_000;
const restMsMax = 60_000;

/** How often all idle connections are looked at together. A timer for each would cost every call. */
const sweepMs = 500;

/** The most bytes of one read. */
const readBytesMax = 64 * 1024;

/** A connection that was taken out of the pool for good. */
interface Tunneling {
	close(): Promise<void>;
}

/**
 * The connections to one origin. There are as many as calls at once, or fewer with `pipelining`. Connections at rest are used
 * again.
 */
export class ConnectionPool implements ConnectionOwner {
	readonly settings: WireSettings;
	closed = false;
	readonly heads = new HeadReader();
	readonly memory: Buffer = Buffer.allocUnsafeSlow(readBytesMax);
	readonly connect: Connect;
	/** Connections that are WebSockets, or are to become some. They are nobody else's any more. */
	readonly tunnels = new Set<Tunneling>();
	readonly sessions: SessionCounts = {
		...{ open: 0, received: 0, sent: 0 },
		closed: new Map(),
	};
	readonly #clock: Clock;
	readonly #all = new Set<UpstreamConnection>();
	/**
	 * The most recently used one is taken first: it is the likeliest to be open, and the surplus closes for lack of use.
	 */
	#idle: UpstreamConnection[] = [];
	/** Connections that settle (see `settle`). Those in `settling` have waited for one turn of the loop. */
	#fresh = new Settling();
	#settling = new Settling();
	#turning = false;
	/** Connections whose requests wait for the end of this turn of the loop. Only the last may have room for more. */
	#held: UpstreamConnection[] = [];
	#sweep: Timer | null = null;
	/** The greatest age of a connection. */
	readonly #ageSweeps: number;
	/** Counts sweeps, so that an age needs no clock. */
	#sweeps = 0;

	constructor(settings: WireSettings, clock: Clock) {
		this.settings = settings;
		this.#clock = clock;
		const { connectionAgeMs = Number.POSITIVE_INFINITY } = settings;
		this.#ageSweeps = Math.ceil(connectionAgeMs / sweepMs);
		this.connect = createConnect(settings, clock);
	}

	state(): WireState {
		let idle = 0;
		for (const { exchange, dead } of this.#all) {
			if (exchange === null && !dead) idle++;
		}
		return { connections: this.#all.size + this.tunnels.size, idle };
	}

	/**
	 * A connection that nobody uses. It may have to settle first. With `shares` it may be one whose requests are sent at the end
	 * of this turn of the loop.
	 */
	take(shares: boolean): UpstreamConnection {
		const { pipelining = 1 } = this.settings;
		if (!shares || pipelining === 1) return this.#takeUnused();
		const last = this.#held.at(-1);
		if (last?.hasRoom) return last;
		const connection = this.#takeUnused();
		// Only a connection that has carried an answer is known to hold.
		if (connection.isReady) this.#hold(connection);
		return connection;
	}

	#takeUnused(): UpstreamConnection {
		for (;;) {
			const connection = this.#idle.pop();
			if (connection === undefined) break;
			if (!connection.dead) return connection;
		}
		return this.#settling.take() ?? this.#fresh.take() ?? this.open();
	}

	#hold(connection: UpstreamConnection): void {
		connection.hold();
		this.#held.push(connection);
		if (this.#held.length === 1) setImmediate(this.#flush);
	}

	readonly #flush = (): void => {
		const held = this.#held;
		this.#held = [];
		for (const connection of held) connection.flush();
	};

	/** A connection on which nothing was ever sent. */
	open(): UpstreamConnection {
		const connection = new UpstreamConnection(this);
		connection.endsAt = this.#sweeps + this.#ageSweeps;
		this.#all.add(connection);
		return connection;
	}

	rest(connection: UpstreamConnection, keptMs: number | null): void {
		const ms =
			keptMs === null ? restMs : Math.min(keptMs - marginMs, restMsMax);
		connection.restsUntil = this.#sweeps + Math.floor(ms / sweepMs);
		connection.restsUntil = Math.min(connection.restsUntil, connection.endsAt);
		if (this.closed || connection.restsUntil <= this.#sweeps) {
			connection.destroy();
			return;
		}
		connection.kept = true;
		this.settle(connection);
		this.#sweep ??= this.#clock.aside(sweepMs, () => this.#sweepIdle());
	}

	later(ms: number, fn: () => void): Timer {
		return this.#clock.aside(ms, fn);
	}

	/**
	 * Lets a whole turn of the loop pass before the connection carries a request. An answer too many, or the other side's
	 * end, often comes at once and is seen by then. It costs one immediate for all that settle together.
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
			tellApart(() => {
				if (!connection.settled()) this.#idle.push(connection);
			});
		}
		// Connections that only wait for another request do not keep the process alive.
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
		const all = [...this.#all, ...this.tunnels];
		await Promise.all(all.map((each) => each.close()));
	}
}

/**
 * Connections that settle together. They are taken in order, so that calls are sent in the order in which they were
 * made.
 */
class Settling {
	readonly connections: UpstreamConnection[] = [];
	/** No connection before this index is free, or will ever be. */
	#next = 0;

	take(): UpstreamConnection | null {
		while (this.#next < this.connections.length) {
			const connection = this.connections[this.#next++] as UpstreamConnection;
			if (!connection.dead && connection.exchange === null) return connection;
		}
		return null;
	}
}
