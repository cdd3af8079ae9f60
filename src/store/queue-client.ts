import type { Clock } from "../tasks/clock.ts";
import { openScope } from "../tasks/scope.ts";
import { parseStoreUrl } from "./address.ts";
import { StoreError } from "./link.ts";
import { createFindWriter } from "./redis.ts";

/** How long the library waits for a connection, and between its attempts at most. */
const connectMs = 5_000;
const pauseMsMin = 250;
const pauseMsMax = 2_000;

/** How long those who know which server takes writes may take to say so. */
const findMs = 2_000;

export type QueueClient = Awaited<ReturnType<typeof createQueueClient>>;

/** Makes connections of their own for a queue, which hold no command back: it fails at once while the store is away. */
export interface QueueClients {
	/** Whether several servers stand in for each other. Then a connection that ends is not made again: another server may take writes. */
	readonly several: boolean;
	/** Gives one that is not connected yet. `onLost` is called when it ends by itself, and only if there are several servers. */
	next(onLost: () => void): Promise<QueueClient>;
}

export async function openQueueClients(
	url: string,
	prefix: string,
	clock: Clock,
): Promise<QueueClients> {
	const several = parseStoreUrl(url)?.kind !== "server";
	const times = { clock, ms: findMs };
	const find = await createFindWriter(url, prefix, times);
	return {
		several,
		async next(onLost) {
			const client = await createQueueClient(await find(), several, clock);
			// Whoever sends a command hears of it.
			client.on("error", several ? onLost : () => {});
			return client;
		},
	};
}

async function createQueueClient(url: string, several: boolean, clock: Clock) {
	const { createClient } = await import("@redis/client");
	const connecting = openScope({ clock });
	const client = createClient({
		url,
		disableOfflineQueue: true,
		disableClientInfo: true,
		maintNotifications: "disabled",
		socket: {
			connectTimeout: connectMs,
			reconnectStrategy: several ? false : pauseOf,
			signal: connecting.signal,
		},
	});
	// The library forgets a socket that is still connecting, and that would keep the process.
	client.on("end", () => connecting.cancel(new StoreError("closed")));
	return client;
}

/** How long it is waited before the next attempt. */
export function pauseOf(attempts: number): number {
	return Math.min(pauseMsMin * 2 ** attempts, pauseMsMax);
}
