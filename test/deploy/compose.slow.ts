import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import {
	type RunningUpstream,
	startOpenWeather,
} from "../../examples/weather/upstreams.ts";
import { checkText } from "../../src/config/load.ts";
import { folderWith, type RunningCommand, sluice } from "../kit/cli.ts";
import {
	type Nginx,
	startConfiguredNginx,
	withoutNginx,
} from "../kit/nginx.ts";
import { ask } from "../kit/serve.ts";
import { startStore, type TestStore, withoutStore } from "../kit/store.ts";

const repository = new URL("../..", import.meta.url).pathname;
const folder = join(repository, "deploy/compose");
const read = (name: string) => readFileSync(join(folder, name), "utf8");
const compose = parse(read("compose.yaml"), { merge: true });
const names = ["gateway-1", "gateway-2", "gateway-3"];

/** The reason to skip a test that needs Docker's own reader of compose files. Where all must be there, none is skipped. */
function withoutCompose(): string | false {
	try {
		execFileSync("docker-compose", ["version"], { stdio: "ignore" });
		return false;
	} catch {
		const reason = "docker-compose is not installed";
		assert.ok(!process.env.SLUICE_TEST_ALL, reason);
		return reason;
	}
}

describe("the compose files", () => {
	it("are valid by Docker's own reader", { skip: withoutCompose() }, () => {
		for (const file of ["compose.yaml", "deploy/compose/compose.yaml"]) {
			const { status, stderr } = spawnSync(
				"docker-compose",
				["-f", join(repository, file), "config", "--quiet"],
				{ encoding: "utf8" },
			);
			assert.equal(status, 0, `${file}: ${stderr}`);
		}
	});

	it("has three gateways of one kind, each with an address, and gives each the time to end", () => {
		const { services } = compose;
		const gateways = names.map((name) => services[name]);
		const alike = gateways.map(({ networks, ...rest }) => rest);
		assert.deepEqual(alike[1], alike[0]);
		assert.deepEqual(alike[2], alike[0]);
		const { environment, stop_grace_period } = gateways[0];
		const { ipv4_address } = services.balancer.networks.gateways;
		assert.equal(environment.TRUSTED_PROXIES, ipv4_address);
		const addresses = gateways.map(
			({ networks }) => networks.gateways.ipv4_address,
		);
		assert.equal(new Set([...addresses, ipv4_address]).size, 4);
		const env = { ...environment, OPENWEATHER_KEY: "demo-key-1" };
		const { config, problems } = checkText(
			read("sluice.yaml"),
			"sluice.yaml",
			env,
		);
		assert.deepEqual(problems, []);
		const { drainMs = 0, drainDelayMs } = config?.server ?? {};
		const graceMs = Number.parseInt(stop_grace_period, 10) * 1000;
		assert.ok(graceMs >= drainMs + (drainDelayMs ?? 0) + 5_000);
		const keptMs = /keepalive_timeout (\d+)s/.exec(read("nginx.conf"))?.[1];
		assert.ok(Number(keptMs) * 1000 < (drainDelayMs ?? 0));
	});
});

interface Gateway {
	readonly command: RunningCommand;
	readonly url: string;
	/** How many requests of the route it has answered. */
	answered(): Promise<number>;
}

async function startGateway(cwd: string, env: Record<string, string>) {
	const command = sluice(["serve", "--port", "0"], { cwd, env });
	await command.printed("admin page: ");
	const [, url = ""] = /listening on (\S+)/.exec(command.stdout()) ?? [];
	const [, admin] = /admin page: (\S+)/.exec(command.stdout()) ?? [];
	return {
		...{ command, url },
		async answered() {
			const { text } = await ask(`${admin}/metrics`);
			const counts = text.matchAll(
				/^http_server_request_duration_seconds_count\{.*weather.*\} (\d+)/gm,
			);
			return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
		},
	};
}

/** The config of a gateway, for a busy machine and one on which others serve, too. */
function testConfig(): string {
	let config = read("sluice.yaml");
	for (const [written, here] of [
		["server:\n", "admin: { port: 0 }\nserver:\n"],
		["drainDelay: 5s", "drainDelay: 500ms"],
		[
			"store: ${env.STORE_URL}",
			"store: { url: '${env.STORE_URL}', timeout: 1s }\noverload: false",
		],
		["timeout: 1s\n", "timeout: 10s\n"],
	] as const) {
		assert.ok(config.includes(written));
		config = config.replace(written, here);
	}
	return config;
}

/** The config of nginx, with the addresses of these gateways and a port and a folder of this machine. */
function nginxConfig(gateways: readonly Gateway[], port: number, tmp: string) {
	let config = `daemon off;\n${process.getuid?.() === 0 ? "user root;\n" : ""}${read("nginx.conf")}`;
	for (const [at, name] of names.entries()) {
		const { host } = new URL(gateways[at]?.url ?? "");
		assert.ok(config.includes(`${name}:8080`));
		config = config.replace(`${name}:8080`, host);
	}
	return config
		.replace("listen 8080", `listen 127.0.0.1:${port}`)
		.replaceAll("/tmp/", `${tmp}/`);
}

