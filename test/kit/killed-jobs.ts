import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ShownJob } from "./jobs.ts";
import { ask } from "./serve.ts";

/** When each path was asked for, in milliseconds since 1970. */
export type Asked = ReadonlyMap<string, readonly number[]>;

/** An upstream that takes a few milliseconds, and notes who asks when. */
export async function startCounted() {
	const asked = new Map<string, number[]>();
	const server = createServer((request, response) => {
		const path = `${request.method} ${request.url}`;
		const times = asked.get(path) ?? [];
		asked.set(path, times);
		times.push(Date.now());
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
			const answer = await persistently(`${url}/${kindOf(n)}/${n}`, {
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

/** A job that only reads is begun so often at most. Whoever kills each of its runs makes it end as interrupted. */
const readAttempts = 3;

/** What has gone wrong with jobs of which each has a history of its own. */
export async function checkJobs(
	url: string,
	jobs: readonly ShownJob[],
	asked: Asked,
) {
	const ended = await Promise.all(jobs.map((job) => untilEnded(url, job)));
	const wrong: Wrong = { lost: 0, twin: 0, phantom: 0, other: 0, jobs: [] };
	/** Those that write, of which nobody knows whether they were done. */
	const interrupted: number[] = [];
	/** Those that only read, and of which each run was killed. */
	const givenUp: number[] = [];
	const note = async (what: Fault, n: number) => {
		wrong[what]++;
		const job = ended[n];
		const said = job?.answer
			? (await persistently(url + job.answer, {})).text
			: null;
		wrong.jobs.push({ what, job, said, asked: timesOf(asked, n) });
	};
	for (const [n, { state, answer, begun }] of ended.entries()) {
		const times = timesOf(asked, n);
		if (isWrite(n) && times.length > 1) await note("twin", n);
		if (state === "interrupted" && isWrite(n) && begun === 1) {
			interrupted.push(n);
		} else if (
			state === "interrupted" &&
			!isWrite(n) &&
			begun === readAttempts
		) {
			givenUp.push(n);
		} else if (state !== "done") await note("lost", n);
		else {
			if (times.length === 0) await note("phantom", n);
			const { text } = await persistently(url + answer, {});
			const direct = `{"n":"${n}","a":{"path":"/${kindOf(n)}/${n}"}}`;
			if (text !== direct) await note("other", n);
		}
	}
	const ids = new Set(jobs.map(({ id }) => id));
	wrong.twin += jobs.length - ids.size;
	const known = new Set(jobs.map((_, n) => String(n)));
	for (const path of asked.keys()) {
		if (!known.has(path.split("/").at(-1) ?? "")) wrong.phantom++;
	}
	return { wrong, interrupted, givenUp };
}

const isWrite = (n: number) => n % 2 === 1;
const kindOf = (n: number) => (isWrite(n) ? "write" : "read");

function timesOf(asked: Asked, n: number): readonly number[] {
	return asked.get(`${isWrite(n) ? "POST" : "GET"} /${kindOf(n)}/${n}`) ?? [];
}

type Fault = "lost" | "twin" | "phantom" | "other";

/** How many jobs have each fault, and what is known of each of these jobs. */
type Wrong = Record<Fault, number> & {
	readonly jobs: {
		readonly what: Fault;
		readonly job: ShownJob | undefined;
		/** Its answer, which tells why it has failed. */
		readonly said: string | null;
		readonly asked: readonly number[];
	}[];
};

/** Nothing of it. */
export const nothingWrong = {
	...{ lost: 0, twin: 0, phantom: 0, other: 0 },
	jobs: [],
};
