import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { gateway } from "./gateway.ts";

/** What is used of Fastify's request: its `body` is a Buffer. */
interface CatchAllRequest {
	readonly method: string;
	readonly url: string;
	readonly ip: string;
	readonly body?: Uint8Array | undefined;
	readonly raw: Pick<IncomingMessage, "rawHeaders">;
}

interface CatchAllReply {
	code(status: number): CatchAllReply;
	header(name: string, value: string): CatchAllReply;
	send(body: string | Uint8Array | Readable | null): CatchAllReply;
}

// app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
// app.all("/*", catchAll);
export async function catchAll(request: CatchAllRequest, reply: CatchAllReply) {
	const { method, url, ip, body = new Uint8Array(), raw } = request;
	const answer = await gateway.handle({
		method,
		target: url,
		headers: raw.rawHeaders,
		ip,
		body,
	});
	reply.code(answer.status);
	for (let at = 0; at < answer.headers.length; at += 2) {
		reply.header(answer.headers[at] ?? "", answer.headers[at + 1] ?? "");
	}
	const { body: sent } = answer;
	// A proxied body comes piece by piece.
	const piecewise =
		typeof sent === "object" && sent !== null && Symbol.asyncIterator in sent;
	return reply.send(piecewise ? Readable.from(sent) : sent);
}
