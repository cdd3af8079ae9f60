import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { gateway } from "./gateway.ts";

// const app = Fastify();
// app.register(gatewayRoutes);
export async function gatewayRoutes(app: FastifyInstance): Promise<void> {
	// The gateway reads bodies itself. Fastify would make objects of JSON, and refuse types that it does not know.
	app.removeAllContentTypeParsers();
	app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) =>
		done(null, body),
	);
	app.all("/*", async (request, reply) => {
		const answer = await gateway.handle({
			method: request.method,
			target: request.url,
			headers: request.raw.rawHeaders,
			ip: request.ip,
			body: (request.body as Buffer | undefined) ?? new Uint8Array(),
		});
		reply.code(answer.status);
		for (let at = 0; at < answer.headers.length; at += 2) {
			reply.header(answer.headers[at] ?? "", answer.headers[at + 1] ?? "");
		}
		const { body } = answer;
		// A proxied body comes piece by piece.
		const piecewise =
			typeof body === "object" && body !== null && Symbol.asyncIterator in body;
		return reply.send(piecewise ? Readable.from(body) : body);
	});
}
