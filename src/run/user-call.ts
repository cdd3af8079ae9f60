import type {
	UserAnswer,
	UserCall,
	UserCallOptions,
} from "../config/config.ts";
import { decodeGiven } from "../config/steps/decode.ts";
import { Bytes } from "../core/body/bytes.ts";
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
import { isOfClient } from "../policy/auth/options.ts";
import type { Scope } from "../tasks/scope.ts";
import { decodeBody, headersByName } from "./answer.ts";
import { asClient } from "./as-client.ts";
import { binaryText, bodyTypes } from "./body.ts";
import { type Decoder, decoderOf } from "./decoders.ts";
import type { OpenedUpstream } from "./open.ts";
import type { Run } from "./run.ts";
import { send } from "./send.ts";
import { refuseEmpty, wellFormed } from "./sent-values.ts";
import type { Spot } from "./spot.ts";
import { defaultHeaders } from "./target.ts";
import { saidBeside } from "./trace.ts";

/** What a function's calls are made with, once for each step. */
export interface Callable {
	/** The upstreams that it may call, by name. */
	readonly upstreams: ReadonlyMap<string, OpenedUpstream>;
	/** Whether the answers of its route are for one client alone. */
	readonly personal: boolean;
}

/** How a user's function calls upstreams. Its calls are those of the step, and end with `scope`. */
export function createUserCall(
	{ upstreams, personal }: Callable,
	{ run, path: step, index, trail, frame: { fuel } }: Spot,
	scope: Scope,
	onAnswer: (response: UpstreamResponse) => void,
): UserCall {
	const call: UserCall = async (target, options = {}) => {
		const { upstream, path } = resolve(target, upstreams);
		const create = (given: UserCallOptions) =>
			createRequest(upstream, path, given, { run, fuel, personal });
		const decoder = decoderFor(options);
		// At once if there is time, because the function may change what it gave.
		const created = fuel.piece(create, options);
		const request = created instanceof Promise ? await created : created;
		const write = !request.safe;
		if (write && run.route.plan.live !== null) throw mustRead();
		const to = { upstream: upstream.upstream, method: request.method };
		const caller = { ...to, template: null, trail, write, step, index };
		const read = (response: UpstreamResponse): UserAnswer => {
			onAnswer(response);
			const lenient = response.status > 299;
			return {
				status: response.status,
				headers: headersByName(response),
				body: given(
					decodeBody(response, decoder, upstream, lenient, run),
					fuel,
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

/** Its route runs again and again while somebody watches. */
function mustRead(): GatewayError {
	const words = "the function of a live route called with a method that writes";
	return new GatewayError("step_failed", words);
}

function resolve(
	target: string,
	upstreams: Callable["upstreams"],
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
	{ method, query = {}, headers = {}, ...sent }: UserCallOptions,
	{
		run,
		fuel,
		personal,
	}: { readonly run: Run; readonly fuel: Fuel; readonly personal: boolean },
): UpstreamRequest {
	const kept = settings.query.filter(([name]) => !Object.hasOwn(query, name));
	refuseLookalikes(Object.keys(query), kept);
	const pairs = [...kept, ...parametersOf(query, "query")].map(encoded);
	const body = bodyOf(sent, fuel);
	const target =
		path === "" ? settings.basePath || "/" : `${settings.basePath}/${path}`;
	const chosen = method ?? (body === null ? "GET" : "POST");
	if (!callMethods.includes(chosen)) {
		throw new GatewayError(
			"step_failed",
			"the function called with an unknown method",
		);
	}
	const { safe, idempotent } = settings;
	const reads = safe || isSafe(chosen);
	const fields = headersOf(settings.headers, headers, body && body.type);
	const said = saidBeside(new Set(fields.keys()), settings);
	return {
		method: chosen,
		target: pairs.length > 0 ? `${target}?${pairs.join("&")}` : target,
		headers: isOfClient(settings.auth)
			? asClient([...fields].flat(), run.input.request)
			: [...fields].flat(),
		along: run.trace.linesOf(said),
		traced: run.trace.tracedBy(said),
		body: body && body.text,
		// Nobody knows what the function made of who asks.
		...(personal && { identifying: "all" as const }),
		...(body?.binary && { binary: true }),
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
	parameters: Readonly<Record<string, unknown>>,
	what: "query" | "form",
): [string, string][] {
	return Object.entries(parameters).flatMap(([name, value]) => {
		const source = `${what}.${name}`;
		const values: readonly unknown[] = Array.isArray(value) ? value : [value];
		if (values.length === 0) refuseEmpty(source);
		return values.map((one): [string, string] => [name, textOf(one, source)]);
	});
}

function encoded([name, value]: readonly [string, string]): string {
	return [name, value]
		.map((text) => encodeURIComponent(wellFormed(text, null)))
		.join("=");
}

interface SentBody {
	readonly type: string;
	readonly text: string;
	readonly binary?: true;
}

/** The body that a function gives; null if it gives none. */
function bodyOf(
	{ body, form, text, bytes }: UserCallOptions,
	fuel: Fuel,
): SentBody | null {
	const given = [body, form, text, bytes].filter((one) => one !== undefined);
	if (given.length === 0) return null;
	if (given.length > 1) {
		const words = "the function called with two bodies: a call has one";
		throw new GatewayError("step_failed", words);
	}
	if (form !== undefined) {
		const sent = parametersOf(form, "form").map(encoded).join("&");
		fuel.hold(sent.length);
		return { type: bodyTypes.form, text: sent };
	}
	if (text !== undefined) {
		const sent = textOf(text, "text");
		return { type: bodyTypes.text, text: wellFormed(sent, null, "a text") };
	}
	if (bytes === undefined) {
		return { type: bodyTypes.json, text: printJson(body, fuel) };
	}
	if (!(bytes instanceof Uint8Array)) {
		const words = "the function called with `bytes` that are no Uint8Array";
		throw new GatewayError("step_failed", words);
	}
	const sent = binaryText(bytes, fuel);
	return { type: bodyTypes.bytes, text: sent, binary: true };
}

const json = decoderOf({ kind: "json" });

function decoderFor({ decode = "json" }: UserCallOptions): Decoder | null {
	if (decode === "json") return json;
	const known = decodeGiven(decode);
	if (known !== null) return decoderOf(known);
	const words = "the function called with an unknown `decode`";
	throw new GatewayError("step_failed", words);
}

/** Bytes are copied, because others may have the same answer. */
function given(value: unknown, fuel: Fuel): unknown {
	if (!(value instanceof Bytes)) return value;
	fuel.hold(value.bytes.length);
	return new Uint8Array(value.bytes);
}

function headersOf(
	fixed: readonly (readonly [string, string])[],
	own: Readonly<Record<string, string>>,
	type: string | null,
): Map<string, string> {
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
