import type { NamePattern } from "../config/config.ts";
import type { ClientCertificate } from "../core/http/messages.ts";

/** One name of a certificate: `DNS` and `orders.internal`. */
export interface CertificateName {
	readonly kind: string;
	readonly text: string;
}

/**
 * The other names of a certificate. A value with signs that could be taken for the next name stands in quotes there, as a JSON
 * text. Of a text in another form no name counts.
 */
export function alternativeNames(text: string): readonly CertificateName[] {
	const names: CertificateName[] = [];
	const form = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
	while (form.lastIndex < text.length) {
		const [, kind, written] = form.exec(text) ?? [];
		if (kind === undefined || written === undefined) return [];
		const value = written.startsWith('"') ? quoted(written) : written;
		if (value === null) return [];
		names.push({ kind, text: value });
	}
	return names;
}

function quoted(written: string): string | null {
	try {
		return String(JSON.parse(written));
	} catch {
		return null;
	}
}

/** The `CN`s of a subject whose parts have `, ` between them. A sign that would end a part stands behind a `\` (RFC 4514, 2.4). */
export function commonNames(subject: string): readonly CertificateName[] {
	const part = /((?:\\.|(?!, | \+ )[^\\])+)(?:, | \+ |$)/gsuy;
	return [...subject.matchAll(part)]
		.map(([, written = ""]) => written)
		.filter((written) => written.startsWith("CN="))
		.map((written) => ({ kind: "CN", text: unescaped(written.slice(3)) }));
}

function unescaped(written: string): string {
	return written.replace(/\\([\dA-Fa-f]{2})|\\(.)/gsu, (_, hex, sign) =>
		hex === undefined ? sign : String.fromCharCode(Number.parseInt(hex, 16)),
	);
}

/** The first name that one of the patterns means, in the order of the patterns; null if none does. */
export function nameMeant(
	{ subject, names }: Pick<ClientCertificate, "subject" | "names">,
	patterns: readonly PreparedPattern[],
): CertificateName | null {
	const all = [...alternativeNames(names), ...commonNames(subject)];
	for (const { kind, form } of patterns) {
		const found = all.find(
			(name) => name.kind === kind && form.test(name.text),
		);
		if (found !== undefined) return found;
	}
	return null;
}

export interface PreparedPattern {
	readonly kind: string;
	readonly form: RegExp;
}

/** The sign that ends a part of a name. */
const ends = { URI: "/", DNS: ".", email: "@", CN: "" } as const;

/** A name of one kind never counts as one of another: an authority may look less closely at a `CN` than at a host. */
export function preparePattern({ kind, text }: NamePattern): PreparedPattern {
	const end = ends[kind];
	const part = end === "" ? "[^]+" : `[^${end}]+`;
	const source = text
		.split("*")
		.map((piece) => piece.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"))
		.join(part);
	// Hosts are the same in any case of letters (RFC 9525, 6.3).
	return { kind, form: new RegExp(`^${source}$`, kind === "DNS" ? "i" : "") };
}
