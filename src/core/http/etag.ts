/** Whether a list of tags, or `*`, names this one, weakly compared (RFC 9110, 13.1.2). */
export function namesEtag(list: string, etag: string): boolean {
	if (list.trim() === "*") return true;
	const own = etag.replace(/^W\//, "");
	for (const [tag] of list.matchAll(/"[^"]*"/g)) if (tag === own) return true;
	return false;
}
