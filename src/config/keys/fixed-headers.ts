import { z } from "zod";
import { maySayEverywhere } from "../../core/http/fields.ts";
import {
	type HeaderList,
	isHeaderValue,
	isToken,
} from "../../core/http/headers.ts";
import { type FromEnvironment, orFromEnvironment } from "./from-environment.ts";
import type { Hole } from "./input.ts";
import { type Kind, plain } from "./kind.ts";

const valueWords =
	"a header's value: 1 to 4096 characters of ASCII, without line breaks";
const value = orFromEnvironment(
	plain<string | number, string>(
		z.union(
			[
				z
					.string({ error: valueWords })
					.refine((text) => isValue(text), { error: valueWords }),
				z.int({ error: valueWords }),
			],
			{ error: valueWords },
		),
		(written) => String(written),
	),
	valueWords,
	(text) => text,
);

/** Header fields of every answer. Names become lower case. */
export const fixedHeaders: Kind<
	Readonly<Record<string, string | number | Hole>>,
	HeaderList,
	FromEnvironment
> & { readonly absent: () => HeaderList } = {
	schema: z.record(z.string(), value.schema, {
		error: "a map of header fields",
	}),
	absent: () => [],
	take(source, judged, context) {
		const { problems } = judged;
		if (source.kind !== "map") {
			const message = `${judged.what} takes a map of header fields`;
			problems.push({ at: source.at, message });
			return undefined;
		}
		const before = problems.length;
		const names = new Set<string>();
		const fields = source.entries.flatMap(({ key, at, value: written }) => {
			const name = key.toLowerCase();
			const fault = names.has(name) ? "is there twice" : faultOfName(name);
			names.add(name);
			if (fault !== null) {
				problems.push({ at, message: `\`${key}\` ${fault}` });
			}
			const what = `\`${key}\``;
			return [name, value.take(written, { what, problems }, context) ?? ""];
		});
		return problems.length > before ? undefined : fields;
	},
};

function isValue(text: string): boolean {
	return text !== "" && text.length <= 4096 && isHeaderValue(text);
}

function faultOfName(name: string): string | null {
	if (!isToken(name)) return "cannot be a header's name";
	return maySayEverywhere(name)
		? null
		: "cannot stand in every answer: the server sets it, or it is true of one answer alone";
}
