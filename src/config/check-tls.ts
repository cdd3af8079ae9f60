import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsSettings } from "../upstream/wire/wire.ts";
import type { Problem } from "./problem.ts";
import type { ResolvedUpstream } from "./resolve-upstream.ts";
import { entryOf } from "./shape.ts";
import type { Source } from "./source.ts";

/** Whether a text holds certificates or a key itself, and does not name a file (RFC 7468). */
export function isPem(text: string): boolean {
	return text.includes("-----BEGIN ");
}

/** The problems of certificates and keys whose texts are known. What a file or a variable holds is not shown. */
export function tlsProblems(
	upstreams: readonly ResolvedUpstream[],
	root: Source | null,
): Problem[] {
	return upstreams.flatMap(({ name, tls }) => {
		const message = tls === null ? null : faultOfTls(tls);
		if (message === null) return [];
		const upstream = entryOf(entryOf(root, "upstreams"), name);
		return [{ at: entryOf(upstream, "tls")?.at ?? 0, message }];
	});
}

/** What is wrong with PEM texts; null if nothing is, or if one of them is not read yet. */
export function faultOfTls({ ca, cert, key }: TlsSettings): string | null {
	const texts = [ca, cert, key].filter((text) => text !== undefined);
	if (!texts.every(isPem)) return null;
	if (ca !== undefined && certificateOf(ca) === null) {
		return "`ca` holds no certificate that can be read";
	}
	if (cert === undefined || key === undefined) return null;
	const certificate = certificateOf(cert);
	if (certificate === null)
		return "`cert` holds no certificate that can be read";
	const own = keyOf(key);
	if (own === null) {
		return "`key` holds no private key that can be read without a passphrase";
	}
	return certificate.checkPrivateKey(own)
		? null
		: "`key` is not the private key of `cert`";
}

function certificateOf(text: string): X509Certificate | null {
	try {
		return new X509Certificate(text);
	} catch {
		return null;
	}
}

function keyOf(text: string): KeyObject | null {
	try {
		return createPrivateKey(text);
	} catch {
		return null;
	}
}
