import type { StoreFault } from "../core/events.ts";
import { type Link, type OpenLink, StoreError, UnknownScript } from "./link.ts";

/** How long the library waits for a connection. */
const connectMs = 1_000;

/**
 * Opens connections to a Valkey or Redis. The library is loaded with the first one. It connects once, and holds no command
 * back: the store decides when to try again.
 */
export function openRedis(url: string): OpenLink {
	return async (onLost, onBegun, onReached) => {
		const { createClient, RESP_TYPES } = await import("@redis/client");
		const client = createClient({
			url,
			name: "sluice",
			disableOfflineQueue: true,
			disableClientInfo: true,
			maintNotifications: "disabled",
			socket: { reconnectStrategy: false, connectTimeout: connectMs },
		});
		let over = false;
		const destroy = () => {
			over = true;
			client.destroy();
		};
		// What it could not read may be half an answer, and then every answer behind it is another's. So no error is passed over.
		client.on("error", (error: unknown) => {
			if (over) return;
			destroy();
			onLost(faultOf(error));
		});
		client.on("connect", onReached);
		onBegun(destroy);
		try {
			await client.connect();
		} catch (error) {
			if (!over) destroy();
			throw translated(error);
		}
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
		return link;
	};
}

function translated(error: unknown): Error {
	const text = error instanceof Error ? error.message : "";
	if (text.startsWith("NOSCRIPT")) return new UnknownScript();
	return new StoreError(faultOf(error));
}

/** By the first word of an error that the store sends. */
const faults: Readonly<Record<string, StoreFault>> = {
	NOAUTH: "denied",
	WRONGPASS: "denied",
	NOPERM: "denied",
	READONLY: "read_only",
	NOREPLICAS: "read_only",
	MISCONF: "full",
	OOM: "full",
	LOADING: "busy",
	BUSY: "busy",
	MASTERDOWN: "busy",
	TRYAGAIN: "busy",
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
	return /ErrorReply$|^(Simple|Blob)Error$/.test(name) ? "refused" : "garbled";
}
