import type { GatewayRequest } from "../../src/core/http/messages.ts";
import { Memory } from "../../src/core/memory.ts";
import { listen, type ServerOptions } from "../../src/server/server.ts";
import { virtualClock } from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";

/** A server that answers each request with its target. */
export async function listenHere({
	until = Promise.resolve(),
	...options
}: Partial<ServerOptions> & { readonly until?: Promise<void> } = {}) {
	const clock = virtualClock();
	const handled: GatewayRequest[] = [];
	const memory = new Memory();
	const server = await listen({
		...serverDefaults,
		...{ host: "127.0.0.1", port: 0, clock, memory },
		async handle(request) {
			handled.push(request);
			await until;
			return { status: 200, headers: [], body: request.target };
		},
		...options,
	});
	return {
		port: server.port,
		...{ handled, memory, drain: server.drain },
		pass: (ms: number) => clock.advance(ms),
		[Symbol.asyncDispose]: () => server.close(),
	};
}
