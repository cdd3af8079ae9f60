import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { test } from "node:test";

/** How long the attack takes, in milliseconds. */
const attackMs = Number(process.env["HOSTILE_MS"] ?? 600_000);

const inFolder = (name: string) =>
	new URL(`./hostile/${name}.ts`, import.meta.url);

interface Process extends AsyncDisposable {
	readonly child: ChildProcess;
	/** The first message. */
	readonly said: unknown;
}

async function start(
	name: string,
	args: readonly string[] = [],
	execArgv: readonly string[] = [],
): Promise<Process> {
	const child = fork(inFolder(name), args, { execArgv: [...execArgv] });
	const ended = once(child, "exit").then(() => {
		throw new Error(`${name} ended`);
	});
	const [said] = await Promise.race([once(child, "message"), ended]);
	ended.catch(() => {});
	return {
		child,
		said,
		async [Symbol.asyncDispose]() {
			if (child.exitCode !== null || child.signalCode !== null) return;
			child.kill("SIGKILL");
			await once(child, "exit");
		},
	};
}

interface Memory {
	readonly rss: number;
	readonly heapUsed: number;
	readonly external: number;
	/** Requests that ended with an error that is a bug. */
	readonly internal: number;
}

async function memoryOf({ child }: Process): Promise<Memory> {
	const answer = once(child, "message");
	child.send("memory");
	return (await answer)[0] as Memory;
}

/** Asks once. Gives how long the whole answer took, or null if it was not 200. */
function ask(options: {
	readonly port: number;
	readonly path: string;
	readonly localAddress: string;
	readonly agent: Agent | false;
}): Promise<number | null> {
	const from = performance.now();
	return new Promise((resolve) => {
		request({ ...options, host: "127.0.0.1" }, (response) => {
			response.resume().on("end", () => {
				const ok = response.statusCode === 200 && response.complete;
				resolve(ok ? performance.now() - from : null);
			});
			response.on("error", () => resolve(null));
		})
			.on("error", () => resolve(null))
			.end();
	});
}

const inTimeMs = 1000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("twelve kinds of hostile clients and upstreams at once keep nobody from being answered", async (t) => {
	await using upstreams = await start("upstreams");
	const { origins, kinds } = upstreams.said as {
		origins: string[];
		kinds: string[];
	};
	await using gateway = await start("gateway", origins, [
		"--max-old-space-size=512",
		"--expose-gc",
	]);
	const port = gateway.said as number;
	let died: string | null = null;
	gateway.child.once("exit", (code, signal) => {
		died = `${code} ${signal}`;
	});
	const agent = new Agent({ keepAlive: true, maxSockets: 8 });
	const ordinary = { port, localAddress: "127.0.2.1", agent };
	const health = {
		...{ port, path: "/-/health" },
		...{ localAddress: "127.0.2.2", agent: false as const },
	};
	// Once before, so that everything is compiled and connected.
	for (let at = 0; at < 500; at++) {
		assert.ok(await ask({ ...ordinary, path: `/good/${at}` }));
	}
	const before = await memoryOf(gateway);
	await using clients = await start("clients");
	const ended = once(clients.child, "message");
	clients.child.send({ port, kinds, ms: attackMs });
	let attacked = true;
	void ended.then(() => {
		attacked = false;
	});

	const answers: (number | null)[] = [];
	const healths: (number | null)[] = [];
	async function askInTurn(count: number): Promise<void> {
		for (let at = 0; attacked; at += count) {
			answers.push(await ask({ ...ordinary, path: `/good/${at}` }));
			await pause(50);
		}
	}
	async function askHealth(): Promise<void> {
		while (attacked) {
			healths.push(await ask(health));
			await pause(100);
		}
	}
	let rssMax = 0;
	async function watchMemory(): Promise<void> {
		while (attacked && died === null) {
			rssMax = Math.max(rssMax, (await memoryOf(gateway)).rss);
			await pause(5000);
		}
	}
	await Promise.all([
		...Array.from({ length: 8 }, () => askInTurn(8)),
		askHealth(),
		watchMemory(),
	]);
	agent.destroy();
	assert.equal(died, null, "the gateway lives");
	// Longer than any route's deadline and than any connection at rest counts.
	await pause(5000);
	const after = await memoryOf(gateway);

	const inTime = answers.filter((ms) => ms !== null && ms <= inTimeMs).length;
	const waits = healths
		.map((ms) => ms ?? Number.POSITIVE_INFINITY)
		.sort((a, b) => a - b);
	const at = (share: number) =>
		Math.round(waits[Math.floor((waits.length - 1) * share)] ?? 0);
	const mib = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`;
	t.diagnostic(
		`ordinary: ${inTime} of ${answers.length} in time (${((100 * inTime) / answers.length).toFixed(1)} %)`,
	);
	t.diagnostic(
		`health: ${waits.length} asked, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`,
	);
	for (const [name, memory] of Object.entries({ before, after })) {
		t.diagnostic(
			`${name}: rss ${mib(memory.rss)}, heap ${mib(memory.heapUsed)}, external ${mib(memory.external)}`,
		);
	}
	t.diagnostic(`rss at most ${mib(rssMax)}`);
	assert.equal(after.internal, 0, "no request ended by a bug");
	assert.ok(inTime >= 0.95 * answers.length, `${inTime} of ${answers.length}`);
	assert.ok(at(1) <= 250, `health after ${at(1)} ms`);
	const kept = after.heapUsed + after.external;
	const had = before.heapUsed + before.external;
	assert.ok(kept - had < 32 * 1024 ** 2, `${mib(kept - had)} more are kept`);
});
