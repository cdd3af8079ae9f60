/**
 * The same by hand: whatever is posted goes to all who listen, as an event or over a WebSocket of `ws`. What Sluice adds is
 * not here: no ids, nothing kept, no bound for slow listeners, no heartbeat, no drain.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { announceWithMemory } from "./listen.ts";

const responses = new Set<ServerResponse>();

const server = createServer((request, response) => {
	if (request.method === "GET") {
		response.writeHead(200, { "content-type": "text/event-stream" });
		response.write(": begin\n\n");
		responses.add(response);
		response.once("close", () => responses.delete(response));
		return;
	}
	let text = "";
	request.setEncoding("utf8");
	request.on("data", (piece) => {
		text += piece;
	});
	request.once("end", () => {
		const event = Buffer.from(`data: ${text}\n\n`);
		for (const one of responses) one.write(event);
		// Given as bytes, so that it is encoded once.
		const message = Buffer.from(text);
		for (const one of webSockets.clients) one.send(message, { binary: false });
		response.end();
	});
});
const webSockets = new WebSocketServer({ server, perMessageDeflate: false });
webSockets.on("connection", (one) => one.send("begin"));
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
	const { port } = server.address() as AddressInfo;
	announceWithMemory(`http://127.0.0.1:${port}`);
});
