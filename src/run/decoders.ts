import type { DecodeConfig } from "../config/steps/decode.ts";
import type { Survey } from "../core/body/decoded.ts";
import { decodeText } from "../core/charset.ts";
import { headerOf } from "../core/http/headers.ts";
import { charsetIn } from "../core/http/media-type.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import {
	costOfReading,
	type JsonSurvey,
	readJson,
	surveyJson,
} from "../core/json.ts";
import { readLines, surveyLines } from "../core/json-lines.ts";
import { whyNotJson, whyNotLines, whyNotText } from "./answer-words.ts";

/** Makes values of bodies in one way, for all answers of a step. */
export interface Decoder<S extends Survey = Survey> {
	/** Decoders of one name make the same value of a body. */
	readonly name: string;
	/** The value of a body without a byte. */
	readonly empty: unknown;
	/** Counts what reading takes, before anything is made. Throws for a body that cannot be read. */
	readonly survey: (response: UpstreamResponse) => S;
	/** The time that reading takes, in units of 100 ns. */
	readonly cost: (survey: S, length: number) => number;
	readonly read: (response: UpstreamResponse, survey: S) => unknown;
	/** The answer in words, if `survey` or `read` threw the error: what it is instead. */
	readonly fault: (response: UpstreamResponse, error: unknown) => string;
}

/** Null for bytes, which nothing is made of. */
export function decoderOf(decode: DecodeConfig): Decoder | null {
	return decoders[decode] as Decoder | null;
}

const json: Decoder<JsonSurvey> = {
	name: "json",
	empty: null,
	survey: ({ body }) => surveyJson(body),
	cost: costOfReading,
	read: ({ body }, survey) => readJson(body, survey),
	fault: whyNotJson,
};

const lines: Decoder = {
	name: "lines",
	empty: Object.freeze([]),
	survey: ({ body }) => surveyLines(body),
	cost: costOfReading,
	read: ({ body }) => readLines(body),
	fault: whyNotLines,
};

const text: Decoder = {
	name: "text",
	empty: null,
	survey: ({ body }) => ({ values: 0, memory: 2 * body.length }),
	// Up to 1.5 ns for a byte of UTF-8, and 6 ns in other charsets.
	cost: (_survey, length) => length >>> 4,
	read: ({ body, headers }) =>
		decodeText(body, charsetIn(headerOf(headers, "content-type"))),
	fault: whyNotText,
};

const decoders = { json, lines, text, bytes: null };
