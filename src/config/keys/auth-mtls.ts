import { z } from "zod";
import { orFromEnvironment } from "./from-environment.ts";
import { key } from "./key.ts";
import { plain } from "./kind.ts";
import { text } from "./kinds.ts";
import { section } from "./section.ts";

/** The kinds of names by which a certificate may be known, as OpenSSL writes them. `CN` is a part of its subject. */
const nameKinds = ["URI", "DNS", "email", "CN"] as const;

/** Which names of certificates are let in. */
export interface NamePattern {
	readonly kind: (typeof nameKinds)[number];
	/** A `*` stands for one part of a name, or for any text in a `CN`. */
	readonly text: string;
}

const nameWords =
	"a name with its kind: `URI:spiffe://example.org/orders`, `DNS:*.internal`, `email:…` or `CN:…`";
const nameForm = /^(URI|DNS|email|CN):([^\p{Cc}]{1,500})$/u;
const nameText = z
	.string({ error: nameWords })
	.regex(nameForm, { error: nameWords });

const patterns = plain<string | readonly string[], readonly NamePattern[]>(
	z.union([nameText, z.array(nameText).min(1).max(1000)], {
		error: `${nameWords}, or a list of 1 to 1000 of them`,
	}),
	(written) =>
		[written].flat().map((one) => {
			const [, kind, text] = nameForm.exec(one) as unknown as [
				string,
				NamePattern["kind"],
				string,
			];
			return { kind, text };
		}),
);

export const mtlsKeys = section({
	names: key(patterns, {
		required: true,
		description:
			"Required. Whose certificates are let in: names with their kind, `URI`, `DNS`, `email` or `CN`, as OpenSSL writes them. `*` stands for one part of a name, such as a label of a host or a segment of a URI; in a `CN` for any text.",
		example:
			'names: ["URI:spiffe://example.org/ns/shop/sa/*", "DNS:orders.internal"]',
	}),
	issuer: key(orFromEnvironment(text, "a text"), {
		description:
			"The name of the authority that must have issued the certificate itself, if `clientCa` has several: the parts of its subject with `, ` between.",
		example: 'issuer: "O=Example, CN=Internal services"',
	}),
});
