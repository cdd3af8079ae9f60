import { faultOfPath } from "../core/http/path.ts";
import type { Expression } from "../expression/parse.ts";
import type { Template } from "../expression/template.ts";
import type { PathSegment } from "./config.ts";
import { meantReads, signedRead } from "./meant-reads.ts";
import { clientNames, type Names } from "./names.ts";
import { type Reader, readScalar, warningOf } from "./read-template.ts";
import type { ScalarSource, Source } from "./source.ts";

/** The target of a call: the upstream's name, as written, and the path behind it. */
export interface Target {
	readonly upstream: string;
	readonly path: readonly PathSegment[];
}

/** Reads `<upstream>/<path>`. Null if it could not be read. */
export function readTarget(source: Source, reader: Reader): Target | null {
	if (source.kind !== "scalar" || typeof source.value !== "string") return null;
	const template = readScalar(source, reader);
	const parts = partsOf(template);
	const [first] = parts;
	if (typeof first !== "string" || !/^[^/]+(\/|$)/.test(first)) {
		if (parts.length > 0) {
			reader.problems.push({
				at: source.at,
				message:
					typeof first === "string"
						? "a call begins with its upstream's name, without a slash before it: `<upstream>/<path>`"
						: "a call begins with its upstream's name, which cannot be data: `<upstream>/<path>`",
			});
		}
		return null;
	}
	const slash = `${first}/`.indexOf("/");
	const upstream = first.slice(0, slash);
	const path = splitSegments([first.slice(slash + 1), ...parts.slice(1)]);
	for (const segment of path) checkSegment(segment, source, reader);
	return { upstream, path: isRoot(path) ? [] : path };
}

/**
 * Reads `<channel>` or `<channel>/<instance>`. Null if it could not be read. The instance is one segment, as in the path of
 * a call.
 */
export function readChannelTarget(
	source: Source,
	reader: Reader,
): { readonly channel: string; readonly instance: PathSegment | null } | null {
	if (source.kind !== "scalar" || typeof source.value !== "string") return null;
	const parts = partsOf(readScalar(source, reader));
	const [first, ...others] = parts;
	if (first === undefined) return null;
	const refuse = (message: string) => {
		reader.problems.push({ at: source.at, message });
		return null;
	};
	if (typeof first !== "string" || !/^[^/]+(\/|$)/.test(first)) {
		return refuse(
			typeof first === "string"
				? "a channel is named without a slash before it: `<channel>/<instance>`"
				: "the channel cannot be data, only its instance: `<channel>/<instance>`",
		);
	}
	const slash = `${first}/`.indexOf("/");
	const channel = first.slice(0, slash);
	if (slash === first.length) {
		return others.length === 0
			? { channel, instance: null }
			: refuse(
					"the channel cannot be data, only its instance: `<channel>/<instance>`",
				);
	}
	const [instance, second] = splitSegments([first.slice(slash + 1), ...others]);
	if (second !== undefined) {
		return refuse("an instance is one segment: `<channel>/<instance>`");
	}
	if (instance === undefined || instance.length === 0) {
		return refuse("the instance behind the slash is empty");
	}
	checkSegment(instance, source, reader);
	return { channel, instance };
}

function partsOf(template: Template): readonly (string | Expression)[] {
	if (template.kind === "whole") return [template.expression];
	if (template.kind === "mixed") return template.parts;
	return template.kind === "literal" && typeof template.value === "string"
		? [template.value]
		: [];
}

/** Cuts the literal parts at each slash. */
function splitSegments(parts: readonly (string | Expression)[]): PathSegment[] {
	const segments: (string | Expression)[][] = [[]];
	for (const part of parts) {
		if (typeof part !== "string") {
			segments.at(-1)?.push(part);
			continue;
		}
		const [head = "", ...rest] = part.split("/");
		if (head !== "") segments.at(-1)?.push(head);
		for (const piece of rest) segments.push(piece === "" ? [] : [piece]);
	}
	return segments.map((pieces) => {
		if (pieces.every((piece) => typeof piece === "string")) {
			return pieces.join("");
		}
		return pieces;
	});
}

function isRoot(path: readonly PathSegment[]): boolean {
	return path.length === 1 && path[0] === "";
}

function checkSegment(
	segment: PathSegment,
	source: ScalarSource,
	reader: Reader,
): void {
	const literals = typeof segment === "string" ? [segment] : segment;
	for (const literal of literals) {
		if (typeof literal !== "string") continue;
		const message =
			faultOfPlaceholder(literal, reader.names) ??
			faultOfLiteral(literal, segment);
		if (message) reader.problems.push({ at: source.at, message });
	}
	warnOfMeantSegment(segment, source, reader);
}

/**
 * `params.id` as a segment. A name of a step is none, because paths and files are named so: `users/user.json`. Nor is
 * a word behind a dollar: `$count`.
 */
function warnOfMeantSegment(
	segment: PathSegment,
	{ at }: ScalarSource,
	{ names, problems }: Reader,
): void {
	if (typeof segment !== "string") return;
	const [name = "", member] = segment.replace(/^\$\.?/, "").split(".");
	if (member === undefined || !segmentNames.has(name)) return;
	const [meant] = meantReads(segment, [], names);
	if (meant) problems.push(warningOf(meant, at));
}

const segmentNames: ReadonlySet<string> = new Set([
	...clientNames,
	"item",
	"last",
]);

/** `{id}`, `:id` and `<id>`, as other routers write a value in a path. */
function faultOfPlaceholder(literal: string, names: Names): string | null {
	const braced = /^\{{1,2}\s*([\w.]+)\s*\}{1,2}$/.exec(literal)?.[1] ?? null;
	const read = signedRead(literal, names) ?? braced;
	if (read === null || literal.startsWith("$")) return null;
	// A segment may begin with a colon, unless the route has a parameter of that name.
	const isPlain =
		literal.startsWith(":") && !read.endsWith(`.${literal.slice(1)}`);
	if (isPlain) return null;
	return `a value in a path is written \`\${${read}}\`, not \`${literal}\``;
}

function faultOfLiteral(literal: string, segment: PathSegment): string | null {
	if (literal.includes("?")) {
		return "query parameters stand under `query`, not in the path";
	}
	if (/[^A-Za-z0-9\-._~!$&'()*+,;=:@%]/.test(literal)) {
		return `\`${literal}\` is not allowed in a path: percent-encode it`;
	}
	if (/%(?![0-9A-Fa-f]{2})/.test(literal)) {
		return "a `%` in a path is followed by two hexadecimal digits";
	}
	const fault = typeof segment === "string" ? faultOfPath(segment) : null;
	switch (fault) {
		case null:
			return null;
		case "has `.` or `..` as a segment":
			return "a path cannot hold `.` or `..` as a segment";
		default:
			return `this path ${fault}`;
	}
}
