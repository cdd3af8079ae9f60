import type { Clock, Timer } from "../tasks/clock.ts";
import type { Connection } from "./carrier.ts";
import { sendQueuesOf } from "./send-queues.ts";

/** How often all connections are looked at together. A timer for each would cost every request. */
const lookEveryMs = 2_000;

/** Looks how fast clients send and take, as long as there are any. */
export class PaceWatch {
	readonly #connections: Iterable<Connection>;
	readonly #clock: Clock;
	#timer: Timer | null = null;
	#lookedMs = 0;

	constructor(connections: Iterable<Connection>, clock: Clock) {
		this.#connections = connections;
		this.#clock = clock;
	}

	/** Called when there is a connection. */
	start(): void {
		if (this.#timer !== null) return;
		this.#lookedMs = this.#clock.now();
		this.#timer = this.#clock.aside(lookEveryMs, () => this.#look());
	}

	stop(): void {
		this.#timer?.cancel();
		this.#timer = null;
	}

	#look(): void {
		const ms = this.#clock.now() - this.#lookedMs;
		const doubtful = new Map<number, Connection>();
		this.#timer = null;
		for (const connection of this.#connections) {
			this.start();
			if (!connection.look(ms)) continue;
			const { fd } = connection;
			if (fd === null) connection.lookCloser(ms, null);
			else doubtful.set(fd, connection);
		}
		if (doubtful.size > 0) void lookCloser(ms, doubtful);
	}
}

async function lookCloser(
	ms: number,
	doubtful: ReadonlyMap<number, Connection>,
): Promise<void> {
	const queues = await sendQueuesOf([...doubtful.keys()]);
	for (const [fd, connection] of doubtful) {
		// Another connection may have its number by now.
		if (connection.fd !== fd) continue;
		connection.lookCloser(ms, queues.get(fd) ?? null);
	}
}
