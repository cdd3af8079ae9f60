/**
 * What a call costs over each transport: CPU microseconds of this process per call, against a bare server in another
 * one. Rounds in which every contender runs in turn; medians. Run with `node bench/wire.ts [calls at once]`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { UpstreamRequest } from "../src/core/http/messages.ts";
import { openScope, realClock } from "../src/tasks/index.ts";
import { http1Wire } from "../src/upstream/wire/http1.ts";
import { undiciWire } from "../src/upstream/wire/undici/undici.ts";
import type { Wire } from "../src/upstream/wire/wire.ts";

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
	requestId: "bench",
	timeoutMs: 2000,
	onSent: null,
};

/** CPU microseconds per call. */
async function measure(wire: Wire): Promise<number> {
	const scope = openScope({ clock });
	let left = callsPerRound;
	const worker = async () => {
		while (left-- > 0) {
			const { body } = await wire.call(request, scope);
			if (body.length !== 521) throw new Error("another answer");
		}
	};
	const before = process.cpuUsage();
	await Promise.all(Array.from({ length: atOnce }, worker));
	const { user, system } = process.cpuUsage(before);
	return (user + system) / callsPerRound;
}

const clock = realClock();
const { child, origin } = await startServer();
const settings = { name: "bench", origin, bodyBytesMax: 10_000, tls: null };
const transports = { http1: http1Wire, undici: undiciWire };
const wires = Object.entries(transports).map(([name, open]) => ({
	name,
	wire: open(settings, clock),
	samples: [] as number[],
}));
for (let round = -2; round < rounds; round++) {
	for (const { wire, samples } of wires) {
		const us = await measure(wire);
		if (round >= 0) samples.push(us);
	}
}
for (const { name, wire, samples } of wires) {
	const sorted = samples.toSorted((a, b) => a - b);
	const at = (share: number) =>
		(sorted[Math.floor(share * (rounds - 1))] ?? 0).toFixed(1).padStart(6);
	console.log(
		`${name.padEnd(8)} ${at(0.5)} µs a call (quartiles ${at(0.25)} ${at(0.75)})`,
	);
	await wire.close();
}
child.kill();
