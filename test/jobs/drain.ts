import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { folderWith, type RunningCommand, sluice } from "../kit/cli.ts";
import { begin, ended, type ServeJobs, type ShownJob } from "../kit/jobs.ts";
import type { ServedGateway } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const routes = (url: string) => `
upstreams: { shop: { url: ${url}, timeout: 1m } }
defaults: { deadline: 2m }
routes:
  GET /read:
    job: { always: true }
    steps: { a: { get: shop/read } }
    respond: { a: "\${a}" }
  POST /write:
    job: true
    steps: { a: { post: shop/write } }
    respond: { a: "\${a}" }
  GET /waits:
    job: { always: true }
    respond: { waited: true }
`;

/** Where the jobs of a test are: the lines of a config that say so, and a gateway that shares them. */
export interface JobPlace extends Disposable {
	readonly lines: string;
	readonly look: ServeJobs;
}

/** What a process that is told to end does with jobs, wherever they are kept. `command` is the one that runs them. */
export function drainCases(
	command: "serve" | "work",
	place: () => JobPlace,
): void {
	describe(`\`${command}\` is told to end while jobs run`, () => {
		async function draining(
			drain: string,
			use: (parts: {
				readonly look: ServedGateway;
				readonly jobs: readonly ShownJob[];
				/** Tells the process to end, and resolves when it has begun to. */
				end(): Promise<void>;
				/** The calls that came, in any order. */
				asked(): readonly string[];
				answer(): void;
				/** Starts another process. */
				again(): void;
				readonly code: Promise<number | null>;
			}) => Promise<void>,
		) {
			const { promise: answers, resolve } = Promise.withResolvers<void>();
			await using shop = await startUpstream((_, response) => {
				void answers.then(() => json(response, 1));
			});
			using where = place();
			const yaml = routes(shop.url);
			await using look = await where.look(yaml);
			// It stays without work until it is told to begin.
			await look.gateway.jobs?.stop();
			using folder = folderWith({
				"sluice.yaml": `${yaml}\nadmin: false\nserver: { port: 0, drain: ${drain} }\n${where.lines}`,
			});
			const started = [sluice([command], { cwd: folder.path })];
			const [running] = started as [RunningCommand];
			try {
				await running.printed(command === "work" ? "working" : "listening on");
				const jobs = [
					await begin(look, "/read"),
					await begin(look, "/write", { method: "POST" }),
				];
				await shop.arrived(2);
				jobs.push(await begin(look, "/waits"));
				await use({
					...{ look, jobs, code: running.ended, answer: resolve },
					again: () =>
						void started.push(sluice([command], { cwd: folder.path })),
					asked: () => shop.seen.map(({ target }) => target).sort(),
					async end() {
						running.process.kill("SIGTERM");
						await running.printed('"draining"');
					},
				});
			} finally {
				for (const one of started) {
					one.process.kill("SIGKILL");
					await one.ended;
				}
			}
		}

		const stateOf = async (look: ServedGateway, { url }: ShownJob) => {
			const job = (await look.get(url)).json as ShownJob;
			return [job.state, job.begun];
		};

		test("those that end within the drain time are finished, and none is begun", async () => {
			await draining(
				"30s",
				async ({ look, jobs, end, answer, code, asked }) => {
					await end();
					answer();
					assert.equal(await code, 0);
					const states = await Promise.all(
						jobs.map((job) => stateOf(look, job)),
					);
					assert.deepEqual(states, [
						["done", 1],
						["done", 1],
						["queued", 0],
					]);
					assert.deepEqual(asked(), ["/read", "/write"]);
				},
			);
		});

		test("the others are put back if they have not written, and nothing is done twice", async () => {
			await draining("200ms", async (parts) => {
				const { look, jobs, end, answer, again, code, asked } = parts;
				await end();
				assert.equal(await code, 0);
				const [read, , waits] = jobs as [ShownJob, ShownJob, ShownJob];
				assert.deepEqual(await stateOf(look, read), ["queued", 0]);
				assert.deepEqual(await stateOf(look, waits), ["queued", 0]);
				assert.deepEqual(asked(), ["/read", "/write"]);
				answer();
				again();
				const after = await Promise.all(jobs.map((job) => ended(look, job)));
				assert.deepEqual(
					after.map(({ state, begun }) => [state, begun]),
					[
						["done", 1],
						["interrupted", 1],
						["done", 1],
					],
				);
				assert.deepEqual(asked(), ["/read", "/read", "/write"]);
			});
		});
	});
}
