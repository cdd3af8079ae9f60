import { z } from "zod";
import { isPem } from "../pem.ts";
import { Secret } from "../secret.ts";
import { addKeys } from "../secret-values.ts";
import type { Source } from "../source.ts";
import { type FromEnvironment, orFromEnvironment } from "./from-environment.ts";
import type { Hole } from "./input.ts";
import { part } from "./key.ts";
import { type Kind, plain } from "./kind.ts";
import { count, hole, text } from "./kinds.ts";
import { section } from "./section.ts";

/** A certificate or a key: its file, or its PEM text. */
export type PemSource = { readonly file: string } | { readonly text: Secret };

const pemWords = "a file, or the PEM text itself";
const fromVariable = orFromEnvironment(text, pemWords);

/** The text itself may come from the environment alone: a config is read by more people than may have a key. */
const pem: Kind<string | Hole, PemSource, FromEnvironment> = {
	schema: fromVariable.schema,
	take(source, judged, context) {
		const read = fromVariable.take(source, judged, context);
		if (read === undefined) return undefined;
		if (!isPem(read)) return { file: read };
		addKeys(read, context.secrets);
		if (!isWritten(source)) return { text: new Secret(read) };
		judged.problems.push({
			at: source.at,
			message: `${judged.what} is a file, or a text from the environment, such as \`\${env.TLS_KEY}\``,
		});
		return undefined;
	},
};

function isWritten(source: Source): boolean {
	return source.kind === "scalar" && !hole.safeParse(source.value).success;
}

const versionWords = '`"1.2"` or `"1.3"`';

const version = plain<"1.2" | "1.3">(
	z.enum(["1.2", "1.3"], { error: versionWords }),
	(written) => written,
);

const whose = plain<"required" | "optional">(
	z.enum(["required", "optional"], { error: "`required` or `optional`" }),
	(written) => written,
);

const pairKeys = section({
	cert: part(pem, { required: true }),
	key: part(pem, { required: true }),
});

/** A pair for the clients that ask for one of its names. */
export interface NamedPair {
	readonly name: string;
	readonly cert: PemSource;
	readonly key: PemSource;
}

type PairInput = Readonly<Record<"cert" | "key", string | Hole>>;

const nameWords = "a host such as `api.example.com` or `*.example.com`";
const namePattern = /^(?:\*\.)?[a-z\d](?:[a-z\d.-]*[a-z\d])?$/i;

const sni: Kind<
	Readonly<Record<string, PairInput>>,
	readonly NamedPair[],
	FromEnvironment
> & { readonly absent: () => readonly NamedPair[] } = {
	schema: z.record(z.string(), pairKeys.schema, {
		error: "a map of hosts, each with `cert` and `key`",
	}),
	absent: () => [],
	take(source, judged, context) {
		if (source.kind !== "map") {
			judged.problems.push({
				at: source.at,
				message: `${judged.what} must be a map of hosts, each with \`cert\` and \`key\``,
			});
			return undefined;
		}
		return source.entries.flatMap(({ key, at, value }) => {
			if (!namePattern.test(key)) {
				const message = `\`${key}\` in ${judged.what} must be ${nameWords}`;
				judged.problems.push({ at, message });
				return [];
			}
			const what = `\`${key}\``;
			const own = { what, problems: judged.problems };
			const read = pairKeys.read(value, own, context);
			return read ? [{ name: key.toLowerCase(), ...read }] : [];
		});
	},
};

export const tlsKeys = section(
	{
		cert: part(pem, { required: true }),
		key: part(pem, { required: true }),
		sni: part(sni, {}),
		clientCa: part(pem, {}),
		clientCert: part(whose, { default: "required" }),
		minVersion: part(version, { default: "1.2" }),
		redirect: part(orFromEnvironment(count(65_535)), {}),
	},
	{
		finish(tls, say) {
			if (tls.clientCert === "optional" && tls.clientCa === null) {
				say(
					"clientCert",
					"no client is asked for a certificate: write `clientCa`, the authorities that issue them",
				);
			}
			return tls;
		},
	},
);
