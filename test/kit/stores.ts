import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	freePort,
	startConfiguredStore,
	startStore,
	type TestStore,
} from "./store.ts";

/** Several stores that stand in for each other. */
export interface TestStores extends AsyncDisposable {
	/** Where a gateway is told to look. */
	readonly url: string;
	/** The store that takes writes of these keys now. */
	writer(): Promise<TestStore>;
}

/** How long a store must be silent until the others replace it. */
const silentMs = "1000";

/** A store, its replica, and three Sentinels. The stores want the password, and the Sentinels do not. */
export async function startSentinels(password: string): Promise<TestStores> {
	const folder = mkdtempSync(join(tmpdir(), "sluice-sentinel-"));
	const secret = ["--requirepass", password, "--masterauth", password];
	// Else it waits five seconds for more replicas.
	const atOnce = ["--repl-diskless-sync-delay", "0"];
	const first = await startStore(...secret, ...atOnce);
	const second = await startStore(
		...["--replicaof", "127.0.0.1", String(first.port), ...secret],
	);
	const sentinels = await Promise.all(
		[0, 1, 2].map(async (at) => {
			const file = join(folder, `${at}.conf`);
			const lines = [
				`sentinel monitor main 127.0.0.1 ${first.port} 2`,
				`sentinel down-after-milliseconds main ${silentMs}`,
				"sentinel failover-timeout main 3000",
				`sentinel auth-pass main ${password}`,
			];
			writeFileSync(file, lines.join("\n"));
			return startConfiguredStore([file], ["--sentinel"]);
		}),
	);
	const all = [first, second];
	const [asked] = sentinels as [TestStore];
	// Each knows the replica and the others, else none could replace the store.
	await until(async () => {
		const told = await asked.command("SENTINEL", "MASTER", "main");
		return (
			/num-slaves\r\n\$1\r\n1/.test(told) &&
			/num-other-sentinels\r\n\$1\r\n2/.test(told)
		);
	});
	// A replica that has not got all yet would forget what was acknowledged.
	await until(async () => {
		const told = await asked.command("SENTINEL", "REPLICAS", "main");
		return /master-link-status\r\n\$2\r\nok/.test(told);
	});
	const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",");
	return {
		url: `redis-sentinel://:${password}@${hosts}/main`,
		async writer() {
			const told = await asked.command(
				...["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"],
			);
			const found = all.find(({ port }) => told.includes(`\r\n${port}\r\n`));
			if (found === undefined) throw new Error(told);
			return found;
		},
		async [Symbol.asyncDispose]() {
			for (const one of [...sentinels, ...all]) {
				await one[Symbol.asyncDispose]();
			}
			rmSync(folder, { recursive: true });
		},
	};
}

/** A Cluster of three stores with a replica each. */
export async function startCluster(prefix: string): Promise<TestStores> {
	const all = await Promise.all(
		Array.from({ length: 6 }, async () =>
			startStore(
				...["--cluster-enabled", "yes", "--cluster-node-timeout", silentMs],
				...["--cluster-port", String(await freePort())],
			),
		),
	);
	const masters = all.slice(0, 3);
	const ranges = ["0 5460", "5461 10922", "10923 16383"];
	const [seed] = all as [TestStore];
	for (const [at, master] of masters.entries()) {
		const range = ranges[at] ?? "";
		await master.command("CLUSTER", "ADDSLOTSRANGE", ...range.split(" "));
		await master.command("CLUSTER", "SET-CONFIG-EPOCH", String(at + 1));
	}
	for (const one of all.slice(1)) {
		const config = await one.command("CONFIG", "GET", "cluster-port");
		const bus = /\r\n(\d+)\r\n$/.exec(config)?.[1] ?? "";
		await seed.command("CLUSTER", "MEET", "127.0.0.1", `${one.port}`, bus);
	}
	for (const [at, replica] of all.slice(3).entries()) {
		const id = /\r\n(\w{40})/.exec(
			(await masters[at]?.command("CLUSTER", "MYID")) ?? "",
		)?.[1];
		await until(async () =>
			(await replica.command("CLUSTER", "REPLICATE", id ?? "")).startsWith(
				"+OK",
			),
		);
	}
	const isWhole = async (one: TestStore) => {
		const info = await one.command("CLUSTER", "INFO");
		return (
			info.includes("cluster_state:ok") &&
			info.includes("cluster_known_nodes:6")
		);
	};
	for (const one of all) await until(() => isWhole(one));
	for (const replica of all.slice(3)) {
		await until(async () =>
			(await replica.command("ROLE")).includes("connected"),
		);
	}
	return {
		url: `redis-cluster://${all.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
		async writer() {
			for (const one of all) {
				const answer = await one.command("SET", prefix, "1").catch(() => "");
				if (answer.startsWith("+OK")) return one;
			}
			throw new Error("nobody takes writes");
		},
		async [Symbol.asyncDispose]() {
			for (const one of all) await one[Symbol.asyncDispose]();
		},
	};
}

/** Waits until it is so: at most 400 times 25 ms. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
	for (let times = 0; times < 400; times++) {
		if (await isSo()) return;
		await new Promise((resolve) => setTimeout(resolve, 25));
	}
	throw new Error("it did not come to be so");
}
