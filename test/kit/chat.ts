import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { startPageServer } from "../../examples/chat/page-server.ts";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { type RunningServer, serve } from "../../src/server/serve.ts";

const chatExample = readFileSync(
	new URL("../../examples/chat/sluice.yaml", import.meta.url),
	"utf8",
);

/** The gateway of the chat, with the server of its page. */
export interface Chat extends AsyncDisposable {
	readonly url: string;
	readonly gateway: Gateway;
	/** Ends the gateway, as a signal does, or cuts every connection, as a crash does. */
	stop(how: "drain" | "cut"): Promise<void>;
	/** Starts another one at the same address. It knows nothing of what was said. */
	start(): Promise<void>;
}

/** `change` makes another config of the example's. */
export async function startChat(
	change: (yaml: string) => string = (yaml) => yaml,
): Promise<Chat> {
	const page = await startPageServer();
	const env = { PAGE_URL: page.url };
	// A busy machine begins requests late.
	const yaml = `overload: false\n${change(chatExample)}`;
	const config = configOrThrow(checkText(yaml, "sluice.yaml", env));
	let gateway: Gateway;
	let server: RunningServer | null = null;
	const start = async (port: number) => {
		gateway = createGateway(config, { env });
		server = await serve(gateway, { port, host: "127.0.0.1" });
	};
	const stop = async (how: "drain" | "cut") => {
		if (how === "drain") await server?.drain(5_000, 0);
		await server?.close();
		server = null;
		await gateway.close();
	};
	await start(0);
	const { url } = server as unknown as RunningServer;
	return {
		url,
		get gateway() {
			return gateway;
		},
		stop,
		start: () => start(Number(new URL(url).port)),
		async [Symbol.asyncDispose]() {
			await stop("cut");
			await page.close();
		},
	};
}

/** A server before the gateway that lets no WebSocket through. */
export interface Strict extends AsyncDisposable {
	readonly url: string;
}

/** Events it passes on, cuts off, or holds back as a proxy does that waits for the end of an answer. */
export async function startStrict(
	chat: Chat,
	events: "pass" | "cut" | "hold",
	port = 0,
): Promise<Strict> {
	const server = createServer((request, response) => {
		const { headers, method = "", url = "" } = request;
		const isEvents = headers.accept === "text/event-stream";
		if (isEvents && events === "cut") {
			request.socket.destroy();
			return;
		}
		const asked = httpRequest(chat.url + url, { method, headers });
		asked.on("error", () => request.socket.destroy());
		response.on("close", () => asked.destroy());
		asked.on("response", (answer) => {
			if (isEvents && events === "hold") return;
			response.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
			answer.on("error", () => response.destroy());
			answer.pipe(response);
		});
		request.pipe(asked);
	});
	server.on("upgrade", (_, socket) => socket.destroy());
	server.listen(port, "127.0.0.1");
	await once(server, "listening");
	const address = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${address.port}`,
		async [Symbol.asyncDispose]() {
			server.close();
			server.closeAllConnections();
			await once(server, "close");
		},
	};
}
