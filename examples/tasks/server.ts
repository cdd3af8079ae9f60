/** What the programs talk to, on loopback. */
import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import {
	type AddressInfo,
	createServer as createTcpServer,
	type Server,
} from "node:net";
import { pipeline } from "node:stream/promises";
import { type Scope, sleep } from "../../src/tasks/index.ts";

/** Answers one request. What it throws is answered 502. */
export type Handle = (
	request: IncomingMessage,
	response: ServerResponse,
	scope: Scope,
) => Promise<void> | void;

/** A server for as long as its block: `await using server = await serve(handle, scope)`. Each request is a task. */
export async function serve(handle: Handle, scope: Scope, port = 0) {
	const server = createServer((request, response) => {
		if (scope.cancelled) return void response.destroy();
		const task = scope.start(async (scope) => {
			try {
				await handle(request, response, scope);
			} catch (error) {
				if (response.headersSent) response.destroy();
				else response.writeHead(502).end(`${error}\n`);
			}
		});
		response.once("close", () => task.cancel(new Error("the client left")));
	});
	const listening = await listen(server, port);
	return {
		url: `http://127.0.0.1:${listening.port}`,
		[Symbol.asyncDispose]() {
			server.closeAllConnections();
			return listening[Symbol.asyncDispose]();
		},
	};
}

/** A site: its first page links to the others by their whole addresses; a page's name is its size in kilobytes. */
export function serveSite(scope: Scope) {
	return serve((request, response) => {
		const kilobytes = Number(request.url?.slice(1));
		if (request.url === "/") {
			const links = pages.map(
				(page) =>
					`<a href="http://${request.headers.host}/${page}">${page}</a>`,
			);
			response.setHeader("content-type", "text/html").end(links.join("\n"));
		} else if (kilobytes > 0) response.end(Buffer.alloc(kilobytes * 1000));
		else response.writeHead(404).end("there is no such page\n");
	}, scope);
}

/** The last is not there. */
export const pages = ["1", "20", "300", "4000", "lost"];

/** A peer that gives back in capitals what it hears, a piece every 200 ms. */
export async function serveEcho(scope: Scope) {
	async function* answer(pieces: AsyncIterable<Buffer>) {
		for await (const piece of pieces) {
			await sleep(200, scope);
			yield piece.toString().toUpperCase();
		}
	}
	const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
		// A client that leaves costs its connection only.
		pipeline(socket, answer, socket).catch(() => {});
	});
	return listen(server);
}

async function listen(server: Server, port = 0) {
	server.listen(port, "127.0.0.1");
	await once(server, "listening");
	return {
		port: (server.address() as AddressInfo).port,
		async [Symbol.asyncDispose]() {
			await new Promise((closed) => server.close(closed));
		},
	};
}
