import { suggest } from "../core/suggest.ts";
import { languageWords, noGlobal, type Read } from "../expression/parse.ts";
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
	"failure",
	"missing",
	"env",
	"auth",
	"last",
	"round",
]);

export const clientNames: ReadonlySet<string> = new Set([
	"params",
	"query",
	"headers",
	"cookies",
	"body",
	"form",
	"text",
	"bytes",
	"request",
	"auth",
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

/** These names, and the failure of a step, of which these members can be read. */
export function withFailure(names: Names, members: readonly string[]): Names {
	return layered(names, new Map([["failure", new Set(members)]]));
}

/** These names and more. Of the added names any member may be read. */
export function withNames(names: Names, more: readonly string[]): Names {
	return layered(names, new Map(more.map((name) => [name, null])));
}

/** These names but one. */
export function withoutName(names: Names, left: string): Names {
	return {
		has: (name) => name !== left && names.has(name),
		get: (name) => (name === left ? undefined : names.get(name)),
		*keys() {
			for (const name of names.keys()) if (name !== left) yield name;
		},
	};
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
	if (read.name === "failure") {
		return member === "body"
			? "`failure.body` is kept only of a call: write `keepBody: true` there"
			: `\`${whole}\` does not exist: \`failure\` has ${list(members)}${suggest(member, members)}`;
	}
	if (read.name === "auth") {
		return clientNames.has(member)
			? `\`${whole}\` does not exist: write \`${read.path.join(".")}\``
			: `\`${whole}\` does not exist: \`auth\` has ${list(members)}${suggest(member, members)}`;
	}
	if (read.name === "request") {
		return clientNames.has(member)
			? `\`${whole}\` does not exist: write \`${read.path.join(".")}\``
			: `\`${whole}\` does not exist: \`request\` has ${list(members)}${suggest(member, members)}`;
	}
	return () =>
		`\`${whole}\` is not declared under \`request.${read.name}\`${declarationOf(read.name, member, members)}`;
}

/** How to declare a member that a client sends, or how its declared name is read. */
function declarationOf(name: string, member: string, members: Members): string {
	if (name === "body") return suggest(member, members);
	if (name === "params") {
		return (
			suggest(member, members) || `: the route's path has no \`{${member}}\``
		);
	}
	const isField = name === "headers" || name === "cookies";
	const own = isField ? member.replaceAll("-", "_") : member;
	const read = name === "headers" ? own.toLowerCase() : own;
	if (members.has(read)) return `: write \`${name}.${read}\``;
	const wire = name === "headers" ? read.replaceAll("_", "-") : member;
	const then = read === member ? "" : `, and read \`${name}.${read}\``;
	return (
		suggest(member, members) ||
		`: write \`${wire}: { type: string }\` there${then}`
	);
}

function unknownName(read: Read, names: Names): Problem["message"] {
	const { name } = read;
	switch (name) {
		case "env":
			return "`env` can be read only under `upstreams`: give the upstream a header or parameter instead";
		case "answer":
		case "response":
			return `\`${name}\` exists only in \`answers\`, \`expect\`, \`pick\` and \`repeat\`, when the call has ended${name === "response" ? ", and in `answer` of a proxy" : ""}`;
		case "failure":
			return "`failure` exists only in `fallback`";
		case "item":
		case "index":
			return names.has("index")
				? "`item` has another name here: the one given by `as`"
				: `\`${name}\` exists only in a step with \`each\`, and beside \`enough\` not in its \`fallback\``;
		case "last":
		case "round":
			return `\`${name}\` exists only in what each round of a step with \`repeat\` reads`;
		case "auth":
			return "`auth` exists only in a route with `auth`: write there who may ask, such as `auth: users`";
		case "body":
			return "`body` is not declared: write its JSON Schema under `request.body`";
		case "form":
			return "`form` is not declared: write its fields under `request.form`";
		case "text":
		case "bytes":
			return `\`${name}\` is not declared: write \`${name}: {}\` under \`request\``;
		case "undefined":
			return "there is no `undefined`: write null";
		default:
			return () =>
				noGlobal(name) ??
				`unknown name \`${name}\`${meant(read, names) || suggest(name, names.keys())}`;
	}
}

/** What is meant by a name of another language, or by one that lacks the word before it. Empty if nobody can tell. */
function meant({ name, path }: Read, names: Names): string {
	const holder = [...clientNames].find((one) => names.get(one)?.has(name));
	if (holder !== undefined) return `: write \`${holder}.${name}\``;
	const [member, ...rest] = path;
	const isVariable = /^[A-Z][A-Z0-9_]*$/.test(name);
	const variable =
		name === "process" && member === "env" ? rest[0] : isVariable ? name : null;
	if (variable !== null) {
		return names.has("env")
			? `: write \`env.${variable ?? "NAME"}\``
			: ": a variable of the environment is read under `upstreams`, as `env.NAME`";
	}
	if (/^steps?$/.test(name) && member !== undefined) {
		return names.has(member)
			? `: a step is read by its name alone: write \`${[member, ...rest].join(".")}\``
			: ": a step is read by its name alone";
	}
	if (/^(req|ctx|context|event)$/.test(name) && member !== undefined) {
		const own = member === "request" ? rest : path;
		return clientNames.has(own[0] ?? "") ? `: write \`${own.join(".")}\`` : "";
	}
	if (/^(res|resp|result|data|output)$/.test(name) && names.has("answer")) {
		return ": write `answer`";
	}
	return "";
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
