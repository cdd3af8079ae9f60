import { kindOf } from "../../config/steps/kinds.ts";
import { printPath } from "../../config/steps/sent.ts";
import { GatewayError } from "../../core/errors.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import { leastCostOfReading } from "../../core/json.ts";
import type { Template } from "../../expression/template.ts";
import type { CallPlan } from "../../plan/plan.ts";
import { decodeBody, told } from "../answer.ts";
import { graphqlError } from "../answer-words.ts";
import { prepareRequest } from "../call-request.ts";
import { type Decoder, decoderOf } from "../decoders.ts";
import { holdingOf } from "../freshness.ts";
import {
	answerLayout,
	type Later,
	type Layout,
	prepareLater,
	sameInRounds,
} from "../layout.ts";
import { listedBy } from "../listed.ts";
import type { OpenedUpstream } from "../open.ts";
import { refusedBy } from "../refused-by.ts";
import { thenAsking } from "../repeat.ts";
import type { Run } from "../run.ts";
import { send, staleMark } from "../send.ts";
import { isSkip, type Spot, type Work } from "../spot.ts";
import { prepareUndo, UndoableWrite } from "../undo.ts";
import { onlyWhatEveryStepHas, type WorkContext } from "../work.ts";

/** One call of an upstream: sends it and makes a value of the answer. Throws if the request cannot even be built. */
export function prepareCall(step: CallPlan, context: WorkContext): Work {
	const { path, query, headers, body, timeoutMs, ...rest } = step;
	const { method, write, repeatable, ...others } = rest;
	const { answers, expect, pick, decode, keepBody, ...more } = others;
	const { answerMembers, ...read } = more;
	const { upstreamIndex, ...used } = read;
	// The check and the plan have used these.
	const { kind: _, upstream: _1, safe: _2, idempotent: _3, ...known } = used;
	const { attempts: _4, undo: undone, ...ofEveryStep } = known;
	onlyWhatEveryStepHas(ofEveryStep);
	const opened = context.upstreams[upstreamIndex] as OpenedUpstream;
	const { upstream } = opened;
	const template = printPath(path);
	const sent = { method, write, repeatable, path, query, headers, body };
	const { layout } = context;
	const requestOf = prepareRequest({ ...sent, timeoutMs }, opened, {
		layout,
		polls: polls(step, layout),
		personal: context.personal,
	});
	const undo = undone && prepareUndo(undone, step.name, context);
	const readsResponse = kindOf(step)
		.readsLater(step)
		.some(({ name }) => name === "response");
	// Printed only for a failure.
	const written = () => JSON.stringify([path, query, headers, body], digits);
	const told = { readsResponse, written };
	const decoder = decoderOf(decode, answerMembers);
	const taken = { answers, expect, pick, decoder, keepBody, ...told };
	const valueOf = prepareValue(taken, opened, context);
	return (spot) => {
		const { path: step, index, trail } = spot;
		const own = { upstream, method, template, trail, write, step, index };
		const undoable = undo && new UndoableWrite(undo, spot);
		const caller = undoable === null ? own : { ...own, undoable };
		const read = (response: UpstreamResponse) => {
			const value = valueOf(response, spot, undoable);
			undoable?.answerRead(value);
			return noting(response, spot, value);
		};
		const request = requestOf(spot.run, spot.frame);
		return send(caller, request, spot.run, spot.scope, (response) =>
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

/** Whether it asks the same in each round of a `repeat`: for news. */
function polls(step: CallPlan, layout: Layout): boolean {
	if (step.write || layout.roundUp === null) return false;
	return sameInRounds(kindOf(step).readsFirst(step), layout);
}

/** Makes the value of an answer. A write that can be undone hears of an answer that can be taken. */
type ValueOf = (
	response: UpstreamResponse,
	spot: Spot,
	undoable: UndoableWrite | null,
) => unknown;

/** The end of a call: a value, or a failure. A promise only if it has to wait for other steps. */
function prepareValue(
	step: Pick<CallPlan, "answers" | "expect" | "keepBody" | "pick"> & {
		readonly decoder: Decoder | null;
		readonly readsResponse: boolean;
		/** What the author wrote of the request. */
		readonly written: () => string;
	},
	opened: OpenedUpstream,
	{ layout: around, ownSlot, condition }: WorkContext,
): ValueOf {
	const layout = answerLayout(around, ownSlot);
	const later = (template: Template | null) =>
		template && prepareLater(template, layout);
	const { decoder, keepBody, readsResponse, written } = step;
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
	const valueOf: ValueOf = (response, spot, undoable) => {
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
		if (listed) {
			undoable?.took(answer, response);
			return spot.evaluate(listed);
		}
		const picked = () => {
			undoable?.took(answer, response);
			return pick ? spot.evaluate(pick) : answer;
		};
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
	return (response, spot, undoable) =>
		thenAsking(valueOf(response, spot, undoable), asking, spot);
}

/**
 * Of a status that is listed the value that it gives, or null if the answer goes on to `pick`. Of any other undefined.
 */
function prepareAnswers(
	answers: CallPlan["answers"],
	layout: Layout,
): (status: number) => Later | null | undefined {
	if (answers === null) return () => undefined;
	return listedBy<Later | null>(
		answers.kind === "values"
			? answers.values.map(({ status, value }) => [
					status,
					prepareLater(value, layout),
				])
			: answers.statuses.map((status) => [status, null]),
	);
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
