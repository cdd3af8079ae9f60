/** Whether an origin is one of these. `*` is any, and stands for one label in `https://*.example.com`. */
export function originsOf(
	origins: readonly string[],
): (origin: string) => boolean {
	if (origins.includes("*")) return () => true;
	const named = new Set(origins);
	const patterns = origins.filter((origin) => origin.includes("//*."));
	if (patterns.length === 0) return (origin) => named.has(origin);
	return (origin) =>
		named.has(origin) || patterns.some((one) => isOfKind(origin, one));
}

/** Whether an origin has one label in place of the star of `https://*.example.com`. */
function isOfKind(origin: string, pattern: string): boolean {
	const [start = "", end = ""] = pattern.split("*");
	return (
		origin.startsWith(start) &&
		origin.endsWith(end) &&
		/^[a-z\d_-]+$/.test(origin.slice(start.length, -end.length))
	);
}

/**
 * Whether a page of this origin asks its own host, as `Host` names it. The scheme does not count, because a proxy in front
 * may speak TLS.
 */
export function isOfHost(origin: string, host: string): boolean {
	const page = URL.parse(origin);
	if (page === null || page.origin !== origin) return false;
	return URL.parse(`${page.protocol}//${host}`)?.host === page.host;
}
