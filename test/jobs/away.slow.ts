import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
	begin,
	ended,
	inStore,
	type ServeJobs,
	type ShownJob,
} from "../kit/jobs.ts";
import type { HttpAnswer, ServedGateway } from "../kit/serve.ts";
import { startStore, type TestStore, withoutStore } from "../kit/store.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const routes = (url: string) => `
upstreams: { shop: { url: ${url}, timeout: 1m } }
defaults: { deadline: 2m }
routes:
  POST /write/{n}:
    job: true
    steps: { a: { post: "shop/write/\${params.n}" } }
    respond: { n: "\${params.n}" }
`;

/** Every write survives a store that is killed. */
const onDisk = ["--appendonly", "yes", "--appendfsync", "always"];

interface Told {
	/** What each client was told last, by its number. */
	readonly answers: readonly HttpAnswer[];
	readonly refusals: readonly HttpAnswer[];
}

/** Clients that ask for one job after the other, before the store is hurt, meanwhile, and when it is back. */
async function askWhile(
	served: ServedGateway,
	store: TestStore,
	{
		hurt,
		heal,
		keyed,
	}: {
		readonly hurt: (store: TestStore) => unknown;
		readonly heal: (store: TestStore) => unknown;
		readonly keyed: boolean;
	},
): Promise<Told> {
	const answers: HttpAnswer[] = [];
	const refusals: HttpAnswer[] = [];
	let over = false;
	const ask = (n: number) =>
		served.get(`/write/${n}`, {
			method: "POST",
			headers: {
				prefer: "respond-async",
				...(keyed && { "idempotency-key": `key-${n}` }),
			},
		});
	let next = 0;
	const clients = Array.from({ length: 12 }, async () => {
		while (!over) {
			const n = next++;
			let answer = await ask(n);
			if (answer.status === 503) refusals.push(answer);
			// A client with a key asks until it knows.
			while (keyed && answer.status === 503) answer = await ask(n);
			answers[n] = answer;
		}
	});
	await until(() => answers.filter(isTaken).length >= 30);
	await hurt(store);
	await until(() => refusals.length >= 12);
	await heal(store);
	const before = next;
	// It comes back by itself.
	await until(() => answers.slice(before).filter(isTaken).length >= 10);
	over = true;
	await Promise.all(clients);
	return { answers, refusals };
}

const isTaken = ({ status }: HttpAnswer) => status === 202;

async function until(isSo: () => boolean): Promise<void> {
	while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Every job that was taken on is done, once, and of those that were refused nothing. */
async function nothingLostOrDoubled(
	served: ServedGateway,
	{ answers, refusals }: Told,
	asked: readonly string[],
): Promise<void> {
	for (const refused of refusals) {
		const problem = refused.json as ShownJob;
		assert.equal(problem.code, "jobs_unavailable");
		assert.equal(refused.headers["retry-after"], "1");
		assert.equal(refused.headers["content-type"], "application/problem+json");
	}
	for (const [n, answer] of answers.entries()) {
		if (isTaken(answer)) {
			const job = await ended(served, answer.json as ShownJob);
			assert.equal(job.state, "done", `${n}: ${JSON.stringify(job)}`);
		}
	}
	const times = answers.map(
		(_, n) => asked.filter((path) => path === `/write/${n}`).length,
	);
	assert.deepEqual(
		times,
		answers.map((answer) => Number(isTaken(answer))),
	);
}

async function away(
	options: readonly string[],
	how: Parameters<typeof askWhile>[2],
): Promise<void> {
	await using store = await startStore(...options);
	const asked: string[] = [];
	await using shop = await startUpstream(({ target }, response) => {
		asked.push(target);
		json(response, 1);
	});
	const serve: ServeJobs = inStore(store.url);
	await using served = await serve(routes(shop.url), "  queued: 2000");
	const told = await askWhile(served, store, how);
	await nothingLostOrDoubled(served, told, asked);
}

describe("a store that goes away while jobs are taken on", {
	skip: withoutStore(),
}, () => {
	const hang = {
		hurt: (s: TestStore) => s.stop(),
		heal: (s: TestStore) => s.goOn(),
	};
	const kill = {
		hurt: (s: TestStore) => s.kill(),
		heal: (s: TestStore) => s.restart(),
	};

	for (const keyed of [false, true]) {
		const who = keyed ? "clients with keys" : "clients without keys";

		test(`by hanging: ${who} are refused, nothing of theirs is done, and what was taken on is done once`, () =>
			away([], { ...hang, keyed }));

		test(`by being killed: ${who} are refused, nothing of theirs is done, and what was taken on is done once`, () =>
			away(onDisk, { ...kill, keyed }));
	}

	test("leaves a job that runs its time, and takes its answer when it is back", async () => {
		await using store = await startStore();
		let answer = () => {};
		await using shop = await startUpstream((_, response) => {
			answer = () => json(response, 1);
		});
		const prefix = "shared";
		await using served = await inStore(store.url, prefix)(routes(shop.url));
		await using other = await inStore(store.url, prefix)(routes(shop.url));
		const job = await begin(served, "/write/1", { method: "POST" });
		await shop.arrived(1);
		other.gateway.jobs?.begin();
		store.stop();
		// Longer than a process keeps a job without a word.
		await new Promise((resolve) => setTimeout(resolve, 7_000));
		answer();
		await new Promise((resolve) => setTimeout(resolve, 4_000));
		store.goOn();
		const after = await ended(other, job);
		assert.deepEqual([after.state, after.begun], ["done", 1]);
		assert.equal(shop.seen.length, 1);
	});
});
