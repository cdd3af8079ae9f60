import type { StatusKey } from "../../config/steps/answers.ts";
import { printPath } from "../../config/steps/call.ts";
import { kindOf } from "../../config/steps/kinds.ts";
import { GatewayError } from "../../core/errors.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import { retryAfterMsOf } from "../../core/http/retry-after.ts";
import { leastCostOfReading } from "../../core/json.ts";
import type { Frame } from "../../expression/evaluate.ts";
import type { Template } from "../../expression/template.ts";
import type { CallPlan } from "../../plan/plan.ts";
import { decodeBody, told } from "../answer.ts";
import { graphqlError, hintOf } from "../answer-words.ts";
import { prepareBody } from "../body.ts";
import { decoderOf } from "../decoders.ts";
import { holdingOf } from "../freshness.ts";
import {
	answerLayout,
	type Later,
	type Layout,
	prepareLater,
	roundSlots,
	sameInRounds,
} from "../layout.ts";
import type { OpenedUpstream } from "../open.ts";
import { thenAsking } from "../repeat.ts";
import type { Run } from "../run.ts";
import { send, staleMark } from "../send.ts";
import { isSkip, type Spot, type Work } from "../spot.ts";
import { defaultHeaders, prepareHeaders, prepareTarget } from "../target.ts";
import { saidBeside } from "../trace.ts";
import { onlyWhatEveryStepHas, type WorkContext } from "../work.ts";

/** One call of an upstream: sends it and makes a value of the answer. Throws if the request cannot even be built. */
export function prepareCall(step: CallPlan, context: WorkContext): Work {
	const { path, query, headers, body, timeoutMs, ...rest } = step;
	const { method, write, repeatable, ...others } = rest;
	const { answers, expect, pick, decode, keepBody, ...read } = others;
	const { upstreamIndex, ...used } = read;
	// The check and the plan have used these.
	const { kind: _, upstream: _1, safe: _2, idempotent: _3, ...known } = used;
	const { attempts: _4, ...ofEveryStep } = known;
	onlyWhatEveryStepHas(ofEveryStep);
	const opened = context.upstreams[upstreamIndex] as OpenedUpstream;
	const { upstream } = opened;
	const template = printPath(path);
	const sent = { method, write, repeatable, path, query, headers, body };
	const requestAt = prepareRequest(
		{ ...sent, timeoutMs, polls: polls(step, context.layout) },
		opened,
		context,
	);
	const readsResponse = kindOf(step)
		.readsLater(step)
		.some(({ name }) => name === "response");
	// Printed only for a failure.
	const written = () => JSON.stringify([path, query, headers, body], digits);
	const told = { readsResponse, written };
	const taken = { answers, expect, pick, decode, keepBody, ...told };
	const valueOf = prepareValue(taken, opened, context);
	return (spot) => {
		const { path: step, index, trail } = spot;
		const caller = { upstream, method, template, trail, write, step, index };
		const read = (response: UpstreamResponse) =>
			noting(response, spot, valueOf(response, spot));
		return send(caller, requestAt(spot), spot.run, spot.scope, (response) =>
			spot.frame.fuel.piece(
				read,
				response,
				leastCostOfReading(response.body.length),
			),
		);
	};
}

/** Notes how long the answer is fresh, and whether it is stale: the gateway's own answer says so. */
function noting(
	response: UpstreamResponse,
	spot: Spot,
	value: unknown,
): unknown {
	if (spot.run.route.freshness) spot.hold(holdingOf(response.freshness));
	const mark = staleMark(response, spot.path, spot.index);
	if (mark === null) return value;
	// Not before there is a value, because a fallback may be made of something else.
	return Promise.resolve(value).then((made) => {
		spot.note([mark]);
		return made;
	});
}

/** Everything that is sent. */
type RequestKeys =
	| "body"
	| "headers"
	| "method"
	| "path"
	| "query"
	| "repeatable"
	| "timeoutMs"
	| "write";

function prepareRequest(
	step: Pick<CallPlan, RequestKeys> & { readonly polls: boolean },
	{ settings }: OpenedUpstream,
	{ layout }: WorkContext,
): (spot: Spot) => UpstreamRequest {
	const { method, write, repeatable } = step;
	const body = step.body && prepareBody(step.body, layout);
	const fixed = defaultHeaders(settings.headers, body?.type ?? null);
	const headers = prepareHeadersOfRounds(step, fixed, layout);
	const target = prepareTarget(step.path, step.query, settings, layout);
	const timeoutMs = step.timeoutMs ?? settings.timeoutMs;
	const names = [
		...fixed.map(([name]) => name),
		...step.headers.map(({ name }) => name),
	];
	const said = saidBeside(new Set(names), settings);
	const requestAt = ({ run, frame }: Spot): UpstreamRequest => {
		return {
			method,
			target: target(frame),
			headers: headers(frame),
			along: run.trace.linesOf(said),
			body: body ? body.print(frame) : null,
			safe: !write,
			idempotent: repeatable,
			tried: null,
			requestId: run.input.request.id,
			client: run.input.request.ip,
			timeoutMs,
			onSent: null,
			onAgain: null,
		};
	};
	return body?.binary
		? (spot) => ({ ...requestAt(spot), binary: true })
		: requestAt;
}

