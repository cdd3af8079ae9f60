import { isStream } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { completed } from "../gateway/plain-request.ts";
import type { Scope } from "../tasks/scope.ts";
import type { EndedRequest } from "../telemetry/traffic/kept-requests.ts";
import { matches } from "../telemetry/traffic/request-filter.ts";
import type { Traffic } from "../telemetry/traffic/traffic.ts";
import { summaryOf } from "../telemetry/trail/shown-request.ts";
import { type AdminParts, createPages } from "./pages.ts";
import type { Heard, Listening, Question, Said } from "./questions.ts";
import { requestsPerSecond } from "./traffic-streams.ts";

/** A worker's answers to the admin server of all workers. */
export interface WorkerAnswers {
	/** Rejects with the error that the asker gets. */
	answer(question: Question, scope: Scope): Promise<Said[Question["kind"]]>;
	/** Tells what ends from now on. Gives the end of it. */
	listen(listening: Listening, hear: (heard: Heard) => void): () => void;
	/** Keeps and counts nothing from now on. */
	close(): void;
}

/** Answers for one worker. Nobody else knows the tokens that it has fetched, so it hides what is secret itself. */
export function createWorkerAnswers(
	gateway: Gateway,
	parts: AdminParts,
): WorkerAnswers {
	const { pages, traffic, state, close } = createPages(gateway, parts, true);
	const { clock, memory, secrets } = gateway;
	const ofPage = async (
		{ path, name, ...asked }: Extract<Question, { readonly kind: "page" }>,
		scope: Scope,
	) => {
		const page = pages.get(path);
		const request = completed(asked, clock, memory);
		try {
			const answer = await page?.answer(request, scope, name);
			if (answer !== undefined && !isStream(answer.body)) return answer;
			throw new GatewayError("route_not_found", "no page of a worker");
		} finally {
			request.memory.end();
		}
	};
	return {
		async answer(question, scope) {
			switch (question.kind) {
				case "metrics":
					return parts.metrics.samples(parts.server, parts.history);
				case "state":
					return secrets.hideInValue(state());
				case "traffic":
					return secrets.hideInValue(traffic.page(question.query));
				case "request":
					return secrets.hideInValue(traffic.detail(question.id));
				case "page":
					return secrets.hideInValue(await ofPage(question, scope));
			}
		},
		listen: (listening, hear) =>
			tellRequests(traffic, listening, (heard) =>
				hear(secrets.hideInValue(heard)),
			),
		close,
	};
}

/** At most so many requests a second are told, as to a listener of one process. */
function tellRequests(
	traffic: Traffic,
	{ filter, after }: Listening,
	hear: (heard: Heard) => void,
): () => void {
	let left = requestsPerSecond;
	let lost = 0;
	const tell = ({ number, end, endedAt }: EndedRequest) =>
		hear({ kind: "request", number, summary: summaryOf(end, endedAt) });
	hear({ kind: "begun", number: after ?? traffic.newest() });
	if (after !== null) {
		const { found, lost: gone } = traffic.after(after);
		// Nobody who did not know this worker has missed what it did.
		if (after > 0) lost += gone;
		for (const request of found) {
			if (matches(filter, request.end)) tell(request);
		}
	}
	return traffic.listen({
		ended(request) {
			if (!matches(filter, request.end)) return false;
			if (left === 0) {
				lost++;
				return false;
			}
			left--;
			tell(request);
			return true;
		},
		rates(rates) {
			left = requestsPerSecond;
			if (lost > 0) hear({ kind: "lost", count: lost });
			lost = 0;
			hear({ kind: "rates", rates });
		},
	});
}
