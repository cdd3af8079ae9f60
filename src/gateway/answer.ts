import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import { unsniffed } from "../core/http/problem.ts";
import { answerJob } from "../jobs/answer-job.ts";
import { jobTargetOf } from "../jobs/job-path.ts";
import { noMoreEvents } from "../run/faces.ts";
import type { Scope } from "../tasks/scope.ts";
import { answeringOf } from "./answering.ts";
import { Asked } from "./asked.ts";
import { inCoding } from "./coded.ts";
import { endingWith } from "./expiry.ts";
import { count, find, findShared } from "./find.ts";
import type { Handling } from "./handling.ts";
import { bodyToRead, readWithBody } from "./request-content.ts";
import type { RequestEnd } from "./request-end.ts";
import { uploadOf } from "./upload.ts";

/**
 * The way of a request through the gateway: let in, counted to its limits, led to its route, known by its
 * credentials, read, answered. Rejects with
 * what it is refused for or fails by.
 */
export async function answer(
	request: GatewayRequest,
	scope: Scope,
	handling: Handling,
	end: RequestEnd,
): Promise<GatewayResponse> {
	const { memory, overload, shared, clock, jobs } = handling;
	if (request.memory.short) {
		overload?.refuse("memory");
		throw memory.usedUp;
	}
	overload?.admit(request.ip, request.arrivedMs);
	const document = documentFor(request, handling);
	if (document !== null) return document;
	const aboutJob = jobs && jobTargetOf(request.target);
	if (jobs && aboutJob) {
		await count(request, handling, end);
		return await answerJob(aboutJob, {
			...{ request, scope, jobs, closing: end.closing },
			isOwner: (owner) => handling.isOwner(owner, request, scope),
		});
	}
	const found = shared
		? await findShared(shared, request, handling, end)
		: find(request, handling, end);
	const { route, params } = found;
	const identity = route.door
		? await route.door({ request, params, scope, end, shared })
		: null;
	const answering = answeringOf(request, route, handling);
	if (answering === null) return noMoreEvents;
	overload?.expect(request.ip);
	const { content } = route.requests;
	const bytes = content
		? await bodyToRead(request, content, route, handling, scope)
		: null;
	const awaited = route.proxy
		? uploadOf(request, route.proxy.bodyBytesMax)
		: null;
	const upload = awaited instanceof Promise ? await awaited : awaited;
	const deadline = request.arrivedMs + route.plan.deadlineMs;
	// Without a body it is still the turn of the loop in which the request came.
	const hasWaited =
		bytes !== null ||
		awaited instanceof Promise ||
		identity !== null ||
		found.waited;
	const nowMs = hasWaited ? clock.now() : request.arrivedMs;
	const begun = overload?.begin(request.ip, nowMs, deadline, scope) ?? null;
	if (begun !== null) await begun;
	const values =
		bytes === null
			? route.requests.read(request, params, null, clock.turn)
			: await readWithBody(request, params, bytes, route, handling);
	end.trail?.read();
	const body = route.job === null ? null : bytes;
	const readout = {
		...{ request, scope, upload, body },
		values: identity === null ? values : { ...values, auth: identity.values },
	};
	const asked = new Asked(found, readout, handling, end);
	try {
		const response = await answering(asked);
		const untilMs = identity?.untilMs ?? null;
		const ending =
			untilMs === null ? response : endingWith(response, untilMs, clock, scope);
		const coded = inCoding(ending, asked);
		return coded instanceof Promise ? await coded : coded;
	} finally {
		asked.leave();
	}
}

/** What is asked before anybody has a token, so anybody may read it. */
function documentFor(
	{ method, target }: GatewayRequest,
	{ metadata }: Handling,
): GatewayResponse | null {
	if (metadata.size === 0) return null;
	const body = metadata.get(pathOf(target));
	if (body === undefined || (method !== "GET" && method !== "HEAD"))
		return null;
	const headers = ["content-type", "application/json", ...unsniffed];
	return { status: 200, headers, body };
}
