import { readsOf, type Template } from "../expression/template.ts";
import { withNames } from "./names.ts";
import { hasFault, type Problem } from "./problem.ts";
import { nothing, type Reader } from "./read-template.ts";
import { readCondition } from "./read-whole.ts";
import type { Source } from "./source.ts";

/** The names that exist before the body is read and any step has run. */
const readable = new Set([
	...["params", "query", "headers", "cookies", "request", "auth"],
]);

/** Reads the condition by which a client that is known is let in, or nothing if it has a fault. */
export function readRequirement(
	source: Source,
	{
		reader,
		auth,
	}: { readonly reader: Reader; readonly auth: readonly string[] },
	{ problems }: { readonly problems: Problem[] },
): Template {
	const { at } = source;
	if (auth.length === 0) {
		const message =
			"`require` says what must hold of a client that is known, and this route has no `auth`: write it, too";
		problems.push({ at, message });
		return nothing;
	}
	const found: Problem[] = [];
	const names = withNames(reader.names, ["body", "form", "text", "bytes"]);
	const template = readCondition(source, { names, problems: found });
	for (const { name, offset } of hasFault(found) ? [] : readsOf(template)) {
		if (readable.has(name) || source.kind !== "scalar") continue;
		const message = `\`${name}\` is not there yet: who may ask is decided before the body is read and any step runs`;
		found.push({ at: source.placeOf(offset), message });
	}
	problems.push(...found);
	return hasFault(found) ? nothing : template;
}
