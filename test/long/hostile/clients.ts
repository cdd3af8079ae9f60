/**
 * The hostile clients of the hostile hour, in a process of their own. Each kind has an address of its own on the loopback net.
 * Told the gateway's port, the kinds of bad upstreams and for how long, it ends by itself.
 */
import { connect, type Socket } from "node:net";

interface Order {
	readonly port: number;
	readonly kinds: readonly string[];
	readonly ms: number;
}

/** Within which all of them have come for the first time. */
const arrivalMs = 2_000;

let over = false;
const open = new Set<Socket>();

/** A connection of a kind of client; told when it is over, so that another can take its place. */
function line(port: number, address: string, onOver: () => void): Socket {
	const socket = connect({ port, host: "127.0.0.1", localAddress: address });
	open.add(socket);
	socket.on("error", () => {});
	socket.on("close", () => {
		open.delete(socket);
		// A client that is refused at once comes again, but not in the same moment.
		if (!over) setTimeout(onOver, 100);
	});
	return socket;
}

type Kind = (socket: Socket, order: Order, at: number) => void;

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;

const post = (path: string, body: string) =>
	`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** Writes something every so often, as long as the connection is there. */
function every(socket: Socket, ms: number, write: () => void): void {
	const timer = setInterval(write, ms);
	socket.on("close", () => clearInterval(timer));
}

/** Asks anew a moment after each answer has come. Without a pause the clients would take what the gateway needs. */
function again(socket: Socket, ask: () => string): void {
	let timer: NodeJS.Timeout | null = null;
	const askAnew = () => {
		timer = null;
		socket.write(ask());
	};
	socket.on("data", () => {
		timer ??= setTimeout(askAnew, 50);
	});
	socket.on("close", () => clearTimeout(timer ?? undefined));
	socket.write(ask());
}

const objects = JSON.stringify(
	Array.from({ length: 20_000 }, (_, at) => ({ b: at, a: at, c: "x" })),
);
const listOfLists = `[${"[],".repeat(300_000)}[]]`;
const names = JSON.stringify({
	name: `${"a".repeat(100_000)}!`,
	tags: Array.from({ length: 20_000 }, (_, at) => [at % 100, {}]),
});

/** How many of each kind, and what one does. */
const clients: Record<string, [count: number, kind: Kind]> = {
	"heads byte by byte": [
		100,
		(socket) => {
			socket.write("GET / HTTP/1.1\r\nhost: localhost\r\nx: ");
			every(socket, 200, () => void socket.write("y"));
		},
	],
	"bodies byte by byte": [
		100,
		(socket, _order, at) => {
			const path = at % 2 === 0 ? "POST /compute" : "PUT /files/a";
			socket.write(
				`${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 900000\r\n\r\n[`,
			);
			every(socket, 200, () => void socket.write(" "));
		},
	],
	"readers of nothing": [
		50,
		(socket) => {
			socket.pause();
			socket.write(get("/files/big").repeat(16));
		},
	],
	"slow readers": [
		50,
		(socket) => {
			socket.write(get("/files/big"));
			socket.on("data", () => {
				socket.pause();
				setTimeout(() => socket.resume(), 200);
			});
		},
	],
	"listeners that stay": [100, (socket) => void socket.write(get("/events"))],
	"costly bodies": [
		8,
		(socket, _order, at) =>
			again(socket, () =>
				post(
					...((
						[
							["/compute", objects],
							["/compute", listOfLists],
							["/judge", names],
						] as const
					)[at % 3] as [string, string]),
				),
			),
	],
	noise: [
		20,
		(socket, _order, at) => {
			const noises = [
				"\0\xff".repeat(1000),
				`${get("/")}GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n`,
				`GET / HTTP/1.1\r\n${"a: b\r\n".repeat(20_000)}`,
				"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
				"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
			];
			socket.write(noises[at % noises.length] ?? "", "latin1");
		},
	],
	"connections without a request": [
		100,
		(socket, _order, at) => {
			const timer = setTimeout(() => socket.destroy(), 50 + (at % 20) * 50);
			socket.on("close", () => clearTimeout(timer));
		},
	],
	floods: [
		30,
		(socket) => {
			const many = get("/good/1").repeat(16);
			socket.on("data", () => {});
			socket.write(many);
			every(socket, 400, () => void socket.write(many));
		},
	],
	paths: [
		10,
		(socket, _order, at) =>
			again(socket, () => {
				const paths = [
					`/files/%2${"5".repeat(12_000)}`,
					"/files/..%2f..%2fadmin",
					`/good/${"%e0%80%af".repeat(1500)}`,
					`/x?${"a=b&".repeat(3500)}`,
				];
				return get(paths[at % paths.length] ?? "");
			}),
	],
	leavers: [
		20,
		(socket) => {
			socket.write(get("/good/7"));
			const timer = setTimeout(() => socket.destroy(), 4);
			socket.on("close", () => clearTimeout(timer));
		},
	],
	"askers of bad upstreams": [
		24,
		(socket, { kinds }, at) => {
			let turn = at;
			again(socket, () => {
				const kind = kinds[turn++ % kinds.length] ?? "";
				return get(`${turn % 3 === 0 ? "/evils/" : "/evil/"}${kind}`);
			});
		},
	],
};

process.on("message", (order: Order) => {
	Object.values(clients).forEach(([count, kind], index) => {
		const address = `127.0.1.${index + 1}`;
		const begin = (at: number) => {
			if (over) return;
			const socket = line(order.port, address, () => begin(at));
			socket.on("connect", () => kind(socket, order, at));
		};
		for (let at = 0; at < count; at++) {
			setTimeout(begin, (at / count) * arrivalMs, at);
		}
	});
	setTimeout(() => {
		over = true;
		for (const socket of open) socket.destroy();
		process.send?.("over", () => process.exit());
	}, order.ms);
});
process.send?.(Object.keys(clients));
