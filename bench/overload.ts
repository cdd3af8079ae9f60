/**
 * What becomes of routes over an upstream of a fixed capacity, when more is asked than it can carry: five workers of
 * 50 ms, in a process of its own, which works off what nobody waits for any more, as most services do. Offered seven
 * tenths, two and five times that, by clients in another process that neither wait for each other nor for more than
 * two seconds; with an adaptive limiter, and with the fixed one that every upstream has. The gateway's own protection from
 * overload is on, as by default. Loopback only; ends by itself after about a minute. Run with `node bench/overload.ts`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createGateway } from "../src/gateway/gateway.ts";
import { serve } from "../src/server/serve.ts";
import { load, type Order, percentile, type Tally } from "./open-load.ts";

const workers = 5;
const serviceMs = 50;
const capacity = (workers * 1000) / serviceMs;
const patienceMs = 2_000;
const loadMs = 6_000;
const warmMs = 3_000;

/* The processes */

async function upstream(): Promise<void> {
	const waiting: (() => void)[] = [];
	let busy = 0;
	function work(done: () => void): void {
		busy++;
		setTimeout(() => {
			busy--;
			done();
			waiting.shift()?.();
		}, serviceMs);
	}
	const server = createServer((_, response) => {
		const begin = () => work(() => response.end("{}"));
		if (busy < workers) begin();
		else waiting.push(begin);
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	process.send?.(`http://127.0.0.1:${port}`);
}

async function gateway(url: string, limiter: string): Promise<void> {
	const made = createGateway({
		upstreams: {
			up: { url, timeout: "1s", limiter: limiter === "adaptive" },
		},
		routes: {
			"GET /x": { deadline: "2s", steps: { it: { get: "up/x" } } },
		},
	});
	process.send?.((await serve(made, { port: 0 })).url);
}

async function clients(): Promise<void> {
	process.on("message", async (order: Order) => {
		process.send?.(await load(order));
	});
	process.send?.("ready");
}

/* All of them, from outside */

async function start(...args: string[]): Promise<[ChildProcess, string]> {
	const child = fork(new URL(import.meta.url), args);
	const [first] = await once(child, "message");
	return [child, String(first)];
}

async function measure(limiter: string, times: number): Promise<Tally> {
	const children: ChildProcess[] = [];
	const begin = async (...args: string[]) => {
		const [child, first] = await start(...args);
		children.push(child);
		return first;
	};
	try {
		const upstreamUrl = await begin("upstream");
		const url = `${await begin("gateway", upstreamUrl, limiter)}/x`;
		const [client] = await start("clients");
		children.push(client);
		const answer = once(client, "message");
		const rate = capacity * times;
		const order: Order = {
			...{ url, rate, warmMs, patienceMs },
			ms: warmMs + loadMs,
		};
		client.send(order);
		return (await answer)[0] as Tally;
	} finally {
		for (const child of children) child.kill();
	}
}

function row(cells: readonly string[]): void {
	const widths = [10, 9, 14, 9, 7, 11, 13];
	console.log(cells.map((cell, at) => cell.padStart(widths[at] ?? 9)).join(""));
}

async function main(): Promise<void> {
	console.log(`an upstream that carries ${capacity} calls a second\n`);
	row([
		...["limiter", "offered", "good", "refused", "lost"],
		...["good p99", "refused p99"],
	]);
	for (const times of [0.7, 2, 5]) {
		for (const limiter of ["adaptive", "fixed"]) {
			const tally = await measure(limiter, times);
			const perSecond = (count: number) => ((count * 1000) / loadMs).toFixed(0);
			const share = (tally.good * 100_000) / (capacity * loadMs);
			row([
				limiter,
				(capacity * times).toFixed(0),
				`${perSecond(tally.good)} (${share.toFixed(0)} %)`,
				perSecond(tally.refused),
				perSecond(tally.lost),
				`${percentile(tally.goodMs, 0.99)} ms`,
				`${percentile(tally.refusedMs, 0.99)} ms`,
			]);
		}
	}
	console.log(
		`\na second; \`good\` also as a share of what the upstream carries; \`lost\` are 504, and clients that left after ${patienceMs} ms`,
	);
}

const [role, ...args] = process.argv.slice(2);
if (role === "upstream") await upstream();
else if (role === "gateway") await gateway(args[0] ?? "", args[1] ?? "");
else if (role === "clients") await clients();
else await main();
