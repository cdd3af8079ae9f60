import assert from "node:assert/strict";
import { type Random, spoiled } from "./answers.ts";
import {
	createOracle,
	ourReading,
	type Reading,
	type Sent,
} from "./readings.ts";

/** Where the two may differ, and why ours is right. */
interface Difference {
	readonly reason: string;
	/** What the refusing one says. */
	readonly fault: RegExp;
	/** What must be so of the bytes, one character each. */
	readonly holds: RegExp;
}

/** Answers that undici takes and ours refuses. */
const refusedByUs: readonly Difference[] = [
	{
		reason:
			"blank lines before an answer: RFC 9112, 2.2 lets a server skip them before a request; here they are left of another answer",
		fault: /status line|not HTTP/,
		holds: /^[\r\n]|\r\n\r\n[\r\n]/,
	},
	{
		reason:
			"HTTP/0.9 and HTTP/2.0 in a status line: the first has none, the second none of text",
		fault: /status line|not HTTP/,
		holds: /^HTTP\/(?:0\.9|2\.0) /m,
	},
	{
		reason: "a status that no version of HTTP has (RFC 9110, 15)",
		fault: /status above 599/,
		holds: /^HTTP\/1\.[01] [6-9][0-9]{2}/m,
	},
	{
		reason: "a control character in the reason (RFC 9112, 4)",
		fault: /status line|control character|not HTTP/,
		holds: /^HTTP\/1\.[01] [0-9]{3}.*[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/m,
	},
	{
		reason: "a bare CR behind the status, or the reason (RFC 9112, 2.2)",
		fault: /status line|control character|not HTTP/,
		holds: /^HTTP\/1\.[01] [0-9]{3}[^\r\n]*\r(?!\n)/m,
	},
	{
		reason:
			"a tab beside a length or a transfer coding, which is proper white space (RFC 9110, 5.5) and which undici takes for a part of the value where it stands behind",
		fault: /a tab/,
		holds: /(?:content-length|transfer-encoding):[^\r\n]*\t/i,
	},
	{
		reason:
			"a transfer coding besides one of chunks, which nobody would take off, or one of HTTP/1.0, which has none (RFC 9112, 6.1)",
		fault: /transfer-encoding is not understood/,
		holds:
			/transfer-encoding:(?![\t ]*chunked[\t ]*\r\n)|transfer-encoding:[^]*transfer-encoding:|^HTTP\/1\.0[^]*transfer-encoding:/im,
	},
	{
		reason: "a transfer coding in the trailers (RFC 9110, 6.5.1)",
		fault: /trailer frames/,
		holds: /transfer-encoding:[^]*\r\ntransfer-encoding:/i,
	},
	{
		reason:
			"a head of more than 16 KiB as it travels: undici counts names and values only",
		fault: /over 16384 bytes/,
		holds: /^[^]{16384}/,
	},
	{
		reason: "more than 256 header fields",
		fault: /more than 256 header fields/,
		holds: /(?:\r\n[^\r\n]+){257}/,
	},
	{
		reason: "two fields of which some readers take the first, others the last",
		fault: /is there twice/,
		holds:
			/\r\n(content-(?:type|location|range|disposition)|location):[^]*\r\n\1:/i,
	},
	{
		reason:
			"trailers that are too long, or too many, together with the fields of the head",
		fault: /fields over 16384 bytes|header fields and trailers/,
		holds: /\r\n0+(?:;[^\r\n]*)?\r\n[^]*:/,
	},
	{
		reason: "an interim answer that announces a body, which it never has",
		fault: /interim answer announces/,
		holds:
			/^HTTP\/1\.[01] 1(?:(?!\r\n\r\n)[^])*\r\n(?:content-length|transfer-encoding):/im,
	},
	{
		reason:
			"a length of 16 digits or more, leading zeros included: a double cannot hold all of them",
		fault: /content-length is no number/,
		holds: /content-length:[\t ]*[0-9]{16}/i,
	},
	{
		reason: "a chunk's size of 13 digits or more",
		fault: /chunk without a size/,
		holds: /\r\n[0-9a-f]{13}/i,
	},
	{
		reason: "a chunk's extension that is none (RFC 9112, 7.1.1)",
		fault: /chunk without a size/,
		holds:
			/\r\n[0-9a-f]+(?!(?:;[\w!#$%&'*+.^`|~-]+(?:=(?:[\w!#$%&'*+.^`|~-]+|"(?:[^"\\]|\\.)*"))?)*\r\n);/i,
	},
	{
		reason: "a line of more than 1 KiB before a chunk",
		fault: /line of a chunk/,
		holds: /;[^\r\n]{1000}/,
	},
];

/** Answers that undici refuses and ours takes. */
const takenByUs: readonly Difference[] = [
	{
		reason:
			"100 Continue that nobody asked for: a client must be able to read it (RFC 9110, 15.2), and no body follows it",
		fault: /^bad response$/,
		holds: /^HTTP\/1\.[01] 100[ \r]/m,
	},
	{
		reason:
			"a space behind a length, which is none of it (RFC 9110, 5.5): undici counts it as a digit, and misses bytes",
		fault: /body length does not match/,
		holds: /content-length:[\t ]*[0-9]+ +\r\n/i,
	},
	{
		reason:
			"a blank before the colon, which is removed (RFC 9112, 5.1), and behind which undici may see another name and another length",
		fault: /Invalid header token|does not match content-length/,
		holds: /\r\n[^\r\n:]+[ \t]+:/,
	},
	{
		reason:
			"an interim answer of HTTP/1.0, for which undici expects the end of the connection: only the final answer says whether that is kept",
		fault: /Data after `Connection: close`/,
		holds: /^HTTP\/1\.0 1|\r\n\r\nHTTP\/1\.0 1/,
	},
	{
		reason:
			"Proxy-Connection in an interim answer: no field of HTTP's (RFC 9112, C.2.2)",
		fault: /Data after `Connection: close`/,
		holds: /^HTTP\/1\.[01] 1[^]*proxy-connection: close/i,
	},
];

/**
 * Spoils answers and fails where our parser takes one for something else than undici does, takes what undici refuses,
 * refuses what undici takes but for the differences listed, or says otherwise when the bytes come in other pieces. Gives
 * how often what was the case.
 */
export async function compareSpoiled(
	count: number,
	random: Random,
): Promise<Map<string, number>> {
	const oracle = createOracle();
	const seen = new Map<string, number>();
	for (let at = 0; at < count; at++) {
		const sent = spoiled(random);
		const word = judge(sent, await oracle.reading(sent));
		seen.set(word, (seen.get(word) ?? 0) + 1);
		assertSameInPieces(sent, cutsOf(sent, random));
	}
	await oracle.close();
	return seen;
}

/** What is the case; fails where that must not be. */
export function judge(sent: Sent, theirs: Reading): string {
	const ours = ourReading(sent);
	const text = sent.bytes.toString("latin1");
	const fails = (): never =>
		assert.fail(
			`${JSON.stringify(text)}, to ${sent.method}\nours:   ${JSON.stringify(ours)}\nundici: ${JSON.stringify(theirs)}`,
		);
	if (!("refused" in ours) && !("refused" in theirs)) {
		return JSON.stringify(ours) === JSON.stringify(theirs)
			? "same answer"
			: fails();
	}
	if ("refused" in ours && "refused" in theirs) return "both refuse";
	const known = "refused" in ours ? refusedByUs : takenByUs;
	const fault = "refused" in ours ? ours.refused : refusalOf(theirs);
	const found = known.find(
		(each) => each.fault.test(fault) && each.holds.test(text),
	);
	return found?.reason ?? fails();
}

function refusalOf(reading: Reading): string {
	return "refused" in reading ? reading.refused : "";
}

/** Fails where the answer, read in pieces, is another. Which fault is found first may depend on them. */
export function assertSameInPieces(sent: Sent, cuts: readonly number[]): void {
	const whole = ourReading(sent);
	const inPieces = ourReading(sent, cuts);
	if ("refused" in whole && "refused" in inPieces) return;
	if (JSON.stringify(whole) === JSON.stringify(inPieces)) return;
	assert.fail(
		`${JSON.stringify(sent.bytes.toString("latin1"))}, to ${sent.method}\nwhole:     ${JSON.stringify(whole)}\nin pieces: ${JSON.stringify(inPieces)}\ncut at ${cuts}`,
	);
}

/** At every byte, or where that would take long at some. */
function cutsOf({ bytes }: Sent, random: Random): number[] {
	if (bytes.length < 1000 && random(4) === 0) return everyCut(bytes.length);
	const cuts = Array.from({ length: 1 + random(6) }, () =>
		random(bytes.length + 1),
	);
	return cuts.toSorted((a, b) => a - b);
}

export function everyCut(length: number): number[] {
	return Array.from({ length }, (_, at) => at);
}
