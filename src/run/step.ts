import { asGatewayError, GatewayError } from "../core/errors.ts";
import { type CallEnded, tell } from "../core/events.ts";
import { parseJson, printJson } from "../core/json.ts";
import {
	headerOf,
	type UpstreamRequest,
	type UpstreamResponse,
} from "../core/messages.ts";
import type { Frame } from "../expression/evaluate.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { carryOutEach } from "./each.ts";
import type { Later, PreparedCall, PreparedStep } from "./prepare.ts";
import { deadlineExceeded, inStep, type Run } from "./run.ts";

/** Carries out one step: gives its value, or throws where it fails and nothing fills it in. */
export async function carryOut(
	step: PreparedStep,
	run: Run,
	scope: Scope,
): Promise<unknown> {
	if (step.each) return carryOutEach(step, step.each, run, scope);
	return carryOutOnce(step, run, { frame: run.frame, scope, index: [] });
}

/** Where one carrying-out stands: in the route itself, or at an item of an `each`. */
export interface Spot {
	readonly frame: Frame;
	/** Cancelled when this need not or must not go on. */
	readonly scope: Scope;
	/** Positions in the lists around it, outermost first. */
	readonly index: readonly number[];
}

/** One condition, one work, and what fills in for its failure. */
export async function carryOutOnce(
	step: PreparedStep,
	run: Run,
	spot: Spot,
): Promise<unknown> {
	try {
		if (step.when && isSkip(step.when(spot.frame))) return null;
		const { work } = step;
		if (work.kind === "value") return work.value(spot.frame);
		return await call(work, step, run, spot);
	} catch (thrown) {
		return fillIn(step, run, spot, inStep(asGatewayError(thrown), step));
	}
}

function isSkip(condition: unknown): boolean {
	return condition === false || condition === null;
}

/** The fallback's value or null, noted as missing; the error itself where there is neither. */
async function fillIn(
	step: PreparedStep,
	run: Run,
	{ frame, index }: Spot,
	error: GatewayError,
): Promise<unknown> {
	const { fallback, optional } = step;
	if (fallback) {
		try {
			// Not in the step's own scope: that is what may just have ended.
			const spot = { frame, scope: run.calls };
			const value = await evaluateLater(fallback, step, run, spot);
			run.note(step, index, error);
			return value;
		} catch (thrown) {
			if (!optional) throw withFallback(error, thrown);
		}
	}
	if (!optional) throw error;
	run.note(step, index, error);
	return null;
}

/** The client is told of the first failure; the log of both. */
function withFallback(error: GatewayError, thrown: unknown): GatewayError {
	const { message } = asGatewayError(thrown);
	return new GatewayError(
		error.code,
		`${error.message}; its fallback failed: ${message}`,
		{
			...error.facts,
			cause: thrown,
		},
	);
}

async function evaluateLater(
	{ evaluate, reads }: Later,
	step: PreparedStep,
	run: Run,
	{ frame, scope }: Omit<Spot, "index">,
): Promise<unknown> {
	const wait = run.ended(reads, scope);
	if (wait !== null) await wait;
	run.noteReads(step, reads);
	return evaluate(frame);
}

async function call(
	work: PreparedCall,
	step: PreparedStep,
	run: Run,
	spot: Spot,
): Promise<unknown> {
	const request = createRequest(work, run, spot.frame);
	// Neither counted nor told of: a call that is no longer wanted is not made.
	if (spot.scope.cancelled) throw spot.scope.reason;
	run.countCall();
	const startedMs = spot.scope.clock.now();
	let status: number | null = null;
	let failure: GatewayError | null = null;
	try {
		const response = await send(work, run, request, spot.scope);
		status = response.status;
		return await valueOf(response, work, step, run, spot);
	} catch (thrown) {
		failure = asGatewayError(thrown);
		throw failure;
	} finally {
		const { callEnded } = run.input.events;
		if (callEnded.length > 0) {
			tell(
				callEnded,
				callEvent(step, work, run, { startedMs, status, failure }),
			);
		}
	}
}

function callEvent(
	step: PreparedStep,
	work: PreparedCall,
	run: Run,
	end: {
		startedMs: number;
		status: number | null;
		failure: GatewayError | null;
	},
): CallEnded {
	return {
		requestId: run.input.request.id,
		route: run.route.plan.key,
		step: step.name,
		upstream: work.upstream.name,
		durationMs: run.input.scope.clock.now() - end.startedMs,
		status: end.status,
		error: end.failure,
	};
}

