import type { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import tls from "node:tls";
import type { Secrets } from "../core/secrets.ts";
import type { TlsConfig } from "./config.ts";
import type { PemSource } from "./keys/tls.ts";
import {
	certificateOf,
	certificatesOf,
	faultOfPair,
	isPem,
	readCertificates,
} from "./pem.ts";
import { addKeys } from "./secret-values.ts";

/** No chain of certificates is longer. A longer file is likely another one. */
export const pemBytesMax = 256 * 1024;

/** A fault of the server's TLS, at a key of `server.tls`. */
export interface TlsFault {
	readonly keys: readonly string[];
	readonly message: string;
	readonly warning?: true;
}

/** The same settings, with each file found from the config's folder. */
export function inFolder(tls: TlsConfig, folder: string): TlsConfig {
	const found = (source: PemSource): PemSource =>
		"file" in source ? { file: resolve(folder, source.file) } : source;
	return {
		...tls,
		cert: found(tls.cert),
		key: found(tls.key),
		clientCa: tls.clientCa && found(tls.clientCa),
		sni: tls.sni.map(({ name, cert, key }) => ({
			name,
			cert: found(cert),
			key: found(key),
		})),
	};
}

/** A certificate and its key, and where they stand under `server.tls`. */
interface PlacedPair {
	readonly keys: readonly string[];
	/** The host whose clients get it; null for all others. */
	readonly name: string | null;
	readonly cert: PemSource;
	readonly key: PemSource;
}

function pairsOf({ cert, key, sni }: TlsConfig): readonly PlacedPair[] {
	return [
		{ keys: [], name: null, cert, key },
		...sni.map((one) => ({ ...one, keys: ["sni", one.name] })),
	];
}

/** What is wrong with the certificates now. `secrets` learns their keys. A faulty one is no reason to be silent about the others. */
export function faultsOfTls(
	tls: TlsConfig,
	nowMs: number,
	secrets: Secrets,
): TlsFault[] {
	const faults = pairsOf(tls).flatMap((pair) => {
		addKeys(readPem(pair.key) ?? "", secrets);
		return faultsOfPair(pair, nowMs);
	});
	return tls.clientCa === null
		? faults
		: [...faults, ...faultsOfAuthorities(tls.clientCa, nowMs)];
}

/** OpenSSL reads the authorities up to the first one that it cannot read, and lets in nobody of one that has expired. */
function faultsOfAuthorities(source: PemSource, nowMs: number): TlsFault[] {
	const keys = ["clientCa"];
	const text = readPem(source);
	if (text === null) return [unread(keys)];
	const authorities = readCertificates(text);
	if (authorities.every((one) => one === null)) {
		const message = "`clientCa` holds no certificate that can be read";
		return [{ keys, message }];
	}
	return authorities.flatMap((authority, at) => {
		const doubt =
			authority === null
				? `certificate ${at + 1} of \`clientCa\` cannot be read, so clients of it and of those behind it are refused`
				: doubtOfTime(
						authority,
						`${nameOf(authority.subject)} of \`clientCa\``,
						nowMs,
					);
		return doubt === null ? [] : [{ keys, message: doubt, warning: true }];
	});
}

function faultsOfPair(pair: PlacedPair, nowMs: number): TlsFault[] {
	const certKeys = [...pair.keys, "cert"];
	const cert = readPem(pair.cert);
	const key = readPem(pair.key);
	const missing = [
		...(cert === null ? [unread(certKeys)] : []),
		...(key === null ? [unread([...pair.keys, "key"])] : []),
	];
	if (cert === null || key === null) return missing;
	const message = faultOfPair(cert, key);
	if (message !== null) return [{ keys: certKeys, message }];
	const certificate = certificateOf(cert);
	const doubts = certificate ? doubtsOf(certificate, pair.name, nowMs) : [];
	const chain = certificatesOf(cert);
	return [...doubts, ...doubtsOfChain(chain, nowMs)].map((doubt) => ({
		...{ keys: certKeys, message: doubt, warning: true },
	}));
}

/**
 * Many clients fetch no certificate that is missing. A certificate that says where its issuer's is (RFC 5280, 4.2.2.1) comes
 * from an authority whose root clients know and whose other certificates they do not. Authorities of one's own rarely say it.
 */
function doubtsOfChain(
	chain: readonly X509Certificate[],
	nowMs: number,
): string[] {
	const between = chain.slice(1).flatMap((one) => {
		// Of a root clients take their own copy.
		if (one.checkIssued(one)) return [];
		const who = `${nameOf(one.subject)} of \`cert\``;
		return doubtOfTime(one, who, nowMs) ?? [];
	});
	return [...between, ...doubtsOfOrder(chain)];
}

function doubtsOfOrder(chain: readonly X509Certificate[]): string[] {
	for (const [at, issuer] of chain.slice(1).entries()) {
		const issued = chain[at] as X509Certificate;
		if (issued.checkIssued(issuer)) continue;
		const names = `${nameOf(issued.subject)}, which is of ${nameOf(issued.issuer)}`;
		return [
			`\`cert\` has ${nameOf(issuer.subject)} behind ${names}: each certificate stands before that of its issuer`,
		];
	}
	const last = chain.at(-1);
	if (last === undefined || last.checkIssued(last)) return [];
	if (!/CA Issuers/.test(last.infoAccess ?? "") || isOfRoot(last)) return [];
	return [
		`\`cert\` ends before the certificate of ${nameOf(last.issuer)}, which has issued ${nameOf(last.subject)}: many clients need it, so name the file of the whole chain, unless it is a root that your clients know`,
	];
}

function isOfRoot(certificate: X509Certificate): boolean {
	return tls.rootCertificates.some((root) => {
		const authority = certificateOf(root);
		return authority !== null && certificate.checkIssued(authority);
	});
}

/** The name that people call it by. */
function nameOf(subject: string): string {
	return (
		/^(?:CN|O)=(.+)$/m.exec(subject.split("\n").reverse().join("\n"))?.[1] ??
		"an authority"
	);
}

function unread(keys: readonly string[]): TlsFault {
	const message = `the file of \`${keys.at(-1)}\` cannot be read, or holds no PEM text`;
	return { keys, message };
}

/** What clients will not like about a certificate. */
function doubtsOf(
	certificate: X509Certificate,
	name: string | null,
	nowMs: number,
): string[] {
	const doubts: string[] = [];
	const ofTime = doubtOfTime(certificate, "`cert`", nowMs);
	if (ofTime !== null) doubts.push(ofTime);
	// Named so by Node: the extended use (RFC 5280, 4.2.1.12).
	const uses = certificate.keyUsage as readonly string[] | undefined;
	if (uses !== undefined && !uses.some((use) => forServers.includes(use))) {
		doubts.push(
			"`cert` is not for servers (extendedKeyUsage), so no client takes it",
		);
	}
	const names = namesOf(certificate);
	if (names.length === 0) {
		doubts.push("`cert` names no host (subjectAltName), so no client takes it");
	} else if (name !== null && !isFor(certificate, name)) {
		doubts.push(`\`cert\` is for ${names.join(", ")}, and not for \`${name}\``);
	}
	return doubts;
}

/** `serverAuth`, and `anyExtendedKeyUsage`. */
const forServers = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];

