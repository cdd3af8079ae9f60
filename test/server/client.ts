import { once } from "node:events";
import type { Socket } from "node:net";
import { rawSocketOf } from "../../src/server/raw-socket.ts";
import { connected, connectTo } from "../kit/transport.ts";

export interface Answer {
	readonly status: number;
	/** Names in lower case. */
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

/** A client of which every byte is the test's. */
export interface TestClient extends Disposable {
	readonly socket: Socket;
	send(...texts: string[]): void;
	/** Resets the connection. */
	reset(): void;
	/** The next answer; one to HEAD must be asked for as such, as nothing in it says that its body is left out. */
	answer(method?: "HEAD"): Promise<Answer>;
	/** Resolves when the connection is gone, with what came and was no whole answer. */
	gone(): Promise<string>;
}

export async function openClient(port: number): Promise<TestClient> {
	const socket = connectTo(port);
	socket.on("error", () => {});
	let received = "";
	/** How much must have come before an answer is whole: to look at a long one with each piece takes seconds. */
	let wanted = 0;
	let look = () => {};
	socket.on("data", (chunk) => {
		received += chunk.toString("latin1");
		if (received.length >= wanted) look();
	});
	const closed = new Promise<void>((resolve) => {
		socket.once("close", () => {
			look();
			resolve();
		});
	});
	await once(socket, connected);

	function take(head: boolean): Answer | null {
		if (received.length < wanted) return null;
		const end = received.indexOf("\r\n\r\n");
		if (end < 0) return null;
		const [first = "", ...lines] = received.slice(0, end).split("\r\n");
		const headers = Object.fromEntries(
			lines.map((line) => {
				const colon = line.indexOf(": ");
				return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
			}),
		);
		const length = head ? 0 : Number(headers["content-length"] ?? 0);
		const bodyEnd = end + 4 + length;
		wanted = bodyEnd;
		if (received.length < bodyEnd) return null;
		wanted = 0;
		const body = Buffer.from(received.slice(end + 4, bodyEnd), "latin1");
		received = received.slice(bodyEnd);
		return { status: Number(first.split(" ")[1]), headers, body: `${body}` };
	}

	return {
		socket,
		send: (...texts) => void socket.write(texts.join("")),
		answer(method) {
			return new Promise((resolve, reject) => {
				look = () => {
					const answer = take(method === "HEAD");
					if (answer !== null) resolve(answer);
					else if (socket.closed) reject(new Error("closed unanswered"));
				};
				look();
			});
		},
		reset: () => reset(socket),
		gone: () => closed.then(() => received),
		[Symbol.dispose]: () => socket.destroy(),
	};
}

/** Resets a connection, which may be one of TLS. */
export function reset(socket: Socket): void {
	(rawSocketOf(socket) ?? socket).resetAndDestroy();
}

/** A request's text, with the Host it must have. */
export function asking(
	line: string,
	headers: readonly string[] = [],
	body = "",
): string {
	return [`${line} HTTP/1.1`, "host: gateway", ...headers, "", body].join(
		"\r\n",
	);
}
