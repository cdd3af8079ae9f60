/**
 * What becomes of a gateway whose bottleneck is its own processor, when more comes than it can compute. A route of a fixed
 * amount of work is offered one, two and five times what it can do, by clients in another process that neither wait for
 * each other nor for more than a second; with `overload` as it is by default, and without. Then what one refusal
 * costs, beside the cheapest answer of a route and that of a bare `node:http` server. Loopback only; ends by itself
 * after about two minutes. Run with `node bench/overload-cpu.ts`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { createGateway } from "../src/gateway/gateway.ts";
import { serve } from "../src/server/serve.ts";
import { load, type Order, percentile, type Tally } from "./open-load.ts";

/** How long a client waits before it leaves. */
const patienceMs = 1_000;
const loadMs = 8_000;
/** Open before the load comes; more are opened where all are taken. */
const connections = 500;
/** What goes before is not counted: everything is warm then, and a queue as long as it gets. */
const warmMs = 2_000;

/* The process that is measured */

type Kind = "protected" | "unprotected" | "full" | "bare";

/** Some two milliseconds of work, the same however busy the machine is. */
function work(): number {
	let sum = 0;
	for (let at = 0; at < 2_000_000; at++) sum = (sum * 31 + at) | 0;
	return sum;
}

async function startMeasured(kind: Kind): Promise<string> {
	if (kind === "bare") {
		const server = createServer((_, response) => response.end('"hello"'));
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	}
	const overload = {
		protected: {},
		unprotected: false,
		full: { requests: 1, waiting: 0 },
	} as const;
	const gateway = createGateway({
		routes: {
			"GET /work": { steps: { sum: { run: work } } },
			"GET /hello": { respond: "hello" },
			"GET /hang": {
				deadline: "1h",
				steps: { never: { run: () => new Promise(() => {}) } },
			},
		},
		overload: overload[kind],
	});
	return (await serve(gateway, { port: 0 })).url;
}

async function measured(kind: Kind): Promise<void> {
	const url = await startMeasured(kind);
	process.on("message", () => {
		const { user, system } = process.cpuUsage();
		process.send?.(user + system);
	});
	process.send?.(url);
}

/* The process that asks */

async function asker(): Promise<void> {
	process.on("message", async (order: Order) => {
		process.send?.(await load(order));
	});
	process.send?.("ready");
}

/* Both, from outside */

async function start(...args: string[]): Promise<[ChildProcess, unknown]> {
	const child = fork(new URL(import.meta.url), args);
	const [first] = await once(child, "message");
	return [child, first];
}

async function tell<T>(child: ChildProcess, message: object): Promise<T> {
	const answer = once(child, "message");
	child.send(message);
	return (await answer)[0] as T;
}

interface Measured extends Tally {
	/** Microseconds of the measured process for each request that was sent, warm-up included. */
	readonly cpuUs: number;
	readonly seconds: number;
}

async function measure(
	kind: Kind,
	path: string,
	rate: number,
	before: (url: string) => void = () => {},
): Promise<Measured> {
	const [server, url] = await start("measured", kind);
	const [client] = await start("asker");
	try {
		before(String(url));
		const order = {
			url: `${url}${path}`,
			...{ rate, ms: warmMs, warmMs, patienceMs },
		};
		// Once unmeasured: compiled, connected, as a load balancer is.
		await tell(client, { ...order, rate: 0 });
		const cheap = { url: `${url}/hello`, rate: 0, lines: connections };
		if (rate > 0) await tell(client, { ...order, ...cheap });
		const from = await tell<number>(server, {});
		const tally = await tell<Tally>(client, { ...order, ms: warmMs + loadMs });
		const cpuUs = (await tell<number>(server, {})) - from;
		return { ...tally, cpuUs, seconds: loadMs / 1000 };
	} finally {
		server.kill();
		client.kill();
	}
}

function row(cells: readonly (string | number)[]): void {
	const widths = [13, 9, 9, 9, 9, 9, 9, 12];
	console.log(
		cells.map((cell, at) => String(cell).padStart(widths[at] ?? 9)).join(""),
	);
}

async function main(): Promise<void> {
	const watchdog = setTimeout(() => {
		console.error("took too long");
		process.exit(1);
	}, 300_000);
	const { good, seconds } = await measure("unprotected", "/work", 0);
	const capacity = good / seconds;
	console.log(`capacity, asked one after the other: ${capacity.toFixed(0)}/s`);
	row(
		"overload offered/s good/s refused/s lost/s p50 p99 p99-refused".split(" "),
	);
	for (const kind of ["protected", "unprotected"] as const) {
		for (const times of [1, 2, 5]) {
			const { seconds, ...tally } = await measure(
				kind,
				"/work",
				capacity * times,
			);
			const rates = [tally.good, tally.refused, tally.lost];
			row([
				kind === "protected" ? "on" : "off",
				`${times}x`,
				...rates.map((count) => (count / seconds).toFixed(0)),
				percentile(tally.goodMs, 0.5),
				percentile(tally.goodMs, 0.99),
				percentile(tally.refusedMs, 0.99),
			]);
		}
	}
	const hang = (url: string) => {
		httpRequest(`${url}/hang`)
			.on("error", () => {})
			.end();
	};
	for (const [name, kind, before] of [
		["a refusal", "full", hang],
		["the cheapest route", "unprotected", undefined],
		["bare node:http", "bare", undefined],
	] as const) {
		const { good, refused, cpuUs, seconds } = await measure(
			kind,
			"/hello",
			0,
			before,
		);
		// The processor's time is that of the warm-up too.
		const all = (good + refused) * (1 + warmMs / 1000 / seconds);
		console.log(`${name}: ${(cpuUs / all).toFixed(1)} us of CPU each`);
	}
	clearTimeout(watchdog);
}

const [role, kind] = process.argv.slice(2);
if (role === "measured") await measured(kind as Kind);
else if (role === "asker") await asker();
else await main();
