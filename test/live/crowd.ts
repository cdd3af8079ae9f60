/**
 * A process of clients that listen to events, so that they share nothing with the gateway but the machine. Started with an
 * address, how many clients there are, and how many of them read no more than 1 KB in a second. Says what it is asked: how
 * long messages took, which say when they were sent.
 */
import type { Socket } from "node:net";
import { connectTo } from "../kit/transport.ts";

const [address = "", count = "0", slow = "0"] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(address);

/** What the clients of a process have heard since they were asked last. */
export interface Report {
	/** How long messages took to those that read, in milliseconds: the sorted middle, and the last hundredth. */
	readonly p50: number;
	readonly p99: number;
	readonly heard: number;
	/** How many of the slow ones were sent away. */
	readonly ended: number;
}

let delays: number[] = [];
let ended = 0;
let listening = 0;

function now(): number {
	return performance.timeOrigin + performance.now();
}

function listen(isSlow: boolean): void {
	const socket = connectTo(Number(port), hostname);
	const fields = `host: ${hostname}\r\naccept: text/event-stream`;
	// A slow one begins with all that is kept, so that its system's buffers are soon full.
	const target = isSlow ? pathname : `${pathname}?after=latest`;
	socket.write(`GET ${target} HTTP/1.1\r\n${fields}\r\n\r\n`);
	socket.on("error", () => {});
	socket.setEncoding("latin1");
	let rest = "";
	let hasBegun = false;
	socket.on("data", (chunk) => {
		if (!hasBegun) {
			hasBegun = true;
			listening++;
			if (listening === Number(count)) process.send?.("listening");
		}
		if (isSlow) crawl(socket, chunk.length);
		rest = (rest + String(chunk)).slice(isSlow ? -1000 : 0);
		if (isSlow) return;
		const at = now();
		let end = 0;
		for (const found of rest.matchAll(/"sent":([\d.]+),/g)) {
			delays.push(at - Number(found[1]));
			end = found.index + found[0].length;
		}
		rest = rest.slice(end).slice(-100);
	});
	socket.on("close", () => {
		if (isSlow) ended++;
	});
}

/** Reads nothing until a second has passed for each KB that came. */
function crawl(socket: Socket, bytes: number): void {
	socket.pause();
	setTimeout(() => socket.resume(), bytes).unref();
}

process.on("message", () => {
	const sorted = delays.toSorted((a, b) => a - b);
	const at = (share: number) => sorted[Math.floor(share * sorted.length)] ?? 0;
	const report: Report = {
		...{ p50: at(0.5), p99: at(0.99), heard: sorted.length, ended },
	};
	delays = [];
	process.send?.(report);
});

process.on("disconnect", () => process.exit());
for (let index = 0; index < Number(count); index++) {
	listen(index < Number(slow));
}
