import assert from "node:assert/strict";
import { Agent } from "node:http";
import { describe, it } from "node:test";
import { folderWith, type RunningCommand, sluice } from "../kit/cli.ts";
import { repeatableRandom } from "../kit/random.ts";
import { ask } from "../kit/serve.ts";
import { onQuietMachine } from "../kit/slowness.ts";
import {
	findFaketime,
	startStore,
	type TestStore,
	withoutStore,
} from "../kit/store.ts";

const skip = withoutStore();
const faketime = findFaketime();

interface Process {
	readonly command: RunningCommand;
	get(path: string): Promise<{ status: number; tookMs: number }>;
	/** How often the log has said this. */
	said(words: string): number;
}

/** Three processes of the command, as an operator runs them. */
async function threeGateways(
	store: TestStore,
	config: string,
	prefixes: readonly (readonly string[])[] = [],
) {
	const folder = folderWith({ "sluice.yaml": config });
	const env = { STORE_URL: store.url };
	const all = await Promise.all(
		[0, 1, 2].map(async (at): Promise<Process> => {
			const command = sluice(["serve", "--port", "0"], {
				cwd: folder.path,
				env,
				prefix: prefixes[at] ?? [],
			});
			await command.printed("listening on ");
			const url = /listening on (\S+)/.exec(command.stdout())?.[1] as string;
			const agent = new Agent({ keepAlive: true, maxSockets: 256 });
			return {
				command,
				async get(path) {
					const beganMs = performance.now();
					const { status } = await ask(url + path, { agent });
					return { status, tookMs: performance.now() - beganMs };
				},
				said: (words) => command.stderr().split(words).length - 1,
			};
		}),
	);
	return {
		all,
		async [Symbol.asyncDispose]() {
			for (const { command } of all) command.process.kill("SIGTERM");
			const codes = await Promise.all(all.map(({ command }) => command.ended));
			folder[Symbol.dispose]();
			assert.deepEqual(codes, [0, 0, 0]);
		},
	};
}

const configOf = (limit: number, timeout: string) => `
store: { url: "\${env.STORE_URL}", timeout: ${timeout} }
admin: false
overload: false
server: { port: 0, connectionsPerClient: 1000 }
rateLimit: { limit: ${limit}, per: 24h, by: all }
routes:
  GET /hello: { respond: hello }
`;

/** The machine may be busy. A store that is late is the matter of another test. */
const patient = "1s";

/** Sends so many requests, at most 120 at once, each to the gateway that `choose` names. Gives how many were let through. */
async function flood(
	gateways: readonly Process[],
	count: number,
	choose: (at: number) => number,
): Promise<number> {
	const statuses = new Map<number, number>();
	let next = 0;
	const client = async () => {
		while (next < count) {
			const { get } = gateways[choose(next++)] as Process;
			const { status } = await get("/hello");
			statuses.set(status, (statuses.get(status) ?? 0) + 1);
		}
	};
	await Promise.all(Array.from({ length: 120 }, client));
	const passed = statuses.get(200) ?? 0;
	assert.equal(passed + (statuses.get(429) ?? 0), count);
	return passed;
}

describe("three gateways that share a store", { skip }, () => {
	const random = repeatableRandom();
	for (const [spread, choose] of [
		["evenly", (at: number) => at % 3],
		["at random", () => Math.floor(3 * random())],
		["mostly to one", (at: number) => (at % 20 < 18 ? 0 : 1 + (at % 2))],
		["one after the other", (at: number) => Math.floor(at / 1667)],
	] as const) {
		it(`let 500 of 5,000 requests through that come ${spread}, and at most three more`, async (context) => {
			await using store = await startStore();
			await using gateways = await threeGateways(store, configOf(500, patient));
			const passed = await flood(gateways.all, 5000, choose);
			context.diagnostic(`let through: ${passed}`);
			assert.ok(passed >= 495 && passed <= 503, `${passed}`);
		});
	}

	it("let as many through if their clocks are 30 seconds apart", {
		skip: faketime === null && "libfaketime is not installed",
	}, async (context) => {
		await using store = await startStore();
		const clocks = [["+30s"], [], ["-30s"]].map((skew) =>
			skew.flatMap((by) => [
				...["env", `LD_PRELOAD=${faketime}`, `FAKETIME=${by}`],
			]),
		);
		await using gateways = await threeGateways(
			store,
			configOf(500, patient),
			clocks,
		);
		const passed = await flood(gateways.all, 5000, (at) => at % 3);
		context.diagnostic(`let through: ${passed}`);
		assert.ok(passed >= 495 && passed <= 503, `${passed}`);
	});

	it("answer every request while the store is stopped, killed, started and full, and use it again within five seconds", async (context) => {
		await using store = await startStore();
		await using gateways = await threeGateways(
			store,
			configOf(1_000_000, "50ms"),
		);
		let going = true;
		let worstMs = 0;
		const seen = new Map<number, number>();
		const clients = gateways.all.map(async ({ get }) => {
			while (going) {
				const { status, tookMs } = await get("/hello");
				worstMs = Math.max(worstMs, onQuietMachine(tookMs, 100));
				seen.set(status, (seen.get(status) ?? 0) + 1);
				await pause(4);
			}
		});
		const until = async (words: string, times: number) => {
			const beganMs = performance.now();
			while (gateways.all.some(({ said }) => said(words) < times)) {
				assert.ok(performance.now() - beganMs < 20_000, `${words} ${times}`);
				await pause(10);
			}
			return performance.now() - beganMs;
		};
		const backMs: number[] = [];
		/** How long the worst request took, from the harm until some time after all have noticed it. */
		const hurt = async (harm: () => unknown, heal: () => unknown) => {
			await pause(300);
			const times = backMs.length + 1;
			worstMs = 0;
			await harm();
			await until("the store is away", times);
			await pause(1000);
			const worst = worstMs;
			await heal();
			backMs.push(await until("the store is back", times));
			return worst;
		};
		// Other programs may take the machine away from all processes for a while. Of three rounds the least counts.
		const thrice = async (harm: () => unknown, heal: () => unknown) => [
			await hurt(harm, heal),
			await hurt(harm, heal),
			await hurt(harm, heal),
		];
		const memory = (bytes: string) =>
			store.command("CONFIG", "SET", "maxmemory", bytes);
		const worst = [
			await thrice(store.stop, store.goOn),
			await thrice(store.kill, store.restart),
			await thrice(
				() => memory("1"),
				() => memory("0"),
			),
		];
		going = false;
		await Promise.all(clients);
		context.diagnostic(
			`the worst took ${JSON.stringify(worst)} ms; back in ${backMs} ms`,
		);
		assert.deepEqual([...seen.keys()], [200]);
		for (const rounds of worst) {
			assert.ok(Math.min(...rounds) < 100, `${rounds} ms`);
		}
		assert.ok(Math.max(...backMs) < 5000, `${backMs}`);
		for (const { said } of gateways.all) {
			assert.equal(said("the store is away"), 9);
		}
	});
});

/** For a load that goes on in real time. */
function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
