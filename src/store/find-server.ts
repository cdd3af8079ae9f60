import { type StoreAddress, serverUrl } from "./address.ts";
import { type Link, StoreError } from "./link.ts";

interface Means {
	/** What all keys begin with. In a Cluster they are all on one server. */
	readonly prefix: string;
	connect(url: string, onLost: () => void): Promise<Link>;
}

/** Asks `seed` which server takes writes, and gives its URL. Rejects with a `StoreError`. */
export function findServer(
	address: StoreAddress,
	seed: string,
	means: Means,
): Promise<string> {
	return address.kind === "sentinel"
		? askSentinel(address, seed, means)
		: askCluster(address, seed, means);
}

/** Sentinels often have no password where servers have one, and then refuse to be given any. */
async function askSentinel(
	address: StoreAddress,
	seed: string,
	means: Means,
): Promise<string> {
	const words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.name];
	const ask = (url: string) =>
		asking(url, means, (link) => link.command(words));
	const reply = await ask(seed.replace(address.user, "")).catch((error) => {
		const denied = error instanceof StoreError && error.fault === "denied";
		if (!denied || address.user === "") throw error;
		return ask(seed);
	});
	const [host, port] = list(reply).map(text);
	// It watches no servers of this name.
	if (!host || !port) throw new StoreError("refused");
	return serverUrl(address, host, port);
}

async function askCluster(
	address: StoreAddress,
	seed: string,
	means: Means,
): Promise<string> {
	const [slot, ranges] = await asking(seed, means, (link) =>
		Promise.all([
			link.command(["CLUSTER", "KEYSLOT", means.prefix]),
			link.command(["CLUSTER", "SLOTS"]),
		]),
	);
	const range = list(ranges)
		.map(list)
		.find(
			([first, last]) =>
				Number(first) <= Number(slot) && Number(slot) <= Number(last),
		);
	// Nobody has the keys now.
	if (range === undefined) throw new StoreError("busy");
	const [host, port] = list(range[2]).map(text);
	if (!port) throw new StoreError("garbled");
	// A server that knows no address of its own is where it was asked.
	return serverUrl(address, host || hostOf(seed), port);
}

async function asking<Reply>(
	url: string,
	{ connect }: Means,
	ask: (link: Link) => Promise<Reply>,
): Promise<Reply> {
	const link = await connect(url, () => {});
	try {
		return await ask(link);
	} finally {
		link.destroy();
	}
}

function list(reply: unknown): readonly unknown[] {
	return Array.isArray(reply) ? reply : [];
}

function text(value: unknown): string {
	return value === null || value === undefined ? "" : String(value);
}

function hostOf(url: string): string {
	return new URL(url).hostname.replace(/^\[|\]$/g, "");
}
