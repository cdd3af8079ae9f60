/**
 * What it costs that the log hides secrets: lines as they are for whole answers, written to nowhere, with a number of secrets
 * that changes with each slice. Run with `node bench/secrets.ts [rounds] [lines a slice]`.
 */
import { randomBytes } from "node:crypto";
import { openSync } from "node:fs";
import { Secrets } from "../src/core/secrets.ts";
import { realClock } from "../src/tasks/clock.ts";
import { createLog } from "../src/telemetry/log/log.ts";
import { markdownTable } from "./report.ts";
import { medianOf } from "./statistics.ts";

const [rounds = 40, lines = 4_000] = process.argv.slice(2).map(Number);
const warmUpRounds = 8;

function knowing(count: number, length: number): Secrets {
	const secrets = new Secrets();
	for (let made = 0; made < count; made++) {
		secrets.add(randomBytes(length).toString("base64url").slice(0, length));
	}
	return secrets;
}

function ofClients(count: number): Secrets {
	const secrets = knowing(4, 32);
	for (let made = 0; made < count; made++) {
		const [claims, signature] = [90, 32].map((bytes) =>
			randomBytes(bytes).toString("base64url"),
		);
		secrets.addToken(`eyJhbGciOiJIUzI1NiJ9.${claims}.${signature}`, {
			...{ nowMs: 0, untilMs: 1e9, ofClient: true },
		});
	}
	return secrets;
}

const kinds: readonly (readonly [string, Secrets | undefined])[] = [
	["nothing is hidden", undefined],
	["there are no secrets", new Secrets()],
	["1 of 32 characters", knowing(1, 32)],
	["10 of 20 characters", knowing(10, 20)],
	["200 of 32 characters", knowing(200, 32)],
	["10, one of which has 6 characters", knowing(10, 6)],
	["4, and tokens of 4,000 clients", ofClients(4_000)],
];

const clock = realClock();
const fd = openSync("/dev/null", "w");

/** CPU nanoseconds for a line. */
async function slice(secrets: Secrets | undefined): Promise<number> {
	const log = createLog(clock, {
		...{ fd, format: "json", colour: false },
		...(secrets && { secrets }),
	});
	const before = process.cpuUsage();
	for (let made = 0; made < lines; made++) {
		log.info(
			{
				...{ requestId: `bench-0123456789-${made}`, route: "GET /board/{id}" },
				...{ status: 200, durationMs: made % 100, method: "GET" },
				...{ complete: true, calls: 3, slowest: "weather", slowestMs: 11 },
			},
			"answered",
		);
	}
	await log.close();
	const { user, system } = process.cpuUsage(before);
	return ((user + system) * 1_000) / lines;
}

const found = new Map<string, number[]>(kinds.map(([name]) => [name, []]));
for (let round = 0; round < rounds + warmUpRounds; round++) {
	for (const [name, secrets] of kinds) {
		const nanos = await slice(secrets);
		if (round >= warmUpRounds) found.get(name)?.push(nanos);
	}
}
const [, base = []] = [...found][0] ?? [];
console.log(
	markdownTable(
		["secrets", "CPU ns a line", "more than without"],
		[...found].map(([name, all]) => [
			name,
			medianOf(all).toFixed(0),
			medianOf(all.map((nanos, at) => nanos - (base[at] ?? 0))).toFixed(0),
		]),
	),
);
