import type {
	UserAnswer,
	UserCall,
	UserCallOptions,
	UserContext,
} from "../config/config.ts";
import { dataOf } from "../core/body/data.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { StepMark } from "../core/events.ts";
import { callFieldsRefused } from "../core/http/fields.ts";
import { isHeaderValue, isToken } from "../core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { callMethods, isIdempotent, isSafe } from "../core/http/method.ts";
import { isDots } from "../core/http/path.ts";
import { printJson } from "../core/json.ts";
import { textOf } from "../expression/template.ts";
import { PoolClosed, PoolFull, ThreadEnded } from "../tasks/pool-errors.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { partsOf } from "../tasks/thread-message.ts";
import { decodeBody, headersByName } from "./answer.ts";
import { sendAndTell, staleMark } from "./call.ts";
import type { OpenedUpstream } from "./open.ts";
import {
	defaultHeaders,
	type PreparedFunction,
	type PreparedStep,
} from "./prepare.ts";
import type { Run } from "./run.ts";
import type { Spot } from "./step.ts";

/** Why a call is aborted that a function did not wait for. Seen by that call alone. */
const returned = new GatewayError("internal", "the function has returned");

/**
 * Calls a user's function: gives the data it returns, or fails with `step_failed` where it throws or returns none. What
 * it is given is its own: changing it changes nothing here. When it has returned it calls nobody any more.
 */
export async function callFunction(
	work: PreparedFunction,
	step: PreparedStep,
	{ block, frame, scope: outer, index }: Spot,
): Promise<unknown> {
	const { run, path } = block.place;
	const { reference } = work;
	const args = dataOf(work.args?.(frame), `${reference} is given`);
	if (outer.cancelled) throw outer.reason;
	const scope = openScope({ parent: outer });
	const name = path + step.name;
	const marks: StepMark[] = [];
	const onAnswer = (response: UpstreamResponse) => {
		const mark = staleMark(response, name, index);
		if (mark) marks.push(mark);
	};
	const context: UserContext = {
		call: createCall(run, name, scope, onAnswer),
		get signal() {
			return scope.signal;
		},
		deadline: Date.now() + run.deadline - scope.clock.now(),
	};
	try {
		const call = () => work.call(args, context, scope);
		const result = await untilCancelled(call, scope);
		const value = dataOf(partsOf(result).value, `${reference} returned`);
		block.note(step, marks);
		return value;
	} finally {
		scope.cancel(returned);
	}
}

/** The function may take no notice of its signal: the step ends with its scope all the same. */
function untilCancelled(work: () => unknown, scope: Scope): Promise<unknown> {
	return new Promise((resolve, reject) => {
		const stop = scope.onCancel(reject);
		const end = (finish: () => void) => {
			stop();
			finish();
		};
		// Begun in a promise, so that throwing at once is failing too.
		new Promise((begin) => begin(work())).then(
			(value) => end(() => resolve(value)),
			(error: unknown) => end(() => reject(asStepFailure(error))),
		);
	});
}

/** What a call of the function's failed with stays what it is; what is not the pool's is the function's own failure. */
function asStepFailure(thrown: unknown): GatewayError {
	if (thrown instanceof GatewayError) return thrown;
	if (thrown instanceof PoolFull) {
		return new GatewayError("overloaded", thrown.message, { cause: thrown });
	}
	if (thrown instanceof PoolClosed) {
		const words = "the gateway was closed";
		return new GatewayError("gateway_draining", words, { cause: thrown });
	}
	const { message } = asGatewayError(thrown);
	const words =
		thrown instanceof ThreadEnded ? message : `the function threw: ${message}`;
	return new GatewayError("step_failed", words, { cause: thrown });
}

function createCall(
	run: Run,
	step: string,
	scope: Scope,
	onAnswer: (response: UpstreamResponse) => void,
): UserCall {
	const send: UserCall = async (target, options = {}) => {
		const { upstream, path } = resolve(target, run);
		const request = createRequest(upstream, path, options, run);
		const write = !request.safe;
		const caller = { upstream: upstream.upstream, write, step };
		const { name } = upstream.upstream;
		return sendAndTell(caller, request, run, scope, (response): UserAnswer => {
			onAnswer(response);
			const lenient = response.status > 299;
			return {
				status: response.status,
				headers: headersByName(response),
				body: decodeBody(response, "json", name, lenient),
			};
		});
	};
	return (target, options) => {
		const answer = send(target, options);
		// A function that does not wait for its call must not end the process where that fails.
		answer.catch(() => {});
		return answer;
	};
}

function resolve(
	target: string,
	run: Run,
): { upstream: OpenedUpstream; path: string } {
	const slash = `${target}/`.indexOf("/");
	const upstream = run.route.upstreams.get(target.slice(0, slash));
	if (upstream === undefined) {
		throw new GatewayError(
			"step_failed",
			"the function called no upstream of this config",
		);
	}
	const path = target.slice(slash + 1);
	const valid = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/.test(
		path,
	);
	if (!valid || path.split("/").some(isDots)) {
		throw new GatewayError(
			"step_failed",
			"the function called a path that is not encoded",
		);
	}
	return { upstream, path };
}

function createRequest(
	{ settings }: OpenedUpstream,
	path: string,
	{ method, query = {}, headers = {}, body }: UserCallOptions,
	run: Run,
): UpstreamRequest {
	const kept = settings.query.filter(([name]) => !Object.hasOwn(query, name));
	const pairs = [...kept, ...parametersOf(query)].map(
		([name, value]) =>
			`${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
	);
	const target =
		path === "" ? settings.basePath || "/" : `${settings.basePath}/${path}`;
	const chosen = method ?? (body === undefined ? "GET" : "POST");
	if (!callMethods.includes(chosen)) {
		throw new GatewayError(
			"step_failed",
			"the function called with an unknown method",
		);
	}
	const { safe, idempotent } = settings;
	const reads = safe || isSafe(chosen);
	return {
		method: chosen,
		target: pairs.length > 0 ? `${target}?${pairs.join("&")}` : target,
		headers: headersOf(settings.headers, headers, body !== undefined, run),
		body: body === undefined ? null : printJson(body),
		safe: reads,
		idempotent: reads || idempotent || isIdempotent(chosen),
		tried: null,
		requestId: run.input.request.id,
		timeoutMs: settings.timeoutMs,
		onSent: null,
	};
}

function parametersOf(
	query: Readonly<Record<string, unknown>>,
): [string, string][] {
	return Object.entries(query).flatMap(([name, value]) => {
		const values = Array.isArray(value) ? value : [value];
		return values
			.filter((one) => one !== null && one !== undefined)
			.map((one): [string, string] => [name, textOf(one, name)]);
	});
}

function headersOf(
	fixed: readonly (readonly [string, string])[],
	own: Readonly<Record<string, string>>,
	hasBody: boolean,
	run: Run,
): string[] {
	const type = hasBody ? "application/json" : null;
	const fields = new Map(defaultHeaders(fixed, type));
	const { trace } = run;
	if (trace !== null) fields.set("traceparent", trace);
	for (const [name, value] of Object.entries(own)) {
		if (
			!isToken(name) ||
			!isHeaderValue(value) ||
			callFieldsRefused.has(name.toLowerCase())
		) {
			throw new GatewayError(
				"step_failed",
				"the function set a header that cannot be sent",
			);
		}
		fields.set(name.toLowerCase(), value);
	}
	return [...fields].flat();
}
