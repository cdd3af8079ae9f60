import { z } from "zod";
import type { TemplateEntry } from "../../expression/template.ts";
import { type Reader, readTemplate } from "../read-template.ts";
import type { MapSource } from "../source.ts";
import type { DataMap } from "./input.ts";
import { type Kind, reading } from "./kind.ts";

/** A route's own columns. Each makes every row longer. */
const columnsMax = 32;

/** The columns that every row of the history has. A database knows no capital letters in their names. */
const ownColumns: ReadonlySet<string> = new Set([
	...["n", "id", "at", "at_ms", "method", "route", "status", "duration_ms"],
	...["completeness", "code", "faults", "calls", "upstreams"],
	...["slowest", "slowest_ms", "face", "first_part_ms"],
	...["watch", "job", "close_code"],
	...["record", "trail"],
]);

const words = "a map of columns to values";

/** The context for reading it. A proxied route has it too, but none of the keys that make an answer. */
export interface Recording {
	readonly recordReader: Reader;
}

/** A map of the author's own columns to values of the request. */
export const record: Kind<
	DataMap<string>,
	readonly TemplateEntry[],
	Recording
> & { readonly absent: () => readonly TemplateEntry[] } = {
	...reading<DataMap<string>, readonly TemplateEntry[], Recording>(
		z.record(z.string(), z.unknown(), { error: words }),
		(source, { recordReader }) =>
			readColumns(source as MapSource, recordReader),
	),
	absent: () => [],
};

function readColumns({ at, entries }: MapSource, reader: Reader) {
	if (entries.length > columnsMax) {
		const message = `\`record\` has at most ${columnsMax} columns`;
		reader.problems.push({ at, message });
	}
	return entries.map(({ key: name, at, value }): TemplateEntry => {
		const message = faultOfColumn(name);
		if (message !== null) reader.problems.push({ at, message });
		return { name, optional: false, value: readTemplate(value, reader) };
	});
}

function faultOfColumn(name: string): string | null {
	if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) {
		return `\`${name}\` cannot name a column: a small letter first, then small letters, digits and \`_\``;
	}
	return ownColumns.has(name)
		? `every row of the history has a column \`${name}\`: take another name`
		: null;
}