/** Whether it asks the same in each round of a `repeat`: for news. */
function polls(step: CallPlan, layout: Layout): boolean {
	if (step.write || layout.roundUp === null) return false;
	return sameInRounds(kindOf(step).readsFirst(step), layout);
}

/** From the second round on no cache may answer a call that polls, unless its author says something else. */
function prepareHeadersOfRounds(
	step: Pick<CallPlan, "headers"> & { readonly polls: boolean },
	fixed: readonly (readonly [string, string])[],
	layout: Layout,
): (frame: Frame) => HeaderList {
	const headers = prepareHeaders(step.headers, fixed, layout);
	const { roundUp } = layout;
	const said = fixed.some(([name]) => name === "cache-control");
	if (!step.polls || said || roundUp === null) return headers;
	const anew = ["cache-control", "no-cache"] as const;
	const again = prepareHeaders(step.headers, [...fixed, anew], layout);
	return (frame) => (roundOf(frame, roundUp) > 0 ? again : headers)(frame);
}

function roundOf(frame: Frame, roundUp: number): number {
	let at = frame;
	for (let left = roundUp; left > 0; left--) at = at.parent as Frame;
	return at.values[roundSlots.round] as number;
}

/** The end of a call: a value, or a failure. A promise only if it has to wait for other steps. */
function prepareValue(
	step: Pick<
		CallPlan,
		"answers" | "decode" | "expect" | "keepBody" | "pick"
	> & {
		readonly readsResponse: boolean;
		/** What the author wrote of the request. */
		readonly written: () => string;
	},
	opened: OpenedUpstream,
	{ layout: around, ownSlot, condition }: WorkContext,
): (response: UpstreamResponse, spot: Spot) => unknown {
	const layout = answerLayout(around, ownSlot);
	const later = (template: Template | null) =>
		template && prepareLater(template, layout);
	const { keepBody, readsResponse, written } = step;
	const decoder = decoderOf(step.decode);
	const upstream = opened.upstream.name;
	const listedFor = prepareAnswers(step.answers, layout);
	const expect = later(step.expect);
	const pick = later(step.pick);
	const asking = later(condition);
	/** The failure is told in any case, with null for a body that takes too much. */
	const bodyOf = (response: UpstreamResponse, run: Run) => {
		try {
			return decodeBody(response, decoder, opened, true, run);
		} catch {
			return null;
		}
	};
	const valueOf = (response: UpstreamResponse, spot: Spot) => {
		const { status } = response;
		const listed = listedFor(status);
		const lenient = listed !== undefined;
		if (!lenient && (status < 200 || status > 299)) {
			const error = refusedBy(upstream, response);
			throw keepBody ? error.keepAnswer(bodyOf(response, spot.run)) : error;
		}
		const answer = decodeBody(response, decoder, opened, lenient, spot.run);
		const { values } = spot.frame;
		values[ownSlot] = answer;
		if (readsResponse) {
			values[ownSlot + 1] = told(response);
		}
		if (listed) return spot.evaluate(listed);
		const picked = () => (pick ? spot.evaluate(pick) : answer);
		if (expect === null) return picked();
		const pickExpected = (held: unknown) => {
			if (isSkip(held)) {
				const error = unexpected(upstream, status, answer, written);
				throw keepBody ? error.keepAnswer(answer) : error;
			}
			return picked();
		};
		const held = spot.evaluate(expect);
		return held instanceof Promise
			? held.then(pickExpected)
			: pickExpected(held);
	};
	if (asking === null) return valueOf;
	return (response, spot) => thenAsking(valueOf(response, spot), asking, spot);
}

/** The client hears how long the upstream asks to wait: to come sooner would be in vain for it, too. */
function refusedBy(upstream: string, response: UpstreamResponse): GatewayError {
	const { status, headers } = response;
	const waitMs = retryAfterMsOf(headers);
	return new GatewayError(
		"upstream_status",
		`${upstream} answered ${status}${hintOf(response)}`,
		{
			upstream,
			upstreamStatus: status,
			...(waitMs !== null && { retryAfterMs: waitMs }),
		},
	);
}

/**
 * Of a status that is listed the value that it gives, or null if the answer goes on to `pick`. Of any other undefined.
 */
function prepareAnswers(
	answers: CallPlan["answers"],
	layout: Layout,
): (status: number) => Later | null | undefined {
	if (answers === null) return () => undefined;
	const entries: readonly (readonly [StatusKey, Later | null])[] =
		answers.kind === "values"
			? answers.values.map(({ status, value }) => [
					status,
					prepareLater(value, layout),
				])
			: answers.statuses.map((status) => [status, null]);
	const exact = new Map(entries);
	const ofClass = Array.from({ length: 10 }, (_, digit) => {
		const own = exact.get(`${digit}xx` as StatusKey);
		return own === undefined && digit !== 2 ? exact.get("any") : own;
	});
	return (status) => {
		const own = exact.get(status);
		return own === undefined ? ofClass[Math.trunc(status / 100)] : own;
	};
}

function unexpected(
	upstream: string,
	upstreamStatus: number,
	answer: unknown,
	written: () => string,
): GatewayError {
	const told = graphqlError(answer, written);
	const message = `the answer is not as expected${told === null ? "" : `: GraphQL says: ${told}`}`;
	const facts = { upstream, upstreamStatus };
	return new GatewayError("upstream_invalid", message, facts);
}

function digits(_key: string, value: unknown): unknown {
	return typeof value === "bigint" ? String(value) : value;
}
