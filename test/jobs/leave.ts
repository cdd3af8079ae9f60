import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";
import { begin, ended, type ShownJob } from "../kit/jobs.ts";
import { json, startUpstream } from "../kit/upstream.ts";
import type { JobPlace } from "./drain.ts";

const routes = (url: string) => `
upstreams: { shop: { url: ${url} } }
routes:
  GET /orders:
    job: { always: true, webhook: shop/told }
    steps: { a: { get: shop/a } }
    respond: { a: "\${a}" }
  GET /each-second:
    job: { schedule: "* * * * * *" }
    respond: 1
`;

/** A gateway that leaves jobs to `sluice work`. */
export function leaveCases(place: () => JobPlace): void {
	describe("with `run: work`", () => {
		test("a gateway runs no job, and still shows, tells and schedules those that `sluice work` runs", async () => {
			let answer = () => {};
			await using shop = await startUpstream(({ target }, response) => {
				if (target === "/a") answer = () => json(response, 1);
				else json(response, 1);
			});
			using where = place();
			const yaml = routes(shop.url);
			const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
			const env = { WEBHOOK_SECRET: secret };
			await using served = await where.look(
				yaml,
				"  run: work\n  secret: ${env.WEBHOOK_SECRET}",
				env,
			);
			served.gateway.jobs?.begin();
			const job = await begin(served, "/orders");
			const state = async () => (await served.get(job.url)).json as ShownJob;
			// The clock has asked for two more, which takes longer than a process needs to begin one.
			await untilSo(
				() => (served.gateway.state().jobs?.counts?.queued ?? 0) >= 3,
			);
			assert.equal((await state()).state, "queued");
			assert.equal(served.gateway.state().jobs?.running, 0);
			assert.equal(shop.seen.length, 0);
			using folder = folderWith({
				"sluice.yaml": `${yaml}\nadmin: false\n${where.lines}`,
			});
			const work = sluice(["work"], { cwd: folder.path, env });
			try {
				await work.printed("working");
				await shop.arrived(1);
				await untilSo(
					async () => (await state()).steps[0]?.state === "running",
				);
				answer();
				assert.equal((await ended(served, job)).state, "done");
				await untilSo(() => shop.seen.some(({ target }) => target === "/told"));
				// Those of the clock were run, too.
				await untilSo(
					() => (served.gateway.state().jobs?.counts?.done ?? 0) >= 3,
				);
			} finally {
				work.process.kill("SIGKILL");
				await work.ended;
			}
		});
	});
}

async function untilSo(isSo: () => boolean | Promise<boolean>): Promise<void> {
	while (!(await isSo()))
		await new Promise((resolve) => setTimeout(resolve, 20));
}
