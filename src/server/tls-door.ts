import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import type { TlsConfig } from "../config/config.ts";
import type { CertificateChanged } from "../core/events.ts";
import type { ClientCertificate } from "../core/http/messages.ts";
import { Certificates } from "./certificates.ts";
import { type ConnectionOptions, lingerMs } from "./client-connection.ts";
import {
	type Admission,
	type ClientConnections,
	outliveErrors,
} from "./client-connections.ts";
import type { Http1 } from "./http1.ts";
import { Http2 } from "./http2.ts";
import { plainAnswer } from "./raw-answer.ts";
import { rawSocketOf } from "./raw-socket.ts";
import { refused } from "./refuse.ts";
import type { TlsState } from "./server.ts";
import type { Service } from "./service.ts";

/** The first byte of a handshake (RFC 8446, 5.1). */
const handshakeType = 22;

interface DoorMeans {
	/** Serves the clients that choose HTTP/1.1. */
	readonly http1: Http1;
	readonly service: Service;
	readonly connections: ClientConnections;
	readonly certificates: Certificates;
	readonly options: ConnectionOptions;
	/** How long the handshake may take, and after it the header fields of the first request. */
	readonly headersMs: number;
}

/** Reads the certificates. Throws `config_invalid` if they cannot be used. */
export async function openDoor(
	config: TlsConfig,
	{ tell, ...means }: Omit<DoorMeans, "certificates"> & Telling,
): Promise<TlsDoor> {
	const { clock } = means.options;
	const certificates = await Certificates.open(config, { clock, tell });
	return new TlsDoor({ ...means, certificates });
}

interface Telling {
	/** Told when certificates were read again, or could not be. */
	readonly tell: (event: CertificateChanged) => void;
}

/** Lets clients in by TLS, and hands each on to the version of HTTP that it chooses. */
class TlsDoor {
	readonly #tls: tls.Server;
	readonly #means: DoorMeans;
	readonly #http2: Http2;
	readonly #admitted = new WeakMap<Socket, Admission>();
	readonly #failures = new Map<string, number>();

	constructor(means: DoorMeans) {
		const { certificates, headersMs } = means;
		this.#means = means;
		this.#http2 = new Http2(means);
		this.#tls = tls.createServer({
			...certificates.options,
			ALPNProtocols: ["h2", "http/1.1"],
			handshakeTimeout: headersMs,
			SNICallback: (name, done) => done(null, certificates.contextFor(name)),
		});
		certificates.onChange = (options) => this.#tls.setSecureContext(options);
		this.#tls.on("secureConnection", (socket) => this.#secured(socket));
		this.#tls.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
			this.#failed(error.code ?? "unknown");
			socket.destroy();
		});
	}

	/** A client has connected. It must begin a handshake. */
	accept(socket: Socket): void {
		const { connections, options, headersMs } = this.#means;
		const admission = connections.admit(socket);
		if (admission === null) return;
		this.#admitted.set(socket, admission);
		const timer = options.clock.after(headersMs, () => socket.destroy());
		socket.once("close", () => timer.cancel());
		const leave = () => socket.destroy();
		socket.once("end", leave);
		socket.once("data", (bytes: Buffer) => {
			timer.cancel();
			socket.off("end", leave);
			socket.pause();
			if (bytes[0] !== handshakeType) return this.#answerPlain(socket);
			socket.unshift(bytes);
			this.#tls.emit("connection", socket);
		});
	}

	get state(): TlsState {
		const { state, counts } = this.#means.certificates;
		const failures = this.#failures;
		return { certificates: state, reloads: counts, failures };
	}

	useTicketKeys(keys: Buffer): void {
		this.#means.certificates.useTicketKeys(keys);
	}

	/** Reads certificates no more. */
	close(): void {
		this.#means.certificates.stop();
	}

	#failed(code: string): void {
		this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
	}

	/** Nobody who speaks no TLS is told anything else. */
	#answerPlain(socket: Socket): void {
		this.#failed("ERR_SSL_HTTP_REQUEST");
		const { options } = this.#means;
		const fault = refused(400, "connection", "speak TLS here: write `https`");
		socket.end(plainAnswer(fault, options));
		socket.resume();
		options.clock.after(lingerMs, () => socket.destroy());
	}

	#secured(socket: TLSSocket): void {
		const raw = rawSocketOf(socket);
		const admission = raw && this.#admitted.get(raw);
		if (!admission) {
			socket.destroy();
			return;
		}
		// Without a listener a reset would end the process.
		socket.on("error", outliveErrors);
		const shown = socket.getPeerX509Certificate();
		// If certificates are optional, a handshake succeeds with any. Whoever shows a wrong one means to be somebody.
		if (shown !== undefined && !socket.authorized) {
			this.#failed(String(socket.authorizationError));
			socket.destroy();
			return;
		}
		const certificate = shown === undefined ? null : certificateOf(shown);
		const secured = { ...admission, certificate };
		if (socket.alpnProtocol === "h2") this.#http2.connect(socket, secured);
		else this.#means.http1.connect(socket, secured);
	}
}

/** What is known of a certificate whose issuer is one of `clientCa`. */
function certificateOf(shown: X509Certificate): ClientCertificate {
	return {
		subject: shown.subject.split("\n").join(", "),
		issuer: shown.issuer.split("\n").join(", "),
		names: shown.subjectAltName ?? "",
		serial: shown.serialNumber,
		fingerprint: shown.fingerprint256.replaceAll(":", "").toLowerCase(),
		untilMs: Date.parse(shown.validTo),
	};
}
