import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { TlsConfig } from "../../src/config/config.ts";
import type { CertificateChanged } from "../../src/core/events.ts";
import type { GatewayRequest } from "../../src/core/http/messages.ts";
import { listen, type Server } from "../../src/server/server.ts";
import { type VirtualClock, virtualClock } from "../../src/tasks/index.ts";
import { folderWith } from "../kit/cli.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { testPair, testTls } from "../kit/transport.ts";

const pem = (name: string) =>
	readFileSync(new URL(`certificates/${name}`, import.meta.url), "utf8");

const pemOfAuth = (name: string) =>
	readFileSync(
		new URL(`../auth/certificates/${name}`, import.meta.url),
		"utf8",
	);

const renewed = { cert: pem("renewed.pem"), key: pem("renewed.key") };
const ca = [testPair.cert, renewed.cert, pem("example.pem")];

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let folder: string;
let server: Server;
let told: CertificateChanged[];
let asked: GatewayRequest[];
/** How often the next look at the files was waited for. */
let waits: number;

beforeEach(() => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	waits = 0;
	const { aside } = clock;
	clock.aside = (ms, fn) => {
		if (ms === 5_000) waits++;
		return aside(ms, fn);
	};
	folder = stack.use(
		folderWith({
			"cert.pem": testPair.cert,
			"key.pem": testPair.key,
			"ca.pem": pem("clients-ca.pem"),
			"machines-ca.pem": pemOfAuth("machines-ca.pem"),
		}),
	).path;
	told = [];
	asked = [];
});
afterEach(() => stack.disposeAsync());

const file = (name: string) => ({ file: join(folder, name) });

async function serve(
	more: Partial<TlsConfig> = {},
	idleTimeoutMs = serverDefaults.idleTimeoutMs,
): Promise<void> {
	server = await listen({
		...serverDefaults,
		...{ host: "127.0.0.1", port: 0, clock, idleTimeoutMs },
		tls: {
			...testTls,
			cert: file("cert.pem"),
			key: file("key.pem"),
			...more,
		},
		onCertificate: (event) => told.push(event),
		handle: async (request) => {
			asked.push(request);
			return { status: 200, headers: [], body: "ok" };
		},
	});
	const opened = server;
	stack.defer(() => opened.close());
}

async function secured(options: ConnectionOptions = {}): Promise<TLSSocket> {
	const socket = connect({
		...{ port: server.port, host: "127.0.0.1", ca, servername: "localhost" },
		...options,
	});
	stack.defer(() => void socket.destroy());
	await once(socket, "secureConnect");
	return socket;
}

/** Whose certificate a new client gets. */
async function subjectFor(servername = "localhost"): Promise<string> {
	const socket = await secured({ servername });
	const { CN } = socket.getPeerCertificate().subject;
	socket.destroy();
	return String(CN);
}

/** The files are looked at, and what was read is in force or was refused. */
async function looked(): Promise<void> {
	const before = waits;
	await clock.advance(5_000);
	// Reading files takes turns of the loop, and the clock does not wait for it.
	while (waits === before) {
		await new Promise((resolve) => setImmediate(resolve));
	}
}

function write(pair: { readonly cert: string; readonly key: string }): void {
	writeFileSync(join(folder, "cert.pem"), pair.cert);
	writeFileSync(join(folder, "key.pem"), pair.key);
}

