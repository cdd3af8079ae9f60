import {
	type AddressInfo,
	createServer,
	type ListenOptions,
	type Server as NetServer,
	type Socket,
} from "node:net";

/**
 * How many sockets listen on the port. In one turn the event loop accepts one connection of each. So a single one would let
 * clients wait for as many turns as there are clients before them.
 */
export const socketsMax = 32;

/** Where a server listens. */
export interface Where {
	readonly host: string;
	readonly port: number;
	/** Descriptors of sockets that are bound there already. Default: it makes its own. */
	readonly sockets?: readonly number[];
}

type Listened = ListenOptions | { readonly fd: number };

/** All sockets that listen on the port of a server. */
export class Listeners {
	readonly #accept: (socket: Socket) => void;
	readonly #first: NetServer;
	readonly #servers: NetServer[];
	#closed: Promise<unknown> | null = null;

	constructor(accept: (socket: Socket) => void) {
		this.#accept = accept;
		this.#first = createListener(accept);
		this.#servers = [this.#first];
	}

	/**
	 * Listens, on several sockets if the system can share a port among them. Fails with the system's error if the port
	 * cannot be had (`EADDRINUSE`). Later errors, such as too many open files, go to `onError`.
	 */
	async open(
		where: Where,
		onError: (error: Error) => void,
	): Promise<AddressInfo> {
		try {
			await (where.sockets ? this.#take(where.sockets) : this.#openAll(where));
		} catch (error) {
			void this.close();
			throw error;
		}
		// Without a listener an error would end the process.
		for (const server of this.#servers) server.on("error", onError);
		return this.#first.address() as AddressInfo;
	}

	async #openAll(where: Where): Promise<void> {
		const { host } = where;
		const shared = { host, port: await claimed(where), reusePort: true };
		if (!(await this.#openFirst(shared))) return;
		while (this.#servers.length < socketsMax) await this.#openBeside(shared);
	}

	/** Sockets that are bound already. Other processes may accept from them, too. */
	async #take([first = -1, ...others]: readonly number[]): Promise<void> {
		await listening(this.#first, { fd: first });
		for (const fd of others) await this.#openBeside({ fd });
	}

	/** Whether others may listen beside it. */
	async #openFirst(where: ListenOptions): Promise<boolean> {
		try {
			await listening(this.#first, where);
			return true;
		} catch (error) {
			if (!cannotShare(error)) throw error;
			await listening(this.#first, { ...where, reusePort: false });
			return false;
		}
	}

	async #openBeside(where: Listened): Promise<void> {
		const server = createListener(this.#accept);
		this.#servers.push(server);
		await listening(server, where);
	}

	/** Accepts no more. Resolves when no connection is left. */
	close(): Promise<unknown> {
		this.#closed ??= Promise.all(
			this.#servers.map(
				(server) => new Promise((resolve) => server.close(resolve)),
			),
		);
		return this.#closed;
	}
}

/** A server of connections, which it makes as Node's own server for HTTP does. */
function createListener(accept: (socket: Socket) => void): NetServer {
	return createServer({ allowHalfOpen: true, noDelay: true }, accept);
}

/** A port that could be had for us alone. Sockets that share a port would share it with another gateway, too. */
export async function claimed({ host, port: asked }: Where): Promise<number> {
	const claim = createServer();
	await listening(claim, { host, port: asked });
	const { port } = claim.address() as AddressInfo;
	await new Promise((resolve) => claim.close(resolve));
	return port;
}

/** What systems say that cannot share a port among sockets. */
function cannotShare(error: unknown): boolean {
	const { code } = error as NodeJS.ErrnoException;
	return code === "ENOTSUP" || code === "EINVAL";
}

function listening(server: NetServer, options: Listened): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(options, () => {
			server.off("error", reject);
			resolve();
		});
	});
}
