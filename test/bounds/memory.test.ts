import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { test } from "node:test";
import { folderWith, runNode } from "../kit/cli.ts";
import { ask } from "../kit/serve.ts";
import { connectTo } from "../kit/transport.ts";
import { until } from "../kit/until.ts";
import { startUpstream } from "../kit/upstream.ts";

/** Whatever clients send and routes make, a process with a heap of 512 MiB lives, and answers who comes after. */

const bin = new URL("../../bin/sluice.js", import.meta.url).pathname;
const mebi = 1024 ** 2;

/** Measured: 390 MiB at most. Without bounds each case below goes beyond 750 MiB or ends the process. */
const rssMax = 600 * mebi;

/** What is refused is refused for memory, and not because a busy machine begins it late. */
const calm = "admin: false\noverload: { skipAt: 30s, refuseAt: 60s }";

class Served implements AsyncDisposable {
	readonly #stack = new AsyncDisposableStack();
	readonly #child: ReturnType<typeof runNode>;
	readonly url: string;

	private constructor(child: ReturnType<typeof runNode>, url: string) {
		this.#child = child;
		this.url = url;
	}

	/** The command in a process of its own. */
	static async start(config: string): Promise<Served> {
		const folder = folderWith({ "sluice.yaml": `${calm}${config}` });
		const flags = ["--max-old-space-size=512"];
		const child = runNode([...flags, bin, "serve", "--port", "0"], {
			cwd: folder.path,
		});
		await child.printed("listening on http");
		const url = /listening on (\S+)/.exec(child.stdout())?.[1] ?? "";
		const served = new Served(child, url);
		served.#stack.use(folder);
		return served;
	}

	/** Whether it has died. */
	get ended(): boolean {
		const { exitCode, signalCode } = this.#child.process;
		return exitCode !== null || signalCode !== null;
	}

	/** The most memory that the process has ever held; 0 if the system does not say. */
	get peak(): number {
		const file = `/proc/${this.#child.process.pid}/status`;
		if (!existsSync(file)) return 0;
		const found = /VmHWM:\s*(\d+) kB/.exec(readFileSync(file, "utf8"));
		return Number(found?.[1] ?? 0) * 1024;
	}

	/** A connection whose client reads nothing unless `onData` is given. */
	open(onData?: (data: Buffer) => void): Socket {
		const { hostname, port } = new URL(this.url);
		const socket = connectTo(Number(port), hostname);
		socket.on("error", () => {});
		if (onData) socket.on("data", onData);
		this.#stack.defer(() => void socket.destroy());
		return socket;
	}

