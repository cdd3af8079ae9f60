/** Where the reader is: it stands in the address, so that it can be kept and sent. */
export interface Place {
	/** `traffic`, `request`, … */
	readonly view: string;
	/** What of it: a request's id, a route. Empty for the whole. */
	readonly name: string;
	readonly parameters: Readonly<Record<string, string>>;
}

/** Reads `#/request/ab%2Fc` or `#/traffic?status=5xx`. Anything else is the first view. */
export function placeOf(hash: string): Place {
	const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
	const [view = "", ...rest] = path.split("/");
	return {
		view: view === "" ? "traffic" : view,
		name: decoded(rest.join("/")),
		parameters: Object.fromEntries(new URLSearchParams(query)),
	};
}

/** As it stands in a link. Empty parameters are left out. */
export function hashOf({ view, name, parameters }: Partial<Place>): string {
	const query = queryOf(parameters ?? {});
	const path = name ? `${view}/${encodeURIComponent(name)}` : view;
	return `#/${path}${query}`;
}

/** `?a=1&b=2`, or an empty text. Empty values are left out. */
export function queryOf(parameters: Place["parameters"]): string {
	const given = Object.entries(parameters).filter(([, value]) => value !== "");
	return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

/** Whoever mistypes a percent sign still gets a page. */
function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}
