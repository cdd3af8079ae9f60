import {
	openQueueClients,
	pauseOf,
	type QueueClient,
	type QueueClients,
} from "../../store/queue-client.ts";
import type { Clock } from "../../tasks/clock.ts";
import { openQueue, type SharedQueue } from "./bullmq-queue.ts";

/** What a server says that takes no writes, or none of these keys, any more. */
const elsewhere = /\b(READONLY|MOVED|ASK|CLUSTERDOWN|MASTERDOWN|NOREPLICAS)\b/;

/** How long a replica may take to have what was written, in milliseconds. */
const copyMs = 100;

/** For so long no replica is waited for when none had it. */
const aloneMs = 2_000;

/**
 * The queue on its connection, which is made again whenever it has ended. If several servers stand in for each other it is another
 * connection each time, with a queue of its own, to the server that takes writes then.
 */
export class QueueConnection {
	readonly #url: string;
	readonly #prefix: string;
	readonly #clock: Clock;
	#clients: QueueClients | null = null;
	#client: QueueClient | null = null;
	#queue: SharedQueue | null = null;
	#opening: Promise<void> | null = null;
	#wasOpen = false;
	#aloneUntil = 0;
	#endPause = () => {};
	#closed = false;

	/** `prefix` is that of all keys. Nothing is opened before somebody asks for it. */
	constructor(url: string, prefix: string, clock: Clock) {
		this.#url = url;
		this.#prefix = prefix;
		this.#clock = clock;
	}

	/** Null while it cannot be used. */
	get queue(): SharedQueue | null {
		return this.#client?.isReady ? this.#queue : null;
	}

	/** Rejects at once if it cannot be used. Only the first time it is waited for. */
	async ready(): Promise<SharedQueue> {
		this.#opening ??= this.#open();
		if (!this.#wasOpen) await this.#opening;
		const { queue } = this;
		if (queue === null) throw new Error("their store is away");
		return queue;
	}

	/** A command has failed, or had no answer in time. */
	failed(error: unknown, isLate: boolean): void {
		const moved = isLate || elsewhere.test(String(error));
		if (moved && this.#clients?.several) this.#lose(this.#client);
	}

	/**
	 * Waits until another server has what was written here, if there are several, because the next one to take writes is one of them. A
	 * replica that is away or late is not waited for.
	 */
	async copied({ client }: SharedQueue): Promise<void> {
		if (!this.#clients?.several || this.#clock.now() < this.#aloneUntil) return;
		const copies = await client.sendCommand(["WAIT", "1", String(copyMs)]);
		if (Number(copies) === 0) this.#aloneUntil = this.#clock.now() + aloneMs;
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.#endPause();
		await this.#queue?.close();
		this.#client?.destroy();
		await this.#opening?.catch(() => {});
	}

	async #open(): Promise<void> {
		for (let attempts = 0; !this.#closed; attempts++) {
			try {
				return await this.#connect();
			} catch {
				// Nobody takes writes now.
				await this.#pause(pauseOf(attempts));
			}
		}
	}

	async #pause(ms: number): Promise<void> {
		if (this.#closed) return;
		const { promise, resolve } = Promise.withResolvers<void>();
		const timer = this.#clock.after(ms, resolve);
		this.#endPause = resolve;
		await promise;
		timer.cancel();
	}

	async #connect(): Promise<void> {
		const [url, prefix] = [this.#url, this.#prefix];
		this.#clients ??= await openQueueClients(url, prefix, this.#clock);
		const client = await this.#clients.next(() => this.#lose(client));
		if (this.#closed) throw new Error("they are closed");
		this.#client = client;
		// To one server it is tried until it is there, or is destroyed.
		await client.connect();
		if (this.#hasEnded(client)) throw new Error("it has ended");
		const queue = await openQueue(client, prefix);
		if (this.#hasEnded(client)) {
			void queue.close();
			throw new Error("it has ended");
		}
		this.#queue = queue;
		this.#wasOpen = true;
	}

	#hasEnded(client: QueueClient): boolean {
		return this.#closed || client !== this.#client;
	}

	/** Another connection is made at once, because others wait for what was begun on this one. */
	#lose(client: QueueClient | null): void {
		if (client === null || client !== this.#client || this.#closed) return;
		const queue = this.#queue;
		this.#client = null;
		this.#queue = null;
		// The library may still want to connect it again.
		client.connect = () => Promise.reject(new Error("it has ended"));
		void queue?.close();
		if (client.isOpen) client.destroy();
		// While it was being opened, that is tried again.
		if (queue !== null) this.#opening = this.#open();
	}
}
