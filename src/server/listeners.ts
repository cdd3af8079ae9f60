import type { Server as HttpServer } from "node:http";
import {
	type AddressInfo,
	createServer,
	type ListenOptions,
	type Server as NetServer,
} from "node:net";

/**
 * How many sockets listen on the port. In one turn the event loop accepts one connection of each. So a single one would let
 * clients wait for as many turns as there are clients before them.
 */
const socketsMax = 32;

/** All sockets that listen on the port of a server. */
export class Listeners {
	readonly #http: HttpServer;
	readonly #servers: NetServer[];
	#closed: Promise<unknown> | null = null;

	constructor(http: HttpServer) {
		this.#http = http;
		this.#servers = [http];
	}

	/**
	 * Listens, on several sockets if the system can share a port among them. Fails with the system's error if the port
	 * cannot be had (`EADDRINUSE`). Later errors, such as too many open files, go to `onError`.
	 */
	async open(
		where: { readonly host: string; readonly port: number },
		onError: (error: Error) => void,
	): Promise<AddressInfo> {
		const shared = { ...where, port: await claimed(where), reusePort: true };
		try {
			if (await this.#openFirst(shared)) {
				while (this.#servers.length < socketsMax)
					await this.#openBeside(shared);
			}
		} catch (error) {
			void this.close();
			throw error;
		}
		// Without a listener an error would end the process.
		for (const server of this.#servers) server.on("error", onError);
		return this.#http.address() as AddressInfo;
	}

	/** Whether others may listen beside it. */
	async #openFirst(where: ListenOptions): Promise<boolean> {
		try {
			await listening(this.#http, where);
			return true;
		} catch (error) {
			if (!cannotShare(error)) throw error;
			await listening(this.#http, { ...where, reusePort: false });
			return false;
		}
	}

	async #openBeside(where: ListenOptions): Promise<void> {
		// As Node's own server for HTTP makes its sockets.
		const server = createServer({ allowHalfOpen: true, noDelay: true });
		server.on("connection", (socket) => this.#http.emit("connection", socket));
		this.#servers.push(server);
		await listening(server, where);
	}

	/** Accepts no more, and closes the connections at rest. Resolves when no connection is left. */
	close(): Promise<unknown> {
		this.#closed ??= Promise.all(
			this.#servers.map(
				(server) => new Promise((resolve) => server.close(resolve)),
			),
		);
		return this.#closed;
	}
}

/** A port that could be had for us alone. Sockets that share a port would share it with another gateway, too. */
async function claimed(where: ListenOptions): Promise<number> {
	const claim = createServer();
	await listening(claim, where);
	const { port } = claim.address() as AddressInfo;
	await new Promise((resolve) => claim.close(resolve));
	return port;
}

/** What systems say that cannot share a port among sockets. */
function cannotShare(error: unknown): boolean {
	const { code } = error as NodeJS.ErrnoException;
	return code === "ENOTSUP" || code === "EINVAL";
}

function listening(server: NetServer, options: ListenOptions): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(options, () => {
			server.off("error", reject);
			resolve();
		});
	});
}
