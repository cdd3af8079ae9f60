import { createHash, randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import tls, { type SecureContext, type SecureContextOptions } from "node:tls";
import type { TlsConfig } from "../config/config.ts";
import type { PemSource } from "../config/keys/tls.ts";
import { certificateOf, faultOfPair, isPem } from "../config/pem.ts";
import { namesOf, pemBytesMax } from "../config/tls-files.ts";
import { GatewayError } from "../core/errors.ts";
import type { CertificateChanged } from "../core/events.ts";
import type { Clock, Timer } from "../tasks/clock.ts";

/** How often the files are looked at. To be told of changes is not possible on every file system. */
const lookEveryMs = 5_000;

/** A certificate in force. */
export type CertificateState = CertificateChanged["certificates"][number];

interface Loaded {
	readonly options: SecureContextOptions;
	/** By host. */
	readonly contexts: ReadonlyMap<string, SecureContext>;
	readonly certificates: readonly CertificateState[];
}

interface CertificatesMeans {
	readonly clock: Clock;
	/** Told of each change, and of each that could not be taken. */
	readonly tell: (event: CertificateChanged) => void;
}

/** The server's certificates. They are read again when their files change. */
export class Certificates {
	readonly #tls: TlsConfig;
	readonly #means: CertificatesMeans;
	/** Sessions go on after a change of the certificate, because their key stays. */
	#ticketKeys: Buffer = randomBytes(48);
	#loaded: Loaded;
	/** How the files looked when they were read. */
	#seen: string;
	/** The same, of files that could not be used, and whether somebody was told. */
	#refused: { readonly seen: string; told: boolean } | null = null;
	#timer: Timer | null = null;
	#stopped = false;
	readonly counts = { loaded: 0, refused: 0 };
	/** Called with what new connections are to get. */
	onChange: (options: SecureContextOptions) => void = () => {};

	private constructor(
		config: TlsConfig,
		means: CertificatesMeans,
		seen: string,
		loaded: Omit<Loaded, "options">,
	) {
		this.#tls = config;
		this.#means = means;
		this.#seen = seen;
		this.#loaded = { ...loaded, options: {} };
	}

	/** Reads them for the first time. Throws `config_invalid` if they cannot be used. */
	static async open(
		config: TlsConfig,
		means: CertificatesMeans,
	): Promise<Certificates> {
		const seen = await looksOf(config);
		const none = { contexts: new Map(), certificates: [] };
		const all = new Certificates(config, means, seen, none);
		const fault = await all.#load();
		if (fault !== null) {
			throw new GatewayError("config_invalid", `server.tls: ${fault}`);
		}
		all.#watch();
		return all;
	}

	/** For connections that ask for no name of `sni`. */
	get options(): SecureContextOptions {
		return this.#loaded.options;
	}

	/** What the client that asks for this host gets; undefined for the same as all others. */
	contextFor(host: string): SecureContext | undefined {
		const name = host.toLowerCase();
		const { contexts } = this.#loaded;
		return contexts.get(name) ?? contexts.get(name.replace(/^[^.]+/, "*"));
	}

	get state(): readonly CertificateState[] {
		return this.#loaded.certificates;
	}

	/** Sessions that another process has begun with these keys go on here. */
	useTicketKeys(keys: Buffer): void {
		this.#ticketKeys = keys;
		const { options } = this.#loaded;
		this.#loaded = {
			...this.#loaded,
			options: { ...options, ticketKeys: keys },
		};
		this.onChange(this.#loaded.options);
	}

	stop(): void {
		this.#stopped = true;
		this.#timer?.cancel();
	}

	#watch(): void {
		if (this.#stopped) return;
		const look = () => void this.#look().finally(() => this.#watch());
		this.#timer = this.#means.clock.aside(lookEveryMs, look);
	}

	async #look(): Promise<void> {
		const seen = await looksOf(this.#tls);
		if (this.#stopped || seen === this.#seen) return;
		if (this.#refused?.seen === seen && this.#refused.told) return;
		const fault = await this.#load();
		if (this.#stopped) return;
		if (fault === null) {
			this.#seen = seen;
			this.#refused = null;
			this.counts.loaded++;
			this.onChange(this.#loaded.options);
			this.#means.tell({ outcome: "loaded", fault, certificates: this.state });
			return;
		}
		// A pair is written as two files. What is faulty now may be whole at the next look.
		const stays = this.#refused?.seen === seen;
		this.#refused = { seen, told: stays };
		if (!stays) return;
		this.counts.refused++;
		this.#means.tell({ outcome: "refused", fault, certificates: this.state });
	}

	/** The reason if they cannot be used. Then those before stay in force. */
	async #load(): Promise<string | null> {
		try {
			this.#loaded = await this.#read();
			return null;
		} catch (error) {
			if (error instanceof Unusable) return error.message;
			const { code } = error as NodeJS.ErrnoException;
			return `OpenSSL refuses it${code ? ` (${code})` : ""}`;
		}
	}

	async #read(): Promise<Loaded> {
		const { cert, key, clientCa, clientCert, minVersion, sni } = this.#tls;
		const authority = clientCa && (await textOf(clientCa, "clientCa"));
		if (authority !== null && certificateOf(authority) === null) {
			throw new Unusable("`clientCa` holds no certificate that can be read");
		}
		const common: SecureContextOptions & tls.TlsOptions = {
			minVersion: `TLSv${minVersion}`,
			ticketKeys: this.#ticketKeys,
			// A session says who the client is. It must not outlive those who said so.
			sessionIdContext: createHash("sha256")
				.update(`${clientCert}\n${authority ?? ""}`)
				.digest("hex")
				.slice(0, 32),
			...(authority !== null && {
				...{ ca: authority, requestCert: true },
				rejectUnauthorized: clientCert === "required",
			}),
		};
		const first = await pairOf(null, cert, key);
		const named = await Promise.all(
			sni.map((one) => pairOf(one.name, one.cert, one.key)),
		);
		const contexts = named.map(({ state, pair }) => {
			const context = tls.createSecureContext({ ...common, ...pair });
			return [state.name ?? "", context] as const;
		});
		// The same check for the first pair, whose context the server makes itself.
		tls.createSecureContext({ ...common, ...first.pair });
		return {
			options: { ...common, ...first.pair },
			contexts: new Map(contexts),
			certificates: [first, ...named].map(({ state }) => state),
		};
	}
}

/** Why a certificate cannot be used, in words that hold nothing of it. */
class Unusable extends Error {}

async function pairOf(
	name: string | null,
	certSource: PemSource,
	keySource: PemSource,
): Promise<{
	readonly state: CertificateState;
	readonly pair: { readonly cert: string; readonly key: string };
}> {
	const of = name === null ? "" : ` of ${name}`;
	const cert = await textOf(certSource, `cert\`${of}`);
	const key = await textOf(keySource, `key\`${of}`);
	const fault = faultOfPair(cert, key);
	const certificate = certificateOf(cert);
	if (fault !== null || certificate === null) {
		throw new Unusable(`${fault}${of}`);
	}
	const hosts = namesOf(certificate);
	const untilMs = certificate.validToDate.getTime();
	return { state: { name, hosts, untilMs }, pair: { cert, key } };
}

async function textOf(source: PemSource, what: string): Promise<string> {
	if (!("file" in source)) return source.text.reveal();
	let text = "";
	try {
		const { size } = await stat(source.file);
		if (size <= pemBytesMax) text = await readFile(source.file, "utf8");
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new Unusable(`the file of \`${what} cannot be read (${code})`);
	}
	if (!isPem(text))
		throw new Unusable(`the file of \`${what} holds no PEM text`);
	return text;
}

/** How the files look from outside. A link that names another file looks different. */
async function looksOf({
	cert,
	key,
	clientCa,
	sni,
}: TlsConfig): Promise<string> {
	const sources = [
		cert,
		key,
		clientCa,
		...sni.flatMap((one) => [one.cert, one.key]),
	];
	const looks = sources.map(async (source) => {
		if (source === null || !("file" in source)) return "";
		try {
			const { ino, size, mtimeMs, ctimeMs } = await stat(source.file);
			return [ino, size, mtimeMs, ctimeMs].join(":");
		} catch (error) {
			return String((error as NodeJS.ErrnoException).code);
		}
	});
	return (await Promise.all(looks)).join("|");
}
