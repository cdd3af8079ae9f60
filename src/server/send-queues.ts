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
	const tables = await Promise.all(
		["/proc/self/net/tcp", "/proc/self/net/tcp6"].map((path) =>
			readFile(path, "latin1").catch(() => ""),
		),
	);
	const waiting = new Map(tables.flatMap((table) => [...waitingIn(table)]));
	if (tables.every((table) => table === "")) return queues;
	for (const [at, fd] of fds.entries()) {
		const socket = sockets[at] ?? null;
		if (socket !== null) queues.set(fd, waiting.get(socket) ?? 0);
	}
	return queues;
}

/** The number that a socket has in the tables; null if it is closed. */
async function socketOf(fd: number): Promise<string | null> {
	const name = await readlink(`/proc/self/fd/${fd}`).catch(() => "");
	return /^socket:\[(\d+)\]$/.exec(name)?.[1] ?? null;
}

/** The sockets for which bytes wait. Most have none, and of their lines nothing else is read. */
function* waitingIn(table: string): Iterable<[string, number]> {
	// `sl: local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`, see proc(5).
	const lines = /:(?: [\dA-F]+:[\dA-F]{4}){2} [\dA-F]{2} (?!0{8})([\dA-F]{8})/g;
	for (const line of table.matchAll(lines)) {
		const end = table.indexOf("\n", line.index);
		const rest = table.slice(line.index + line[0].length, end);
		const [, , , , , socket = ""] = rest.split(/\s+/);
		yield [socket, Number.parseInt(line[1] ?? "", 16)];
	}
}
