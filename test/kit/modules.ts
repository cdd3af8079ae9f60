import { globSync, readFileSync } from "node:fs";

/** What the formatted text of a file says of what it takes from others, gives to others, and keeps to itself. */
export interface Module {
	readonly imports: readonly Import[];
	readonly exports: readonly Export[];
	/** Of its classes, those that no line reads: `#name`, in the order of their places. */
	readonly unreadMembers: readonly string[];
}

/** A statement `import … from` or `export … from`. */
export interface Import {
	/** As written: `./outcome.ts`. */
	readonly from: string;
	/** Under the names of the other file; `*` is all of them. */
	readonly names: readonly string[];
	/** Whether it is gone when the types are: then nothing is loaded. */
	readonly typesOnly: boolean;
}

export interface Export {
	/** Under which others know it. */
	readonly name: string;
	readonly isType: boolean;
	/** How often the file itself names it, its declaration left out. */
	readonly named: number;
}

const statement =
	/^(?:import|export) (type )?(?:(\* as \w+|\*|\w+)|\{([^}]*)\}) from "([^"]+)";$/gm;
const bare = /^import "([^"]+)";$/gm;
const dynamic = /\bimport\(\s*"([^"]+)"/g;
const declared =
	/^export (?:declare )?(?:default )?(?:async )?(?:abstract )?(const|let|function\*?|class|interface|type) (\w+)/gm;
const listed = /^export (type )?\{([^}]*)\};$/gm;

/** Reads a file as the formatter leaves it: statements of modules begin a line, and names stand apart by commas. */
export function moduleOf(text: string): Module {
	return {
		imports: [...importsIn(text)],
		exports: [...exportsIn(text)],
		unreadMembers: unreadMembersIn(text),
	};
}

function* importsIn(text: string): Iterable<Import> {
	for (const match of text.matchAll(statement)) {
		const [, type, whole, list = "", from = ""] = match;
		const entries = entriesOf(list);
		yield {
			from,
			names: whole
				? [whole.startsWith("*") ? "*" : "default"]
				: entries.map(({ name }) => name),
			// What is left of `{ type A }` without its types is `{}`, which still loads the file.
			typesOnly: type !== undefined,
		};
	}
	for (const [, from = ""] of text.matchAll(bare)) {
		yield { from, names: [], typesOnly: false };
	}
	for (const [, from = ""] of text.matchAll(dynamic)) {
		yield { from, names: ["*"], typesOnly: false };
	}
}

function* exportsIn(text: string): Iterable<Export> {
	const code = withoutComments(text);
	const named = (name: string) =>
		code.split(new RegExp(`\\b${name}\\b`)).length - 2;
	for (const [, kind, name = ""] of text.matchAll(declared)) {
		const isType = kind === "interface" || kind === "type";
		yield { name, isType, named: named(name) };
	}
	for (const [, type, list = ""] of text.matchAll(listed)) {
		for (const { as, isType } of entriesOf(list)) {
			yield { name: as, isType: isType || type !== undefined, named: 0 };
		}
	}
}

/** `a, type B as C` */
function entriesOf(
	list: string,
): { name: string; as: string; isType: boolean }[] {
	return list
		.split(",")
		.map((entry) => entry.trim())
		.filter((entry) => entry !== "")
		.map((entry) => {
			const isType = entry.startsWith("type ");
			const [name = "", as = name] = entry.replace(/^type /, "").split(" as ");
			return { name, as, isType };
		});
}

function unreadMembersIn(text: string): string[] {
	const code = withoutComments(text);
	const members = code.matchAll(
		/^\t+(?:static |readonly |async |get |set |\*)*(#\w+)\b/gm,
	);
	const names = new Set([...members].map(([, name = ""]) => name));
	// Read is what stands behind a dot and is not only written: `= 1`, `++;`.
	return [...names].filter(
		(name) =>
			!new RegExp(
				`(?:\\.${name}\\b(?!\\s*=[^=>]|\\s*[-+*/]=|\\+\\+;|--;)|${name} in )`,
			).test(code),
	);
}

function withoutComments(text: string): string {
	return text.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
}

/** The modules of a folder by their paths in it. */
export function modulesIn(root: URL, pattern: string): Map<string, Module> {
	const paths = globSync(pattern, { cwd: root, exclude: ["**/node_modules"] });
	return new Map(
		paths.map((path) => [
			path.replaceAll("\\", "/"),
			moduleOf(readFileSync(new URL(path, root), "utf8")),
		]),
	);
}

/** The files from which a way leads back to them, in groups; `graph` says what each file imports. */
export function circlesIn(
	graph: ReadonlyMap<string, readonly string[]>,
): string[][] {
	const reached = new Map<string, Set<string>>();
	for (const file of graph.keys()) {
		const seen = new Set<string>();
		const open = [...(graph.get(file) ?? [])];
		for (let next = open.pop(); next !== undefined; next = open.pop()) {
			if (seen.has(next)) continue;
			seen.add(next);
			open.push(...(graph.get(next) ?? []));
		}
		reached.set(file, seen);
	}
	const circles = new Map<string, string[]>();
	for (const [file, seen] of reached) {
		if (!seen.has(file)) continue;
		const circle = [...seen].filter((other) => reached.get(other)?.has(file));
		circles.set(circle.toSorted().join(" "), circle.toSorted());
	}
	return [...circles.values()];
}
