import { Bytes } from "../core/body/bytes.ts";
import { GatewayError } from "../core/errors.ts";
import { eachHeader } from "../core/http/headers.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import { readJson } from "../core/json.ts";

/** Refuses bytes that are not UTF-8 (RFC 8259, 8.1). Keeps no state between calls. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * An answer's body as data; null if it is empty. A body of the wrong kind fails with `upstream_invalid`. With `lenient`
 * it is null, because an answer with a listed status may not come from the service itself.
 */
export function decodeBody(
	{ body, decoded }: UpstreamResponse,
	kind: "json" | "text" | "bytes",
	upstream: string,
	lenient: boolean,
): unknown {
	if (body.length === 0) return null;
	if (kind === "bytes") return new Bytes(body);
	const make = () => (kind === "text" ? utf8.decode(body) : readJson(body));
	try {
		return decoded ? decoded.of(kind, make) : make();
	} catch (error) {
		if (lenient) return null;
		const message = `${upstream} answered what is ${wordsFor(error, kind)}`;
		throw new GatewayError("upstream_invalid", message, { upstream });
	}
}

function wordsFor(error: unknown, kind: string): string {
	const tooDeep =
		error instanceof SyntaxError && error.message.startsWith("nested");
	if (tooDeep) return error.message;
	return kind === "text" ? "not UTF-8" : "not JSON";
}

/** `set_cookie` is always a list; other repeated fields are joined (RFC 9110, 5.3). */
export function headersByName({
	headers,
}: UpstreamResponse): Record<string, unknown> {
	const cookies: string[] = [];
	const named: Record<string, unknown> = { set_cookie: cookies };
	eachHeader(headers, (field, value) => {
		const name = field.toLowerCase().replaceAll("-", "_");
		if (name === "set_cookie") cookies.push(value);
		else if (name !== "__proto__") {
			const before = Object.hasOwn(named, name) ? `${named[name]}, ` : "";
			named[name] = before + value;
		}
	});
	return named;
}
