/** The server of the page: the files of `page/`, as any web server gives them. It knows nothing of the chat. */
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";

const types: Readonly<Record<string, string>> = {
	".css": "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
};

/** A server that listens. */
export interface RunningPageServer {
	/** Its origin, without a slash at the end. */
	readonly url: string;
	close(): Promise<void>;
}

/** Reads the files once, and serves them on a free port of loopback. */
export async function startPageServer(): Promise<RunningPageServer> {
	const folder = join(import.meta.dirname, "page");
	const files = new Map(
		readdirSync(folder).map((name) => [
			name === "index.html" ? "/" : `/${name}`,
			{ type: types[extname(name)], body: readFileSync(join(folder, name)) },
		]),
	);
	const server = createServer(({ url = "" }, response) => {
		const file = files.get(url.split("?")[0] ?? "");
		if (file?.type === undefined) {
			response.writeHead(404, { "content-type": "text/plain" });
			response.end("There is no such page.\n");
			return;
		}
		const { type, body } = file;
		response.writeHead(200, {
			"content-type": type,
			"cache-control": "no-cache",
		});
		response.end(body);
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${port}`,
		async close() {
			server.close();
			server.closeAllConnections();
			await once(server, "close");
		},
	};
}
