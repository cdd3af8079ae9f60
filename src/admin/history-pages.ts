import { errorTable, GatewayError } from "../core/errors.ts";
import type { History } from "../telemetry/history/history.ts";
import { readHistoryQuery } from "../telemetry/history/query.ts";
import { jsonAnswer, type Page } from "./handle.ts";

/** The kept requests, by pages. */
export function historyPage(history: History | null): Page {
	if (history === null) return noHistory;
	return {
		async answer({ target }) {
			return jsonAnswer(await history.search(readHistoryQuery(target)));
		},
	};
}

/** One of them, by its id. */
export function keptRequestPage(history: History | null): Page {
	if (history === null) return noHistory;
	return {
		async answer(_request, _scope, id) {
			const detail = await history.detail(id);
			if (detail !== null) return jsonAnswer(detail);
			throw new GatewayError("route_not_found", "no such request is kept");
		},
	};
}

/** An operator may be told more than a client. */
const noHistory: Page = {
	answer({ id }) {
		const code = "route_not_found";
		const { status, title } = errorTable[code];
		const document = {
			type: `urn:sluice:error:${code}`,
			...{ title, status, code },
			detail:
				"there is no history: write `history: true` in the config. `/traffic` has the last requests",
			instance: id,
		};
		const type = "application/problem+json";
		return { status, type, body: JSON.stringify(document) };
	},
};
