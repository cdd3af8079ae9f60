import { isStream } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { completed } from "../gateway/plain-request.ts";
import type { Scope } from "../tasks/scope.ts";
import { type AdminParts, createPages } from "./pages.ts";
import type { Question, Said } from "./questions.ts";

/** A worker's answers to the admin server of all workers. */
export interface WorkerAnswers {
	/** Rejects with the error that the asker gets. */
	answer(question: Question, scope: Scope): Promise<Said[Question["kind"]]>;
	/** Keeps and counts nothing from now on. */
	close(): void;
}

/** Answers for one worker. */
export function createWorkerAnswers(
	gateway: Gateway,
	parts: AdminParts,
): WorkerAnswers {
	const { pages, close } = createPages(gateway, parts);
	const { clock, memory } = gateway;
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
				case "page":
					return await ofPage(question, scope);
			}
		},
		close,
	};
}
