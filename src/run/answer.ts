import { Bytes } from "../core/body/bytes.ts";
import type { Decoded } from "../core/body/decoded.ts";
import { GatewayError } from "../core/errors.ts";
import { decodedValue, eachHeader, headerOf } from "../core/http/headers.ts";
import { mediaTypeIn } from "../core/http/media-type.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import type { Decoder } from "./decoders.ts";
import type { OpenedUpstream } from "./open.ts";
import type { Run } from "./run.ts";

/** A value or key takes as much as so many bytes of text. */
const valueBytes = 5;

/**
 * An answer's body as data, or as bytes without a decoder. Everything is counted before anything is read, and an answer that
 * was read for other runs counts as much. A body of the wrong kind or of too many values fails with `upstream_invalid`. With
 * `lenient` it is null, because an answer with a listed status may not come from the service itself. Fails with
 * `limit_exceeded` if the run reads too much.
 */
export function decodeBody(
	response: UpstreamResponse,
	own: Decoder | null,
	opened: OpenedUpstream,
	lenient: boolean,
	run: Run,
): unknown {
	const { body, decoded } = response;
	const { length } = body;
	const decoder = (decoded && own?.shared) ?? own;
	if (decoder === null) {
		run.countRead(length);
		return length === 0 ? null : new Bytes(body);
	}
	if (length === 0) return decoder.empty;
	try {
		const count = () => decoder.survey(response);
		const survey = decoded ? decoded.survey(decoder.name, count) : count();
		const { values, memory } = survey;
		const { valuesMax } = opened.settings;
		if (values > valuesMax) {
			if (lenient) return null;
			const words = `more than ${valuesMax} values and keys (\`maxValues\`)`;
			throw useless(opened, words, response, run);
		}
		run.countRead(Math.max(length, valueBytes * values));
		const cost = decoder.cost(survey, length);
		const { turn } = run.calls.clock;
		if (decoded) {
			return makeShared(run, decoded, decoder.name, memory, () => {
				// It is frozen, which takes as long as reading it.
				turn.spent += 2 * cost;
				return decoder.read(response, survey);
			});
		}
		run.input.request.memory.take(memory);
		turn.spent += cost;
		return decoder.read(response, survey);
	} catch (error) {
		if (error instanceof GatewayError) throw error;
		if (lenient) return null;
		throw useless(opened, decoder.fault(response, error), response, run);
	}
}

/** Counts an answer's memory for a run, or that the run shares it with others. */
export function hold(
	{ input }: Run,
	{ body, decoded }: UpstreamResponse,
): void {
	const { memory } = input.request;
	if (decoded) memory.use(decoded.memory);
	else memory.take(body.length);
}

/** Makes a value that others share. While it is made its memory is the run's, then it counts with what they share. */
function makeShared<T>(
	{ input }: Run,
	decoded: Decoded,
	kind: string,
	bytes: number,
	make: () => T,
): unknown {
	const { memory } = input.request;
	if (decoded.has(kind)) return decoded.of(kind, make);
	memory.take(bytes);
	try {
		return decoded.of(kind, make);
	} finally {
		memory.give(bytes);
	}
}

/** The error of an answer that no step can read. To its upstream it counts as a failure. */
function useless(
	{ settings, upstream }: OpenedUpstream,
	words: string,
	response: UpstreamResponse,
	run: Run,
): GatewayError {
	upstream.blame(response, { requestId: run.input.request.id });
	const message = `${settings.name} answered ${words}`;
	const facts = { upstream: settings.name, upstreamStatus: response.status };
	return new GatewayError("upstream_invalid", message, facts);
}

/** `response` of expressions. */
export function told(response: UpstreamResponse): object {
	return {
		status: response.status,
		headers: headersByName(response),
		type: mediaTypeIn(headerOf(response.headers, "content-type")),
	};
}

/** `set_cookie` is always a list; other repeated fields are joined (RFC 9110, 5.3). */
export function headersByName({
	headers,
}: Pick<UpstreamResponse, "headers">): Record<string, unknown> {
	const cookies: string[] = [];
	const named: Record<string, unknown> = { set_cookie: cookies };
	eachHeader(headers, (field, bytes) => {
		const name = field.toLowerCase().replaceAll("-", "_");
		const value = decodedValue(bytes);
		if (name === "set_cookie") cookies.push(value);
		else if (name !== "__proto__") {
			const before = Object.hasOwn(named, name) ? `${named[name]}, ` : "";
			named[name] = before + value;
		}
	});
	return named;
}
