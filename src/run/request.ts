import type { IdentityValues } from "../auth/identity.ts";
import type { FieldConfig, RequestConfig } from "../config/config.ts";
import { GatewayError, type RequestFault } from "../core/errors.ts";
import { cookieOf } from "../core/http/cookies.ts";
import { allHeadersOf, decodedValue, membersOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import {
	type Content,
	type ContentReader,
	type ContentValues,
	prepareContent,
} from "./content.ts";
import { type Given, prepareField } from "./field.ts";
import { type CompileBody, faultsMax } from "./json-body.ts";
import { queryOf } from "./query.ts";

/** The values of a request that expressions read: only those that the route declares. */
export interface RequestValues {
	readonly params: Readonly<Record<string, unknown>>;
	readonly query: Readonly<Record<string, unknown>>;
	readonly headers: Readonly<Record<string, unknown>>;
	readonly cookies: Readonly<Record<string, unknown>>;
	/** Null if the route declares no body. */
	readonly content: ContentValues | null;
	/** Who asks; absent if anybody may. A watch knows only what its route reads of it. */
	readonly auth?: Partial<IdentityValues>;
}

/** How a route's requests are read. */
export interface RequestReader {
	/** Reads the body, before the rest is looked at. Null if the route declares none. */
	readonly content: ContentReader | null;
	/** Reads and coerces a request. Throws one `request_invalid` that names all its faults. */
	readonly read: (
		request: GatewayRequest,
		params: Readonly<Record<string, string>>,
		content: Content | null,
		turn: LoopTurn,
	) => RequestValues;
}

/** Reads the declared values, and every path parameter. All faults are found before it throws `request_invalid`. */
export function prepareRequest(
	config: RequestConfig,
	compileBody: CompileBody,
): RequestReader {
	const params = config.params.map((field) => prepareField("params", field));
	const query = config.query.map((field) => prepareField("query", field));
	const headers = config.headers.map((field) => prepareField("headers", field));
	const cookies = config.cookies.map((field) => prepareField("cookies", field));
	const contents = prepareContent(config, compileBody);
	const read: RequestReader["read"] = (request, texts, content, turn) => {
		const faults: RequestFault[] = [];
		const values = {
			params: { ...texts } as Record<string, unknown>,
			query: {} as Record<string, unknown>,
			headers: {} as Record<string, unknown>,
			cookies: {} as Record<string, unknown>,
			content: null as ContentValues | null,
		};
		config.params.forEach(({ name }, index) => {
			params[index]?.([texts[name] ?? ""], values.params, faults);
		});
		if (query.length > 0) {
			const given = queryOf(request.target, config.query);
			query.forEach((read, index) => {
				read(given[index] ?? [], values.query, faults);
			});
		}
		config.headers.forEach((field, index) => {
			headers[index]?.(headerGiven(request, field), values.headers, faults);
		});
		config.cookies.forEach(({ wireName }, index) => {
			cookies[index]?.(cookieGiven(request, wireName), values.cookies, faults);
		});
		if (contents && content) {
			values.content = contents.judge(content, faults, turn);
		}
		if (faults.length > 0) {
			const errors = faults.slice(0, faultsMax);
			throw new GatewayError("request_invalid", describe(errors), { errors });
		}
		return values;
	};
	return { read, content: contents };
}

/** For the log: only where the faults are, because messages may repeat the client's input. */
function describe(faults: readonly RequestFault[]): string {
	const places = new Set(faults.map(({ at }) => at));
	return `invalid: ${[...places].join(", ")}`;
}

/**
 * Several lines of a field are one list (RFC 9110, 5.3). For a declared list it is split at its commas, else it is one
 * text.
 */
function headerGiven(
	{ headers }: GatewayRequest,
	{ wireName, schema }: FieldConfig,
): Given {
	const lines = allHeadersOf(headers, wireName).map(decodedValue);
	if (schema.type === "array" && lines.length > 0) {
		return lines.flatMap(membersOf);
	}
	if (lines.length < 2) return lines;
	// The one field of a request that is a list of another kind (RFC 9113, 8.2.3).
	return [lines.join(wireName === "cookie" ? "; " : ", ")];
}

function cookieGiven({ headers }: GatewayRequest, name: string): Given {
	const value = cookieOf(headers, name);
	return value === null ? [] : [value];
}
