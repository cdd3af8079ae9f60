import type { RequestConfig, TextConfig } from "../config/config.ts";
import { Bytes } from "../core/body/bytes.ts";
import { codingsUnderstood, parseCodings } from "../core/body/codings.ts";
import { decodeText } from "../core/charset.ts";
import { GatewayError, type RequestFault } from "../core/errors.ts";
import {
	allHeadersOf,
	type HeaderList,
	headerOf,
} from "../core/http/headers.ts";
import { isOneOf } from "../core/http/media-type.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import {
	type WithParameters,
	withParametersOf,
} from "../core/http/parameters.ts";
import { parseSize } from "../core/units.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import { prepareScalar, type Say } from "./field.ts";
import { type Form, formTypes, prepareForm } from "./form.ts";
import {
	type CompileBody,
	type JsonBody,
	prepareJsonBody,
} from "./json-body.ts";

/** A body that was read in each way that its route declares. */
export interface Content {
	/** Whether there is none. */
	readonly absent: boolean;
	readonly json: JsonBody | null;
	readonly form: Form | null;
	/** Null if it is absent, or cannot be decoded. */
	readonly text: string | null;
	readonly bytes: Uint8Array;
}

/** The values of a body that expressions read. One that the route does not declare is null. */
export interface ContentValues {
	readonly body: unknown;
	readonly form: unknown;
	readonly text: string | null;
	readonly bytes: Bytes | null;
}

/** Reads the body of a route's requests, and then judges what was read. Both take their time of the turn. */
export interface ContentReader {
	/** Throws `unsupported_media_type` unless the type and the codings are among those that the route takes. */
	refuseOtherMedia(headers: HeaderList): void;
	/** `valuesMax` bounds the values and keys of JSON. */
	read(
		request: GatewayRequest,
		bytes: Uint8Array,
		valuesMax: number,
		turn: LoopTurn,
	): Content;
	/** Gives the values, and adds their faults to `faults`. */
	judge(
		content: Content,
		faults: RequestFault[],
		turn: LoopTurn,
	): ContentValues;
}

/** Null if the route declares no body. */
export function prepareContent(
	config: RequestConfig,
	compileBody: CompileBody,
): ContentReader | null {
	const { body, form, text, bytes } = config;
	const types = typesOf(config);
	if (types === null) return null;
	const json = body && prepareJsonBody(body, compileBody);
	const forms = form && prepareForm(form);
	const textOf = text && prepareText(text);
	const bytesMax = bytes?.maxSize ? parseSize(bytes.maxSize) : null;
	return {
		refuseOtherMedia(headers) {
			refuseOtherCodings(headers);
			refuseOtherTypes(headers, types);
		},
		read({ headers, memory }, given, valuesMax, turn) {
			const absent = given.length === 0;
			if (!absent) refuseOtherTypes(headers, types);
			const type = absent ? null : contentTypeOf(headers);
			return {
				absent,
				json: json && json.read(given, valuesMax, memory, turn),
				form: forms && forms.read(type, given, memory, turn),
				text: text && !absent ? textIn(type, given, memory, turn) : null,
				bytes: given,
			};
		},
		judge({ absent, ...content }, faults, turn) {
			if (bytes) judgeBytes(content.bytes, bytes.required, bytesMax, faults);
			return {
				body: json && content.json && json.judge(content.json, faults, turn),
				form:
					forms && content.form && forms.judge(content.form, absent, faults),
				text: textOf && textOf(content.text, absent, faults),
				bytes: bytes && !absent ? new Bytes(content.bytes) : null,
			};
		},
	};
}

/** The media types that a body may have; empty for any. */
type Types = readonly string[];

/** Null if the route declares no body. */
function typesOf({ body, form, text, bytes }: RequestConfig): Types | null {
	if (body) return jsonTypes;
	if (form) return formTypes;
	if (text === null && bytes === null) return null;
	return text?.types ?? bytes?.types ?? [];
}

const jsonTypes = ["application/json"];
const jsonLike = /^application\/([\w.+-]+\+)?json\s*(;|$)/i;

function contentTypeOf(headers: HeaderList): WithParameters | null {
	return withParametersOf(headerOf(headers, "content-type") ?? "");
}

function refuseOtherCodings(headers: HeaderList): void {
	const codings = allHeadersOf(headers, "content-encoding").join();
	if (typeof parseCodings(codings) !== "string") return;
	const message = `is not understood: send the body as it is, or in ${codingsUnderstood}`;
	throw new GatewayError("unsupported_media_type", message, {
		acceptEncoding: codingsUnderstood,
		errors: [{ at: "headers.content-encoding", message }],
	});
}

function refuseOtherTypes(headers: HeaderList, types: Types): void {
	if (types.length === 0) return;
	if (types === jsonTypes) {
		if (jsonLike.test(headerOf(headers, "content-type") ?? "")) return;
	} else if (isOneOf(contentTypeOf(headers)?.value ?? null, types)) return;
	const accept = types.join(", ");
	throw unsupported(`is none of those that are taken: ${accept}`, accept);
}

function unsupported(message: string, accept?: string): GatewayError {
	return new GatewayError(
		"unsupported_media_type",
		`the content-type ${message}`,
		{
			errors: [{ at: "headers.content-type", message }],
			...(accept !== undefined && { accept }),
		},
	);
}

/** Null if the bytes are not of the charset. Throws `unsupported_media_type` if nobody knows the charset. */
function textIn(
	type: WithParameters | null,
	bytes: Uint8Array,
	memory: GatewayRequest["memory"],
	turn: LoopTurn,
): string | null {
	const refusal = memory.takeBody(2 * bytes.length);
	if (refusal !== null) throw refusal;
	// Up to 5 ns for a byte of UTF-8, and 11 ns in other charsets.
	turn.spent += bytes.length >>> 3;
	try {
		return decodeText(bytes, type?.parameters.get("charset") ?? null, true);
	} catch (error) {
		if (!(error instanceof RangeError)) return null;
		throw unsupported("names a charset that is not known: send UTF-8");
	}
}

function prepareText({ required, schema }: TextConfig) {
	const check = prepareScalar(schema);
	return (
		text: string | null,
		absent: boolean,
		faults: RequestFault[],
	): string | null => {
		const say: Say = (message) => void faults.push({ at: "text", message });
		if (absent) {
			if (required) say("is required");
		} else if (text === null)
			say("is not of its charset, UTF-8 if it names none");
		else check(text, say);
		return text;
	};
}

function judgeBytes(
	{ length }: Uint8Array,
	required: boolean,
	bytesMax: number | null,
	faults: RequestFault[],
): void {
	const at = "bytes";
	if (length === 0 && required) faults.push({ at, message: "is required" });
	if (bytesMax === null || length <= bytesMax) return;
	faults.push({ at, message: `is longer than ${bytesMax} bytes` });
}
