/**
 * A connection that is open for as long as its block, in which sending and receiving go on at once:
 *
 *     npx node examples/tasks/connection.ts [line...]
 *
 * The peer is on loopback, and takes 200 ms to give back in capitals what it hears.
 */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { gather, run, type Scope, sleep } from "../../src/tasks/index.ts"; // elsewhere: "sluice/tasks"
import { serveEcho } from "./server.ts";
import { endInterrupted, stopwatch } from "./terminal.ts";

/** Says the lines, one every 100 ms, and hears meanwhile. However this ends, the connection is closed by then. */
export async function talk(
	port: number,
	lines: readonly string[],
	note: (line: string) => void,
	scope: Scope,
) {
	await using connection = await connect(port, scope);
	const speak = async (scope: Scope) => {
		for (const line of lines) {
			await connection.send(line, scope);
			note(`-> ${line}`);
			await sleep(100, scope);
		}
		connection.end();
	};
	const listen = async (scope: Scope) => {
		for await (const line of connection.lines(scope)) note(`<- ${line}`);
		if (!connection.ended) throw new Error("the peer hung up");
	};
	await gather([speak, listen], { scope });
}

export async function connect(port: number, scope: Scope): Promise<Connection> {
	const socket = createConnection({
		port,
		host: "127.0.0.1",
		allowHalfOpen: true,
	});
	using _ = endingWith(scope, socket);
	await once(socket, "connect");
	return new Connection(socket);
}

/** Texts in lines, both ways. Python's `__aexit__` is `Symbol.asyncDispose` here. */
class Connection implements AsyncDisposable {
	readonly #socket: Socket;

	constructor(socket: Socket) {
		this.#socket = socket;
		// Whoever sends or reads is thrown it; but an error event that nobody hears ends the process.
		socket.on("error", () => {});
	}

	get ended(): boolean {
		return this.#socket.writableEnded;
	}

	async send(line: string, scope: Scope): Promise<void> {
		using _ = endingWith(scope, this.#socket);
		await new Promise<void>((sent, failed) =>
			this.#socket.write(`${line}\n`, (error) =>
				error ? failed(error) : sent(),
			),
		);
	}

	/** Nothing more will be sent; what the peer says is still heard. */
	end(): void {
		this.#socket.end();
	}

	async *lines(scope: Scope): AsyncGenerator<string> {
		using _ = endingWith(scope, this.#socket);
		// Closing is the block's alone: a loop over a socket would destroy it when it is left.
		const pieces = this.#socket
			.setEncoding("utf8")
			.iterator({ destroyOnReturn: false });
		let rest = "";
		for await (const piece of pieces) {
			const lines = (rest + piece).split("\n");
			rest = lines.pop() ?? "";
			yield* lines;
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#socket.destroy();
		if (this.#socket.closed) return;
		await new Promise((closed) => this.#socket.once("close", closed));
	}
}

/** Until it is disposed of, a cancelled scope destroys the socket, and who waits for it gets the scope's reason. */
function endingWith(scope: Scope, socket: Socket): Disposable {
	const stop = scope.onCancel((reason) => socket.destroy(reason as Error));
	return { [Symbol.dispose]: stop };
}

async function main(scope: Scope) {
	const given = process.argv.slice(2);
	const lines = given.length > 0 ? given : ["one", "two", "three", "four"];
	await using peer = await serveEcho(scope);
	const elapsed = stopwatch(scope);
	await talk(
		peer.port,
		lines,
		(line) => console.log(`${elapsed()}  ${line}`),
		scope,
	);
	console.log(`closed after ${elapsed()}`);
}

if (import.meta.main) await run(main).catch(endInterrupted);
