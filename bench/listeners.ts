/**
 * Clients that listen, as a process of their own: raw sockets that only read and count. It prints the URL at which it is
 * told what to do: `/open`, `/say` and `/close`. Each answers when all of it is done, or fails after a minute.
 */
import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { announce } from "./gateways/listen.ts";

/** In which form somebody listens. */
export type ListenForm = "events" | "websocket";

/** Each message has this byte once, and nothing else that is sent has it: no head, and no length of a frame. */
const mark = "|";

/** A server's ping without a payload, and the answer to it, masked with zeros (RFC 6455, 5.5). */
const ping = Buffer.from([0x89, 0]);
const pong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** So many connections are opened at once. */
const opening = 100;

const patienceMs = 60_000;

const sockets = new Set<Socket>();
/** Those of them whose answer has begun. */
let begun = 0;
let heard = 0;
let lost = 0;
/** The status of the last answer that was a refusal. */
let refused = "";
let onProgress = () => {};

/** All sockets read into the same memory, because what is read is only counted. */
const buffer = Buffer.alloc(64 * 1024);
const markByte = mark.charCodeAt(0);

function marksIn(bytes: number): number {
	let count = 0;
	const end = buffer.subarray(0, bytes);
	let at = end.indexOf(markByte);
	while (at >= 0) {
		count++;
		at = end.indexOf(markByte, at + 1);
	}
	return count;
}

function open(url: URL, form: ListenForm): void {
	let first = true;
	const socket = connect({
		host: url.hostname,
		port: Number(url.port),
		onread: {
			buffer,
			callback: (bytes) => {
				if (first) begin(socket);
				first = false;
				heard += marksIn(bytes);
				// While others are measured nothing is said here. A server asks whether such a client is there, in bytes of their own.
				if (bytes === ping.length && buffer.subarray(0, bytes).equals(ping)) {
					socket.write(pong);
				}
				onProgress();
				return true;
			},
		},
	});
	sockets.add(socket);
	socket.write(headOf(url, form));
	socket.on("error", () => {});
	socket.once("close", () => {
		if (sockets.delete(socket)) lost++;
		onProgress();
	});
}

/** The first bytes are an answer's status line. */
function begin(socket: Socket): void {
	const status = buffer.toString("latin1", 9, 12);
	if (status < "400") begun++;
	else {
		refused = `, refused with ${status}`;
		socket.destroy();
	}
}

function headOf({ host, pathname, search }: URL, form: ListenForm): string {
	const fields =
		form === "events"
			? ["accept: text/event-stream"]
			: [
					...["connection: upgrade", "upgrade: websocket"],
					"sec-websocket-version: 13",
					"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
				];
	const lines = [
		`GET ${pathname}${search} HTTP/1.1`,
		`host: ${host}`,
		...fields,
	];
	return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Resolves when it is so. Fails if a listener is lost, or after a minute. */
async function until(is: () => boolean, what: () => string): Promise<void> {
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	const look = () => {
		if (lost > 0) reject(new Error(`${lost} lost${refused}; ${what()}`));
		else if (is()) resolve();
	};
	const timer = setTimeout(() => reject(new Error(what())), patienceMs);
	onProgress = look;
	look();
	try {
		await promise;
	} finally {
		clearTimeout(timer);
		onProgress = () => {};
	}
}

async function openAll(url: URL, form: ListenForm, count: number) {
	while (sockets.size < count) {
		const more = Math.min(opening, count - sockets.size);
		for (let one = 0; one < more; one++) open(url, form);
		await until(
			() => begun === sockets.size,
			() => `${begun} of ${sockets.size} began`,
		);
	}
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

async function say(url: URL, body: string): Promise<void> {
	const posting = request(url, {
		...{ agent, method: "POST" },
		headers: {
			"content-type": "application/json",
			"content-length": Buffer.byteLength(body),
		},
	});
	posting.end(body);
	let response: IncomingMessage;
	try {
		[response] = await once(posting, "response");
	} catch (error) {
		// A server may end a connection at rest just when it is used again. Then it has not read what was sent.
		const isReset = (error as NodeJS.ErrnoException).code === "ECONNRESET";
		if (isReset && posting.reusedSocket) return say(url, body);
		throw error;
	}
	response.resume();
	await once(response, "end");
	const { statusCode = 0 } = response;
	if (statusCode >= 300)
		throw new Error(`to say it was answered ${statusCode}`);
}

/** One message after the other, each when all have heard the one before. */
async function sayAll(url: URL, body: string, count: number): Promise<void> {
	for (let one = 0; one < count; one++) {
		const due = heard + sockets.size;
		await say(url, body);
		await until(
			() => heard >= due,
			() => `${due - heard} of ${sockets.size} heard nothing`,
		);
		if (heard > due) throw new Error(`${heard - due} heard it twice`);
	}
}

async function closeAll(): Promise<void> {
	const closing = [...sockets];
	sockets.clear();
	begun = 0;
	await Promise.all(
		closing.map(async (socket) => {
			socket.destroy();
			await once(socket, "close");
		}),
	);
}

const control = createServer(async ({ url: asked = "" }, response) => {
	const { pathname, searchParams } = new URL(asked, "http://127.0.0.1");
	const given = (name: string) => searchParams.get(name) ?? "";
	const count = Number(given("count"));
	try {
		if (pathname === "/close") await closeAll();
		else {
			const url = new URL(given("url"));
			if (pathname === "/say") await sayAll(url, given("body"), count);
			else await openAll(url, given("form") as ListenForm, count);
		}
		response.end();
	} catch (error) {
		response.writeHead(500).end((error as Error).message);
	}
});
control.listen(0, "127.0.0.1", () => {
	const { port } = control.address() as AddressInfo;
	announce({ url: `http://127.0.0.1:${port}` });
});