	/** The process lives, is not larger than it may be, and answers. */
	async assertWell(path: string): Promise<void> {
		assert.ok(!this.ended, this.#child.stderr());
		assert.equal((await ask(`${this.url}/-/health`)).status, 200);
		const { peak } = this;
		assert.ok(peak < rssMax, `${Math.round(peak / mebi)} MiB`);
		assert.equal((await ask(this.url + path)).status, 200);
	}

	async [Symbol.asyncDispose]() {
		this.#child.process.kill("SIGKILL");
		await this.#child.ended;
		await this.#stack.disposeAsync();
	}
}

/** A status by how many got it. */
function counted(statuses: readonly number[]): Record<string, number> {
	const counts: Record<string, number> = {};
	for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
	return counts;
}

test("600 bodies that never end are refused before they fill the memory", async () => {
	await using served = await Served.start(`
routes:
  POST /body: { request: { body: {} }, respond: 1 }
  GET /x: { respond: 1 }
`);
	const part = Buffer.alloc(530 * 1024, "1");
	let refused = 0;
	const sent = Array.from({ length: 600 }, () => {
		const { promise, resolve } = Promise.withResolvers<Socket>();
		const socket = served.open((data) => {
			const text = data.toString();
			if (/^HTTP\/1.1 503 [^]*retry-after: 1\r\n/.test(text)) refused++;
			resolve(socket);
		});
		socket.write(
			"POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
		);
		socket.write(`${part.length.toString(16)}\r\n`);
		socket.write(part, () => setImmediate(resolve, socket));
		socket.on("close", () => resolve(socket));
		return promise;
	});
	const sockets = await Promise.all(sent);
	assert.equal((await ask(`${served.url}/-/health`)).status, 200);
	assert.ok(refused > 100, `${refused} refused`);
	for (const socket of sockets) socket.destroy();
	await until(async () => (await ask(`${served.url}/x`)).status === 200);
	await served.assertWell("/x");
});

test("40 bodies of 1 MiB, held while an upstream is asked, do not end the process", async () => {
	await using upstream = await startUpstream(() => {});
	await using served = await Served.start(`
server: { maxValues: 1000000 }
upstreams:
  slow: { url: "${upstream.url}", timeout: 60s }
routes:
  POST /body:
    deadline: 60s
    request: { body: {} }
    steps: { slow: { get: slow/x } }
    respond: ["\${body.length}", "\${slow}"]
  GET /x: { respond: 1 }
`);
	const body = `[${"{},".repeat(340_000)}{}]`;
	const answers: number[] = [];
	const sockets = Array.from({ length: 40 }, () => {
		const socket = served.open((data) => {
			const [, status] = /^HTTP\/1.1 (\d+) /.exec(data.toString()) ?? [];
			if (status) answers.push(Number(status));
		});
		socket.write(
			`POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
		);
		socket.write(body);
		return socket;
	});
	// Those that are not refused have asked the upstream.
	await until(
		async () => served.ended || answers.length + upstream.seen.length >= 40,
	);
	assert.deepEqual(Object.keys(counted(answers)), ["503"]);
	assert.ok(upstream.seen.length >= 4, `${upstream.seen.length} were taken`);
	for (const socket of sockets) socket.destroy();
	await upstream.aborted(upstream.seen.length);
	await served.assertWell("/x");
});

test("20 connections that read nothing hold one answer each, however many they ask for", async () => {
	await using served = await Served.start(`
routes:
  GET /long: { respond: "\${'x'.repeat(4000000)}" }
  GET /x: { respond: 1 }
`);
	const asked = "GET /long HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(16);
	for (let count = 0; count < 20; count++) {
		served.open().pause().write(asked);
	}
	let done = 0;
	// They are read for a while, so that all that is begun has been made.
	await until(async () => {
		await ask(`${served.url}/x`);
		return ++done > 200;
	});
	await served.assertWell("/x");
});

test("a text of 8 MB for each of 1,000 items ends with an error, and not with the process", async () => {
	await using upstream = await startUpstream((_, response) =>
		response.end("1"),
	);
	await using served = await Served.start(`
upstreams:
  fast: { url: "${upstream.url}" }
routes:
  GET /each:
    steps:
      texts:
        each: "\${'0,'.repeat(999).split(',').map((_, index) => index)}"
        max: 1000
        value: "\${'ü'.repeat(4190000) + index}"
    respond: "\${texts}"
  GET /late:
    calls: 1000
    deadline: 60s
    steps:
      long: { value: "\${'ü'.repeat(4190000)}" }
      texts:
        each: "\${'0,'.repeat(999).split(',').map((_, index) => index)}"
        max: 1000
        post: fast/x
        text: "\${long + index}"
    respond: "\${texts.length}"
  GET /list: { respond: "\${'0,'.repeat(999).split(',').map((_, index) => 'ü'.repeat(4190000) + index)}" }
  GET /x: { respond: 1 }
`);
	for (const path of ["/each", "/list", "/late"]) {
		const { status, json } = await ask(served.url + path);
		assert.equal(status, 500, path);
		const { code } = json as { code: string };
		assert.match(code, /^(limit_exceeded|step_failed)$/, path);
		await served.assertWell("/x");
	}
});

test("an answer is bounded by the bytes that it has when it is sent", async () => {
	await using served = await Served.start(`
routes:
  GET /escapes:
    steps: { long: { value: "\${'\\u0001'.repeat(5000000)}" } }
    respond: ["\${long}", "\${long}", "\${long}"]
  GET /x: { respond: 1 }
`);
	const { status, json } = await ask(`${served.url}/escapes`);
	assert.equal(status, 500);
	assert.equal((json as { code: string }).code, "limit_exceeded");
	await served.assertWell("/x");
});