function createRequest(
	work: PreparedCall,
	run: Run,
	frame: Frame,
): UpstreamRequest {
	const headers = work.headers(frame);
	const trace = work.ownTrace ? null : traceOf(run);
	if (trace !== null) headers.push("traceparent", trace);
	return {
		method: work.method,
		target: work.target(frame),
		headers,
		body: work.body ? printJson(work.body(frame)) : null,
		timeoutMs: work.timeoutMs,
		onSent: null,
	};
}

/** Neither version ff nor an id of zeros is one. */
const wellFormedTrace =
	/^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The client's trace goes on upstream (W3C Trace Context, 3.2); what is not well-formed does not. */
function traceOf(run: Run): string | null {
	const trace = headerOf(run.input.request.headers, "traceparent");
	return trace !== null && wellFormedTrace.test(trace) ? trace : null;
}

function send(
	work: PreparedCall,
	run: Run,
	request: UpstreamRequest,
	scope: Scope,
): Promise<UpstreamResponse> {
	if (!work.write) return work.upstream.call(request, scope);
	return sendWrite(work, run, request, scope);
}

/**
 * A write that was sent is not taken back: from then on only its own timeout and the deadline abort it. The step itself
 * still ends when its scope does. So the write lives in the upstream's scope and listens to the step's until it is sent.
 */
function sendWrite(
	work: PreparedCall,
	run: Run,
	request: UpstreamRequest,
	scope: Scope,
): Promise<UpstreamResponse> {
	const own = openScope({
		parent: work.upstream.scope,
		deadline: run.deadline,
		deadlineReason: deadlineExceeded,
	});
	const stopAborting = scope.onCancel((reason) => own.cancel(reason));
	return new Promise((resolve, reject) => {
		const stopWaiting = scope.onCancel(reject);
		const ended = () => {
			stopAborting();
			stopWaiting();
			own.close();
		};
		work.upstream.call({ ...request, onSent: stopAborting }, own).then(
			(response) => {
				ended();
				resolve(response);
			},
			(error: unknown) => {
				ended();
				reject(error as Error);
			},
		);
	});
}

/** How a call ends: a value, or the failure it is. */
async function valueOf(
	response: UpstreamResponse,
	work: PreparedCall,
	step: PreparedStep,
	run: Run,
	spot: Spot,
): Promise<unknown> {
	const { status } = response;
	const listed = work.answers.get(status);
	if (listed === undefined && (status < 200 || status > 299)) {
		throw new GatewayError(
			"upstream_status",
			`${work.upstream.name} answered ${status}`,
			{
				upstream: work.upstream.name,
				upstreamStatus: status,
			},
		);
	}
	const answer = decode(response, work, listed !== undefined);
	const { frame } = spot;
	frame.values[work.answerSlot] = answer;
	if (work.readsResponse) {
		frame.values[work.answerSlot + 1] = {
			status,
			headers: headersByName(response),
		};
	}
	const later = listed ?? work.pick;
	return later ? evaluateLater(later, step, run, spot) : answer;
}

/** Refuses what is not UTF-8 (RFC 8259, 8.1); keeps nothing between calls. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The body as data. On a listed status, which may be no JSON service's own, what is not JSON is null. */
function decode(
	{ body }: UpstreamResponse,
	work: PreparedCall,
	lenient: boolean,
): unknown {
	if (body.length === 0) return null;
	try {
		return parseJson(utf8.decode(body));
	} catch (error) {
		if (lenient) return null;
		const words =
			error instanceof SyntaxError && error.message.startsWith("nested")
				? error.message
				: "not JSON";
		throw new GatewayError(
			"upstream_invalid",
			`${work.upstream.name} answered what is ${words}`,
			{
				upstream: work.upstream.name,
			},
		);
	}
}

/** `set_cookie` is always a list; other repeated fields are joined (RFC 9110, 5.3). */
function headersByName({ headers }: UpstreamResponse): Record<string, unknown> {
	const named: Record<string, unknown> = { set_cookie: [] };
	for (let at = 0; at < headers.length; at += 2) {
		const name = (headers[at] ?? "").toLowerCase().replaceAll("-", "_");
		const value = headers[at + 1] ?? "";
		if (name === "set_cookie") (named[name] as string[]).push(value);
		else if (name !== "__proto__")
			named[name] = Object.hasOwn(named, name)
				? `${named[name]}, ${value}`
				: value;
	}
	return named;
}
