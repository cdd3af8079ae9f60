import { proxyMethods } from "../core/http/method.ts";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "ANY"];

/** A parsed route key. Two routes of one `shape` answer the same requests. */
export interface RouteKey {
	readonly method: string;
	/** Texts are decoded. */
	readonly path: readonly (string | Parameter)[];
	/** The name of a last `{rest*}`, which stands for everything that follows; null without one. */
	readonly rest: string | null;
	readonly shape: string;
}

/** A segment that is a parameter, or begins with one. */
interface Parameter {
	readonly param: string;
	/** What follows in the segment: `.json`. Often empty. */
	readonly end: string;
}

/** A route key as far as it could be read, and what is wrong with it; null if nothing is. */
interface ReadKey extends RouteKey {
	readonly fault: string | null;
}

/** Reads `GET /users/{id}`. */
export function parseRouteKey(key: string): ReadKey {
	const match = /^([A-Za-z]+) (\/\S*)$/.exec(key);
	if (match?.[1] === undefined || match[2] === undefined) {
		const fault = `a route's key is a method and a path, such as \`GET /users/{id}\`, not \`${key}\``;
		return { method: "GET", path: [], rest: null, shape: key, fault };
	}
	const [, method, path] = match;
	const texts = path.slice(1).split("/");
	const last = texts.at(-1) ?? "";
	const rest = /^\{([a-z][A-Za-z0-9_]*)\*\}$/.exec(last)?.[1];
	const segments = (rest ? texts.slice(0, -1) : texts).map(parseSegment);
	const read = segments.flatMap((segment) => segmentOf(segment) ?? []);
	const names = [
		...read.flatMap((part) => (typeof part === "string" ? [] : [part.param])),
		...(rest ? [rest] : []),
	];
	const shape = read.map((part) =>
		typeof part === "string" ? part : `{}${part.end}`,
	);
	if (rest) shape.push("{*}");
	return {
		method: methods.find((one) => one === method.toUpperCase()) ?? "GET",
		path: read,
		rest: rest ?? restOfOthers(last),
		shape: `${method} /${shape.join("/")}`,
		fault:
			faultOfMethod(method, path) ??
			segments.find((segment) => "wrong" in segment)?.wrong ??
			faultOfNames(names),
	};
}

function faultOfMethod(method: string, path: string): string | null {
	if (methods.includes(method)) return null;
	return methods.includes(method.toUpperCase())
		? `write the method in capitals: \`${method.toUpperCase()} ${path}\``
		: `\`${method}\` is no method of a route: one of ${methods.join(", ")}${method === "HEAD" ? " (a GET route answers HEAD too)" : proxyMethods.includes(method) ? " (`ANY`, for proxies, answers it)" : ""}`;
}

function faultOfNames(names: readonly string[]): string | null {
	const twice = names.find((name, index) => names.indexOf(name) !== index);
	return twice === undefined ? null : `\`{${twice}}\` stands in the path twice`;
}

/** Null for one that could not be read. */
function segmentOf(
	segment: ReturnType<typeof parseSegment>,
): string | Parameter | null {
	if ("wrong" in segment) return null;
	return "param" in segment ? segment : segment.text;
}

interface Literal {
	readonly text: string;
}

function parseSegment(
	text: string,
): Literal | Parameter | { readonly wrong: string } {
	// The router ends a parameter's name at these two characters alone.
	const [, param, end = ""] =
		/^\{([a-z][A-Za-z0-9_]*)\}([.-][A-Za-z0-9._~-]*)?$/.exec(text) ?? [];
	if (param !== undefined) return { param, end };
	if (/^\{[a-z][A-Za-z0-9_]*\*\}$/.test(text)) {
		return { wrong: `\`${text}\` stands for all that follows: put it last` };
	}
	// Other routers write a parameter in this way. As a plain text it would load, and match only itself.
	const [, ...others] =
		/^(?::([A-Za-z_]\w*)|<([A-Za-z_]\w*)>|\[([A-Za-z_]\w*)\]|\$\{(?:params\.)?([A-Za-z_]\w*)\}|\{\{([A-Za-z_]\w*)\}\})$/.exec(
			text,
		) ?? [];
	const name = others.find(Boolean);
	if (name !== undefined) {
		return { wrong: `\`${text}\`: a path parameter is written \`{${name}}\`` };
	}
	const all = restOfOthers(text);
	if (all !== null) {
		return {
			wrong: `\`${text}\`: what stands for all that follows is written \`{${all}*}\`, in routes with \`proxy\``,
		};
	}
	if (/[{}]/.test(text)) {
		return {
			wrong: `\`${text}\`: a path parameter is a whole segment, \`{name}\`, or has an end as in \`{name}.json\`, and begins with a small letter`,
		};
	}
	const plain = decodedLiteral(text);
	if (plain === null || !literal.test(plain)) {
		return {
			wrong: `\`${text}\` is not allowed in a route's path: letters, digits and -._~!$&'()+,;=:@, or a space as \`%20\``,
		};
	}
	return { text: plain };
}

/** The name that other routers give to all that follows: `{rest...}`, `{...rest}`, `[...rest]`, `*rest`; `rest` for a bare `*`. Null if it is something else. */
function restOfOthers(text: string): string | null {
	if (/^\*+$/.test(text)) return "rest";
	const [, ...names] =
		/^(?:\{([a-z]\w*)(?:\.\.\.|\+|:\.[*+])\}|[{[](?:\.\.\.|\*{1,2})([a-z]\w*)[\]}]|\*([a-z]\w*)|:([a-z]\w*)[*+])$/.exec(
			text,
		) ?? [];
	return names.find(Boolean) ?? null;
}

const literal = /^[\p{L}\p{M}\p{N} \-._~!$&'()+,;=:@]*$/u;

/** Null if it is not percent-encoded UTF-8, or encodes what has a meaning in a path: `%2F` is no slash to all servers. */
function decodedLiteral(text: string): string | null {
	if (!text.includes("%")) return text;
	try {
		// It leaves the characters with a meaning as they are.
		return decodeURI(text);
	} catch {
		return null;
	}
}

/** The words that may stand before a route's path. */
export const routeMethods: readonly string[] = methods;
