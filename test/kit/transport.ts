import { readFileSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { TlsConfig } from "../../src/config/config.ts";
import { Secret } from "../../src/config/secret.ts";

/**
 * How the tests of this process reach a server: `http`, `tls` for HTTP/1.1 over TLS, `h2`, or `node` for HTTP/1.1 that
 * node:http alone reads. The same files are run with each: `test/transports`.
 */
export const transport = process.env["TEST_TRANSPORT"] ?? "http";

/** The server's `simpleHeads` for this process. */
export const simpleHeads = transport !== "node";

const isTls = transport === "tls" || transport === "h2";

const read = (name: string) =>
	readFileSync(new URL(`../upstream/tls/${name}.pem`, import.meta.url), "utf8");

/** A certificate for `localhost` that has issued itself, and its key. */
export const testPair = { cert: read("cert"), key: read("key") };

export const testTls: TlsConfig = {
	cert: { text: new Secret(testPair.cert) },
	key: { text: new Secret(testPair.key) },
	clientCa: null,
	clientCert: "required",
	minVersion: "1.2",
	sni: [],
	redirect: null,
};

/** The server's `tls` for this process. */
export const transportTls = isTls ? testTls : null;

/** Who is trusted, and how the server is called. */
export const trusting = { ca: testPair.cert, servername: "localhost" };

/**
 * A connection on which a client of HTTP/1.1 writes its own bytes. Emits `connected` when it can. With `h2` it is one of
 * TLS, because a server of HTTP/2 takes HTTP/1.1, too.
 */
export function connectTo(port: number, host = "127.0.0.1"): Socket {
	// A test's bytes leave when it writes them, and wait for no acknowledgement of those before.
	const socket = connectPlain({ port, host, noDelay: true });
	if (!isTls) return socket;
	// Made by hand, so that a test can reset it.
	return connectTls({ ...trusting, socket, ALPNProtocols: ["http/1.1"] });
}

/** What a connection emits when it can be written on. */
export const connected = isTls ? "secureConnect" : "connect";

/** Skips a test over these transports. */
function without(transports: readonly string[], reason: string) {
	return { skip: transports.includes(transport) && reason };
}

/**
 * What some transports do not have. A test that is about such a thing names it, and is not run there:
 * `test("…", only.chunks, …)`.
 */
export const only = {
	lines: without(["h2"], "a head of HTTP/2 is no text"),
	chunks: without(["h2"], "HTTP/2 has no chunks"),
	connectionFields: without(["h2"], "HTTP/2 has no fields of a connection"),
	webSockets: without(["h2"], "WebSockets over HTTP/2 are not offered"),
	portless: without(["tls", "node", "h2"], "it opens no port"),
} as const;
