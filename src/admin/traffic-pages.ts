import { GatewayError } from "../core/errors.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import { headerOf } from "../core/http/headers.ts";
import { readRequestQuery } from "../telemetry/traffic/request-filter.ts";
import type { Traffic, TrafficList } from "../telemetry/traffic/traffic.ts";
import { jsonAnswer, type Page } from "./handle.ts";
import type { TrafficStreams } from "./traffic-streams.ts";

/** A page of the last requests, as JSON. */
export interface TrafficAnswer extends Omit<TrafficList, "newest"> {
	/** The `Last-Event-ID` with which a stream goes on after this list. */
	readonly last: string;
}

/** The last requests, as a list or as they come. */
export function trafficPage(traffic: Traffic, streams: TrafficStreams): Page {
	return {
		answer({ target, headers, memory }) {
			const query = readRequestQuery(target);
			const accept = headerOf(headers, "accept") ?? "";
			if (accept.includes(eventStreamType)) {
				const lastId = headerOf(headers, "last-event-id");
				const body = streams.open(query, lastId, memory);
				return { status: 200, type: eventStreamType, body };
			}
			const { newest, ...list } = traffic.list(query);
			const answer: TrafficAnswer = { ...list, last: streams.idOf(newest) };
			return jsonAnswer(answer);
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
