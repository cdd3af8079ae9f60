/** The upstreams of the hostile hour, in a process of their own: a good one, and one with every fault. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

const file = Buffer.alloc(8 * 1024 ** 2, "x");

const good = createServer((request, response) => {
	const { pathname } = new URL(request.url ?? "/", "http://x");
	request.resume();
	if (pathname.startsWith("/files/")) {
		if (request.method === "GET") response.end(file);
		else request.on("end", () => response.end("taken"));
		return;
	}
	response.setHeader("content-type", "application/json");
	const id = pathname.split("/")[2] ?? "0";
	const answers: Record<string, unknown> = {
		users: { id, name: `user ${id}` },
		orders: Array.from({ length: 20 }, (_, at) => ({ id: at, of: id })),
		advice: { text: "read more" },
	};
	setTimeout(() => {
		response.end(JSON.stringify(answers[pathname.split("/")[1] ?? ""] ?? null));
	}, 5);
});

const text = (length: number, part: string) =>
	part.repeat(Math.ceil(length / part.length)).slice(0, length);

const mebibyte = 1024 ** 2;

const bodies: Record<string, string | Buffer> = {
	lists: `[${text(8 * mebibyte - 4, "[],")}[]]`,
	keys: `{${Array.from({ length: 80_000 }, (_, at) => `"k${at}":1`).join()}}`,
	deep: "[".repeat(500_000),
	digits: `[${text(900_000, "9")}]`,
	longIntegers: `[${Array.from({ length: 40_000 }, () => "12345678901234567890").join()}]`,
	escapes: JSON.stringify("\0".repeat(150_000)),
	html: "<html>maintenance</html>",
	cut: '{"a": [1, 2',
	bomb: gzipSync(Buffer.alloc(200 * mebibyte, "[],")),
	gzipped: gzipSync(`[${text(mebibyte - 5, "[],")}[]]`),
};

function raw(response: ServerResponse, bytes: string): void {
	response.socket?.write(bytes);
}

/** What is sent byte by byte or never ends, by name. Each ends by itself when the gateway leaves. */
const manners: Record<string, (response: ServerResponse) => void> = {
	hang() {},
	drip(response) {
		response.setHeader("content-length", 10_000);
		const timer = setInterval(() => response.write("1"), 50);
		response.on("close", () => clearInterval(timer));
	},
	short(response) {
		response.setHeader("content-length", 1000);
		response.write("{");
		response.socket?.end();
	},
	interim(response) {
		const timer = setInterval(
			() => raw(response, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
			1,
		);
		response.on("close", () => clearInterval(timer));
	},
	fields(response) {
		const fields = Array.from({ length: 500 }, (_, at) => `x-${at}: ${at}\r\n`);
		const timer = setInterval(() => raw(response, fields.join("")), 5);
		raw(response, "HTTP/1.1 200 OK\r\n");
		response.on("close", () => clearInterval(timer));
	},
	noise(response) {
		raw(response, text(100_000, "\0\xff\r\n:"));
		response.socket?.destroy();
	},
	endless(response) {
		const more = () => {
			while (response.write(file));
		};
		response.on("drain", more);
		more();
	},
	surplus(response) {
		raw(
			response,
			"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
		);
	},
	events(response) {
		response.setHeader("content-type", "text/event-stream");
		const timer = setInterval(() => response.write("data: 1\n\n"), 1000);
		response.on("close", () => clearInterval(timer));
	},
};

const evil = createServer((request, response) => {
	const name = new URL(request.url ?? "/", "http://x").pathname.slice(1);
	response.on("error", () => {});
	const body = bodies[name];
	if (body === undefined) return manners[name]?.(response);
	response.setHeader("content-type", "application/json");
	if (name === "bomb" || name === "gzipped") {
		response.setHeader("content-encoding", "gzip");
	}
	response.end(body);
});
evil.on("connection", (socket) => socket.on("error", () => {}));
evil.on("clientError", (_error, socket) => socket.destroy());

const origins = [];
for (const server of [good, evil]) {
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	origins.push(`http://127.0.0.1:${port}`);
}
process.send?.({
	origins,
	kinds: [...Object.keys(bodies), ...Object.keys(manners)],
});
