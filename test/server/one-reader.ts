import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { Memory } from "../../src/core/memory.ts";
import { ClientConnections } from "../../src/server/client-connections.ts";
import { ConnectionShares } from "../../src/server/connection-shares.ts";
import { Http1 } from "../../src/server/http1.ts";
import { Service } from "../../src/server/service.ts";
import { virtualClock } from "../../src/tasks/index.ts";
import { openScope } from "../../src/tasks/scope.ts";

/** What became of what a client has sent. */
export interface Outcome {
	/** The requests that were handled, each with all that is known of it. A body is null if it did not come whole. */
	readonly handled: readonly string[];
	/** All that the client got, without what differs each time. */
	readonly answers: string;
	/** Whether the server ended its side before the client did. */
	readonly ended: boolean;
	/** Whether node:http read any of it. */
	readonly byNode: boolean;
}

/** A connection without a system below it. */
class TestSocket extends Duplex {
	readonly remoteAddress: string;
	bytesRead = 0;
	received = "";

	constructor(remoteAddress: string) {
		super({ allowHalfOpen: true });
		this.remoteAddress = remoteAddress;
	}

	give(bytes: Buffer): void {
		if (this.destroyed) return;
		this.bytesRead += bytes.length;
		this.push(bytes);
	}

	override _read(): void {}

	override _write(chunk: Buffer, _coding: string, done: () => void): void {
		this.received += chunk.toString("latin1");
		done();
	}

	setTimeout(): this {
		return this;
	}

	destroySoon(): void {
		if (this.writable) this.end();
		if (this.writableFinished) this.destroy();
		else this.once("finish", () => this.destroy());
	}

	resetAndDestroy(): this {
		return this.destroy();
	}
}

const bounds = { headerFieldsMax: 12, headerBytesMax: 1024 };
const bodyBytesMax = 100;

/** Reads what clients send, each on a connection of its own, in pieces. */
export interface Reader {
	read(clients: readonly (readonly Buffer[])[]): Promise<Outcome[]>;
}

/** With `simpleHeads` as a server reads, else by node:http alone. */
export function createReader(simpleHeads: boolean): Reader {
	const clock = virtualClock();
	const memory = new Memory(2 ** 30);
	const scope = openScope({ clock });
	const accepting = openScope({ clock });
	const connections = new ClientConnections(
		new ConnectionShares({
			connectionsMax: Number.POSITIVE_INFINITY,
			connectionsPerClient: null,
			isProxy: () => true,
		}),
		...([memory, clock] as const),
	);
	let handled = new Map<string, string[]>();
	const service = new Service({
		...{ clock, memory, scope, accepting, limits: bounds },
		async handle(request) {
			const { method, target, headers, ip } = request;
			const all = handled.get(ip) ?? [];
			handled.set(ip, all);
			const at = all.push("") - 1;
			const say = (body: string | null) => {
				all[at] = JSON.stringify([method, target, headers, body]);
			};
			say(null);
			const body = await request.readBody(bodyBytesMax);
			say(Buffer.from(body).toString("latin1"));
			return { status: 200, headers: ["x-of", "test"], body: target };
		},
		...{ healthPath: null, cors: null, addFixed: null, answersFor: null },
		clientAddress: (peer) => peer,
		clientScheme: () => "http",
		ending: { draining: false, refusing: false },
		...{ onInternal: nothing, onRefused: nothing, onIdle: nothing },
	});
	const http1 = new Http1({
		...{ service, connections, simpleHeads, sessionBounds: null },
		// node:http goes by the machine's own clock, which says nothing about what is read.
		headersMs: Number.MAX_SAFE_INTEGER,
		options: {
			...{ clock, idleTimeoutMs: 60_000, requestTimeoutMs: 60_000 },
			...{ leastBytesPerSecond: null, onRefused: nothing, addFixed: null },
		},
	});
	return {
		async read(clients) {
			handled = new Map();
			const sockets = clients.map(
				(_, at) => new TestSocket(`10.0.${at >> 8}.${at & 255}`),
			);
			for (const socket of sockets) {
				const plain = socket as unknown as Socket;
				const admission = connections.admit(plain);
				if (admission !== null) http1.connect(plain, admission);
			}
			const most = Math.max(...clients.map(({ length }) => length));
			for (let piece = 0; piece < most; piece++) {
				await inOneTurn(() => {
					for (const [at, socket] of sockets.entries()) {
						const bytes = clients[at]?.[piece];
						if (bytes !== undefined) socket.give(bytes);
					}
				});
				await turns(1);
			}
			await turns(6);
			const outcomes = sockets.map((socket) => ({
				handled: handled.get(socket.remoteAddress) ?? [],
				answers: unvaried(socket.received),
				ended: socket.writableEnded,
				// Node puts it there when it begins to read.
				byNode: "parser" in socket,
			}));
			for (const socket of sockets) socket.destroy();
			await turns(2);
			return outcomes;
		},
	};
}

/** As the system hands out what it has read: what Node puts off to its next tick comes before any promise. */
function inOneTurn(work: () => void): Promise<void> {
	return new Promise((resolve) => {
		setImmediate(() => {
			work();
			resolve();
		});
	});
}

async function turns(count: number): Promise<void> {
	for (let turn = 0; turn < count; turn++) {
		await new Promise((resolve) => setImmediate(resolve));
	}
}

/** Ids, dates and the order of fields say nothing. */
function unvaried(text: string): string {
	return text
		.replaceAll(head, (lines) =>
			lines
				.toLowerCase()
				.replace(/date: [^\r]+/, "(date)")
				.split("\r\n")
				.sort()
				.join("\r\n"),
		)
		.replaceAll(id, "(id)");
}

const head = /HTTP\/1\.1 \d{3} [^\r]*\r\n(?:[^\r\n]+\r\n)+/g;
const id = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g;

function nothing(): void {}
