import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** An upstream that keeps every byte it is sent, and answers `{}` to each request it can make out in them. */
export interface RawUpstream extends AsyncDisposable {
	readonly url: string;
	/** All that came since it was last asked, over all connections, as Latin-1. */
	taken(): string;
}

export async function startRawUpstream(): Promise<RawUpstream> {
	let all = "";
	const sockets = new Set<Socket>();
	const server = createServer((socket) => {
		sockets.add(socket);
		let unread = "";
		socket.on("error", () => {});
		socket.on("close", () => sockets.delete(socket));
		socket.on("data", (chunk) => {
			const text = chunk.toString("latin1");
			all += text;
			unread += text;
			for (let end = endOf(unread); end > 0; end = endOf(unread)) {
				unread = unread.slice(end);
				socket.write(
					"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
				);
			}
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		taken() {
			const taken = all;
			all = "";
			return taken;
		},
		async [Symbol.asyncDispose]() {
			for (const socket of sockets) socket.destroy();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

/** Where the first request ends; 0 where it has not. */
function endOf(text: string): number {
	const head = text.indexOf("\r\n\r\n");
	if (head < 0) return 0;
	const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1];
	const end = head + 4 + Number(length ?? 0);
	return text.length < end ? 0 : end;
}