describe("changed certificates", () => {
	test("are in force for new clients, and those before keep their connections", async () => {
		await serve();
		const before = connectHttp2(`https://localhost:${server.port}`, { ca });
		stack.defer(() => before.destroy());
		await once(before, "connect");
		assert.equal(await subjectFor(), "localhost");
		write(renewed);
		await looked();
		assert.equal(await subjectFor(), "renewed");
		assert.deepEqual(
			told.map(({ outcome, fault }) => [outcome, fault]),
			[["loaded", null]],
		);
		const { reloads, certificates } = server.tls() ?? {};
		assert.deepEqual(reloads, { loaded: 1, refused: 0 });
		assert.deepEqual(certificates?.[0]?.hosts, ["localhost", "127.0.0.1"]);
		const stream = before.request({ ":path": "/" });
		const [{ ":status": status }] = await once(stream, "response");
		assert.equal(status, 200);
	});

	test("are found behind a link to another file", async () => {
		symlinkSync(join(folder, "cert.pem"), join(folder, "live.pem"));
		symlinkSync(join(folder, "key.pem"), join(folder, "live.key"));
		await serve({ cert: file("live.pem"), key: file("live.key") });
		writeFileSync(join(folder, "2.pem"), renewed.cert);
		writeFileSync(join(folder, "2.key"), renewed.key);
		for (const end of ["pem", "key"]) {
			symlinkSync(join(folder, `2.${end}`), join(folder, `new.${end}`));
			renameSync(join(folder, `new.${end}`), join(folder, `live.${end}`));
		}
		await looked();
		assert.equal(await subjectFor(), "renewed");
	});

	const halves: readonly (readonly [string, () => void, RegExp])[] = [
		[
			"of which only one file is new",
			() => writeFileSync(join(folder, "cert.pem"), renewed.cert),
			/`key` is not the private key of `cert`/,
		],
		[
			"that are cut short",
			() => writeFileSync(join(folder, "cert.pem"), renewed.cert.slice(0, 200)),
			/`cert` holds no certificate/,
		],
		[
			"that are empty",
			() => writeFileSync(join(folder, "key.pem"), ""),
			/the file of `key` holds no PEM text/,
		],
		[
			"that are gone",
			() => renameSync(join(folder, "key.pem"), join(folder, "away")),
			/the file of `key` cannot be read \(ENOENT\)/,
		],
		[
			"that are huge",
			() => writeFileSync(join(folder, "key.pem"), "x".repeat(1_000_000)),
			/the file of `key` holds no PEM text/,
		],
	];
	for (const [which, change, words] of halves) {
		test(`${which} leave those before in force, which is told once`, async () => {
			await serve();
			change();
			await looked();
			assert.equal(told.length, 0, "a pair may be half written");
			await looked();
			assert.equal(await subjectFor(), "localhost");
			assert.equal(told.length, 1);
			assert.equal(told[0]?.outcome, "refused");
			assert.match(told[0]?.fault ?? "", words);
			assert.ok(!told[0]?.fault?.includes("BEGIN"));
			await looked();
			await looked();
			assert.equal(told.length, 1);
			assert.deepEqual(server.tls()?.reloads, { loaded: 0, refused: 1 });
			write(renewed);
			await looked();
			assert.equal(await subjectFor(), "renewed");
			assert.equal(told.at(-1)?.outcome, "loaded");
		});
	}

	test("fail no request, whenever they change", async () => {
		await serve();
		let answered = 0;
		let changed = false;
		const askOnce = () =>
			new Promise<void>((resolve, reject) => {
				const options = { ca, agent: false, port: server.port };
				const request = httpsRequest(
					{ ...options, host: "127.0.0.1", servername: "localhost" },
					(response) => {
						assert.equal(response.statusCode, 200);
						response.resume().on("end", resolve);
					},
				);
				request.on("error", reject).end();
			});
		const asking = async () => {
			while (!changed) {
				await askOnce();
				answered++;
			}
		};
		const clients = Array.from({ length: 4 }, asking);
		for (const pair of [renewed, testPair, renewed]) {
			const before = answered;
			write(pair);
			await looked();
			while (answered < before + 8) {
				await new Promise((resolve) => setImmediate(resolve));
			}
		}
		changed = true;
		await Promise.all(clients);
		assert.equal(server.tls()?.reloads.loaded, 3);
		assert.equal(server.tls()?.failures.size, 0);
	});

	test("fail no request of HTTP/2, on connections before and after", async () => {
		// To look at the files the clock leaps over the time of a connection at rest.
		await serve({}, 3_600_000);
		let answered = 0;
		let changed = false;
		const url = `https://localhost:${server.port}`;
		const askOver = async (session: ClientHttp2Session) => {
			const stream = session.request({ ":path": "/" });
			const [{ ":status": status }] = await once(stream, "response");
			assert.equal(status, 200);
			await once(stream.resume(), "close");
			answered++;
		};
		const kept = connectHttp2(url, { ca });
		stack.defer(() => kept.destroy());
		const asking = async (isKept: boolean) => {
			while (!changed) {
				const session = isKept ? kept : connectHttp2(url, { ca });
				await askOver(session);
				if (!isKept) session.close();
			}
		};
		const clients = [true, false, true, false].map(asking);
		for (const pair of [renewed, testPair, renewed]) {
			const before = answered;
			write(pair);
			await looked();
			while (answered < before + 8) {
				await new Promise((resolve) => setImmediate(resolve));
			}
		}
		changed = true;
		await Promise.all(clients);
		assert.equal(server.tls()?.reloads.loaded, 3);
		assert.equal(server.tls()?.failures.size, 0);
	});

	test("let a session go on", async () => {
		await serve();
		const session = await sessionOf(await secured());
		write(renewed);
		await looked();
		const again = await secured({ session });
		assert.equal(again.isSessionReused(), true);
	});

	test("let no session go on that another authority of clients has let in", async () => {
		await serve({ clientCa: file("ca.pem") });
		const own = { cert: pem("orders.pem"), key: pem("orders.key") };
		const session = await sessionOf(await secured(own));
		asked = [];
		writeFileSync(join(folder, "ca.pem"), pem("other-ca.pem"));
		await looked();
		assert.equal(server.tls()?.reloads.loaded, 1);
		const socket = connect({
			...{ port: server.port, host: "127.0.0.1", ca, session, ...own },
			servername: "localhost",
		});
		socket.on("error", () => {}).resume();
		socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
		await new Promise((resolve) => socket.once("close", resolve));
		assert.deepEqual(asked, []);
	});
});