/** Null if it is valid now. `who` names it. */
function doubtOfTime(
	{ validFromDate, validToDate }: X509Certificate,
	who: string,
	nowMs: number,
): string | null {
	if (validToDate.getTime() < nowMs) {
		return `${who} has expired on ${dayOf(validToDate)}`;
	}
	return validFromDate.getTime() > nowMs
		? `${who} is not valid before ${dayOf(validFromDate)}`
		: null;
}

function isFor(certificate: X509Certificate, name: string): boolean {
	const host = name.replace(/^\*\./, "any.");
	return certificate.checkHost(host, { subject: "never" }) !== undefined;
}

/** The hosts and addresses that a certificate is for. */
export function namesOf({ subjectAltName }: X509Certificate): string[] {
	return (subjectAltName ?? "")
		.split(", ")
		.flatMap((one) => /^(?:DNS|IP Address):(.+)$/.exec(one)?.[1] ?? []);
}

function dayOf(date: Date): string {
	return date.toISOString().slice(0, 10);
}

/** What is told of the certificates that can be read, a line for each. */
export function linesOfTls(tls: TlsConfig): string[] {
	return pairsOf(tls).flatMap(({ name, cert }) => {
		const text = readPem(cert);
		const certificate = text === null ? null : certificateOf(text);
		if (certificate === null) return [];
		const who = name === null ? "" : ` of ${name}`;
		const until = dayOf(certificate.validToDate);
		return [
			`certificate${who}: for ${namesOf(certificate).join(", ") || "nobody"}, until ${until}`,
		];
	});
}

/** Null if it cannot be read. */
function readPem(source: PemSource): string | null {
	if (!("file" in source)) return source.text.reveal();
	try {
		if (statSync(source.file).size > pemBytesMax) return null;
		const text = readFileSync(source.file, "utf8");
		return isPem(text) ? text : null;
	} catch {
		return null;
	}
}
