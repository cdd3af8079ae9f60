import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Job, TakenJob } from "../../src/jobs/job.ts";
import { JobChanges } from "../../src/jobs/job-changes.ts";
import { jobEvents } from "../../src/jobs/job-events.ts";
import { JobHooks } from "../../src/jobs/job-hooks.ts";
import { JobRunner } from "../../src/jobs/job-runner.ts";
import type { DueHook, Found, JobStore } from "../../src/jobs/job-store.ts";
import type { Jobs } from "../../src/jobs/jobs.ts";
import { openScope, virtualClock } from "../../src/tasks/index.ts";
import { unhandledIn } from "../kit/unhandled.ts";

/** What happens to jobs in the middle of something else. */

const job: Job = {
	...{ id: "one", route: "GET /", owner: null, requestId: "r", begun: 1 },
	...{ state: "running", acceptedAt: 0, startedAt: 0, endedAt: null },
	...{ keptMs: 1000, progress: [], status: null, code: null },
};
const ended: Job = { ...job, state: "done", status: 200 };
const foundOf = (one: Job): Found => ({ kind: "found", job: one });

/** A store that does only what a test needs of it. */
function storeOf(parts: Partial<JobStore>): JobStore {
	return parts as JobStore;
}

describe("those who follow a job", () => {
	function following(find: () => Promise<Found>) {
		const clock = virtualClock();
		const changes = new JobChanges(storeOf({ find }), clock);
		return { clock, changes };
	}

	test("hear nothing any more after another that heard has ended their waiting", async () => {
		const { clock, changes } = following(async () => foundOf(ended));
		const heard: string[] = [];
		changes.follow(job, () => {
			heard.push("first");
			stop();
		});
		const stop = changes.follow(job, () => heard.push("second"));
		changes.changed("one");
		await clock.advance(0);
		assert.deepEqual(heard, ["first"]);
	});

	test("hear what others know already", async () => {
		const { clock, changes } = following(async () => foundOf(ended));
		const heard: string[] = [];
		changes.follow(job, () => heard.push("first"));
		changes.changed("one");
		await clock.advance(0);
		// It has asked how the job is before that.
		changes.follow(job, (found) => {
			if (found?.kind === "found") heard.push(found.job.state);
		});
		await clock.advance(250);
		assert.deepEqual(heard, ["first", "done"]);
	});

	test("hear although another one throws", async () => {
		const { clock, changes } = following(async () => foundOf(ended));
		const bug = new Error("of whoever hears");
		const heard: string[] = [];
		changes.follow(job, () => {
			throw bug;
		});
		changes.follow(job, () => heard.push("second"));
		const seen = await unhandledIn(async () => {
			changes.changed("one");
			await clock.advance(0);
		});
		assert.deepEqual([heard, seen], [["second"], [bug]]);
	});
});

describe("a job's events", () => {
	async function read(
		first: Job,
		onEnd: (end: () => void) => () => void,
		scope = openScope({ clock: virtualClock() }),
	) {
		let followed = 0;
		const jobs = {
			follow() {
				followed++;
				return () => followed--;
			},
		} as unknown as Jobs;
		const events = jobEvents(first, jobs, scope, onEnd);
		let text = "";
		for await (const piece of events) text += Buffer.from(piece).toString();
		const { listeners, clock } = scope;
		return { text, followed, listeners, clock };
	}

	test("end with how it is, and follow nothing, if the server drains already", async () => {
		let listening = 0;
		const { text, followed, listeners } = await read(job, (end) => {
			listening++;
			end();
			return () => listening--;
		});
		assert.match(text, /^event: job\n/);
		assert.deepEqual(
			{ followed, listening, listeners },
			{ followed: 0, listening: 0, listeners: 0 },
		);
	});

	test("listen for nothing if it has ended already", async () => {
		const { text, followed, listeners } = await read(ended, () =>
			assert.fail("listens for its end"),
		);
		assert.match(text, /"state":"done"/);
		assert.deepEqual([followed, listeners], [0, 0]);
	});
});

test("a runner that stops while it asks for a job gives it back, and has stopped then", async () => {
	const clock = virtualClock();
	const asked = Promise.withResolvers<TakenJob | null>();
	const done: unknown[] = [];
	const runner = new JobRunner(
		storeOf({
			take: () => asked.promise,
			end: async (id, run, outcome) => {
				done.push([id, run, outcome]);
				return null;
			},
		}),
		{
			...{ clock, parallel: 1, short: () => false, changed() {} },
			start: () => assert.fail("it was begun"),
		},
	);
	runner.begin();
	const stopped = runner.stop().then(() => done.push("stopped"));
	asked.resolve({ job, run: "run" } as TakenJob);
	await stopped;
	assert.deepEqual(done, [
		["one", "run", { state: "left", wrote: false }],
		"stopped",
	]);
	assert.equal(runner.running, 0);
	await runner.close();
});

test("whoever stops telling of ends has told of that which was asked for before", async () => {
	const clock = virtualClock();
	const asked = Promise.withResolvers<DueHook | null>();
	const done: string[] = [];
	const hooks = new JobHooks(
		storeOf({
			takeHook: () => asked.promise,
			hookEnded: async () => void done.push("kept that it was told"),
		}),
		clock,
		async () => done.push("told") > 0,
	);
	hooks.begin();
	const stopped = hooks.stop().then(() => done.push("stopped"));
	asked.resolve({ job: ended, tries: 1 });
	await stopped;
	assert.deepEqual(done, ["told", "kept that it was told", "stopped"]);
});
