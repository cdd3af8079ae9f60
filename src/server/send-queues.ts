import { readFile, readlink } from "node:fs/promises";

/**
 * How many bytes each of these sockets has handed to the system that the other side's system has not confirmed. Only
 * Linux tells; elsewhere the map is empty. Never rejects.
 */
export async function sendQueuesOf(
	fds: readonly number[],
): Promise<ReadonlyMap<number, number>> {
	const queues = new Map<number, number>();
	if (process.platform !== "linux") return queues;
	const sockets = await Promise.all(fds.map(socketOf));
	const [four, six] = await Promise.all(["tcp", "tcp6"].map(tableOf));
	for (const [at, socket] of sockets.entries()) {
		const bytes = socket && (four?.get(socket) ?? six?.get(socket));
		const fd = fds[at];
		if (typeof bytes === "number" && fd !== undefined) queues.set(fd, bytes);
	}
	return queues;
}

/** The number that a socket has in the tables; null if it is closed. */
async function socketOf(fd: number): Promise<string | null> {
	const name = await readlink(`/proc/self/fd/${fd}`).catch(() => "");
	return /^socket:\[(\d+)\]$/.exec(name)?.[1] ?? null;
}

/** `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`, see proc(5). */
async function tableOf(name: string): Promise<ReadonlyMap<string, number>> {
	const text = await readFile(`/proc/self/net/${name}`, "latin1").catch(
		() => "",
	);
	const bytes = new Map<string, number>();
	for (const line of text.split("\n").slice(1)) {
		const [, , , , queues = "", , , , , socket] = line.trim().split(/\s+/);
		const [sending = ""] = queues.split(":");
		if (socket) bytes.set(socket, Number.parseInt(sending, 16));
	}
	return bytes;
}
