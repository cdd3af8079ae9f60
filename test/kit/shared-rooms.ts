import { checkText, configOrThrow } from "../../src/config/load.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { listenTo, type TestListener, type Told } from "./listeners.ts";
import type { TestStore } from "./store.ts";

/** Rooms of a chat over a store. `channel` has more keys of the channel. */
export const roomsConfig = (url: string, channel = "", timeout = "1s") => `
overload: false
store: { url: "${url}", timeout: ${timeout} }
channels:
  room: { presence: true${channel} }
routes:
  GET /rooms/{id}:
    request: { query: { name?: { type: string, maxLength: 20 } } }
    listen: room/\${params.id}
    member: "\${query.name ?? 'observer'}"
  POST /rooms/{id}:
    request: { body: { type: [string, number] } }
    steps: { said: { publish: "room/\${params.id}", message: "\${body}" } }
    respond: \${said}
`;

export interface Said {
	readonly status: number;
	readonly id: string;
	readonly listeners: number;
	readonly shared?: boolean;
	readonly code?: string;
}

/** A gateway without a port, at a store. */
export interface SharedGateway extends AsyncDisposable {
	readonly gateway: Gateway;
	say(message: unknown, room?: string): Promise<Said>;
	listen(
		name: string,
		after?: string | null,
		room?: string,
	): Promise<TestListener>;
	/** What a plain GET gives, or a wait of so many seconds. */
	poll(query?: string, waitSeconds?: number): Promise<Polled>;
	/** Resolves when the store is in this state for it. */
	until(state: "up" | "away"): Promise<void>;
}

export interface Polled {
	readonly after: string;
	readonly members: readonly unknown[];
	readonly events: readonly Told[];
}

export async function gatewayAt(
	{ url }: Pick<TestStore, "url">,
	channel = "",
	timeout = "1s",
): Promise<SharedGateway> {
	const config = roomsConfig(url, channel, timeout);
	const gateway = createGateway(configOrThrow(checkText(config, "x", {})));
	const until = async (state: "up" | "away") => {
		await eventually(() => gateway.state().store?.state === state, state);
	};
	await until("up");
	return {
		gateway,
		until,
		async say(message, room = "7") {
			const { status, body } = await gateway.handle({
				...{ method: "POST", target: `/rooms/${room}` },
				headers: ["content-type", "application/json"],
				body: JSON.stringify(message),
			});
			return { status, ...JSON.parse(String(body)) };
		},
		listen: (name, after = null, room = "7") =>
			listenTo(gateway, `/rooms/${room}?name=${name}`, {
				headers: after === null ? [] : ["last-event-id", after],
			}),
		async poll(query = "", waitSeconds) {
			const { body } = await gateway.handle({
				...{ method: "GET", target: `/rooms/7?name=poll${query}` },
				headers:
					waitSeconds === undefined ? [] : ["prefer", `wait=${waitSeconds}`],
			});
			return JSON.parse(Buffer.from(body as Uint8Array).toString());
		},
		[Symbol.asyncDispose]: () => gateway.close(),
	};
}

/** Waits until something is so, for 20 seconds at most. */
export async function eventually(
	isSo: () => boolean | Promise<boolean>,
	what: string | (() => unknown),
): Promise<void> {
	const untilMs = performance.now() + 20_000;
	while (!(await isSo())) {
		if (performance.now() > untilMs) {
			const words = typeof what === "string" ? what : JSON.stringify(what());
			throw new Error(`it did not come to this in time: ${words}`);
		}
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

export const messagesOf = (told: readonly Told[]): unknown[] =>
	told.filter(({ event }) => event === "message").map(({ message }) => message);
