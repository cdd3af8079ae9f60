import { isStream } from "../core/body/byte-stream.ts";
import { asGatewayError } from "../core/errors.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { problemResponse } from "../core/http/problem.ts";
import { TraceIds } from "../core/trace-ids.ts";
import { Trail } from "../core/trail.ts";
import { costOfAnswer } from "../run/merge.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Handling } from "./handling.ts";
import { withQuotas } from "./rate-limit.ts";
import { RequestEnd } from "./request-end.ts";
import {
	ReportedFlow,
	ReportedSession,
	ReportedStream,
	RequestReport,
} from "./request-report.ts";

/** Answers a request, also if `answer` rejects, and tells of its end. */
export async function reported(
	request: GatewayRequest,
	scope: Scope,
	handling: Handling,
	answer: (end: RequestEnd) => Promise<GatewayResponse>,
): Promise<GatewayResponse> {
	const { trailEnded, tracers } = handling.events;
	const tracer = tracers[0] ?? null;
	const ids = tracer && new TraceIds(request.headers, tracer);
	const traced = ids?.sampled ? ids : null;
	const trail =
		trailEnded.length === 0 && traced === null
			? null
			: trailOf(request, handling, traced);
	const end = new RequestEnd(handling.outliving, ids, trail);
	let response: GatewayResponse;
	try {
		response = await answer(end);
	} catch (thrown) {
		const error = asGatewayError(thrown);
		// A client that waits for news leaves when it likes.
		const leaves = end.watch === "wait" && error.code === "client_closed";
		if (!leaves) end.error = error;
		response = problemResponse(error, request.id);
	}
	if (end.outlived) {
		// The client left before an answer in parts began, but the run went on.
		await end.running;
		const reason = asGatewayError(scope.reason);
		end.error ??= reason;
		response = problemResponse(reason, request.id);
	}
	const { quotas, ongoing } = end;
	if (ongoing !== null) {
		const own = response.ongoing;
		const all = own ? Promise.all([own, ongoing]).then(() => {}) : ongoing;
		response = { ...response, ongoing: all };
	}
	if (quotas !== null) response = withQuotas(response, quotas);
	const report = new RequestReport(request, response, end, handling, traced);
	const { body, session } = response;
	if (session !== undefined) {
		const { closing } = handling.outliving;
		return {
			...response,
			session: new ReportedSession(session, scope, closing, report),
		};
	}
	if (isStream(body)) {
		if (request.method !== "HEAD") {
			const Reported = body.flowTo ? ReportedFlow : ReportedStream;
			return { ...response, body: new Reported(body, scope, report) };
		}
	} else if (ongoing === null) request.memory.keepAnswer(costOfAnswer(body));
	else request.memory.hold(costOfAnswer(body));
	report.tell(end.error);
	return response;
}

function trailOf(
	request: GatewayRequest,
	{ clock }: Handling,
	ids: TraceIds | null,
): Trail {
	const { id: requestId, method, arrivedMs } = request;
	return new Trail(clock, { requestId, method, arrivedMs }, ids);
}
