import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { listen } from "../../src/server/server.ts";
import { realClock, type Scope } from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { openClient } from "./client.ts";

/** What a handle gets to see of a request. */
interface Seen {
	readonly method: string;
	readonly target: string;
	readonly body: string;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Reads a stream by the letter of RFC 9112, as slowly and plainly as can be, up to the first thing that is not by it:
 * the requests in front of that are all that may ever be handled.
 */
function readStrictly(stream: string): Seen[] {
	const seen: Seen[] = [];
	let rest = stream;
	for (;;) {
		// 2.2: empty lines in front of a request line are let pass.
		rest = rest.replace(/^[\r\n]+/, "");
		const end = rest.indexOf("\r\n\r\n");
		if (end < 0) return seen;
		const [first = "", ...lines] = rest.slice(0, end).split("\r\n");
		rest = rest.slice(end + 4);
		// 3: a reader may take several spaces for one, and Node's parser does.
		const [, method, target, minor] =
			/^(GET|POST|PUT) +(\/[\x21-\x7e]*) +HTTP\/1\.([01])$/.exec(first) ?? [];
		if (method === undefined || target === undefined) return seen;
		const fields = lines.map(readField);
		if (fields.some((field) => field === null)) return seen;
		const values = (name: string) =>
			fields.flatMap((field) => (field?.name === name ? [field.value] : []));
		const hosts = values("host");
		if (hosts.length > 1 || (minor === "1" && hosts.length === 0)) return seen;
		// The hosts that the damage makes.
		if (!hosts.every((host) => /^[\w,.-]+(?::\d*)?$/.test(host))) return seen;
		// Ours alone: what others may take for a framing field.
		if (values("content_length").length > 0) return seen;
		const found = readBody(
			rest,
			values("content-length"),
			values("transfer-encoding"),
		);
		if (found === null) return seen;
		rest = found.rest;
		seen.push({ method, target, body: found.body });
		const options = values("connection").join().toLowerCase();
		if (/\bclose\b/.test(options)) return seen;
		if (minor === "0" && !/keep-alive/.test(options)) return seen;
	}
}

function readField(line: string): { name: string; value: string } | null {
	const colon = line.indexOf(":");
	const name = line.slice(0, Math.max(0, colon));
	const value = line.slice(colon + 1);
	if (!token.test(name) || /[\0-\x08\x0a-\x1f\x7f]/.test(value)) return null;
	return {
		name: name.toLowerCase(),
		value: value.replaceAll(/^[ \t]+|[ \t]+$/g, ""),
	};
}

function readBody(
	text: string,
	lengths: readonly string[],
	codings: readonly string[],
): { body: string; rest: string } | null {
	if (lengths.length + codings.length > 1) return null;
	if (codings.length === 1) {
		return codings[0]?.toLowerCase() === "chunked" ? readChunks(text) : null;
	}
	const [digits = "0"] = lengths;
	const length = Number(digits);
	if (!/^\d+$/.test(digits) || length > text.length) return null;
	return { body: text.slice(0, length), rest: text.slice(length) };
}

function readChunks(text: string): { body: string; rest: string } | null {
	let body = "";
	let rest = text;
	for (;;) {
		const [head, size = ""] =
			/^([\da-f]+)(?:;[^\r\n\0]*)?\r\n/i.exec(rest) ?? [];
		if (head === undefined) return null;
		const length = Number.parseInt(size, 16);
		rest = rest.slice(head.length);
		if (length === 0) break;
		if (rest.slice(length, length + 2) !== "\r\n") return null;
		body += rest.slice(0, length);
		rest = rest.slice(length + 2);
	}
	for (;;) {
		const end = rest.indexOf("\r\n");
		if (end < 0) return null;
		const line = rest.slice(0, end);
		rest = rest.slice(end + 2);
		if (line === "") return { body, rest };
		if (readField(line) === null) return null;
	}
}

/* Streams */

const bodyText = fc.string({
	unit: fc.constantFrom(
		"a",
		"0",
		"\r\n",
		"\n",
		" ",
		":",
		"GET / HTTP/1.1",
		"\r\n\r\n",
	),
	maxLength: 12,
});

const request = fc
	.record({
		id: fc.nat(999),
		kind: fc.constantFrom("none", "length", "chunks"),
		body: bodyText,
		pieces: fc.integer({ min: 1, max: 5 }),
		extra: fc.constantFrom(
			"",
			"X-A: b\r\n",
			"Connection: keep-alive\r\n",
			"x:\ty \r\n",
		),
		version: fc.constantFrom("1.1", "1.1", "1.1", "1.0"),
	})
	.map(({ id, kind, body, pieces, extra, version }) => {
		const head = (method: string, framing: string) =>
			`${method} /${id} HTTP/${version}\r\nHost: a\r\n${extra}${version === "1.0" ? "Connection: keep-alive\r\n" : ""}${framing}\r\n`;
		if (kind === "none") return head("GET", "");
		if (kind === "length" || version === "1.0") {
			return head("POST", `Content-Length: ${body.length}\r\n`) + body;
		}
		const step = Math.ceil(body.length / pieces) || 1;
		let chunks = "";
		for (let at = 0; at < body.length; at += step) {
			const chunk = body.slice(at, at + step);
			chunks += `${chunk.length.toString(16)};x=y\r\n${chunk}\r\n`;
		}
		return `${head("PUT", "Transfer-Encoding: chunked\r\n")}${chunks}0\r\n\r\n`;
	});

const noise = fc.constantFrom(
	..."\r\n \t:;,_-01fGP/\0\x7f\x80é".split(""),
	"\r\n",
	"\r\n\r\n",
	"Host: b\r\n",
	"Content-Length: 3\r\n",
	"Content_Length: 3\r\n",
	"Transfer-Encoding: chunked\r\n",
	"Transfer-Encoding: ,chunked\r\n",
	"Connection: close\r\n",
	"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
	"0\r\n\r\n",
);

const mutation = fc.record({
	at: fc.double({ min: 0, max: 1, noNaN: true }),
	removes: fc.integer({ min: 0, max: 3 }),
	adds: fc.option(noise, { nil: "" }),
});

const stream = fc
	.record({
		requests: fc.array(request, { minLength: 1, maxLength: 8 }),
		mutations: fc.array(mutation, { maxLength: 3 }),
	})
	.map(({ requests, mutations }) =>
		mutations.reduce((text, { at, removes, adds }) => {
			const place = Math.floor(at * text.length);
			return text.slice(0, place) + adds + text.slice(place + removes);
		}, requests.join("")),
	);

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
	maxLength: 8,
});

