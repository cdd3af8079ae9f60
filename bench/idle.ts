/**
 * What a client's connection at rest holds, beside a server by hand: memory in RAM, without what the system's sockets take. Run
 * with `npm run bench:idle [-- <rounds> <most connections>]`. Each process is new. The figure is the slope between a fifth of the
 * connections and all of them, because the first ones bring what is made once.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	type CompetitorName,
	competitors,
	type StartedGateway,
} from "./competitors.ts";
import { residentBytes } from "./cpu.ts";
import { createProcesses } from "./processes.ts";
import { markdownTable } from "./report.ts";
import { routes } from "./routes.ts";
import { medianOf } from "./statistics.ts";
import { startUpstream } from "./upstream.ts";

const [rounds = 3, most = 9_900] = process.argv.slice(2).map(Number);
const few = Math.ceil(most / 5);
const asked: readonly CompetitorName[] = ["sluice", "undici"];

/** So many connections are opened at once: more could count as overload on a busy machine. */
const opening = 8;

/** All sockets read into the same memory. */
const buffer = Buffer.alloc(64 * 1024);

/** Opens a connection that asks once and then rests. Fails if it is not answered well. */
function rest(url: URL, target: string): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const socket = connect({
			...{ host: url.hostname, port: Number(url.port) },
			onread: {
				buffer,
				callback: () => {
					const status = buffer.toString("latin1", 9, 12);
					if (status === "200") resolve(socket);
					else reject(new Error(`answered with ${status}`));
					return true;
				},
			},
		});
		socket.on("error", reject);
		socket.write(`GET ${target} HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`);
	});
}

async function restAll(sockets: Socket[], url: string, count: number) {
	while (sockets.length < count) {
		const more = Math.min(opening, count - sockets.length);
		const begun = Array.from({ length: more }, () =>
			rest(new URL(url), routes.reshaped.target),
		);
		sockets.push(...(await Promise.all(begun)));
	}
}

/** Bytes of each connection beyond the first ones. */
async function bytesEach({ pid, url }: StartedGateway): Promise<number> {
	const sockets: Socket[] = [];
	try {
		await restAll(sockets, url, few);
		const atFew = residentBytes(pid);
		await restAll(sockets, url, most);
		const atMost = residentBytes(pid);
		const lost = sockets.filter(({ readableEnded }) => readableEnded).length;
		if (lost > 0) throw new Error(`${lost} connections were closed meanwhile`);
		return (atMost - atFew) / (most - few);
	} finally {
		for (const socket of sockets) socket.destroy();
	}
}

const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
await using processes = createProcesses();
const upstreamUrl = await startUpstream(processes, join(folder, "upstream"));
const samples = new Map<CompetitorName, number[]>();
for (let round = 0; round < rounds; round++) {
	for (const name of asked) {
		const one = competitors.find((each) => each.name === name);
		if (one === undefined) throw new Error(`nobody is called ${name}`);
		const gateway = await one.start({ processes, upstreamUrl, folder });
		const bytes = await bytesEach(gateway);
		await gateway.end();
		samples.set(name, [...(samples.get(name) ?? []), bytes]);
	}
}
const rows = competitors.flatMap(({ name, title }) => {
	const of = samples.get(name);
	if (of === undefined) return [];
	const kibibytes = of.map((bytes) => bytes / 1024);
	const all = kibibytes.map((one) => one.toFixed(1)).join(", ");
	return [[title, medianOf(kibibytes).toFixed(1), all]];
});
const head = [`${most} connections at rest`, "RSS KiB each", "each round"];
console.log(markdownTable(head, rows));
