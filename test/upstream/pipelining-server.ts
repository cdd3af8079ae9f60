import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { httpHead } from "./peer.ts";

/** A request that has come, and how to answer it. */
export interface Asked {
	readonly target: string;
	readonly socket: Socket;
	/** Writes a whole answer, behind those to the requests before. A second one is written at once. */
	answer(body: string, ...headers: string[]): void;
}

/** An upstream that takes several requests in one read. */
export interface Server extends AsyncDisposable {
	readonly origin: string;
	/** Connections made so far. */
	readonly connections: number;
	readonly sockets: readonly Socket[];
	/** The targets of the requests that came in each read. */
	readonly reads: string[][];
	/** The targets of all requests. */
	readonly asked: string[];
}

/** `onAsked` is called for each request, in the order in which they came. */
export async function openServer(
	onAsked: (asked: Asked) => void,
): Promise<Server> {
	const sockets: Socket[] = [];
	const reads: string[][] = [];
	const asked: string[] = [];
	const server = createServer((socket) => {
		sockets.push(socket);
		socket.setNoDelay().on("error", () => {});
		let text = "";
		const answers = new Answers(socket);
		socket.on("data", (chunk) => {
			text += chunk.toString("latin1");
			const read: Asked[] = [];
			for (;;) {
				const end = text.indexOf("\r\n\r\n");
				if (end < 0) break;
				const head = text.slice(0, end);
				const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
				text = text.slice(end + 4 + length);
				read.push(askedOf(head, socket, answers));
			}
			reads.push(read.map(({ target }) => target));
			for (const one of read) {
				asked.push(one.target);
				onAsked(one);
			}
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		origin: `http://127.0.0.1:${port}`,
		get connections() {
			return sockets.length;
		},
		sockets,
		reads,
		asked,
		async [Symbol.asyncDispose]() {
			for (const socket of sockets) socket.destroy();
			const closed = once(server, "close");
			server.close();
			await closed;
		},
	};
}

/** Writes answers in the order of their requests, whichever is ready first. */
class Answers {
	readonly #socket: Socket;
	/** Null as long as there is none. */
	readonly #texts: (string | null)[] = [];
	#written = 0;

	constructor(socket: Socket) {
		this.#socket = socket;
	}

	/** The place of the next request. */
	next(): number {
		return this.#texts.push(null) - 1;
	}

	set(place: number, text: string): void {
		if (place < this.#written) this.#socket.write(text);
		else this.#texts[place] = text;
		for (;;) {
			const ready = this.#texts[this.#written] ?? null;
			if (ready === null) return;
			this.#socket.write(ready);
			this.#written++;
		}
	}
}

function askedOf(head: string, socket: Socket, answers: Answers): Asked {
	const [method = "", target = ""] = head.split(" ");
	const place = answers.next();
	return {
		target,
		socket,
		answer(body, ...headers) {
			const length = `content-length: ${Buffer.byteLength(body)}`;
			const text = httpHead(200, length, ...headers);
			answers.set(place, method === "HEAD" ? text : text + body);
		},
	};
}
