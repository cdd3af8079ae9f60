import type { Alias, Node } from "yaml";
import { nestingMax } from "../core/json.ts";
import { suggest } from "../core/suggest.ts";
import type { EntrySource, Source } from "./source.ts";
import { yaml } from "./yaml.ts";
import { tooDeep } from "./yaml-faults.ts";

/** The most values that the aliases of one file make. A few lines of aliases to aliases would make billions. */
const aliasedMax = 100_000;

/** A value with an anchor (`&name`). */
interface Anchored {
	/** Null while the value is being read, or if it could not be read. */
	source: Source | null;
	open: boolean;
	/** How many values it holds, those of its own aliases included. */
	values: number;
	/** How many lists and maps nest in it. */
	levels: number;
}

/** The anchors of one file, and what its aliases make of them. An alias is the anchored value itself, at its own place. */
export class Anchors {
	readonly #byName = new Map<string, Anchored>();
	/** Names on lines that were blanked. */
	readonly #blanked: ReadonlySet<string>;
	#values = 0;
	#aliased = 0;
	/** The deepest level of the innermost anchored value that is being read. */
	#deepest = 0;

	constructor(blanked: ReadonlySet<string>) {
		this.#blanked = blanked;
	}

	/** Reads a value with so many lists and maps around it, and keeps it if it has an anchor. */
	keep(node: Node, depth: number, read: () => Source | null): Source | null {
		const { anchor } = node as { anchor?: string };
		const before = { values: this.#values++, deepest: this.#deepest };
		const level = yaml().isCollection(node) ? depth + 1 : depth;
		if (!anchor) {
			this.#deepest = Math.max(before.deepest, level);
			return read();
		}
		const kept: Anchored = { source: null, open: true, values: 0, levels: 0 };
		this.#byName.set(anchor, kept);
		this.#deepest = level;
		kept.source = read();
		kept.open = false;
		kept.values = this.#values - before.values;
		kept.levels = this.#deepest - depth;
		this.#deepest = Math.max(this.#deepest, before.deepest);
		return kept.source;
	}

	/** The value that an alias stands for. Null if there is none; then `refuse` has been told why, or told elsewhere. */
	valueOf(
		{ source: name }: Alias,
		depth: number,
		refuse: (message: string) => void,
	): Source | null {
		const kept = this.#byName.get(name);
		if (this.#aliased > aliasedMax) {
			// That was told, and one message is enough.
			refuse("");
			return null;
		}
		if (kept === undefined) {
			refuse(this.#blanked.has(name) ? "" : unknown(name, this.#byName));
			return null;
		}
		if (kept.open) {
			refuse(`\`*${name}\` stands inside its own value: write it out`);
			return null;
		}
		if (depth + kept.levels > nestingMax) {
			refuse(tooDeep);
			return null;
		}
		this.#aliased += kept.values;
		this.#values += kept.values;
		this.#deepest = Math.max(this.#deepest, depth + kept.levels);
		if (this.#aliased <= aliasedMax) return kept.source;
		refuse(
			`with this alias the aliases of the file make more than ${aliasedMax} values: use fewer, or smaller ones`,
		);
		return null;
	}
}

function unknown(name: string, known: ReadonlyMap<string, Anchored>): string {
	const cure =
		suggest(name, [...known.keys()]) ||
		": write the value out, or quote what begins with `*`";
	return `nothing above has the anchor \`&${name}\`${cure}`;
}

/**
 * The entries that `<<` adds to a map: of a map, or of a list of maps, of which the first with a key counts. Null if the
 * value is neither.
 */
export function mergedEntries(value: Source): readonly EntrySource[] | null {
	const maps = value.kind === "list" ? value.items : [value];
	const entries = new Map<string, EntrySource>();
	for (const map of maps) {
		if (map.kind !== "map") return null;
		for (const entry of map.entries) {
			const name = plainName(entry.key);
			if (!entries.has(name)) entries.set(name, entry);
		}
	}
	return [...entries.values()];
}

/** `name?` and `name` are the same key. */
export function plainName(key: string): string {
	return key.endsWith("?") ? key.slice(0, -1) : key;
}
