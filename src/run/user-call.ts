import type {
	UserAnswer,
	UserCall,
	UserCallOptions,
} from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import { callFieldsRefused } from "../core/http/fields.ts";
import { isHeaderValue, isToken } from "../core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { callMethods, isIdempotent, isSafe } from "../core/http/method.ts";
import { faultOfPath } from "../core/http/path.ts";
import { lenientName } from "../core/http/query.ts";
import { leastCostOfReading, printJson } from "../core/json.ts";
import type { Fuel } from "../expression/fuel.ts";
import { textOf } from "../expression/template.ts";
import type { Scope } from "../tasks/scope.ts";
import { decodeBody, headersByName } from "./answer.ts";
import { decoderOf } from "./decoders.ts";
import type { OpenedUpstream } from "./open.ts";
import type { Run } from "./run.ts";
import { send } from "./send.ts";
import type { Spot } from "./spot.ts";
import { defaultHeaders, refuseEmpty } from "./target.ts";
import { saidBeside } from "./trace.ts";

/** The upstreams that a function may call, by name. */
export type CallableUpstreams = ReadonlyMap<string, OpenedUpstream>;

/** How a user's function calls upstreams. Its calls are those of the step, and end with `scope`. */
export function createUserCall(
	upstreams: CallableUpstreams,
	{ run, path: step, index, frame: { fuel } }: Spot,
	scope: Scope,
	onAnswer: (response: UpstreamResponse) => void,
): UserCall {
	const call: UserCall = async (target, options = {}) => {
		const { upstream, path } = resolve(target, upstreams);
		const create = (given: UserCallOptions) =>
			createRequest(upstream, path, given, run, fuel);
		// At once if there is time, because the function may change what it gave.
		const created = fuel.piece(create, options);
		const request = created instanceof Promise ? await created : created;
		const write = !request.safe;
		const to = { upstream: upstream.upstream, method: request.method };
		const caller = { ...to, template: null, write, step, index };
		const read = (response: UpstreamResponse): UserAnswer => {
			onAnswer(response);
			const lenient = response.status > 299;
			return {
				status: response.status,
				headers: headersByName(response),
				body: decodeBody(
					response,
					decoderOf({ kind: "json" }),
					upstream,
					lenient,
					run,
				),
			};
		};
		return send(caller, request, run, scope, (response) =>
			fuel.piece(read, response, leastCostOfReading(response.body.length)),
		);
	};
	return (target, options) => {
		const answer = call(target, options);
		// A call that fails without a waiting function must not end the process.
		answer.catch(() => {});
		return answer;
	};
}

function resolve(
	target: string,
	upstreams: CallableUpstreams,
): { upstream: OpenedUpstream; path: string } {
	const slash = `${target}/`.indexOf("/");
	const upstream = upstreams.get(target.slice(0, slash));
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
	if (!valid) {
		throw new GatewayError(
			"step_failed",
			"the function called a path that is not encoded",
		);
	}
	const fault = faultOfPath(path);
	if (fault !== null) {
		throw new GatewayError("step_failed", `the function's path ${fault}`);
	}
	return { upstream, path };
}

function createRequest(
	{ settings }: OpenedUpstream,
	path: string,
	{ method, query = {}, headers = {}, body }: UserCallOptions,
	run: Run,
	fuel: Fuel,
): UpstreamRequest {
	const kept = settings.query.filter(([name]) => !Object.hasOwn(query, name));
	refuseLookalikes(Object.keys(query), kept);
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
	const fields = headersOf(settings.headers, headers, body !== undefined);
	return {
		method: chosen,
		target: pairs.length > 0 ? `${target}?${pairs.join("&")}` : target,
		headers: [...fields].flat(),
		along: run.trace.linesOf(saidBeside(new Set(fields.keys()), settings)),
		body: body === undefined ? null : printJson(body, fuel),
		safe: reads,
		idempotent: reads || idempotent || isIdempotent(chosen),
		tried: null,
		requestId: run.input.request.id,
		client: run.input.request.ip,
		timeoutMs: settings.timeoutMs,
		onSent: null,
		onAgain: null,
	};
}

/** A name may come from data. One that a server may take for a parameter of the upstream's own would replace that. */
function refuseLookalikes(
	names: readonly string[],
	kept: readonly (readonly [string, string])[],
): void {
	const lenient = (name: string) => lenientName(encodeURIComponent(name));
	for (const [own] of kept) {
		if (!names.some((name) => lenient(name) === lenient(own))) continue;
		throw new GatewayError(
			"step_failed",
			`the function called with a parameter that may be taken for \`${own}\``,
		);
	}
}

/** By the rules of a step's `query`: a parameter that were dropped could ask for everything. */
function parametersOf(
	query: Readonly<Record<string, unknown>>,
): [string, string][] {
	return Object.entries(query).flatMap(([name, value]) => {
		const source = `query.${name}`;
		const values: readonly unknown[] = Array.isArray(value) ? value : [value];
		if (values.length === 0) refuseEmpty(source);
		return values.map((one): [string, string] => [name, textOf(one, source)]);
	});
}

function headersOf(
	fixed: readonly (readonly [string, string])[],
	own: Readonly<Record<string, string>>,
	hasBody: boolean,
): Map<string, string> {
	const type = hasBody ? "application/json" : null;
	const fields = new Map(defaultHeaders(fixed, type));
	for (const [name, given] of Object.entries(own)) {
		const value = textOf(given, `headers.${name}`);
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
	return fields;
}