function cut(text: string, at: readonly number[]): string[] {
	const places = at
		.map((each) => Math.floor(each * text.length))
		.toSorted((a, b) => a - b);
	return [0, ...places].map((place, index) => text.slice(place, places[index]));
}

/* The property */

const clock = realClock();

interface Carried {
	readonly seen: readonly Seen[];
	readonly statuses: readonly number[];
}

async function carry(pieces: readonly string[]): Promise<Carried> {
	// In the order they came; without a body where that did not come whole.
	const begun: { method: string; target: string; body: string | null }[] = [];
	const scopes: Scope[] = [];
	const server = await listen({
		...serverDefaults,
		host: "127.0.0.1",
		port: 0,
		clock,
		healthPath: null,
		headerFieldsMax: 100,
		headerBytesMax: 16 * 1024,
		handle: async (request, scope) => {
			scopes.push(scope);
			const { method, target } = request;
			const entry = { method, target, body: null as string | null };
			begun.push(entry);
			const body = await request.readBody(1000);
			entry.body = Buffer.from(body).toString("latin1");
			return { status: 200, headers: [], body: target };
		},
	});
	try {
		const received = await sendAll(server.port, pieces);
		const seen = begun.filter((each): each is Seen => each.body !== null);
		return { seen, statuses: statusesIn(received) };
	} finally {
		await server.close();
		assert.equal(clock.pending, 0, "a timer was left");
		assert.ok(
			scopes.every(({ listeners }) => listeners === 0),
			"somebody still listens",
		);
	}
}

/** Sends the pieces one by one, ends, and gives all that came back until the connection was gone. */
async function sendAll(
	port: number,
	pieces: readonly string[],
): Promise<string> {
	using client = await openClient(port);
	client.socket.setNoDelay(true);
	for (const piece of pieces) {
		client.socket.write(piece, "latin1");
		await new Promise((resolve) => setImmediate(resolve));
	}
	await quiet(client.socket);
	client.socket.end();
	return client.gone();
}

/** Whoever ends has left: so only when no more answers come. Both sides turn in this one loop. */
async function quiet(socket: Socket): Promise<void> {
	for (let turns = 0, read = 0; turns < 20 && !socket.closed; turns++) {
		if (socket.bytesRead > read) turns = 0;
		read = socket.bytesRead;
		await new Promise((resolve) => setImmediate(resolve));
	}
}

/** Fails where it is not a row of whole answers. */
function statusesIn(received: string): number[] {
	const statuses: number[] = [];
	for (let rest = received; rest !== ""; ) {
		const [head = "", status] =
			/^HTTP\/1\.1 (\d{3}) [^\r]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(rest) ??
			assert.fail(`no answer: ${JSON.stringify(rest)}`);
		const length = Number(/\r\ncontent-length: (\d+)\r\n/.exec(head)?.[1] ?? 0);
		assert.ok(rest.length >= head.length + length, "half an answer");
		statuses.push(Number(status));
		rest = rest.slice(head.length + length);
	}
	return statuses;
}

test("of a stream, however damaged and cut, exactly the whole requests in front are handled, each answered once, in order", async () => {
	await fc.assert(
		fc.asyncProperty(stream, cuts, async (text, places) => {
			const { seen, statuses } = await carry(cut(text, places));
			assert.deepEqual(seen, readStrictly(text));
			const good = statuses.filter((status) => status === 200);
			assert.equal(good.length, seen.length);
			// One refusal at most, and nothing after it.
			const bad = statuses.filter((status) => status !== 200);
			assert.ok(bad.length <= 1, statuses.join());
			assert.ok(bad.length === 0 || statuses.at(-1) !== 200);
		}),
		{ numRuns: 600 },
	);
});

test("of a whole stream, however cut, all requests are handled and answered", async () => {
	const whole = fc.array(request, { minLength: 1, maxLength: 16 });
	await fc.assert(
		fc.asyncProperty(whole, cuts, async (requests, places) => {
			const text = requests.join("");
			const { seen, statuses } = await carry(cut(text, places));
			assert.deepEqual(seen, readStrictly(text));
			assert.deepEqual(
				statuses,
				requests.map(() => 200),
			);
		}),
		{ numRuns: 200 },
	);
});
