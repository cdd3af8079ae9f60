import type { SentConfig } from "../config/steps/sent.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { UpstreamRequest } from "../core/http/messages.ts";
import type { Frame } from "../expression/evaluate.ts";
import type { TemplateEntry } from "../expression/template.ts";
import { isOfClient } from "../policy/auth/options.ts";
import { asClient } from "./as-client.ts";
import { prepareBody } from "./body.ts";
import { type Layout, roundSlots } from "./layout.ts";
import type { OpenedUpstream } from "./open.ts";
import type { Run } from "./run.ts";
import {
	defaultHeaders,
	isConstant,
	prepareCallHeaders,
	prepareTarget,
} from "./target.ts";
import { saidBeside } from "./trace.ts";

/** Makes the request of a call of a frame that holds what it reads. Throws if it cannot be made. */
export type PreparedRequest = (run: Run, frame: Frame) => UpstreamRequest;

interface RequestContext {
	readonly layout: Layout;
	/** Whether the answers of its route are for one client alone. */
	readonly personal: boolean;
	/** Whether it asks the same in each round of a `repeat`. */
	readonly polls: boolean;
}

export function prepareRequest(
	call: Omit<SentConfig, "upstream">,
	{ settings }: OpenedUpstream,
	context: RequestContext,
): PreparedRequest {
	const { layout } = context;
	const { method, write, repeatable } = call;
	const body = call.body && prepareBody(call.body, layout);
	const fixed = defaultHeaders(settings.headers, body?.type ?? null);
	const upstreams = settings.headers.map(([name]) => name);
	const headers = prepareHeadersOfRounds(call, fixed, upstreams, context);
	const target = prepareTarget(call.path, call.query, settings, layout);
	const timeoutMs = call.timeoutMs ?? settings.timeoutMs;
	const names = [
		...fixed.map(([name]) => name),
		...("all" in call.headers ? [] : call.headers.map(({ name }) => name)),
	];
	const said = saidBeside(new Set(names), settings);
	const { headers: own } = call;
	const made = "all" in own ? ("all" as const) : madeFields(own);
	const identifying = context.personal ? made : [];
	const ofClient = isOfClient(settings.auth);
	const requestOf = (run: Run, frame: Frame): UpstreamRequest => {
		const { trace } = run;
		const fields = headers(frame);
		return {
			method,
			target: target(frame),
			headers: ofClient ? asClient(fields, run.input.request) : fields,
			along: trace.linesOf(said),
			traced: trace.tracedBy(said),
			body: body ? body.print(frame) : null,
			...(identifying.length > 0 && { identifying }),
			safe: !write,
			idempotent: repeatable,
			tried: null,
			requestId: run.input.request.id,
			trail: null,
			client: run.input.request.ip,
			timeoutMs,
			onSent: null,
			onAgain: null,
		};
	};
	return body?.binary
		? (run, frame) => ({ ...requestOf(run, frame), binary: true })
		: requestOf;
}

/**
 * The fields that are made anew for each request. Some of them may be made of who asks, by steps between. For the others it
 * changes nothing, because equal values share an answer.
 */
export function madeFields(headers: readonly TemplateEntry[]): string[] {
	return headers
		.filter(({ value }) => !isConstant(value))
		.map(({ name }) => name.toLowerCase());
}

/** From the second round on no cache may answer a call that polls, unless its author says something else. */
function prepareHeadersOfRounds(
	{ headers: own }: Pick<SentConfig, "headers">,
	fixed: readonly (readonly [string, string])[],
	upstreams: readonly string[],
	{ layout, polls }: RequestContext,
): (frame: Frame) => HeaderList {
	const headers = prepareCallHeaders(own, fixed, upstreams, layout);
	const { roundUp } = layout;
	const said = fixed.some(([name]) => name === "cache-control");
	if (!polls || said || roundUp === null) return headers;
	const anew = ["cache-control", "no-cache"] as const;
	const again = prepareCallHeaders(own, [...fixed, anew], upstreams, layout);
	return (frame) => (roundOf(frame, roundUp) > 0 ? again : headers)(frame);
}

function roundOf(frame: Frame, roundUp: number): number {
	let at = frame;
	for (let left = roundUp; left > 0; left--) at = at.parent as Frame;
	return at.values[roundSlots.round] as number;
}
