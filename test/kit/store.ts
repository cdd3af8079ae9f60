import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoreChanged } from "../../src/core/events.ts";
import type { Store } from "../../src/store/store.ts";
import { endsWithUs } from "./with-us.ts";

const programs = ["valkey-server", "redis-server"];

/** Null if none is installed. */
function program(): string | null {
	return (
		programs.find((name) => {
			try {
				execFileSync(name, ["--version"], { stdio: "ignore" });
				return true;
			} catch {
				return false;
			}
		}) ?? null
	);
}

/** The reason to skip a test that needs a real store; false if it is there. Where all must be there, none is skipped. */
export function withoutStore(): string | false {
	if (program() !== null) return false;
	assert.ok(!process.env.SLUICE_TEST_ALL, "redis-server is not installed");
	return "redis-server is not installed";
}

/** The library that gives processes other clocks; null if it is not installed. Where all must be there, it is. */
export function findFaketime(): string | null {
	const [found] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
	assert.ok(found || !process.env.SLUICE_TEST_ALL, "faketime is not installed");
	return found ?? null;
}

/** A real store on loopback, which can be hurt. */
export interface TestStore extends AsyncDisposable {
	readonly url: string;
	readonly port: number;
	/** Sends one command on a connection of its own, and gives what comes back, as it comes. */
	command(...words: string[]): Promise<string>;
	/** It holds its connections open and does nothing. */
	stop(): void;
	goOn(): void;
	kill(): Promise<void>;
	/** Starts it again on the same port, empty. */
	restart(): Promise<void>;
}

export const startStore = (...options: readonly string[]) =>
	startConfiguredStore([], options);

/** `files` are configs that the server may write, before its options. */
export async function startConfiguredStore(
	files: readonly string[],
	options: readonly string[],
): Promise<TestStore> {
	const folder = mkdtempSync(join(tmpdir(), "sluice-store-"));
	const port = await freePort();
	const name = program();
	assert.ok(name !== null);
	const start = () => {
		const own = ["--port", String(port), "--save", "", "--dir", folder];
		const bound = ["--bind", "127.0.0.1"];
		const words = [...files, ...own, ...bound, ...options];
		const child = spawn(name, words, { stdio: "ignore" });
		endsWithUs(child);
		return child;
	};
	let child = start();
	await answering(port);
	return {
		port,
		url: `redis://127.0.0.1:${port}`,
		command: (...words) => send(port, words),
		stop: () => void child.kill("SIGSTOP"),
		goOn: () => void child.kill("SIGCONT"),
		kill: () => end(child),
		async restart() {
			await end(child);
			child = start();
			await answering(port);
		},
		async [Symbol.asyncDispose]() {
			await end(child);
			rmSync(folder, { recursive: true });
		},
	};
}

async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exited = once(child, "exit");
	child.kill("SIGKILL");
	await exited;
}

/**
 * A port for a server that is killed and started anew. The system gives it to nobody in between: it is below those that it gives to
 * whoever asks for any port (32768 on Linux).
 */
export async function lastingPort(): Promise<number> {
	for (;;) {
		const port = 20_000 + Math.floor(Math.random() * 12_000);
		const server = createServer().listen(port, "127.0.0.1");
		const free = await once(server, "listening").then(
			() => true,
			() => false,
		);
		server.close();
		if (free) return port;
	}
}

export async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	server.close();
	await once(server, "close");
	assert.ok(typeof address === "object" && address !== null);
	return address.port;
}

/** The answer up to what comes with the first piece. */
async function send(port: number, words: readonly string[]): Promise<string> {
	const socket = connect(port, "127.0.0.1");
	const coded = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}`);
	socket.write(`*${words.length}\r\n${coded.join("\r\n")}\r\n`);
	try {
		const [piece] = (await once(socket, "data")) as [Buffer];
		return piece.toString();
	} finally {
		socket.destroy();
	}
}

/** Waits until the store answers: at most 200 times 25 ms. */
async function answering(port: number): Promise<void> {
	for (let times = 0; times < 200; times++) {
		const answer = await send(port, ["PING"]).catch(() => "");
		if (/^(\+PONG|-NOAUTH)/.test(answer)) return;
		await new Promise((resolve) => setTimeout(resolve, 25));
	}
	throw new Error("the store did not answer");
}

/** Resolves when the store can be used. On a busy machine the first attempt to connect may come too late. */
export async function untilUp(
	store: Pick<Store, "settled" | "state">,
	changed: ((event: StoreChanged) => void)[],
): Promise<void> {
	await store.settled;
	while (store.state().state !== "up") {
		await new Promise<void>((resolve) => changed.push(() => resolve()));
	}
}