async function sessionOf(socket: TLSSocket): Promise<Buffer> {
	const told = once(socket, "session");
	socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
	const [session] = (await told) as [Buffer];
	return session;
}

describe("certificates", () => {
	test("that cannot be used keep the server from starting, in words", async () => {
		await assert.rejects(serve({ key: file("missing.pem") }), {
			code: "config_invalid",
			message: "server.tls: the file of `key` cannot be read (ENOENT)",
		});
		writeFileSync(join(folder, "key.pem"), renewed.key);
		await assert.rejects(serve(), {
			message: "server.tls: `key` is not the private key of `cert`",
		});
	});

	test("of `sni` are for the clients that ask for their host, in any letters", async () => {
		writeFileSync(join(folder, "example.pem"), pem("example.pem"));
		writeFileSync(join(folder, "example.key"), pem("example.key"));
		const own = { cert: file("example.pem"), key: file("example.key") };
		await serve({ sni: [{ name: "*.example.org", ...own }] });
		assert.equal(await subjectFor("a.example.org"), "example");
		assert.equal(await subjectFor("A.Example.org"), "example");
		assert.equal(await subjectFor("localhost"), "localhost");
	});

	test("of clients are asked for, and handed on with the request", async () => {
		await serve({ clientCa: file("ca.pem") });
		const own = { cert: pem("orders.pem"), key: pem("orders.key") };
		const over1 = await secured({ ...own, ALPNProtocols: ["http/1.1"] });
		over1.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
		await once(over1, "data");
		const over2 = connectHttp2(`https://localhost:${server.port}`, {
			...{ ca, ...own },
		});
		stack.defer(() => over2.destroy());
		await once(over2.request({ ":path": "/" }), "response");
		assert.equal(asked.length, 2);
		for (const { certificate } of asked) {
			assert.equal(certificate?.subject, "O=Sluice tests, CN=orders");
			assert.equal(certificate?.issuer, "O=Sluice tests, CN=clients-ca");
			assert.equal(
				certificate?.names,
				"DNS:orders.internal, URI:spiffe://example/orders",
			);
			assert.match(certificate?.fingerprint ?? "", /^[\da-f]{64}$/);
		}
	});

	for (const [who, own] of [
		["without one", {}],
		[
			"with one of another authority",
			{ cert: pem("stranger.pem"), key: pem("stranger.key") },
		],
		[
			"with one that has issued itself",
			{ cert: renewed.cert, key: renewed.key },
		],
	] as const) {
		for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
			test(`of clients are asked for: one ${who} gets no answer by ${maxVersion}`, async () => {
				await serve({ clientCa: file("ca.pem") });
				const socket = connect({
					...{ port: server.port, host: "127.0.0.1", ca },
					...{ servername: "localhost", maxVersion, ...own },
				});
				let got = "";
				socket.on("error", () => {});
				socket.on("data", (chunk) => {
					got += chunk;
				});
				socket.on("secureConnect", () =>
					socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
				);
				await new Promise((resolve) => socket.once("close", resolve));
				assert.equal(got, "");
				assert.deepEqual(asked, []);
			});
		}
	}

	describe("of clients, if they are optional,", () => {
		const optional = (): Partial<TlsConfig> => ({
			...{ clientCa: file("ca.pem"), clientCert: "optional" },
		});
		const orders = { cert: pem("orders.pem"), key: pem("orders.key") };
		const wrong = {
			"of another authority": {
				...{ cert: pem("stranger.pem"), key: pem("stranger.key") },
			},
			"that has issued itself": { cert: renewed.cert, key: renewed.key },
			"that has expired": {
				...{ cert: pemOfAuth("expired.pem"), key: pemOfAuth("expired.key") },
			},
		};

		for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
			test(`may be missing, and are then none, by ${maxVersion}`, async () => {
				await serve(optional());
				const answered = async (options: ConnectionOptions) => {
					const socket = await secured({ maxVersion, ...options });
					socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
					await once(socket, "data");
					return socket;
				};
				const session = (await answered({})).getSession() as Buffer;
				const again = await answered({ session });
				assert.equal(again.isSessionReused(), true);
				await answered(orders);
				assert.deepEqual(
					asked.map(({ certificate }) => certificate?.subject ?? null),
					[null, null, "O=Sluice tests, CN=orders"],
				);
			});

			for (const [which, own] of Object.entries(wrong)) {
				test(`let nobody in with one ${which}, also when the session goes on, by ${maxVersion}`, async () => {
					await serve({ ...optional(), clientCa: file("machines-ca.pem") });
					let session: Buffer | undefined;
					for (let at = 1; at <= 2; at++) {
						const socket = connect({
							...{ port: server.port, host: "127.0.0.1", ca, maxVersion },
							...{ servername: "localhost", ...own },
							...(session && { session }),
						});
						let got = "";
						socket.on("error", () => {});
						socket.on("session", (given: Buffer) => {
							session = given;
						});
						socket.on("data", (chunk) => {
							got += chunk;
						});
						socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
						await new Promise((resolve) => socket.once("close", resolve));
						assert.equal(got, "");
						const failures = server.tls()?.failures ?? new Map();
						const counted = [...failures.values()].reduce((a, b) => a + b, 0);
						assert.equal(counted, at, JSON.stringify([...failures]));
					}
					assert.deepEqual(asked, []);
				});
			}
		}

		test("are judged over HTTP/2, too", async () => {
			await serve(optional());
			const url = `https://localhost:${server.port}`;
			for (const own of [{}, orders]) {
				const session = connectHttp2(url, { ca, ...own });
				stack.defer(() => session.destroy());
				await once(session.request({ ":path": "/" }), "response");
			}
			const stranger = connectHttp2(url, {
				...{ ca, ...wrong["of another authority"] },
			});
			stranger.on("error", () => {});
			const request = stranger.request({ ":path": "/" });
			request.on("error", () => {});
			await once(stranger, "close");
			assert.deepEqual(
				asked.map(({ certificate }) => certificate?.subject ?? null),
				[null, "O=Sluice tests, CN=orders"],
			);
		});
	});

	test("go with no version of TLS before 1.2, or before 1.3 if that is asked", async () => {
		await serve({ minVersion: "1.3" });
		const socket = connect({
			...{ port: server.port, host: "127.0.0.1", ca },
			...{ servername: "localhost", maxVersion: "TLSv1.2" },
		});
		const [error] = await once(socket, "error");
		assert.match(String(error), /protocol version/i);
		assert.equal(server.tls()?.failures.size, 1);
	});
});
