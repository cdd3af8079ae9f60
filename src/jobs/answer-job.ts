import { GatewayError } from "../core/errors.ts";
import { preferredType } from "../core/http/accept.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { preferredWaitOf } from "../core/http/prefer.ts";
import type { Scope } from "../tasks/scope.ts";
import { hasEnded, type Job } from "./job.ts";
import {
	documentFields,
	jobDocument,
	pauseFields,
	pauseOf,
} from "./job-document.ts";
import { jobEvents } from "./job-events.ts";
import type { JobTarget } from "./job-path.ts";
import type { Found } from "./job-store.ts";
import type { Jobs } from "./jobs.ts";

/** No client is kept waiting for longer. Proxies cut a connection that is silent for longer than a minute. */
const waitMsMax = 50_000;

/** A client's request about a job. */
export interface JobAsked {
	readonly request: GatewayRequest;
	/** Cancelled when the client leaves. */
	readonly scope: Scope;
	/** Cancelled when the gateway closes. */
	readonly closing: Scope;
	/** Whether this owner of a job is who asks. */
	readonly isOwner: (owner: string) => Promise<boolean>;
	readonly jobs: Jobs;
}

/** Answers a request about a job: how it is, its answer, its end. Rejects with the error that the client gets. */
export async function answerJob(
	{ id, answer }: JobTarget,
	asked: JobAsked,
): Promise<GatewayResponse> {
	const { method } = asked.request;
	const reads = method === "GET" || method === "HEAD";
	if (id === null) throw notFound();
	if (!reads && (answer || method !== "DELETE")) {
		const allow = answer ? ["GET", "HEAD"] : ["DELETE", "GET", "HEAD"];
		const words = "a job has other methods";
		throw new GatewayError("method_not_allowed", words, { allow });
	}
	const job = thereIn(await asked.jobs.find(id));
	// Of a job of others it is not said that it is there.
	const { owner } = job;
	if (owner !== null && !(await asked.isOwner(owner))) throw notFound();
	if (method === "DELETE") {
		await asked.jobs.cancel(id);
		return { status: 204, headers: [], body: null };
	}
	return answer ? await answerOf(job, asked) : await documentOf(job, asked);
}

function thereIn(found: Found): Job {
	if (found?.kind === "gone") {
		throw new GatewayError("job_gone", "the job is not kept any more");
	}
	if (found?.job) return found.job;
	throw notFound();
}

function notFound(): GatewayError {
	return new GatewayError("job_not_found", "there is no such job");
}

async function documentOf(job: Job, asked: JobAsked): Promise<GatewayResponse> {
	const { request, jobs, scope } = asked;
	const events = [eventStreamType];
	const type = preferredType(request.headers, "application/json", events);
	if (type !== null) {
		const headers = ["content-type", type, "cache-control", "no-store"];
		const onEnd = endingOf(asked);
		return {
			status: 200,
			headers,
			body:
				request.method === "HEAD" ? null : jobEvents(job, jobs, scope, onEnd),
		};
	}
	const { job: last, applied } = await waited(job, asked);
	return {
		status: 200,
		headers: [...documentFields, ...pauseFields(last), ...applied],
		body: jobDocument(last),
	};
}

/** The very answer of the run. */
async function answerOf(job: Job, asked: JobAsked): Promise<GatewayResponse> {
	const { job: last } = await waited(job, asked);
	if (!hasEnded(last.state)) {
		const retryAfterMs = 1_000 * pauseOf(last.acceptedAt);
		const words = "the job has no answer yet";
		throw new GatewayError("job_not_ended", words, { retryAfterMs });
	}
	const answer = await asked.jobs.answer(last.id);
	if (answer !== null) return answer;
	// It may be gone meanwhile.
	const { code, state } = thereIn(await asked.jobs.find(last.id));
	throw new GatewayError(code ?? "job_gone", `the job ended as ${state}`);
}

/** Waits as long as the client likes to, and says so (RFC 7240, 3). */
export async function waited(
	job: Job,
	asked: Omit<JobAsked, "isOwner">,
): Promise<{ readonly job: Job; readonly applied: readonly string[] }> {
	const { request, jobs, scope } = asked;
	const seconds = preferredWaitOf(request.headers);
	if (seconds === null) return { job, applied: [] };
	const ms = Math.min(1_000 * seconds, waitMsMax);
	const found = await jobs.ended(job, ms, scope, endingOf(asked));
	const last = thereIn(found);
	return { job: last, applied: ["preference-applied", `wait=${seconds}`] };
}

/** Nobody is kept waiting by a server that drains or a gateway that closes. */
function endingOf({ request, closing }: Omit<JobAsked, "isOwner">) {
	return (end: () => void) => {
		const stopDraining = request.onDrain?.(end);
		const stopClosing = closing.onCancel(end);
		return () => {
			stopDraining?.();
			stopClosing();
		};
	};
}