describe("three gateways behind nginx", {
	skip: withoutNginx() || withoutStore(),
}, () => {
	const gateways: Gateway[] = [];
	let nginx: Nginx;
	let store: TestStore;
	let weather: RunningUpstream;
	let config: ReturnType<typeof folderWith>;
	let env: Record<string, string>;
	let clients = 0;

	before(async () => {
		store = await startStore();
		weather = await startOpenWeather({});
		config = folderWith({
			"sluice.yaml": testConfig(),
			"key.txt": read("openweather-key.txt"),
		});
		env = {
			STORE_URL: store.url,
			TRUSTED_PROXIES: "127.0.0.1",
			OPENWEATHER_URL: weather.url,
			OPENWEATHER_KEY_FILE: join(config.path, "key.txt"),
		};
		gateways.push(
			...(await Promise.all(names.map(() => startGateway(config.path, env)))),
		);
		nginx = await startConfiguredNginx(
			(port, tmp) => nginxConfig(gateways, port, tmp),
			"/-/health",
		);
	});

	after(async () => {
		await nginx?.[Symbol.asyncDispose]();
		for (const { command } of gateways) command.process.kill("SIGKILL");
		await Promise.all(gateways.map(({ command }) => command.ended));
		await weather?.close();
		await store?.[Symbol.asyncDispose]();
		config?.[Symbol.dispose]();
	});

	/** As another client each time, unless its address is given. */
	const get = (address = `192.0.2.${clients++ % 250}`) =>
		ask(`${nginx.url}/weather/Minsk`, {
			headers: { "x-forwarded-for": address },
		}).then(
			({ status }) => status,
			(error) => error.code as string,
		);

	/** The ends of so many requests, sixteen at a time; `middle` is called when half of them have begun. */
	async function load(total: number, middle: () => void) {
		const ends: Record<string, number> = {};
		let begun = 0;
		const client = async () => {
			while (begun < total) {
				if (++begun === total / 2) middle();
				const end = await get();
				ends[end] = (ends[end] ?? 0) + 1;
			}
		};
		await Promise.all(Array.from({ length: 16 }, client));
		return ends;
	}

	it("share the requests, and the answer of the one that asked", async () => {
		const statuses = await load(90, () => {});
		assert.deepEqual(statuses, { 200: 90 });
		const shares = await Promise.all(gateways.map((one) => one.answered()));
		assert.equal(
			shares.reduce((sum, one) => sum + one, 0),
			90,
		);
		for (const share of shares) assert.ok(share > 0, `${shares}`);
	});

	it("count a client together, by the address that nginx gives", async () => {
		const beganMs = performance.now();
		const statuses = await Promise.all(
			Array.from({ length: 200 }, () => get("198.51.100.7")),
		);
		const accepted = statuses.filter((status) => status === 200).length;
		// Ten a second come back.
		const seconds = (performance.now() - beganMs) / 1000;
		assert.ok(accepted >= 100, `${accepted}`);
		assert.ok(accepted <= 103 + 10 * seconds, `${accepted} in ${seconds} s`);
		assert.equal(await get("198.51.100.8"), 200);
	});

	it("send events on as they come", async () => {
		const response = await fetch(`${nginx.url}/board`, {
			headers: { accept: "text/event-stream" },
		});
		assert.equal(response.headers.get("content-type"), "text/event-stream");
		const reader = response.body?.getReader();
		let text = "";
		while (!text.includes("Tokyo")) {
			const piece = await reader?.read();
			assert.ok(piece?.value, `ended after ${text}`);
			text += Buffer.from(piece.value).toString();
		}
		await reader?.cancel();
	});

	it("speak WebSocket through it", async () => {
		const socket = new WebSocket(
			`${nginx.url.replace("http", "ws")}/rooms/kitchen`,
		);
		const heard = await new Promise<string>((resolve, reject) => {
			socket.onerror = () => reject(new Error("no WebSocket"));
			socket.onopen = () => socket.send('{"body":"hello"}');
			socket.onmessage = ({ data }) => {
				if (String(data).includes("hello")) resolve(String(data));
			};
		});
		assert.match(heard, /"hello"/);
		socket.close();
	});

	it("lose no request that reads when one is killed, or ends", async () => {
		const [first, second] = gateways as [Gateway, Gateway];
		assert.deepEqual(
			await load(400, () => first.command.process.kill("SIGKILL")),
			{ 200: 400 },
		);
		assert.equal(await first.command.ended, null);
		assert.deepEqual(
			await load(400, () => second.command.process.kill("SIGTERM")),
			{ 200: 400 },
		);
		assert.equal(await second.command.ended, 0);
		assert.deepEqual(await load(40, () => {}), { 200: 40 });
	});
});
