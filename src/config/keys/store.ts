import { z } from "zod";
import { parseStoreUrl } from "../../store/address.ts";
import { Secret } from "../secret.ts";
import { addPassword } from "../secret-values.ts";
import type { Judged } from "../shape.ts";
import { createMap, type Source } from "../source.ts";
import { type FromEnvironment, orFromEnvironment } from "./from-environment.ts";
import type { Hole } from "./input.ts";
import { key } from "./key.ts";
import type { Kind } from "./kind.ts";
import { briefly, hole, text } from "./kinds.ts";
import { type InputOf, map, section } from "./section.ts";

const urlWords =
	"a URL such as `redis://cache.internal:6379`, `redis-sentinel://a:26379,b:26379/main` or `redis-cluster://a:6379,b:6379`, or the same with `rediss` for TLS";

const read = orFromEnvironment(text, urlWords, (written) =>
	isStoreUrl(written) ? written : null,
);

/** It may hold a password, and then it must come from the environment: a config is read by more people than may use the store. */
const url: Kind<string | Hole, Secret, FromEnvironment> = {
	schema: read.schema,
	take(source, judged, context) {
		const url = read.take(source, judged, context);
		if (url === undefined) return undefined;
		const say = (message: string) => {
			judged.problems.push({ at: source.at, message });
			return undefined;
		};
		if (!isStoreUrl(url)) return say(`${judged.what} must be ${urlWords}`);
		const isWritten =
			source.kind === "scalar" && !hole.safeParse(source.value).success;
		addPassword(url, context.secrets);
		return isWritten && hasPassword(url)
			? say(
					`${judged.what} holds a password, so it comes from the environment: write \`\${env.STORE_URL}\``,
				)
			: new Secret(url);
	},
};

const isStoreUrl = (text: string): boolean => parseStoreUrl(text) !== null;

const hasPassword = (text: string): boolean => parseStoreUrl(text)?.user !== "";

const prefixWords =
	"at most 64 letters, digits and any of `-_.`, such as `shop`";
const prefix: Kind<string, string> = {
	...text,
	schema: z.string({ error: prefixWords }).regex(/^[\w.-]{1,64}$/, {
		error: prefixWords,
	}),
	take(source, judged) {
		const written = text.take(source, judged, undefined);
		if (written === undefined || /^[\w.-]{1,64}$/.test(written)) return written;
		const message = `${judged.what} must be ${prefixWords}`;
		judged.problems.push({ at: source.at, message });
		return undefined;
	},
};

export const storeKeys = section({
	url: key(url, {
		required: true,
		description:
			"Required. Where the store is: `redis://` or `rediss://`, a host, perhaps a port and the number of a database. `redis-sentinel://` has several hosts and the name of the servers that they watch, `redis-cluster://` several hosts. A user and a password come from the environment alone.",
		example: "url: ${env.STORE_URL ?? 'redis://127.0.0.1:6379'}",
	}),
	prefix: key(orFromEnvironment(prefix), {
		description:
			"Every key in the store begins with it and a colon. Gateways with one prefix share, others do not.",
		example: "prefix: shop",
		default: "sluice",
	}),
	timeout: key(orFromEnvironment(briefly), {
		field: "timeoutMs",
		description:
			"How long the store may take to answer. A request that gets no answer in this time goes on without it.",
		example: "timeout: 20ms",
		default: "50ms",
	}),
});

type StoreMap = InputOf<typeof storeKeys>;
const asMap = map(storeKeys);

type StoreConfig = Exclude<ReturnType<typeof asMap.take>, undefined>;

/** Where the store is, or a map with that and more. */
export function urlOrMap(): Kind<
	string | Hole | StoreMap,
	StoreConfig,
	FromEnvironment
> {
	return {
		schema: z.union([read.schema, storeKeys.schema], {
			error: "a URL, or a map with `url`",
		}),
		keys: storeKeys.keys,
		take(source: Source, judged: Judged, context: FromEnvironment) {
			if (source.kind !== "scalar") return asMap.take(source, judged, context);
			const { at } = source;
			const entry = { key: "url", at, value: source };
			// The author wrote no key `url`, so none is named.
			const inside: Judged = { ...judged, problems: [] };
			const read = asMap.take(createMap(at, [entry]), inside, context);
			for (const { message, ...problem } of inside.problems) {
				const named = (words: string) =>
					words.replace(/^`url`/, () => judged.what);
				const own =
					typeof message === "string" ? named(message) : () => named(message());
				judged.problems.push({ ...problem, message: own });
			}
			return read;
		},
	};
}
