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
import {
	type LinesSurvey,
	readLines,
	surveyLines,
} from "../core/json-lines.ts";
import {
	costOfFinding,
	type FoundMembers,
	findMembers,
	type JsonMembers,
	membersAt,
	readMembers,
} from "../core/json-members.ts";
import {
	costOfXml,
	listRule,
	readXml,
	surveyXml,
	textOfXml,
	type XmlSurvey,
} from "../core/xml.ts";
import type { MemberPath } from "../plan/answer-members.ts";
import {
	whyNotJson,
	whyNotLines,
	whyNotText,
	whyNotXml,
} from "./answer-words.ts";

/** Makes values of bodies in one way, for all answers of a step. */
export interface Decoder<S extends Survey = Survey> {
	/** Decoders of one name make the same value of a body. */
	readonly name: string;
	/** Reads bodies that others read, too, if that is another one. */
	readonly shared?: Decoder;
	/** The value of a body without a byte. */
	readonly empty: unknown;
	/** Counts what reading takes, before anything is made. Throws for a body that cannot be read. */
	survey(response: UpstreamResponse): S;
	/** The time that reading takes, in units of 100 ns. */
	cost(survey: S, length: number): number;
	read(response: UpstreamResponse, survey: S): unknown;
	/** The answer in words, if `survey` or `read` threw the error: what it is instead. */
	fault(response: UpstreamResponse, error: unknown): string;
}

/** Null for bytes, which nothing is made of. Of JSON only these members are made, if it is not null. */
export function decoderOf(
	decode: DecodeConfig,
	members: readonly MemberPath[] | null = null,
): Decoder | null {
	if (decode.kind === "xml") return xmlDecoder(decode.lists);
	const found = decode.kind === "json" && members && membersAt(members);
	return found ? membersDecoder(found) : decoders[decode.kind];
}

const json: Decoder<JsonSurvey> = {
	name: "json",
	empty: null,
	survey: ({ body }) => surveyJson(body),
	cost: costOfReading,
	read: ({ body }, survey) => readJson(body, survey),
	fault: whyNotJson,
};

/**
 * Finds members in JSON, and makes nothing of the rest. If they cannot be found, reading the whole says why, or finds them. What
 * others read as well is read as a whole: once for all of them.
 */
function membersDecoder(
	members: JsonMembers,
): Decoder<FoundMembers | JsonSurvey> {
	return {
		name: "members",
		shared: json,
		empty: json.empty,
		survey: ({ body }) => findMembers(body, members) ?? surveyJson(body),
		cost: (survey, length) =>
			"found" in survey
				? survey.cost
				: costOfFinding(length) + costOfReading(survey, length),
		read: ({ body }, survey) =>
			"found" in survey ? readMembers(members, survey) : readJson(body, survey),
		fault: whyNotJson,
	};
}

const lines: Decoder<LinesSurvey> = {
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
	read: (response) => decodeText(response.body, announcedCharset(response)),
	fault: whyNotText,
};

/** The text is decoded twice, because keeping it between would take as much memory as the body. */
function xmlDecoder(lists: readonly string[]): Decoder<XmlSurvey> {
	const isList = listRule(lists);
	const textOf = (response: UpstreamResponse) =>
		textOfXml(response.body, announcedCharset(response));
	return {
		name: ["xml", ...lists].join(" "),
		empty: null,
		survey: (response) => surveyXml(textOf(response)),
		cost: costOfXml,
		read: (response, survey) => readXml(textOf(response), survey, isList),
		fault: whyNotXml,
	};
}

function announcedCharset({ headers }: UpstreamResponse): string | null {
	return charsetIn(headerOf(headers, "content-type"));
}

const decoders = { json, lines, text, bytes: null };
