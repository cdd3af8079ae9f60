import type { GatewayResponse } from "../core/http/messages.ts";
import { unsniffed } from "../core/http/problem.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Hearing, Listener } from "./channel-hearing.ts";
import type { MessageId } from "./channel-numbering.ts";
import type { Place } from "./channel-place.ts";

/** No answer has more of JSON than this and one message. Whoever asks again gets the rest at once. */
const answerBytesMax = 1024 * 1024;

/** To end a request takes some 60 µs. In units of 100 ns. */
export const pollCost = 600;

/**
 * Gateways that do not reach their store know of different members, and each that is asked in turn tells a gap. So these alone are told after a
 * while, or one who asks them in turn would never wait.
 */
const pauseMs = 1_000;

/** How long a client would wait for something new. */
export interface Wait {
	readonly ms: number;
	/** Calls back when waiting has to end. Gives the removal. */
	readonly onDrain: (callback: () => void) => () => void;
}

/**
 * The messages after `after`, at once if there are any, or when the first one comes. When the wait is over, there are none.
 * Throws `channel_full` or `request_invalid`.
 */
export async function answerPoll(
	place: Place,
	after: MessageId | "latest" | null,
	wait: Wait | null,
	scope: Scope,
): Promise<GatewayResponse> {
	const hearing = place.hear(after);
	const mark = after === null || after === "latest" ? null : after.membersMark;
	if (wait === null) return answerOf(place, hearing, wait);
	return waitForNews(place, hearing, mark, wait, scope);
}

/** Listens, and is a member, as long as it waits. Does not wait if it knows another list of members than there is. */
async function waitForNews(
	place: Place,
	hearing: Hearing,
	membersMark: string | null,
	wait: Wait,
	scope: Scope,
): Promise<GatewayResponse> {
	const { ms, onDrain } = wait;
	const { promise, resolve } = Promise.withResolvers<GatewayResponse>();
	let isAnswered = false;
	// At once, because what it would hear may be gone in the next moment.
	const end = () => {
		if (isAnswered) return;
		isAnswered = true;
		resolve(answerOf(place, hearing, wait));
	};
	const listener: Listener = { hearing, wakeCost: pollCost, wake: end, end };
	place.join(listener);
	// What is there already is taken at once.
	const { pausesGaps, isSettled } = hearing.instance;
	const isGap = pausesGaps && hearing.hasOnlyGap;
	if (!place.rest(listener) && !isGap) end();
	// Somebody has come or gone since the last answer.
	const isOther = membersMark !== null && membersMark !== place.membersMark;
	if (isOther && isSettled) end();
	const waitMs = isGap || isOther ? Math.min(ms, pauseMs) : ms;
	const timer = scope.clock.after(waitMs, end);
	const stopDraining = onDrain(end);
	const stopListening = scope.onCancel(end);
	const answer = await promise;
	timer.cancel();
	stopDraining();
	stopListening();
	place.leave(listener, !scope.cancelled);
	if (scope.cancelled) throw scope.reason;
	return answer;
}

function answerOf(
	place: Place,
	hearing: Hearing,
	wait: Wait | null,
): GatewayResponse {
	const events: Uint8Array[] = [];
	let bytes = 0;
	while (bytes < answerBytesMax) {
		const told = hearing.next();
		if (told === null) break;
		// Who is there stands beside the list.
		if (told.kind !== "message" && told.kind !== "gap") continue;
		events.push(comma, told.json);
		bytes += told.json.length;
	}
	const { members, membersMark } = place;
	const mark = membersMark === null ? "" : `.${membersMark}`;
	const head = `{"after":"${hearing.after}${mark}"${members === "" ? "" : `,${members}`},"events":[`;
	const body = Buffer.concat([
		Buffer.from(head),
		...events.slice(1),
		Buffer.from("]}"),
	]);
	const headers = [
		...["content-type", "application/json", "cache-control", "no-store"],
		...unsniffed,
	];
	if (wait !== null) {
		headers.push("preference-applied", `wait=${Math.floor(wait.ms / 1000)}`);
	}
	return { status: 200, headers, body };
}

const comma = Buffer.from(",");
