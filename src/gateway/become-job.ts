import { GatewayError } from "../core/errors.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { prefersAsync } from "../core/http/prefer.ts";
import { waited } from "../jobs/answer-job.ts";
import { hasEnded, type Job, type NewJob } from "../jobs/job.ts";
import {
	documentFields,
	jobDocument,
	pauseFields,
} from "../jobs/job-document.ts";
import { keyOf } from "../jobs/job-key.ts";
import { jobPath, newJobId } from "../jobs/job-path.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Asked } from "./asked.ts";
import { ownerOf } from "./job-owner.ts";
import type { JobRoute } from "./job-route.ts";

/**
 * Takes a request on as a job, and says where it is. If the client would wait a while (RFC 7240, 4.1 and 4.3) and the job ends
 * in that time, its answer is the answer.
 */
export async function becomeJob(
	asked: Asked,
	route: JobRoute,
	jobs: Jobs,
): Promise<GatewayResponse> {
	const { request, scope, beyond } = asked;
	const added = await jobs.add(newJob(asked, route));
	switch (added.kind) {
		case "full": {
			const words = `there are as many jobs as may be: ${added.what}`;
			throw new GatewayError("jobs_full", words, { retryAfterMs: 1_000 });
		}
		case "other": {
			const words = "the key was used for another request";
			throw new GatewayError("idempotency_key_reused", words);
		}
		case "gone":
			throw new GatewayError("job_gone", "the job of the key is not kept");
		case "added": {
			const about = { request, scope, jobs, closing: beyond.closing };
			const { job } = await waited(added.job, about);
			const answer = hasEnded(job.state) ? await jobs.answer(job.id) : null;
			// Without a wish to wait the client gets the job, also if a job of its key has ended before.
			return answer !== null && job !== added.job
				? answer
				: accepted(job, request.headers);
		}
	}
}

function newJob(
	{ request, body, values, route: { plan } }: Asked,
	{ config, attempts, keep }: JobRoute,
): NewJob {
	const { expiresMs, keptMs } = config;
	const acceptedAt = Date.now();
	const owner = ownerOf(values.auth);
	const stored = keep(request, body, values);
	return {
		...{ id: newJobId(), route: plan.key, owner, requestId: request.id },
		...{ acceptedAt, expiresAt: acceptedAt + expiresMs, keptMs, attempts },
		hook: config.webhook !== null,
		key: keyOf(request.headers, { route: plan.key, owner }, stored),
		request: stored,
	};
}

function accepted(job: Job, headers: HeaderList): GatewayResponse {
	const applied = prefersAsync(headers)
		? ["preference-applied", "respond-async"]
		: [];
	return {
		status: 202,
		headers: [
			...["location", jobPath(job.id)],
			...pauseFields(job),
			...applied,
			...documentFields,
		],
		body: jobDocument(job),
	};
}
