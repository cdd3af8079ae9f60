/** How long the library waits for a connection, and between its attempts at most. */
const connectMs = 5_000;
const pauseMsMin = 250;
const pauseMsMax = 2_000;

/**
 * Opens a connection of its own for a queue, which connects again by itself. Nothing waits for it to come back: a command fails
 * at once while it is away.
 */
export async function openQueueClient(url: string) {
	const { createClient } = await import("@redis/client");
	const client = createClient({
		url,
		disableOfflineQueue: true,
		disableClientInfo: true,
		maintNotifications: "disabled",
		socket: {
			connectTimeout: connectMs,
			reconnectStrategy: (retries) =>
				Math.min(pauseMsMin * 2 ** retries, pauseMsMax),
		},
	});
	// Whoever sends a command hears of it.
	client.on("error", () => {});
	return client;
}

export type QueueClient = Awaited<ReturnType<typeof openQueueClient>>;
