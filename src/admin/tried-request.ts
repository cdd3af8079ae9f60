import { GatewayError, type RequestFault } from "../core/errors.ts";
import { hopFields } from "../core/http/fields.ts";
import {
	type HeaderList,
	headerOf,
	isFieldValue,
	isToken,
} from "../core/http/headers.ts";
import { requestIdOf } from "../core/request-id.ts";
import type { PlainRequest } from "../gateway/plain-request.ts";
import { refusalOf } from "../server/refuse.ts";

/** A request that somebody wants to try. */
export interface TriedRequest extends PlainRequest {
	readonly id: string;
	readonly headers: HeaderList;
}

const keys: ReadonlySet<string> = new Set([
	"method",
	"path",
	"headers",
	"body",
]);

/** As many as the admin server itself takes. */
const headerFieldsMax = 50;

/**
 * Reads a request from JSON. Throws `request_invalid` with all its faults. What the gateway's own port would refuse is
 * refused in the same words.
 */
export function readTriedRequest(bytes: Uint8Array): TriedRequest {
	const faults: RequestFault[] = [];
	const say = (at: string, message: string) => faults.push({ at, message });
	const map = mapOf(bytes);
	if (map === null)
		throw refusedFor([{ at: "body", message: "is no JSON map" }]);
	for (const key of Object.keys(map)) {
		if (!keys.has(key)) say("body", `takes ${[...keys].join(", ")} alone`);
	}
	const { method, path, headers: fields = {}, body = "" } = map;
	if (typeof method !== "string" || !isToken(method) || method === "CONNECT") {
		say("body/method", "must be a method such as `GET`");
	}
	if (typeof path !== "string" || !path.startsWith("/")) {
		say("body/path", "must be a path, with its query, such as `/users?id=7`");
	}
	if (typeof body !== "string") say("body/body", "must be a text");
	const headers = headersOf(fields, say);
	if (faults.length > 0) throw refusedFor(faults);
	const target = path as string;
	const request = { method: method as string, target, headers };
	const refusal = refusalOf(
		{
			...{ httpVersion: "1.1", method: request.method, url: target },
			rawHeaders: hosted(headers),
		},
		{ headerFieldsMax },
	);
	if (refusal !== null) throw refusal;
	const id = requestIdOf(headerOf(headers, "x-request-id"));
	return { ...request, id, ip: "127.0.0.1", body: body as string };
}

function mapOf(bytes: Uint8Array): Record<string, unknown> | null {
	try {
		const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
		const value: unknown = JSON.parse(text);
		return isMap(value) ? value : null;
	} catch {
		return null;
	}
}

function isMap(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function headersOf(
	fields: unknown,
	say: (at: string, message: string) => void,
): string[] {
	if (!isMap(fields)) {
		say("body/headers", "must be a map of names and values");
		return [];
	}
	return Object.entries(fields).flatMap(([name, given]) => {
		const values: unknown[] = Array.isArray(given) ? given : [given];
		const at = isToken(name) ? `body/headers/${name}` : "body/headers";
		if (!isToken(name)) say(at, "has a name that no field may have");
		else if (hopFields.has(name.toLowerCase())) {
			say(at, "belongs to a connection, and there is none");
		}
		return values.flatMap((value) => {
			if (typeof value === "string" && isFieldValue(value))
				return [name, value];
			say(at, "must be a text, or a list of texts, that a field may hold");
			return [];
		});
	});
}

/** The head of a request has a `Host`. */
function hosted(headers: HeaderList): string[] {
	const host = headerOf(headers, "host") === null ? ["host", "localhost"] : [];
	return [...host, ...headers];
}

function refusedFor(faults: readonly RequestFault[]): GatewayError {
	const errors = faults.slice(0, 16);
	return new GatewayError("request_invalid", "is no request", { errors });
}
