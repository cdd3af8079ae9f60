import { connectTo } from "./transport.ts";

/** The whole answer to a GET with these header lines, byte for byte, on a connection of its own. */
export function askInLines(
	url: string,
	path: string,
	lines: readonly string[],
): Promise<string> {
	const { hostname, port } = new URL(url);
	const head = [`GET ${path} HTTP/1.1`, "host: x", "connection: close"];
	return new Promise((resolve, reject) => {
		const socket = connectTo(Number(port), hostname);
		let text = "";
		socket.setEncoding("latin1");
		socket.on("data", (chunk) => {
			text += chunk;
		});
		socket.on("error", reject);
		socket.on("close", () => resolve(text));
		socket.write(`${[...head, ...lines].join("\r\n")}\r\n\r\n`, "latin1");
	});
}
