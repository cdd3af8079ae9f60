import { isMap, isScalar, type Pair, parseDocument, visit } from "yaml";

/** A config with one mistake in it. */
export interface Mistake {
	readonly kind: "step" | "field" | "key" | "upstream" | "wrong key";
	readonly yaml: string;
	/** Where the mistake stands, from 1. */
	readonly line: number;
	/** What the problem must name. */
	readonly word: string;
}

/** A word of the config that a mistake can be made in. */
interface Site {
	readonly kind: Mistake["kind"];
	readonly offset: number;
	readonly word: string;
}

/**
 * Every mistake of these kinds that can be made in a config by misspelling one word: the name of a step, of a field of
 * the request, of a key, of an upstream; and in each step a key that belongs to another kind.
 */
export function mistakesIn(yaml: string): Mistake[] {
	const keys = keysOf(yaml);
	return [
		...[...keys, ...namesIn(yaml, keys)].map((site) => misspelt(yaml, site)),
		...keys.flatMap((site) => strayKey(yaml, site)),
	];
}

function misspelt(yaml: string, { kind, offset, word }: Site): Mistake {
	const end = offset + word.length;
	return {
		kind,
		yaml: `${yaml.slice(0, end)}x${yaml.slice(end)}`,
		line: lineOf(yaml, offset),
		word: `${word}x`,
	};
}

function lineOf(text: string, offset: number): number {
	return text.slice(0, offset).split("\n").length;
}

const callKinds = ["get", "head", "post", "put", "patch", "delete"];

/** Beside the key that makes a step what it is, a key of another kind. */
function strayKey(yaml: string, { offset, word }: Site): Mistake[] {
	const start = yaml.lastIndexOf("\n", offset) + 1;
	const indent = yaml.slice(start, offset);
	// Only where the key begins its line, within a step.
	if (indent.trim() !== "" || indent.length < 8) return [];
	const isCall = callKinds.includes(word);
	if (!isCall && !["value", "steps", "reply"].includes(word)) return [];
	const [stray, value] = isCall ? ["args", "1"] : ["pick", "${null}"];
	return [
		{
			kind: "wrong key",
			yaml: `${yaml.slice(0, start)}${indent}${stray}: ${value}\n${yaml.slice(start)}`,
			line: lineOf(yaml, offset),
			word: `\`${stray}\``,
		},
	];
}

/** The keys of the language: those of data are not. */
function keysOf(yaml: string): Site[] {
	const { contents } = parseDocument(yaml);
	const found: Site[] = [];
	const note = ({ key }: Pair) => {
		if (!isScalar(key) || !key.range) return;
		found.push({ kind: "key", offset: key.range[0], word: String(key.value) });
	};
	const entries = (node: unknown): Pair[] => (isMap(node) ? node.items : []);
	const at = (node: unknown, key: string) =>
		isMap(node) ? node.get(key, true) : null;
	const noteAll = (node: unknown) => entries(node).forEach(note);
	const noteSteps = (node: unknown) => {
		for (const { value: step } of entries(node)) {
			noteAll(step);
			noteAll(at(step, "reply"));
			noteSteps(at(step, "steps"));
		}
	};
	noteAll(contents);
	noteAll(at(contents, "defaults"));
	for (const { value } of entries(at(contents, "upstreams"))) noteAll(value);
	for (const { value: route } of entries(at(contents, "routes"))) {
		noteAll(route);
		noteAll(at(route, "request"));
		noteAll(at(route, "proxy"));
		noteSteps(at(route, "steps"));
	}
	return found;
}

/** Names that expressions read, and upstreams that calls go to. */
function namesIn(yaml: string, keys: readonly Site[]): Site[] {
	const steps = stepNames(yaml);
	const found: Site[] = [];
	const note = (
		kind: Mistake["kind"],
		pattern: RegExp,
		from: number,
		text: string,
	) => {
		for (const match of text.matchAll(pattern)) {
			const [all, word = all] = match;
			const offset = from + match.index + all.lastIndexOf(word);
			found.push({ kind, offset, word });
		}
	};
	visit(parseDocument(yaml), {
		Scalar(key, { range, value }) {
			if (key === "key" || !range || typeof value !== "string") return;
			const [start, end] = range;
			const text = yaml.slice(start, end);
			for (const { from, to } of holesIn(text)) {
				const hole = text.slice(from, to);
				const at = start + from;
				note("step", anyOf(steps), at, hole);
				note(
					"field",
					/\b(?:query|params|headers|cookies|body|form)\.(\w+)/g,
					at,
					hole.replaceAll(/\bresponse\.headers\.\w+/g, (it) =>
						" ".repeat(it.length),
					),
				);
			}
		},
	});
	for (const { offset, word } of keys) {
		if (![...callKinds, "proxy", "to"].includes(word)) continue;
		const from = offset + word.length + 2;
		note(
			"upstream",
			/^\w+(?=\/)/g,
			from,
			yaml.slice(from, yaml.indexOf("\n", from)),
		);
	}
	return found;
}

function stepNames(yaml: string): string[] {
	const names: string[] = [];
	const collect = (steps: unknown) => {
		for (const [name, step] of Object.entries(
			(steps ?? {}) as Record<string, { steps?: unknown; as?: string }>,
		)) {
			names.push(name);
			if (step.as) names.push(step.as);
			collect(step.steps);
		}
	};
	const { routes } = parseDocument(yaml).toJS() as {
		routes: Record<string, { steps?: unknown }>;
	};
	for (const route of Object.values(routes)) collect(route.steps);
	return names;
}

/** A read of one of these names: no member, no key of a map. */
function anyOf(names: readonly string[]): RegExp {
	return new RegExp(
		`(?<![\\w'/-]|(?<!\\.\\.)\\.)(?:${names.join("|")})\\b(?!\\w|\\s*:|')`,
		"g",
	);
}

/** The holes of a text, found by their braces. */
function holesIn(text: string): { from: number; to: number }[] {
	const holes: { from: number; to: number }[] = [];
	for (let at = text.indexOf("${"); at >= 0; at = text.indexOf("${", at)) {
		const from = at + 2;
		let depth = 1;
		for (at = from; at < text.length && depth > 0; at++) {
			if (text[at] === "{") depth++;
			if (text[at] === "}") depth--;
		}
		holes.push({ from, to: at - 1 });
	}
	return holes;
}
