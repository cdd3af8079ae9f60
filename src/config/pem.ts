import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import tls from "node:tls";

/** Whether a text holds certificates or a key itself, and does not name a file (RFC 7468). */
export function isPem(text: string): boolean {
	return text.includes("-----BEGIN ");
}

/** The first certificate of a text; null if it holds none that can be read. */
export function certificateOf(text: string): X509Certificate | null {
	try {
		return new X509Certificate(text);
	} catch {
		return null;
	}
}

/** All certificates of a text, in its order; null for one that cannot be read. */
export function readCertificates(
	text: string,
): readonly (X509Certificate | null)[] {
	const begin = "-----BEGIN CERTIFICATE-----";
	return text
		.split(begin)
		.slice(1)
		.map((block) => certificateOf(begin + block));
}

/** The same without those that cannot be read. */
export function certificatesOf(text: string): readonly X509Certificate[] {
	return readCertificates(text).filter((one) => one !== null);
}

function keyOf(text: string): KeyObject | null {
	try {
		return createPrivateKey(text);
	} catch {
		return null;
	}
}

/** What is wrong with the texts of a certificate and its key; null if nothing is. */
export function faultOfPair(cert: string, key: string): string | null {
	const certificate = certificateOf(cert);
	if (certificate === null)
		return "`cert` holds no certificate that can be read";
	const own = keyOf(key);
	if (own === null) {
		return "`key` holds no private key that can be read without a passphrase";
	}
	return certificate.checkPrivateKey(own)
		? refusalOf(cert, key)
		: "`key` is not the private key of `cert`";
}

/** OpenSSL takes no keys and signatures that are too weak. */
function refusalOf(cert: string, key: string): string | null {
	try {
		tls.createSecureContext({ cert, key });
		return null;
	} catch (error) {
		const code = String((error as NodeJS.ErrnoException).code);
		return /KEY_TOO_SMALL|MD_TOO_WEAK/.test(code)
			? `the key or the signature of \`cert\` is too weak (${code})`
			: `OpenSSL refuses \`cert\` with \`key\` (${code})`;
	}
}
