import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { competitors, type StartedGateway } from "../../bench/competitors.ts";
import { createProcesses, type Processes } from "../../bench/processes.ts";
import { routes } from "../../bench/routes.ts";
import { checkSameAnswers } from "../../bench/same.ts";
import { echoAnswer, recordedAnswers } from "../../bench/weather.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";

const names = ["sluice", "sluice-off", "undici", "fastify", "hono"];
const recorded = recordedAnswers();

let upstream: RealUpstream;
let processes: Processes;
let folder: string;
let started: { name: string; url: string; gateway: StartedGateway }[];

before(async () => {
	upstream = await startUpstream(({ target }, response) => {
		const [, kind, text = ""] = target.split("/");
		const body = kind === "echo" ? echoAnswer(text) : recorded.get(text);
		response.writeHead(body === undefined ? 404 : 200, {
			"content-type": "application/json",
		});
		response.end(body);
	});
	processes = createProcesses();
	folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
	const place = { processes, upstreamUrl: upstream.url, folder };
	const taking = competitors.filter(({ name }) => names.includes(name));
	started = await Promise.all(
		taking.map(async (one) => {
			const gateway = await one.start(place);
			return { name: one.name, url: gateway.url, gateway };
		}),
	);
});

after(async () => {
	await processes[Symbol.asyncDispose]();
	await upstream[Symbol.asyncDispose]();
	rmSync(folder, { recursive: true });
});

for (const { title, target } of Object.values(routes)) {
	test(`the gateways of the bench give the same answer: ${title}`, async () => {
		assert.deepEqual(
			started.map(({ name }) => name),
			names,
		);
		await checkSameAnswers(started, target);
	});
}

test("an answer that differs is told with both answers, and nothing is timed", async () => {
	const [sluice, other] = started;
	const lying = { name: "liar", url: `${other?.url}/three?` };
	const all = [{ name: "sluice", url: sluice?.url ?? "" }, lying];
	await assert.rejects(checkSameAnswers(all, routes.reshaped.target), {
		message: /answered differently:\nsluice: .*Kaliningrad.*\nliar: .*moscow/,
	});
});

test("a failure is no answer, even where all fail alike", async () => {
	const undici = started.filter(({ name }) => name === "undici");
	const nowhere = checkSameAnswers([...undici, ...undici], "/nowhere");
	await assert.rejects(nowhere, /"status":404/);
});

test("a gateway that does not begin is told with what it said", async () => {
	const command = [process.execPath, "-e", "throw new Error('no port')"];
	const failing = processes.start("gateway", command, "line");
	await assert.rejects(failing, /ended: [^]*no port/);
});
