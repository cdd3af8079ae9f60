import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** A port that nothing we are told may lead anybody to. Disposing of it fails where somebody connected. */
export interface Canary extends AsyncDisposable {
	readonly port: number;
	readonly url: string;
	/** Connections made so far. */
	readonly connections: number;
}

export async function startCanary(): Promise<Canary> {
	let connections = 0;
	const server = createServer((socket) => {
		connections++;
		socket.destroy();
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		port,
		url: `http://127.0.0.1:${port}/`,
		get connections() {
			return connections;
		},
		async [Symbol.asyncDispose]() {
			const closed = once(server, "close");
			server.close();
			await closed;
			assert.equal(connections, 0, "somebody was led to the canary's port");
		},
	};
}
