import { ByteQueue } from "../core/body/byte-queue.ts";
import type { ByteStream } from "../core/body/byte-stream.ts";
import { printEvent } from "../core/http/event-stream.ts";
import { Heartbeat } from "../run/heartbeat.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { hasEnded, type Job } from "./job.ts";
import { jobDocument } from "./job-document.ts";
import type { Found } from "./job-store.ts";
import type { Jobs } from "./jobs.ts";

/**
 * A job as a stream of events: `job` whenever something has happened to it, up to its end. A slow reader gets the newest. It
 * ends when `onEnd` calls back, too: the client then comes again.
 */
export function jobEvents(
	first: Job,
	jobs: Jobs,
	outer: Scope,
	onEnd: (end: () => void) => () => void,
): ByteStream {
	const scope = openScope({ clock: outer.clock });
	let full = false;
	let newest: Job | null = null;
	const stops: (() => void)[] = [];
	let left = false;
	const leave = () => {
		left = true;
		for (const stop of stops.splice(0)) stop();
		beat.stop();
		scope.close();
	};
	const queue = new ByteQueue({
		length: null,
		onFull() {
			full = true;
		},
		onWanted() {
			full = false;
			if (newest !== null) send(newest);
		},
		onLeft: leave,
	});
	const send = (job: Job) => {
		newest = full ? job : null;
		if (full) return;
		queue.push(
			Buffer.from(printEvent({ event: "job", data: jobDocument(job) })),
		);
		beat.sent();
		if (hasEnded(job.state)) end();
	};
	const end = () => {
		queue.end();
		leave();
	};
	const beat = new Heartbeat(scope, () =>
		queue.push(Buffer.from(printEvent({ comment: "waiting" }))),
	);
	const hear = (found: Found) => {
		if (found?.kind === "found") send(found.job);
		else end();
	};
	const cut = (reason: unknown) => {
		queue.fail(reason);
		leave();
	};
	send(first);
	// It may be over before it is known how to stop listening: the job has ended, the client has gone, or the server drains.
	if (!left) stops.push(outer.onCancel(cut));
	if (!left) stops.push(onEnd(end));
	if (!left) stops.push(jobs.follow(first, hear));
	if (left) leave();
	return queue;
}
