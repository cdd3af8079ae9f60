/**
 * The media type that a `content-type` names, in lower case and without parameters (RFC 9110, 8.3.1). Null for none, and for
 * what is no media type.
 */
export function mediaTypeIn(contentType: string | null): string | null {
	const [, type] = mediaType.exec(contentType ?? "") ?? [];
	return type?.toLowerCase() ?? null;
}

const mediaType =
	/^[\t ]*([!#$%&'*+\-.^_`|~\dA-Za-z]+\/[!#$%&'*+\-.^_`|~\dA-Za-z]+)[\t ]*(?:;|$)/;

/**
 * The charset that a `content-type` announces, as it is written there; null without one. The first of several counts, as it
 * does for browsers.
 */
export function charsetIn(contentType: string | null): string | null {
	if (contentType === null) return null;
	const from = contentType.indexOf(";");
	if (from < 0) return null;
	for (const [, name = "", value = ""] of contentType
		.slice(from)
		.matchAll(parameter)) {
		if (name.toLowerCase() !== "charset") continue;
		return value.startsWith('"')
			? value.slice(1, -1).replaceAll(/\\(.)/g, "$1")
			: value;
	}
	return null;
}

/** Quoted texts are passed over whole, because one may hold what looks like a parameter. */
const parameter = /;[\t ]*([^\t ;="]*)=("(?:[^"\\]|\\.)*"|[^\t ;"]*)/g;

/** Whether a media type is one of these; `image/*` is any that begins so. All are in lower case. */
export function isOneOf(
	type: string | null,
	ranges: readonly string[],
): boolean {
	if (type === null) return false;
	return ranges.some((range) =>
		range.endsWith("/*") ? type.startsWith(range.slice(0, -1)) : type === range,
	);
}
