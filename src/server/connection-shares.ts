import { GatewayError } from "../core/errors.ts";
import { networkOf } from "../core/ip.ts";

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

/** Counts the connections of all clients and of each. */
export class ConnectionShares {
	readonly #options: ShareOptions;
	readonly #counts = new Map<string, number>();
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
		const client = networkOf(address);
		const count = this.#counts.get(client) ?? 0;
		const most = this.#mostOf(address);
		if (count >= most) {
			const message = `more than ${most} connections of one client`;
			const errors = [{ at: "connection", message }];
			return new GatewayError("too_many_requests", message, {
				...facts,
				errors,
			});
		}
		this.#total++;
		this.#counts.set(client, count + 1);
		return null;
	}

	#mostOf(address: string): number {
		const { connectionsPerClient, isProxy } = this.#options;
		if (isProxy(address)) return Number.POSITIVE_INFINITY;
		if (connectionsPerClient !== null) return connectionsPerClient;
		// A proxy on this machine is seldom named among the trusted ones.
		return isOfThisMachine(address) ? Number.POSITIVE_INFINITY : perClientUsual;
	}

	give(address: string): void {
		const client = networkOf(address);
		const count = this.#counts.get(client) ?? 0;
		this.#total--;
		if (count > 1) this.#counts.set(client, count - 1);
		else this.#counts.delete(client);
	}
}

const facts = { retryAfterMs: 1000 };

function isOfThisMachine(address: string): boolean {
	return address === "::1" || address.startsWith("127.");
}
