/**
 * What a call costs over our wire, and over undici's pool by hand, which has no bound and cannot be cancelled: CPU
 * microseconds of this process per call, against a bare server in another one. The contenders take turns in each round.
 * Prints medians. Run with `node bench/wire.ts [calls at once]`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Dispatcher, Pool } from "undici";
import type { UpstreamRequest } from "../src/core/http/messages.ts";
import { promised } from "../src/policy/promised.ts";
import { timeout } from "../src/policy/timeout.ts";
import { openScope, realClock } from "../src/tasks/index.ts";
import { openWire } from "../src/upstream/wire/open-wire.ts";

const atOnce = Number(process.argv[2] ?? 32);
const rounds = 9;
const callsPerRound = 20_000;

/** Answers whatever it gets with 521 bytes of JSON and the fields nginx would send. */
const serverScript = `
	import { createServer } from "node:net";
	const body = JSON.stringify({ weather: "x".repeat(507) });
	let answer;
	const renew = () => {
		answer = Buffer.from([
			"HTTP/1.1 200 OK", "Server: nginx/1.26.3", "Date: " + new Date().toUTCString(),
			"Content-Type: application/json", "Content-Length: " + body.length,
			"Last-Modified: Tue, 24 Nov 2026 08:00:00 GMT", "Connection: keep-alive",
			'ETag: "6743-209"', "Accept-Ranges: bytes", "", body,
		].join("\\r\\n"));
	};
	renew();
	setInterval(renew, 1000);
	const server = createServer((socket) => {
		socket.setNoDelay(true);
		socket.on("error", () => {});
		socket.on("data", (bytes) => socket.write(answer));
	});
	server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

async function startServer(): Promise<{ child: ChildProcess; origin: string }> {
	const child = spawn(
		process.execPath,
		["--input-type=module", "--eval", serverScript],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	const [port] = await once(child.stdout as NodeJS.ReadableStream, "data");
	return { child, origin: `http://127.0.0.1:${String(port).trim()}` };
}

const request: UpstreamRequest = {
	method: "GET",
	target: "/data/2.5/weather?appid=secret&units=metric&q=Moscow",
	headers: ["accept", "application/json", "user-agent", "sluice"],
	body: null,
	safe: true,
	idempotent: true,
	tried: null,
	client: "",
	requestId: "bench",
	timeoutMs: 2000,
	onSent: null,
	onAgain: null,
};

/** Makes one call, and gives the length of its answer. */
type Ask = () => Promise<number>;

function overWire(origin: string): Ask {
	const clock = realClock();
	const scope = openScope({ clock });
	const settings = { name: "bench", origin, bodyBytesMax: 10_000, tls: null };
	const wire = openWire(settings, clock);
	const ask = promised(timeout("bench")(wire.send));
	return () => ask(request, scope).then(({ body }) => body.length);
}

function overUndici(origin: string): Ask {
	const pool = new Pool(origin, {
		pipelining: 1,
		headersTimeout: 0,
		bodyTimeout: 0,
		allowH2: false,
	});
	const { target, headers } = request;
	const options: Dispatcher.DispatchOptions = {
		method: "GET",
		path: target,
		headers: [...headers],
	};
	return () =>
		new Promise((resolve, reject) => {
			pool.dispatch(options, new Collect(resolve, reject));
		});
}

class Collect implements Dispatcher.DispatchHandler {
	readonly #resolve: (length: number) => void;
	readonly #reject: (error: Error) => void;
	readonly #pieces: Buffer[] = [];

	constructor(
		resolve: (length: number) => void,
		reject: (error: Error) => void,
	) {
		this.#resolve = resolve;
		this.#reject = reject;
	}

	onRequestStart(): void {}
	onResponseStart(): void {}

	onResponseData(_: Dispatcher.DispatchController, piece: Buffer): void {
		this.#pieces.push(piece);
	}

	onResponseEnd(): void {
		const [first] = this.#pieces;
		const body =
			this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
		this.#resolve(body?.length ?? 0);
	}

	onResponseError(_: Dispatcher.DispatchController, error: Error): void {
		this.#reject(error);
	}
}

/** CPU microseconds per call. */
async function measure(ask: Ask): Promise<number> {
	let left = callsPerRound;
	const worker = async () => {
		while (left-- > 0) {
			if ((await ask()) !== 521) throw new Error("another answer");
		}
	};
	const before = process.cpuUsage();
	await Promise.all(Array.from({ length: atOnce }, worker));
	const { user, system } = process.cpuUsage(before);
	return (user + system) / callsPerRound;
}

const { child, origin } = await startServer();
const contenders = [
	{ name: "wire", ask: overWire(origin), samples: [] as number[] },
	{ name: "undici", ask: overUndici(origin), samples: [] as number[] },
];
for (let round = -2; round < rounds; round++) {
	for (const { ask, samples } of contenders) {
		const us = await measure(ask);
		if (round >= 0) samples.push(us);
	}
}
for (const { name, samples } of contenders) {
	const sorted = samples.toSorted((a, b) => a - b);
	const at = (share: number) =>
		(sorted[Math.floor(share * (rounds - 1))] ?? 0).toFixed(1).padStart(6);
	console.log(
		`${name.padEnd(8)} ${at(0.5)} µs a call (quartiles ${at(0.25)} ${at(0.75)})`,
	);
}
child.kill();
process.exit();
