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
