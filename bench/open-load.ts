import { Agent, request as httpRequest } from "node:http";

/** What is to be asked. */
export interface Order {
	readonly url: string;
	/** Requests a second, whatever becomes of them; 0 for one after the other on each of `lines` connections. */
	readonly rate: number;
	/** Default 8. */
	readonly lines?: number;
	readonly ms: number;
	/** Requests of the first so many milliseconds are not counted. */
	readonly warmMs: number;
	/** How long a client waits before it leaves. */
	readonly patienceMs: number;
}

/** What became of the requests that count. */
export interface Tally {
	good: number;
	refused: number;
	/** Left after `patienceMs`, or broken. */
	lost: number;
	readonly goodMs: number[];
	readonly refusedMs: number[];
}

/** Connections that an order before left open are used again. */
const agent = new Agent({ keepAlive: true, scheduling: "lifo" });

/** Asks at a rate, as clients do who do not wait for each other. Bounded by the order's time and the clients' patience. */
export async function load(order: Order): Promise<Tally> {
	const tally: Tally = {
		...{ good: 0, refused: 0, lost: 0 },
		...{ goodMs: [], refusedMs: [] },
	};
	const { url, rate, ms, warmMs, patienceMs } = order;
	const beganMs = performance.now();
	const endMs = beganMs + ms;
	const asking = new Set<Promise<void>>();
	const askOnce = () =>
		ask(url, tally, { countFromMs: beganMs + warmMs, patienceMs });
	if (rate === 0) {
		const line = async () => {
			while (performance.now() < endMs) await askOnce();
		};
		await Promise.all(Array.from({ length: order.lines ?? 8 }, line));
	} else {
		for (let sent = 0; performance.now() < endMs; ) {
			const due = ((performance.now() - beganMs) * rate) / 1000;
			for (; sent < due; sent++) {
				const answer = askOnce();
				asking.add(answer);
				void answer.then(() => asking.delete(answer));
			}
			await new Promise((resolve) => setTimeout(resolve, 1));
		}
		await Promise.all(asking);
	}
	return tally;
}

function ask(
	url: string,
	tally: Tally,
	{ countFromMs, patienceMs }: { countFromMs: number; patienceMs: number },
): Promise<void> {
	const sentMs = performance.now();
	const counts = sentMs >= countFromMs;
	return new Promise((resolve) => {
		let over = false;
		const end = (status: number) => {
			if (over) return;
			over = true;
			clearTimeout(timer);
			const ms = performance.now() - sentMs;
			if (counts && status === 200) tally.good = tally.goodMs.push(ms);
			else if (counts && status === 503) {
				tally.refused = tally.refusedMs.push(ms);
			} else if (counts) tally.lost++;
			resolve();
		};
		const request = httpRequest(url, { agent }, (response) => {
			response.resume();
			response.on("end", () => end(response.statusCode ?? 0));
			response.on("error", () => end(0));
		});
		request.on("error", () => end(0));
		const timer = setTimeout(() => {
			end(0);
			request.destroy();
		}, patienceMs);
		request.end();
	});
}

/** In whole milliseconds, as a table prints it. */
export function percentile(values: readonly number[], share: number): string {
	const sorted = values.toSorted((a, b) => a - b);
	const found = sorted[Math.floor((sorted.length - 1) * share)];
	return found === undefined ? "-" : found.toFixed(0);
}
