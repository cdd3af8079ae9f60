import { createServer, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { gateway } from "./gateway.ts";

export const server = createServer(async (message, response) => {
	const client = new AbortController();
	response.once("close", () => client.abort());
	const answer = await gateway.fetch(requestOf(message, client.signal), {
		ip: message.socket.remoteAddress ?? "",
	});
	answer.headers.forEach((value, name) => {
		response.appendHeader(name, value);
	});
	response.writeHead(answer.status);
	response.end(Buffer.from(await answer.arrayBuffer()));
});

function requestOf(message: IncomingMessage, signal: AbortSignal): Request {
	const { method = "GET", url = "/", headers } = message;
	const bodiless = method === "GET" || method === "HEAD";
	// Node asks for `duplex`, which the types of browsers do not know.
	const init = {
		method,
		headers: headers as Record<string, string>,
		body: bodiless ? null : (Readable.toWeb(message) as ReadableStream),
		duplex: "half",
		signal,
	} as const;
	return new Request(new URL(url, "http://gateway"), init);
}
