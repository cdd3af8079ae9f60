import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { TlsConfig } from "../../src/config/config.ts";
import { Secret } from "../../src/config/secret.ts";
import type { GetOptions, HttpAnswer } from "./serve.ts";

/**
 * How the tests of this process reach a server: `http`, `tls` for HTTP/1.1 over TLS, or `h2`. The same files are run with
 * each.
 */
export const transport = process.env["TEST_TRANSPORT"] ?? "http";

const read = (name: string) =>
	readFileSync(new URL(`../upstream/tls/${name}.pem`, import.meta.url), "utf8");

/** A certificate for `localhost` that has issued itself, and its key. */
export const testPair = { cert: read("cert"), key: read("key") };

export const testTls: TlsConfig = {
	cert: { text: new Secret(testPair.cert) },
	key: { text: new Secret(testPair.key) },
	clientCa: null,
	minVersion: "1.2",
	sni: [],
	redirect: null,
};

/** The server's `tls` for this process. */
export const transportTls = transport === "http" ? null : testTls;

/** Who is trusted, and how the server is called. */
export const trusting = { ca: testPair.cert, servername: "localhost" };

/** A connection on which a client of HTTP/1.1 writes its own bytes. Emits `connect` when it can. */
export function connectTo(port: number, host = "127.0.0.1"): Socket {
	if (transport === "http") return connectPlain(port, host);
	const options = { ...trusting, port, host, ALPNProtocols: ["http/1.1"] };
	return connectTls(options);
}

/** What a connection of HTTP/2 does not have. */
const ofConnections = new Set([
	...["connection", "host", "keep-alive", "transfer-encoding", "upgrade"],
]);

/** One request over HTTP/2, on a connection of its own. */
export function askHttp2(
	url: string,
	{ method = "GET", headers = {}, body, signal }: GetOptions,
): Promise<HttpAnswer> {
	const { host, pathname, search } = new URL(url);
	const session = connectHttp2(url, trusting);
	return new Promise<HttpAnswer>((resolve, reject) => {
		session.on("error", reject);
		const named = Object.entries(headers).map(
			([name, value]) => [name.toLowerCase(), value] as const,
		);
		const own = Object.fromEntries(
			named.filter(([name]) => !ofConnections.has(name)),
		);
		const authority = named.find(([name]) => name === "host")?.[1] ?? host;
		const stream = session.request(
			{
				...own,
				...{ ":method": method, ":path": pathname + search },
				":authority": authority,
			},
			{ endStream: body === undefined },
		);
		signal?.addEventListener("abort", () => session.destroy());
		stream.on("error", reject);
		stream.on("response", (fields) => {
			const chunks: Buffer[] = [];
			stream.on("data", (chunk: Buffer) => chunks.push(chunk));
			stream.on("end", () => {
				const text = Buffer.concat(chunks).toString();
				resolve({
					status: Number(fields[":status"]),
					headers: fields,
					text,
					get json() {
						return JSON.parse(text);
					},
				});
			});
		});
		stream.on("close", () => reject(new Error("closed unanswered")));
		if (body !== undefined) stream.end(body);
	}).finally(() => session.close());
}
