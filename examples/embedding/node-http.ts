import { createServer, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { gateway } from "./gateway.ts";

export const server = createServer(async (message, response) => {
	const client = new AbortController();
	response.once("close", () => client.abort());
	const answer = await gateway.fetch(requestOf(message, client.signal), {
		ip: message.socket.remoteAddress ?? "",
	});
	for (const [name, value] of answer.headers) {
		response.appendHeader(name, value);
	}
	response.writeHead(answer.status).end(await answer.bytes());
});

function requestOf(message: IncomingMessage, signal: AbortSignal): Request {
	const { method = "GET", url = "/", headers } = message;
	const bodiless = method === "GET" || method === "HEAD";
	return new Request(new URL(url, "http://gateway"), {
		method,
		headers: headers as Record<string, string>,
		body: bodiless ? null : Readable.toWeb(message),
		duplex: "half",
		signal,
	});
}
