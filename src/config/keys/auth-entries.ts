import { z } from "zod";
import type { Judged } from "../shape.ts";
import type { Source } from "../source.ts";
import {
	faultOfApiKeyHash,
	faultOfPasswordHash,
	readApiKeyHash,
	readPasswordHash,
} from "./auth-hash.ts";
import { part } from "./key.ts";
import { asWritten, type Kind, plain } from "./kind.ts";
import { section } from "./section.ts";

const claimsMap = asWritten<Readonly<Record<string, unknown>>>(
	z.record(z.string(), z.unknown(), { error: "a map of claims" }),
);
const claims = { ...claimsMap, absent: () => ({}) };

const nameWords =
	"a name of 1 to 100 characters, none of them a colon or a control character";
const entryName = plain<string>(
	z
		.string({ error: nameWords })
		.regex(/^[^:\p{Cc}]{1,100}$/u, { error: nameWords }),
	(written) => written,
);

const instantWords =
	"a day or an instant, such as `2027-01-31` or `2027-01-31T12:00:00Z`";
const instant = plain<string, number, "Ms">(
	z
		.string({ error: instantWords })
		.refine(
			(written) =>
				/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(
					written,
				) && !Number.isNaN(Date.parse(written)),
			{ error: instantWords },
		),
	(written) => Date.parse(written),
);

const apiKeyWords = "a hash that `sluice key` printed: `sha256:…`";
const apiKeyHash = plain(
	z
		.string({ error: apiKeyWords })
		.refine((written) => readApiKeyHash(written) !== null, {
			error: ({ input }) => {
				const fault = faultOfApiKeyHash(String(input));
				return fault === null ? apiKeyWords : `${apiKeyWords}, but ${fault}`;
			},
		}),
	(written: string) =>
		readApiKeyHash(written) as NonNullable<ReturnType<typeof readApiKeyHash>>,
);

const passwordWords =
	"a hash that `sluice key --password` printed: `$scrypt$ln=…`";
const passwordHash = plain(
	z
		.string({ error: passwordWords })
		.refine((written) => readPasswordHash(written) !== null, {
			error: ({ input }) => {
				const fault = faultOfPasswordHash(String(input));
				return fault === null
					? passwordWords
					: `${passwordWords}, but ${fault}`;
			},
		}),
	(written: string) =>
		readPasswordHash(written) as NonNullable<
			ReturnType<typeof readPasswordHash>
		>,
);

/** One API key. */
const apiKeyEntry = section({
	name: part(entryName, { required: true }),
	hash: part(apiKeyHash, { required: true }),
	expires: part(instant, { field: "expiresMs" }),
	claims: part(claims, {}),
});

/** One name with its password. */
const passwordEntry = section({
	name: part(entryName, { required: true }),
	hash: part(passwordHash, { required: true }),
	claims: part(claims, {}),
});

/** Reads a list of entries. Of two with the same name or key the second is refused, because nobody could tell which counts. */
function readEntries<Entry>(
	source: Source,
	judged: Judged,
	entry: {
		read(source: Source, judged: Judged, context: object): Entry | undefined;
	},
	markOf: (entry: Entry) => string,
	twice: string,
): readonly Entry[] | undefined {
	if (source.kind !== "list") {
		const message = `${judged.what} takes a list of entries`;
		judged.problems.push({ at: source.at, message });
		return undefined;
	}
	const seen = new Set<string>();
	const entries = source.items.map((item) => {
		const own = { ...judged, what: "an entry" };
		const read = entry.read(item, own, {});
		if (read === undefined) return undefined;
		if (seen.has(markOf(read))) {
			judged.problems.push({ at: item.at, message: twice });
		}
		seen.add(markOf(read));
		return read;
	});
	return entries.includes(undefined) ? undefined : (entries as Entry[]);
}

export function readApiKeys(source: Source, judged: Judged) {
	return readEntries(
		source,
		judged,
		apiKeyEntry,
		({ hash }) => hash.prefix,
		"this key stands here twice: keep one",
	);
}

export function readPasswords(source: Source, judged: Judged) {
	return readEntries(
		source,
		judged,
		passwordEntry,
		({ name }) => name,
		"this name stands here twice: keep one",
	);
}

type ApiKeyInput = {
	readonly name: string;
	readonly hash: string;
	readonly expires?: string;
	readonly claims?: Readonly<Record<string, unknown>>;
};

export const apiKeyList: Kind<
	readonly ApiKeyInput[],
	NonNullable<ReturnType<typeof readApiKeys>>
> = {
	schema: z.array(apiKeyEntry.schema, { error: "a list of entries" }),
	take: readApiKeys,
};

export const passwordList: Kind<
	readonly Omit<ApiKeyInput, "expires">[],
	NonNullable<ReturnType<typeof readPasswords>>
> = {
	schema: z.array(passwordEntry.schema, { error: "a list of entries" }),
	take: readPasswords,
};
