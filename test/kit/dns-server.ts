import { createSocket } from "node:dgram";
import { once } from "node:events";

/** A name server on loopback, which answers as the test says. */
export interface DnsServer extends AsyncDisposable {
	/** `127.0.0.1:port`. */
	readonly address: string;
	/** `A users.test`, in the order in which they were asked. */
	readonly asked: readonly string[];
}

export interface DnsAnswer {
	readonly addresses: readonly string[];
	/** In seconds. */
	readonly ttl?: number;
}

/** Null: there is no such name. `hang`: it is never answered. */
export type Answering = (
	type: "A" | "AAAA",
	name: string,
) => DnsAnswer | "hang" | null;

export async function startDnsServer(answering: Answering): Promise<DnsServer> {
	const asked: string[] = [];
	const socket = createSocket("udp4");
	socket.on("message", (query, { port, address }) => {
		let end = 12;
		const labels: string[] = [];
		for (; query[end] !== 0; end += 1 + (query[end] ?? 0)) {
			labels.push(
				query.toString("latin1", end + 1, end + 1 + (query[end] ?? 0)),
			);
		}
		const type = query.readUInt16BE(end + 1) === 28 ? "AAAA" : "A";
		const name = labels.join(".").toLowerCase();
		asked.push(`${type} ${name}`);
		const answer = answering(type, name);
		if (answer === "hang") return;
		const records = (answer?.addresses ?? []).map((one) =>
			recordOf(type, one, answer?.ttl ?? 60),
		);
		const head = Buffer.alloc(12);
		query.copy(head, 0, 0, 2);
		// An answer, with recursion; code 3 says that there is no such name.
		head.writeUInt16BE(answer === null ? 0x8183 : 0x8180, 2);
		head.writeUInt16BE(1, 4);
		head.writeUInt16BE(records.length, 6);
		const question = query.subarray(12, end + 5);
		socket.send(Buffer.concat([head, question, ...records]), port, address);
	});
	socket.bind(0, "127.0.0.1");
	await once(socket, "listening");
	return {
		address: `127.0.0.1:${socket.address().port}`,
		asked,
		async [Symbol.asyncDispose]() {
			const closed = once(socket, "close");
			socket.close();
			await closed;
		},
	};
}

function recordOf(type: "A" | "AAAA", address: string, ttl: number): Buffer {
	const bytes =
		type === "A"
			? Buffer.from(address.split(".").map(Number))
			: bytesOfSix(address);
	const record = Buffer.alloc(12);
	// The name is the question's, which begins at byte 12.
	record.writeUInt16BE(0xc00c, 0);
	record.writeUInt16BE(type === "A" ? 1 : 28, 2);
	record.writeUInt16BE(1, 4);
	record.writeUInt32BE(ttl, 6);
	record.writeUInt16BE(bytes.length, 10);
	return Buffer.concat([record, bytes]);
}

function bytesOfSix(address: string): Buffer {
	const [before = "", after = ""] = address.split("::");
	const groups = (text: string) => (text === "" ? [] : text.split(":"));
	const first = groups(before);
	const last = groups(after);
	const zeros = Array<string>(8 - first.length - last.length).fill("0");
	const bytes = Buffer.alloc(16);
	for (const [at, group] of [...first, ...zeros, ...last].entries()) {
		bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * at);
	}
	return bytes;
}
