import type { StoreFault } from "../core/events.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope } from "../tasks/scope.ts";
import { parseStoreUrl, type StoreAddress } from "./address.ts";
import { findServer } from "./find-server.ts";
import { type Link, type OpenLink, StoreError, UnknownScript } from "./link.ts";
import { afterFreeMs } from "./link-calls.ts";

/** A connection to one server. `onLost` is called if it ends by itself after it was made. */
type Connect = (
	url: string,
	onLost: (fault: StoreFault) => void,
) => Promise<Link>;

/**
 * Opens connections to a Valkey or Redis. The library is loaded with the first one. It connects once, and holds no command
 * back: the store decides when to try again. So with Sentinels or a Cluster each attempt asks anew which server takes writes. Each attempt
 * asks another of those who know, because one that does not answer takes all of its time. `prefix` is that of all keys.
 */
export function openRedis(written: string, prefix = ""): OpenLink {
	const address = parseStoreUrl(written);
	if (address === null) throw new Error("this is no address of a store");
	const find = writerOf(address, prefix);
	return async (onLost, onBegun, onReached) => {
		const library = await import("@redis/client");
		let over = false;
		let destroy = () => {};
		onBegun(() => {
			over = true;
			destroy();
		});
		const connect: Connect = (url, onLost) => {
			if (over) return Promise.reject(new StoreError("closed"));
			const made = connectionTo(url, library, onLost, onReached);
			destroy = made.destroy;
			return made.ready;
		};
		return connect(await find(connect), onLost);
	};
}

/** Gives with each call the URL of the server that takes writes now, and asks another of those who know. */
function writerOf(
	address: StoreAddress,
	prefix: string,
): (connect: Connect) => Promise<string> {
	const { seeds, kind, database } = address;
	let attempts = 0;
	return async (connect) => {
		const seed = seeds[attempts++ % seeds.length] ?? seeds[0];
		return kind === "server"
			? `${seed}${database && `/${database}`}`
			: await findServer(address, seed, { prefix, connect });
	};
}

/** Gives with each call the URL of the server that takes writes now. Rejects if nobody says it within so long. */
export async function createFindWriter(
	written: string,
	prefix: string,
	{ clock, ms }: { readonly clock: Clock; readonly ms: number },
): Promise<() => Promise<string>> {
	const address = parseStoreUrl(written);
	if (address === null) throw new Error("this is no address of a store");
	const library = await import("@redis/client");
	const find = writerOf(address, prefix);
	return async () => {
		let destroy = () => {};
		// What was asked rejects then.
		const timer = afterFreeMs(clock, ms, () => destroy());
		try {
			return await find((url, onLost) => {
				const made = connectionTo(url, library, onLost, () => {});
				destroy = made.destroy;
				return made.ready;
			});
		} finally {
			timer.cancel();
		}
	};
}

function connectionTo(
	url: string,
	{ createClient, RESP_TYPES }: typeof import("@redis/client"),
	onLost: (fault: StoreFault) => void,
	onReached: () => void,
): { readonly ready: Promise<Link>; destroy(): void } {
	const connecting = openScope();
	const client = createClient({
		url,
		name: "sluice",
		disableOfflineQueue: true,
		disableClientInfo: true,
		maintNotifications: "disabled",
		socket: {
			reconnectStrategy: false,
			// Whoever connects counts the time. The library would count also that in which this process reads nothing.
			connectTimeout: 0,
			signal: connecting.signal,
		},
	});
	let over = false;
	const destroy = () => {
		if (over) return;
		over = true;
		client.destroy();
		// The library forgets a socket that is still connecting, and that would keep the process.
		connecting.cancel(new StoreError("closed"));
	};
	// What it could not read may be half an answer, and then every answer behind it is another's. So no error is passed over.
	client.on("error", (error: unknown) => {
		if (over) return;
		destroy();
		onLost(faultOf(error));
	});
	client.on("connect", onReached);
	const fail = (error: unknown): never => {
		throw translated(error);
	};
	// What was kept may be any bytes.
	const options = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
	const link: Link = {
		command: (words) => client.sendCommand([...words], options).catch(fail),
		subscribe: (channel, hear) => client.subscribe(channel, hear).catch(fail),
		destroy,
	};
	const ready = client.connect().then(
		() => link,
		(error: unknown) => {
			destroy();
			throw translated(error);
		},
	);
	return { ready, destroy };
}

function translated(error: unknown): Error {
	const text = error instanceof Error ? error.message : "";
	if (text.startsWith("NOSCRIPT")) return new UnknownScript();
	return new StoreError(faultOf(error), isRefusal(error));
}

/** Whether it is an answer of the store's own. */
function isRefusal(thrown: unknown): boolean {
	const name = (thrown as object | null)?.constructor.name ?? "";
	return /ErrorReply$|^(Simple|Blob)Error$/.test(name);
}

/** By the first word of an error that the store sends. */
const faults: Readonly<Record<string, StoreFault>> = {
	NOAUTH: "denied",
	WRONGPASS: "denied",
	NOPERM: "denied",
	READONLY: "read_only",
	MOVED: "read_only",
	NOREPLICAS: "read_only",
	MISCONF: "full",
	OOM: "full",
	LOADING: "busy",
	BUSY: "busy",
	MASTERDOWN: "busy",
	TRYAGAIN: "busy",
	ASK: "busy",
	CLUSTERDOWN: "busy",
};

/** The library's and the system's own errors. */
const broken = /^(ECONNRESET|EPIPE)$/;
const unreachable =
	/^(ECONN|EHOST|ENET|ENOTFOUND|EAI_|ETIMEDOUT|EPROTO|ERR_TLS|ERR_SSL|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO)/;

function faultOf(thrown: unknown): StoreFault {
	const error = thrown as { code?: unknown; message?: unknown } | null;
	const name = (thrown as object | null)?.constructor.name ?? "";
	const code = String(error?.code ?? "");
	if (broken.test(code)) return "closed";
	if (unreachable.test(code) || name === "ConnectionTimeoutError")
		return "unreachable";
	if (/Closed|Disconnects|Socket/.test(name)) return "closed";
	const text = String(error?.message ?? "");
	const word = /^[A-Z]+/.exec(text)?.[0] ?? "";
	// A script that fails says so in words of its own, and the first word stands within.
	const within = /\b(OOM|READONLY|NOPERM|MISCONF|NOREPLICAS)\b/.exec(text)?.[0];
	const known = faults[word] ?? faults[within ?? ""];
	if (known !== undefined) return known;
	return isRefusal(thrown) ? "refused" : "garbled";
}
