import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ShownJob } from "./jobs.ts";
import { ask } from "./serve.ts";

/** How often each path was asked for, by an upstream that takes a few milliseconds. */
export async function startCounted() {
	const asked = new Map<string, number>();
	const server = createServer((request, response) => {
		const path = `${request.method} ${request.url}`;
		asked.set(path, (asked.get(path) ?? 0) + 1);
		setTimeout(() => {
			response.writeHead(200, { "content-type": "application/json" });
			response.end(JSON.stringify({ path: request.url }));
		}, 5);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	return {
		asked,
		url: `http://127.0.0.1:${port}`,
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

/** Routes that only read, and routes that write. */
export const jobsConfig = (url: string, port: number, more: string) => `
server: { port: ${port} }
admin: false
overload: false
log: { requests: failed }
upstreams: { shop: { url: ${url}, timeout: 2m } }
defaults: { deadline: 5m }
routes:
  POST /read/{n}:
    job: { expires: 10m }
    steps: { a: { get: "shop/read/\${params.n}" } }
    respond: { n: "\${params.n}", a: "\${a}" }
  POST /write/{n}:
    job: { expires: 10m }
    steps: { a: { post: "shop/write/\${params.n}" } }
    respond: { n: "\${params.n}", a: "\${a}" }
${more}`;

/** Asks until there is an answer, as a client with a key does: the server may be killed at any moment. */
async function persistently(url: string, options: Parameters<typeof ask>[1]) {
	for (;;) {
		try {
			const answer = await ask(url, options);
			if (answer.status !== 503) return answer;
		} catch {
			// It is being started.
		}
		await new Promise((resolve) => setTimeout(resolve, 25));
	}
}

/** Asks for so many jobs, half of which write. `onTaken` hears how many were taken on. */
export async function askForAll(
	url: string,
	count: number,
	onTaken: (count: number) => void = () => {},
): Promise<ShownJob[]> {
	let taken = 0;
	const jobs: ShownJob[] = [];
	const numbers = Array.from({ length: count }, (_, n) => n);
	const clients = Array.from({ length: 8 }, async () => {
		for (let n = numbers.shift(); n !== undefined; n = numbers.shift()) {
			const kind = n % 2 === 0 ? "read" : "write";
			const answer = await persistently(`${url}/${kind}/${n}`, {
				method: "POST",
				headers: { prefer: "respond-async", "idempotency-key": `key-${n}` },
			});
			assert.equal(answer.status, 202, answer.text);
			jobs[n] = answer.json as ShownJob;
			taken++;
			onTaken(taken);
		}
	});
	await Promise.all(clients);
	return jobs;
}

async function untilEnded(url: string, job: ShownJob): Promise<ShownJob> {
	for (;;) {
		const headers = { prefer: "wait=5" };
		const answer = await persistently(url + job.url, { headers });
		assert.equal(answer.status, 200, `${job.url} is lost: ${answer.text}`);
		const now = answer.json as ShownJob;
		if (now.state !== "queued" && now.state !== "running") return now;
	}
}

/** What has gone wrong with jobs of which each has a history of its own. */
export async function checkJobs(
	url: string,
	jobs: readonly ShownJob[],
	asked: ReadonlyMap<string, number>,
) {
	const ended = await Promise.all(jobs.map((job) => untilEnded(url, job)));
	const wrong = { lost: 0, twin: 0, phantom: 0, other: 0 };
	const interrupted: number[] = [];
	for (const [n, { state, answer }] of ended.entries()) {
		const kind = n % 2 === 0 ? "read" : "write";
		const times = asked.get(
			`${kind === "read" ? "GET" : "POST"} /${kind}/${n}`,
		);
		if (kind === "write" && (times ?? 0) > 1) wrong.twin++;
		if (state === "interrupted" && kind === "write") interrupted.push(n);
		else if (state !== "done") wrong.lost++;
		else {
			if (times === undefined) wrong.phantom++;
			const { text } = await persistently(url + answer, {});
			const direct = `{"n":"${n}","a":{"path":"/${kind}/${n}"}}`;
			if (text !== direct) wrong.other++;
		}
	}
	const ids = new Set(jobs.map(({ id }) => id));
	wrong.twin += jobs.length - ids.size;
	const known = new Set(jobs.map((_, n) => String(n)));
	for (const path of asked.keys()) {
		if (!known.has(path.split("/").at(-1) ?? "")) wrong.phantom++;
	}
	return { wrong, interrupted };
}

/** Nothing of it. */
export const nothingWrong = { lost: 0, twin: 0, phantom: 0, other: 0 };
