import { suggest } from "../core/suggest.ts";
import { languageWords, type Read } from "../expression/parse.ts";
import type { Problem } from "./problem.ts";

/** The names of the language. No step and no `as` may have one. */
const reservedNames: ReadonlySet<string> = new Set([
	"params",
	"query",
	"headers",
	"cookies",
	"body",
	"request",
	"item",
	"index",
	"answer",
	"response",
	"missing",
	"env",
	"auth",
	"last",
]);

export const clientNames: ReadonlySet<string> = new Set([
	"params",
	"query",
	"headers",
	"cookies",
	"body",
	"request",
]);

/**
 * The names that an expression may read where it stands. A set lists the members that may follow: `query.<one of
 * these>`.
 */
export interface Names {
	has(name: string): boolean;
	get(name: string): Members | null | undefined;
	keys(): Iterable<string>;
}

interface Members extends Iterable<string> {
	has(name: string): boolean;
}

/** These names and more. Of the added names any member may be read. */
export function withNames(names: Names, more: readonly string[]): Names {
	return layered(names, new Map(more.map((name) => [name, null])));
}

/** Not copied: each step would copy the names of all others. */
function layered(
	names: Names,
	more: ReadonlyMap<string, Members | null>,
): Names {
	return {
		has: (name) => more.has(name) || names.has(name),
		get: (name) => (more.has(name) ? more.get(name) : names.get(name)),
		*keys() {
			yield* names.keys();
			yield* more.keys();
		},
	};
}

/** The names inside a group: its steps join those around the group, also after `missing`. */
export function withSteps(names: Names, steps: readonly string[]): Names {
	const around = names.get("missing") ?? new Set<string>();
	const own = new Set(steps);
	const missing: Members = {
		has: (name) => own.has(name) || around.has(name),
		*[Symbol.iterator]() {
			yield* around;
			yield* own;
		},
	};
	return layered(withNames(names, steps), new Map([["missing", missing]]));
}

/** The fault of a read where these names are visible, with what to write instead; null if there is none. */
export function faultOfRead(
	read: Read,
	names: Names,
): Problem["message"] | null {
	const members = names.get(read.name);
	if (members === undefined) return unknownName(read, names);
	const [member] = read.path;
	if (
		read.name === "missing" &&
		(member === undefined || !members?.has(member))
	) {
		return member === undefined
			? "`missing` is read by step: write `missing.<step>`"
			: () =>
					`\`missing.${member}\`: there is no such step${suggest(member, members ?? [])}`;
	}
	if (members === null || member === undefined || members.has(member)) {
		return null;
	}
	const whole = `${read.name}.${member}`;
	if (read.name === "request") {
		return `\`${whole}\` does not exist: \`request\` has ${list(members)}${suggest(member, members)}`;
	}
	return () =>
		`\`${whole}\` is not declared under \`request.${read.name}\`${suggest(member, members)}`;
}

function unknownName(read: Read, names: Names): Problem["message"] {
	const { name } = read;
	switch (name) {
		case "env":
			return "`env` can be read only under `upstreams`: give the upstream a header or parameter instead";
		case "answer":
		case "response":
			return `\`${name}\` exists only in \`answers\`, \`expect\` and \`pick\`, when the call has ended`;
		case "item":
		case "index":
			return names.has("index")
				? "`item` has another name here: the one given by `as`"
				: `\`${name}\` exists only in a step with \`each\``;
		case "body":
			return "`body` is not declared: write its JSON Schema under `request.body`";
		case "undefined":
			return "there is no `undefined`: write null";
		default:
			return () => `unknown name \`${name}\`${suggest(name, names.keys())}`;
	}
}

function list(names: Iterable<string>): string {
	return [...names].map((name) => `\`${name}\``).join(", ");
}

/** The fault of a name that an author gives to a step or an item; null if there is none. */
export function faultOfName(name: string): string | null {
	if (!/^[a-z][A-Za-z0-9_]*$/.test(name)) {
		return `\`${name}\` cannot be a name: a small letter first, then letters, digits and \`_\``;
	}
	if (reservedNames.has(name) || languageWords.has(name)) {
		return `\`${name}\` means something else in expressions: take another name`;
	}
	return null;
}

/** The message for an unknown name. */
export function unknownAmong(
	kind: string,
	name: string,
	known: Iterable<string>,
): () => string {
	return () =>
		`unknown ${kind} \`${name}\`${suggest(name, known) || thereIs([...known])}`;
}

/** More names than these are no help. */
const listedMax = 20;

function thereIs(known: readonly string[]): string {
	if (known.length === 0) return ": there is none";
	const more = known.length - listedMax;
	const end = more > 0 ? ` and ${more} more` : "";
	return `: there is ${list(known.slice(0, listedMax))}${end}`;
}

/** The message for a target that does not begin with an upstream: usually a misspelling, or a whole URL. */
export function unknownUpstream(
	name: string,
	upstreams: ReadonlyMap<string, unknown>,
): Problem["message"] {
	const known = { [Symbol.iterator]: () => upstreams.keys() };
	return /^https?:$/i.test(name)
		? "a call goes to an upstream, not to a URL: give the URL a name under `upstreams`, and begin with that name"
		: unknownAmong("upstream", name, known);
}
