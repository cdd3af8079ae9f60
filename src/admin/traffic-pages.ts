import { GatewayError } from "../core/errors.ts";
import { headerOf } from "../core/http/headers.ts";
import { readRequestQuery } from "../telemetry/request-filter.ts";
import type { Traffic } from "../telemetry/traffic.ts";
import { jsonAnswer, type Page } from "./handle.ts";
import { eventStream, type TrafficStreams } from "./traffic-streams.ts";

/** The last requests, as a list or as they come. */
export function trafficPage(traffic: Traffic, streams: TrafficStreams): Page {
	return {
		answer({ target, headers, memory }) {
			const query = readRequestQuery(target);
			const accept = headerOf(headers, "accept") ?? "";
			if (accept.includes(eventStream)) {
				const lastId = headerOf(headers, "last-event-id");
				const body = streams.open(query, lastId, memory);
				return { status: 200, type: eventStream, body };
			}
			const { newest, ...list } = traffic.list(query);
			return jsonAnswer({ ...list, last: streams.idOf(newest) });
		},
	};
}

/** One of them, by its id. */
export function requestPage(traffic: Traffic): Page {
	return {
		answer(_request, _scope, id) {
			const detail = traffic.detail(id);
			if (detail !== null) return jsonAnswer(detail);
			throw new GatewayError("route_not_found", "no such request is kept");
		},
	};
}
