/**
 * What Node's sockets take of a message to many listeners: one `write` for each, and nothing else. Whatever is posted goes to all
 * who have asked before. It reads no more of HTTP than the loader sends, so it is for the bench alone.
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { announceWithMemory } from "./listen.ts";

const sockets = new Set<Socket>();

const server = createServer({ noDelay: true }, (socket) => {
	let text = "";
	socket.on("error", () => {});
	socket.once("close", () => sockets.delete(socket));
	socket.on("data", (piece) => {
		text += piece.toString("latin1");
		const end = text.indexOf("\r\n\r\n") + 4;
		const bytes = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
		if (end < 4 || text.length < end + bytes) return;
		const body = text.slice(end, end + bytes);
		if (text.startsWith("GET")) begin(socket);
		else say(socket, body);
		text = "";
	});
});

function begin(socket: Socket): void {
	socket.write(
		"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: begin\n\n",
	);
	sockets.add(socket);
}

function say(from: Socket, body: string): void {
	const event = Buffer.from(`data: ${body}\n\n`);
	for (const socket of sockets) socket.write(event);
	from.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
	const { port } = server.address() as AddressInfo;
	announceWithMemory(`http://127.0.0.1:${port}`);
});
