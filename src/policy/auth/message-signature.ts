import crypto from "node:crypto";
import { headerOf } from "../../core/http/headers.ts";
import type { HmacOptions } from "./options.ts";
import type { Signer } from "./sign.ts";

/** How long a signature is good: long enough for all attempts of a call, and too short to be of use later. */
const lifeSeconds = 300;

/** The name of the signature in its two fields. */
const label = "sluice";

/**
 * HTTP Message Signatures (RFC 9421) with `hmac-sha256`. It covers the method, the host, the path, the query and, of a
 * call with a body, its type and its digest (RFC 9530). `created` and `expires` say when it is good.
 */
export function createMessageSignature(
	{ key, secret }: HmacOptions,
	host: string,
	wallMs: () => number,
): Signer {
	const authority = host.toLowerCase();
	return {
		writes: new Set(["signature", "signature-input", "content-digest"]),
		sign({ method, target, headers, body }) {
			const mark = target.indexOf("?");
			const digest = body && `sha-256=:${sha256(body)}:`;
			const type = headerOf(headers, "content-type");
			const components: Component[] = [
				["@method", method],
				["@authority", authority],
				["@path", mark < 0 ? target : target.slice(0, mark)],
				["@query", mark < 0 ? "?" : target.slice(mark)],
				...(type === null ? [] : [["content-type", type.trim()] as const]),
				...(digest === null ? [] : [["content-digest", digest] as const]),
			];
			const created = Math.floor(wallMs() / 1000);
			const parameters = `created=${created};expires=${created + lifeSeconds};keyid="${key}";alg="hmac-sha256"`;
			const { input, base } = signatureBase(components, parameters);
			return [
				...(digest === null ? [] : ["content-digest", digest]),
				...["signature-input", `${label}=${input}`],
				...["signature", `${label}=:${hmacSha256(secret, base)}:`],
			];
		},
	};
}

/** A covered part of the message, with its value. */
type Component = readonly [name: string, value: string];

/** RFC 9421, 2.5: the text that is signed, and the value that names its parts. */
export function signatureBase(
	components: readonly Component[],
	parameters: string,
): { readonly input: string; readonly base: string } {
	const names = components.map(([name]) => `"${name}"`).join(" ");
	const input = `(${names});${parameters}`;
	const lines = components.map(([name, value]) => `"${name}": ${value}`);
	return {
		input,
		base: [...lines, `"@signature-params": ${input}`].join("\n"),
	};
}

/** RFC 9421, 3.3.3. */
export function hmacSha256(secret: string | Buffer, text: string): string {
	return crypto.createHmac("sha256", secret).update(text).digest("base64");
}

function sha256(data: Buffer): string {
	return crypto.hash("sha256", data, "base64");
}
