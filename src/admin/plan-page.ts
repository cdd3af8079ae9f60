import type { Gateway } from "../gateway/gateway.ts";
import { hashOf } from "../plan/print.ts";
import { jsonAnswer, type Page, type PageAnswer } from "./handle.ts";

/** What waits for what in each route. */
export function planPage(gateway: Gateway): Page {
	let answer: PageAnswer | null = null;
	return {
		answer() {
			answer ??= jsonAnswer({
				hash: hashOf(gateway.plan),
				routes: gateway.explain(),
			});
			return answer;
		},
	};
}
