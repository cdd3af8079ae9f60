import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** What a gateway's process prints first, as one line of JSON. */
export interface Listening {
	readonly url: string;
	/** Where the process tells how long its event loop was blocked, if it is watched. */
	readonly watchUrl?: string;
	/** Where the process collects its garbage and tells how much of its heap is in use, if it tells. */
	readonly memoryUrl?: string;
	/** From the config to a gateway that takes requests, where the gateway can tell. */
	readonly loadMs?: number;
	/** What is held in memory after a garbage collection, where the process may ask for one. */
	readonly heapBytes?: number;
}

/** Tells whoever started this process that it takes requests, and ends it when asked to. */
export function announce(listening: Listening): void {
	// Through exit, not by dying: only then is a profile written.
	process.once("SIGTERM", () => process.exit(0));
	console.log(JSON.stringify(listening));
}

/** As `announce`, for a process that tells of its heap whenever it is asked. */
export function announceWithMemory(url: string): void {
	const telling = createServer((_request, response) => {
		// The first collection may free what only the second one finds.
		globalThis.gc?.();
		globalThis.gc?.();
		const { heapUsed, external } = process.memoryUsage();
		response.end(JSON.stringify({ heapBytes: heapUsed + external }));
	});
	telling.listen(0, "127.0.0.1", () => {
		const { port } = telling.address() as AddressInfo;
		announce({ url, memoryUrl: `http://127.0.0.1:${port}` });
	});
}

/** Puts a server on any free port of loopback. */
export function listen(server: Server): void {
	server.listen(0, "127.0.0.1", () => {
		const { port } = server.address() as AddressInfo;
		announce({ url: `http://127.0.0.1:${port}` });
	});
}

/** Where the upstream is: the one argument of each gateway that is written by hand. */
export function upstreamUrl(): string {
	const url = process.argv[2];
	if (url === undefined) throw new Error("the upstream's URL is missing");
	return url;
}
