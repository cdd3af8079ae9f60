import { GatewayError } from "../core/errors.ts";
import { networkOf } from "../core/ip.ts";
import type { ClientMemory } from "../core/memory.ts";

/** How many connections there may be, in all and of one client. */
export interface ShareOptions {
	readonly connectionsMax: number;
	/** Null: the usual number, and any number for clients on this machine. */
	readonly connectionsPerClient: number | null;
	/** Whether the address is a trusted proxy's. It stands for many clients, and has no share. */
	readonly isProxy: (address: string) => boolean;
}

/**
 * Some eighty browsers behind one address, with six connections each. No client then has more than half of the streams
 * that one upstream may have.
 */
const perClientUsual = 500;

/** A client that has connections. */
interface Client extends ClientMemory {
	connections: number;
}

/** Counts the connections of all clients and of each, and what the requests of each hold. */
export class ConnectionShares {
	readonly #options: ShareOptions;
	readonly #clients = new Map<string, Client>();
	#total = 0;

	constructor(options: ShareOptions) {
		this.#options = options;
	}

	/** Counts a connection, which must be given back. If it is one too many it is not counted, and this is the reason. */
	take(address: string): GatewayError | null {
		const { connectionsMax } = this.#options;
		if (this.#total >= connectionsMax) {
			return new GatewayError("overloaded", "too many connections", facts);
		}
		const network = networkOf(address);
		const client = this.#clients.get(network) ?? { connections: 0, held: 0 };
		const most = this.#mostOf(address);
		if (client.connections >= most) {
			const message = `more than ${most} connections of one client`;
			const errors = [{ at: "connection", message }];
			return new GatewayError("too_many_requests", message, {
				...facts,
				errors,
			});
		}
		this.#total++;
		client.connections++;
		this.#clients.set(network, client);
		return null;
	}

	/** Where the memory of a connection's requests is counted: with the client's others, if the client has a share. */
	memoryOf(address: string): ClientMemory {
		const client = this.#clients.get(networkOf(address));
		const shares = Number.isFinite(this.#mostOf(address));
		return shares && client ? client : { held: 0 };
	}

	#mostOf(address: string): number {
		const { connectionsPerClient, isProxy } = this.#options;
		if (isProxy(address)) return Number.POSITIVE_INFINITY;
		if (connectionsPerClient !== null) return connectionsPerClient;
		// A proxy on this machine is seldom named among the trusted ones.
		return isOfThisMachine(address) ? Number.POSITIVE_INFINITY : perClientUsual;
	}

	give(address: string): void {
		const network = networkOf(address);
		const client = this.#clients.get(network);
		this.#total--;
		if (client === undefined) return;
		client.connections--;
		if (client.connections === 0) this.#clients.delete(network);
	}
}

const facts = { retryAfterMs: 1000 };

function isOfThisMachine(address: string): boolean {
	return address === "::1" || address.startsWith("127.");
}
