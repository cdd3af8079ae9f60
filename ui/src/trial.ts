/** A request as the form has it. */
export interface TrialRequest {
	readonly method: string;
	/** With the query. May hold characters that an address must not have. */
	readonly path: string;
	/** `Name: value`, one a line. */
	readonly headers: string;
	readonly body: string;
}

/** The parameters of a route's path that nobody has filled in yet: `{id}`. */
export function holesOf(path: string): string[] {
	return path.match(/\{[^{}]*\}/g) ?? [];
}

/** The path as an address has it: letters of any language are encoded, and what is encoded stays. */
export function pathWith(path: string): string {
	return encodeURI(path).replace(/%25([\da-f]{2})/gi, "%$1");
}

/** The fields by their names in lower case. A field that comes more than once has a list. Lines without a colon are left out. */
export function headersOf(text: string): Record<string, string | string[]> {
	const fields: Record<string, string | string[]> = {};
	for (const line of text.split("\n")) {
		const colon = line.indexOf(":");
		if (colon < 1) continue;
		const name = line.slice(0, colon).trim().toLowerCase();
		const value = line.slice(colon + 1).trim();
		const before = fields[name];
		fields[name] = before === undefined ? value : [before, value].flat();
	}
	return fields;
}

/** The same request for a shell. */
export function curlLine(
	{ method, path, headers, body }: TrialRequest,
	url: string,
): string {
	const fields = Object.entries(headersOf(headers)).flatMap(([name, value]) =>
		[value].flat().map((one) => `-H ${quoted(`${name}: ${one}`)}`),
	);
	const hasBody = body !== "" && method !== "GET" && method !== "HEAD";
	const verb = methodFlag(method, hasBody);
	return [
		...["curl", ...verb, ...fields],
		...(hasBody ? [`--data-raw ${quoted(body)}`] : []),
		quoted(url + pathWith(path)),
	].join(" ");
}

function methodFlag(method: string, hasBody: boolean): string[] {
	if (method === "HEAD") return ["-I"];
	if (method === (hasBody ? "POST" : "GET")) return [];
	return [`-X ${method}`];
}

/** Nothing in single quotes means anything to a shell, but for the quote. */
function quoted(text: string): string {
	return `'${text.replaceAll("'", "'\\''")}'`;
}
