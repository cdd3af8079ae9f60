import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { type Wanted, wantedOf } from "../live/listen-face.ts";
import { watchFaceOf } from "../live/watch-face.ts";
import { taggedAnswer } from "../live/watch-state.ts";
import { compose, composeProxied, type SteppedProxy } from "../run/compose.ts";
import { type Face, faceFor, isReconnecting } from "../run/faces.ts";
import { composeListening, type PreparedListen } from "../run/listen.ts";
import { composeInParts, type PreparedParts } from "../run/parts.ts";
import type { PreparedProxy } from "../run/prepare-proxy.ts";
import { proxy } from "../run/proxy.ts";
import type { RunResult } from "../run/run.ts";
import type { Asked } from "./asked.ts";
import { becomeJob } from "./become-job.ts";
import { following, listenRoleOf, watch } from "./following.ts";
import type { GatewayRoute } from "./gateway-route.ts";
import type { Handling } from "./handling.ts";
import { wantsJob } from "./job-route.ts";
import { SessionPost } from "./session-post.ts";

/** Answers a request in one of the forms that its route has. */
export type Answering = (asked: Asked) => Promise<GatewayResponse>;

/**
 * In which form a request is answered, by its head alone. Null if nothing is to be done, because an EventSource comes back
 * to an answer in parts. Throws if a page may not ask for this form.
 */
export function answeringOf(
	request: GatewayRequest,
	route: GatewayRoute,
	handling: Handling,
): Answering | null {
	const { live, listen, parts, job } = route;
	const { jobs } = handling;
	if (job !== null && jobs !== null && wantsJob(job.config, request.headers)) {
		return (asked) => becomeJob(asked, job, jobs);
	}
	const watching = live && watchFaceOf(request);
	if (live !== null && watching !== null) {
		if (watching.kind === "session") live.refusePage(request);
		return (asked) => watch(asked, live, watching);
	}
	if (listen !== null) {
		const wanted = wantedOf(request);
		if (wanted.face === "session") handling.refusePage(request);
		return (asked) => listenTo(asked, listen, wanted);
	}
	const target = route.proxy;
	if (target !== null) return (asked) => passOn(asked, target);
	const face = parts && faceFor(request);
	if (parts === null || face === null) return whole;
	if (isReconnecting(face, request)) return null;
	return (asked) => inParts(asked, parts, face);
}

async function whole(asked: Asked): Promise<GatewayResponse> {
	const turn = asked.enter();
	if (turn !== null) await turn;
	asked.trail?.begun(turn === null);
	const response = ended(asked, await compose(asked.route, asked));
	return asked.route.live === null
		? response
		: taggedAnswer(response, asked.request);
}

async function inParts(
	asked: Asked,
	parts: PreparedParts,
	face: Face,
): Promise<GatewayResponse> {
	const turn = asked.enter();
	if (turn !== null) await turn;
	asked.trail?.begun(turn === null);
	const result = await composeInParts(asked.route, parts, asked, face);
	if (result.over) {
		const { handling, request, beyond } = asked;
		const firstMs = handling.clock.now() - request.arrivedMs;
		beyond.begins({ face: face.name, firstMs }, result.over);
	}
	return ended(asked, result);
}

/** A request that still comes takes no place but for its steps, because its client decides how long that takes. */
function passOn(asked: Asked, target: PreparedProxy): Promise<GatewayResponse> {
	const { route, upload } = asked;
	const { stepped } = route;
	const coming = upload !== null && upload.arrived !== true;
	const turn = !coming || stepped !== null ? asked.enter() : null;
	if (stepped !== null) {
		return passOnAfterSteps(asked, stepped, coming, turn);
	}
	// No `async` function: the promise of another one takes three turns of promises to pass through.
	const pass = () => {
		asked.trail?.begun();
		return proxy(route, target, asked, upload);
	};
	return turn === null ? pass() : turn.then(pass);
}

async function passOnAfterSteps(
	asked: Asked,
	stepped: SteppedProxy,
	coming: boolean,
	turn: Promise<void> | null,
): Promise<GatewayResponse> {
	if (turn !== null) await turn;
	asked.trail?.begun();
	const { upload } = asked;
	const result = await composeProxied(stepped, asked, upload, () => {
		if (coming) asked.leaveNow();
	});
	return ended(asked, result);
}

/** Whoever listens takes no place among the requests in progress. */
async function listenTo(
	asked: Asked,
	listen: PreparedListen,
	wanted: Wanted,
): Promise<GatewayResponse> {
	const turn = asked.enter();
	if (turn !== null) await turn;
	const { route, request, scope, handling, beyond, trail } = asked;
	trail?.begun();
	const result = await composeListening(route, listen, asked);
	if ("response" in result) return ended(asked, result);
	if (result.missing.length > 0) beyond.missing = result.missing;
	asked.leave();
	const post = () => new SessionPost(request, handling.posting);
	return following(beyond, listenRoleOf(wanted), scope, async () =>
		handling.channels.listen(result.place, wanted, request, scope, post),
	);
}

function ended(asked: Asked, { response, missing }: RunResult) {
	asked.beyond.missing = missing;
	return response;
}
