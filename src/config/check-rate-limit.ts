import type { Read } from "../expression/parse.ts";
import { readsOf, type Template } from "../expression/template.ts";
import type { RateLimitConfig, RequestConfig } from "./config.ts";
import { type Names, withNames } from "./names.ts";
import { hasFault, type Problem } from "./problem.ts";
import { nothing, readTemplate } from "./read-template.ts";
import type { Source } from "./source.ts";

/** The names that `by` may read: those that exist before the body is read and any step has run. */
const readable = new Set([
	...["params", "query", "headers", "cookies", "request", "auth"],
]);

/** What is known of who asks. */
export const authMembers: ReadonlySet<string> = new Set([
	...["by", "claims", "key", "scope", "sub"],
]);

/** Members that are different for every request. */
const unique = new Set(["id", "time"]);

/** The maps that may be read without a route's declaration. An absent member is null. */
const undeclared = new Map<string, ReadonlySet<string> | null>([
	["query", null],
	["headers", null],
	["cookies", null],
	["request", new Set(["id", "ip", "method", "path", "time"])],
]);

/** What a limit of the gateway may read: these maps, and who asks if the config has an `auth`. */
export function namesOfGateway(hasAuth: boolean): Names {
	return hasAuth ? new Map([...undeclared, ["auth", authMembers]]) : undeclared;
}

/** Whether a limit is counted before anybody knows who asks. */
export function isEarly({ by }: RateLimitConfig): boolean {
	return readsOf(by).every(({ name }) => name !== "auth");
}

const nothingOfBody = { body: null, form: null, text: null, bytes: null };

/** The parameters that a route declares and that a template reads. */
export function fieldsRead(
	template: Template,
	request: RequestConfig,
): RequestConfig {
	const reads = readsOf(template);
	const pick = (holder: "params" | "query" | "headers" | "cookies") =>
		request[holder].filter((field) =>
			reads.some(
				({ name, path: [member = field.name] }) =>
					name === holder && member === field.name,
			),
		);
	return {
		params: pick("params"),
		query: pick("query"),
		headers: pick("headers"),
		cookies: pick("cookies"),
		...nothingOfBody,
	};
}

/** The same without a declaration: each parameter is a text that may be absent. */
export function fieldsUndeclared(template: Template): RequestConfig {
	const reads = readsOf(template);
	const pick = (holder: string, wireNameOf = (name: string) => name) => {
		const members = reads.flatMap(({ name, path: [member = ""] }) =>
			name === holder ? [member] : [],
		);
		return [...new Set(members)].map((name) => ({
			name,
			wireName: wireNameOf(name),
			required: false,
			schema: { type: "string" as const },
		}));
	};
	return {
		params: [],
		query: pick("query"),
		headers: pick("headers", (name) => name.toLowerCase().replaceAll("_", "-")),
		cookies: pick("cookies"),
		...nothingOfBody,
	};
}

/**
 * Reads the value by which requests are counted, or nothing if it has a fault. `names` are those visible where the limit
 * stands.
 */
export function readBy(
	source: Source,
	names: Names,
	problems: Problem[],
): Template {
	const found: Problem[] = [];
	if (source.kind !== "scalar") return nothing;
	const template = readTemplate(source, {
		// Declared or not, the name does not exist yet, and the message says so.
		names: withNames(names, Object.keys(nothingOfBody)),
		problems: found,
	});
	for (const { name, path, offset } of hasFault(found)
		? []
		: readsOf(template)) {
		const message = faultOfKey(name, path[0], names);
		if (message) found.push({ at: source.placeOf(offset), message });
	}
	problems.push(...found);
	return hasFault(found) ? nothing : template;
}

/**
 * Warns of limits by what a client chooses itself, and nothing else. A client that sends another value each time is
 * then another client each time. `around` are the limits that hold besides.
 */
export function warnOfEvadedLimits(
	limits: readonly RateLimitConfig[],
	around: readonly RateLimitConfig[],
	source: Source | null,
	problems: Problem[],
): void {
	const chosen = limits.map(({ by }) => readsOf(by).find(isChosen));
	const [first] = chosen;
	const evaded = chosen.every(Boolean) && around.every(isEvaded);
	if (source === null || first === undefined || !evaded) return;
	const read = [first.name, ...first.path.slice(0, 1)].join(".");
	problems.push({
		at: source.at,
		warning: true,
		message: `nobody is limited who sends another \`${read}\` each time: make \`rateLimit\` a list, and add a limit by \`request.ip\``,
	});
}

function isEvaded({ by }: RateLimitConfig): boolean {
	return readsOf(by).some(isChosen);
}

/** A client cannot choose who it is. */
function isChosen({ name, path: [member] }: Read): boolean {
	if (name === "auth") return false;
	return name !== "request" || member === "path";
}

function faultOfKey(
	name: string,
	member: string | undefined,
	names: Names,
): string | null {
	if (!readable.has(name)) {
		return `\`${name}\` is not there yet: requests are counted before the body is read and any step runs`;
	}
	if (name === "request") {
		return member === undefined || unique.has(member)
			? "no two requests would be counted together: write what they have in common, such as `request.ip`"
			: null;
	}
	return member === undefined && names.get(name) === null
		? `nothing is declared here: write which one, such as \`${name}.user\``
		: null;
}
