const signer =
	"no authority that this machine trusts has signed its certificate: sign its certificate or name its CA: `tls: { ca }`";
const refusing =
	"it broke off the TLS handshake: it may want a client's certificate (`tls: { cert, key }`), or share no cipher with us";

/** What Node's codes for faults of TLS mean to whoever writes the config. */
const meanings: Readonly<Record<string, string>> = {
	ERR_SSL_WRONG_VERSION_NUMBER:
		"the upstream does not speak TLS: write `http://`",
	ERR_SSL_PACKET_LENGTH_TOO_LONG:
		"the upstream does not speak TLS: write `http://`",
	ERR_SSL_HTTP_REQUEST: "the upstream does not speak TLS: write `http://`",
	DEPTH_ZERO_SELF_SIGNED_CERT: signer,
	SELF_SIGNED_CERT_IN_CHAIN: signer,
	UNABLE_TO_GET_ISSUER_CERT: signer,
	UNABLE_TO_GET_ISSUER_CERT_LOCALLY: signer,
	UNABLE_TO_VERIFY_LEAF_SIGNATURE: signer,
	CERT_UNTRUSTED: signer,
	CERT_SIGNATURE_FAILURE: signer,
	CERT_HAS_EXPIRED: "its certificate has expired",
	CERT_NOT_YET_VALID:
		"its certificate is not valid yet: look at the clocks of both machines",
	CERT_REVOKED: "its certificate was revoked",
	ERR_TLS_CERT_ALTNAME_INVALID:
		"its certificate is for other hosts than the one of `url`",
	ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		"it wants a client's certificate: `tls: { cert, key }`",
	ERR_SSL_TLSV1_ALERT_UNKNOWN_CA:
		"it does not trust the authority of our certificate: see `tls: { cert }`",
	ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION:
		"it speaks no TLS of version 1.2 or newer",
	ERR_SSL_UNSUPPORTED_PROTOCOL: "it speaks no TLS of version 1.2 or newer",
	ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
		"it does not speak HTTP/1.1 over TLS",
	ERR_SSL_TLSV1_UNRECOGNIZED_NAME: "it does not know the host of `url`",
	"ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE": refusing,
	ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: refusing,
};

/** The fault in words; null if it is none of TLS. The words hold nothing of the certificate or the address. */
export function tlsFault(code: string): string | null {
	return Object.hasOwn(meanings, code) ? (meanings[code] ?? null) : null;
}

/** What an upstream that speaks TLS says to a plain request: it gives an alert (RFC 8446, 6). */
export function isTlsAlert(bytes: string): boolean {
	return bytes.startsWith("\x15\x03");
}

export const speaksTls = "it speaks TLS: write `https://`";
