import type { MtlsConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import type { ClientCertificate } from "../core/http/messages.ts";
import type { Auth } from "./auth.ts";
import {
	alternativeNames,
	nameMeant,
	preparePattern,
} from "./certificate-names.ts";
import { Denial, type Identity, type Judgement } from "./identity.ts";

/**
 * Clients by the certificate that their connection has proved to own. The server has asked for it, and an authority of
 * `clientCa` has issued it. No header field says anything of it.
 */
export function createMtlsAuth(
	name: string,
	{ names, issuer, ...unread }: MtlsConfig,
): Auth {
	allRead(unread);
	const patterns = names.map(preparePattern);
	// All requests of a connection have the same certificate.
	const judged = new WeakMap<ClientCertificate, Judgement>();
	const judge = (certificate: ClientCertificate): Judgement => {
		if (issuer !== null && certificate.issuer !== issuer) {
			return new Denial("invalid", "another authority has issued it");
		}
		const meant = nameMeant(certificate, patterns);
		if (meant === null) return new Denial("invalid", "none of `names` is its");
		return identityOf(name, meant.text, certificate);
	};
	return {
		name,
		settled: Promise.resolve(),
		...{ bearsTokens: false, resource: null },
		judge({ certificate = null }) {
			if (certificate === null) return absent;
			// Its connection may outlast it, and so may a session that is resumed.
			if (certificate.untilMs <= Date.now()) return expired;
			const known = judged.get(certificate) ?? judge(certificate);
			judged.set(certificate, known);
			return known;
		},
		challenge: () => `Certificate realm="${name}"`,
		close() {},
	};
}

const absent = new Denial("absent", "the client has shown no certificate");
const expired = new Denial("expired", "the certificate has expired");

function identityOf(
	by: string,
	sub: string,
	{ subject, issuer, names, serial, fingerprint, untilMs }: ClientCertificate,
): Identity {
	const san = alternativeNames(names).map(
		({ kind, text }) => `${kind}:${text}`,
	);
	const claims = { subject, san, serial, fingerprint, issuer };
	return { values: { by, sub, claims, scope: [], key: null }, untilMs };
}
