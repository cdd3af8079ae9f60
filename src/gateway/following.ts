import type { WatchRole } from "../core/events.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import type { Wanted } from "../live/listen-face.ts";
import type { WatchSource } from "../live/watch.ts";
import { answerWatching } from "../live/watch-answer.ts";
import type { WatchFace } from "../live/watch-face.ts";
import { valuesOfWatch, watchKeyOf } from "../live/watch-key.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Asked } from "./asked.ts";
import type { LiveRoute } from "./gateway-route.ts";
import { reported } from "./reported.ts";
import type { RequestEnd } from "./request-end.ts";
import { createWatchRun } from "./watch-run.ts";

/** Answers a client that watches a live route. Its run is shared, and a request of its own. */
export function watch(
	asked: Asked,
	{ watches, watchedBy }: LiveRoute,
	face: WatchFace,
): Promise<GatewayResponse> {
	const { request, scope, route, handling, beyond } = asked;
	const values = valuesOfWatch(watchedBy, asked.values);
	return following(beyond, watchRoles[face.kind], scope, async () => {
		const { response, state } = await answerWatching({
			...{ request, scope, face, watches },
			key: watchKeyOf(watchedBy, request, values),
			closing: beyond.closing,
			source: {
				run: createWatchRun(route, watchedBy, request, values, {
					...handling,
					report: (own, scope, answer) =>
						reported(own, scope, handling, answer),
				}),
				hear: hearingOf(asked),
			},
		});
		// A stream says of each answer what it lacks, and is no partial answer itself.
		if (face.kind === "wait") beyond.missing = state.missing;
		return response;
	});
}

/** Answers a client that watches or listens, and notes how, unless that could not begin. A role of null is that of a client that does not wait. */
export async function following(
	end: RequestEnd,
	role: WatchRole | null,
	scope: Scope,
	answer: () => Promise<GatewayResponse>,
): Promise<GatewayResponse> {
	try {
		const response = await answer();
		if (response.status < 400) end.watch = role;
		return response;
	} catch (thrown) {
		if (role === "wait" && scope.cancelled) end.watch = role;
		throw thrown;
	}
}

export function listenRoleOf({ face, waitMs }: Wanted): WatchRole | null {
	if (face !== "poll") return watchRoles[face];
	return waitMs === null ? null : "wait";
}

/** How a watch hears of messages; null if it hears none. Throws if the request means no instance of the channel. */
function hearingOf(asked: Asked): WatchSource["hear"] {
	const { heard, plan } = asked.route;
	const { on = null } = plan.live ?? {};
	const channel = on && asked.handling.channels.all[on.channelIndex];
	if (heard === null || !channel) return null;
	const instance = heard(asked);
	return (onMessage) => channel.hear(instance, onMessage);
}

const watchRoles = {
	...{ events: "events", session: "websocket", wait: "wait" },
} as const satisfies Record<WatchFace["kind"], WatchRole>;
