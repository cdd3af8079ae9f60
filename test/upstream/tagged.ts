import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { headerOf } from "../../src/core/http/headers.ts";
import type { StreamHead } from "../../src/core/http/messages.ts";
import { openScope, realClock, type Scope } from "../../src/tasks/index.ts";
import { openWire } from "../../src/upstream/wire/open-wire.ts";
import type { Wire } from "../../src/upstream/wire/wire.ts";
import { promisingWire, requestOf } from "../kit/policy.ts";
import type { Random } from "./answers.ts";
import { httpHead, openPeer, type Received } from "./peer.ts";

/** How the exchanges ended. */
export interface Ends {
	answered: number;
	failed: number;
	aborted: number;
}

const atOnce = 24;

/**
 * Makes so many exchanges, each with a tag, with a server that answers with the tag in every way there is, or breaks off
 * at any point, while callers give up at any point. Fails where an answer is given to another request, or is half of one.
 */
export async function exchangeTagged(
	count: number,
	random: Random,
): Promise<Ends> {
	await using peer = await openPeer({
		onRequest: (received) => answerTagged(received, random),
	});
	const { origin } = peer;
	const clock = realClock();
	const settings = { name: "tagged", origin, bodyBytesMax: 100_000, tls: null };
	const wire = openWire(settings, clock);
	const scope = openScope({ clock });
	const ends = { answered: 0, failed: 0, aborted: 0 };
	let tag = 0;
	const worker = async () => {
		while (tag < count) await exchange(wire, scope, tag++, random, ends);
	};
	await Promise.all(Array.from({ length: atOnce }, worker));
	await wire.close();
	assert.equal(scope.listeners, 0, "a listener was left");
	assert.equal(clock.pending, 0, "a timer was left");
	return ends;
}

async function exchange(
	wire: Wire,
	outer: Scope,
	tag: number,
	random: Random,
	ends: Ends,
): Promise<void> {
	const scope = openScope({ parent: outer });
	const givenUp = new Error("given up");
	if (random(4) === 0) {
		void afterTurns(random(8)).then(() => scope.cancel(givenUp));
	}
	const make = random(3) === 0 ? streamOnce : callOnce;
	try {
		const { text, told } = await make(wire, scope, tag, random);
		assert.equal(told, `${tag}`, "the head of another's answer");
		assert.equal(text, bodyOf(tag), "another's answer");
		ends.answered++;
	} catch (error) {
		if (error instanceof assert.AssertionError) throw error;
		if (error === givenUp) ends.aborted++;
		else ends.failed++;
	} finally {
		scope.close();
	}
}

interface Told {
	readonly text: string;
	/** What the head says whose answer it is. */
	readonly told: string | null;
}

async function callOnce(
	wire: Wire,
	scope: Scope,
	tag: number,
	random: Random,
): Promise<Told> {
	const posts = random(2) === 0;
	const answer = await promisingWire(wire).call(
		requestOf({
			method: posts ? "POST" : "GET",
			target: `/${tag}`,
			body: posts ? "облачно".repeat(random(50)) : null,
			idempotent: !posts,
		}),
		scope,
	);
	const text = Buffer.from(answer.body).toString("latin1");
	return { text, told: tagIn(answer.headers) };
}

function streamOnce(
	wire: Wire,
	scope: Scope,
	tag: number,
	random: Random,
): Promise<Told> {
	return new Promise((resolve, reject) => {
		let reading: Promise<Told> | null = null;
		const onHead = (head: StreamHead) => {
			reading = read(head, random);
			reading.catch(() => {});
		};
		const pieces = random(4);
		const body = {
			length: 5 * pieces,
			async *[Symbol.asyncIterator]() {
				for (let at = 0; at < pieces; at++) {
					await afterTurns(random(3));
					yield Buffer.from("piece");
				}
			},
		};
		const bodied = pieces > 0;
		promisingWire(wire)
			.stream(
				{
					method: bodied ? "POST" : "GET",
					target: `/${tag}`,
					headers: [],
					body: bodied ? body : null,
					idempotent: !bodied,
					requestId: "test-request",
					client: "192.0.2.1",
					timeoutMs: 1000,
					idleMs: 1000,
					untakenMs: 1000,
					onHead,
				},
				scope,
			)
			.then(() => resolve(reading as Promise<Told>), reject);
	});
}

async function read(head: StreamHead, random: Random): Promise<Told> {
	let text = "";
	for await (const piece of head.body) {
		text += Buffer.from(piece).toString("latin1");
		if (random(4) === 0) await afterTurns(1);
	}
	return { text, told: tagIn(head.headers) };
}

function tagIn(headers: readonly string[]): string | null {
	return headerOf(headers, "x-tag");
}

/** Long for some, so that they come in many reads. */
function bodyOf(tag: number): string {
	return `<${tag}>`.repeat(1 + (tag % 97) * (tag % 11));
}

/** Connections that end soon: an answer without a length would be whole by that. */
const ending = new WeakSet<Socket>();

async function answerTagged(
	{ head, socket }: Received,
	random: Random,
): Promise<void> {
	const tag = Number(/\/(\d+) /.exec(head[0] ?? "")?.[1]);
	const { text, behind, last } = framed(tag, random, ending.has(socket));
	if (random(3) === 0) await afterTurns(random(6));
	const fate = random(20);
	if (fate === 0) return void reset(socket);
	if (fate === 1) return void socket.end();
	const end = fate < 4 ? random(text.length) : text.length;
	for (let at = 0; at < end; ) {
		const next = Math.min(end, random(4) === 0 ? at + 1 + random(end) : end);
		const piece = text.slice(at, next);
		socket.write(next === text.length ? piece + behind : piece, "latin1");
		at = next;
		if (random(2) === 0) await afterTurns(1 + random(2));
	}
	// Its end would make it whole.
	const half = last && end < text.length;
	if (fate === 2 || half) reset(socket);
	else if (fate === 3 || last) socket.end();
	// Without a word, so that the next request may meet it.
	else if (fate === 4) {
		ending.add(socket);
		setImmediate(() => socket.end());
	} else if (fate === 5) setImmediate(() => reset(socket));
}

/** A reset after an end was begun is refused by the system, and Node then never lets go of the connection. */
function reset(socket: Socket): void {
	if (socket.writableEnded) socket.destroy();
	else socket.resetAndDestroy();
}

/** An answer, `measured` one that says how long it is; what comes right behind it, and whether its connection ends with it. */
function framed(
	tag: number,
	random: Random,
	measured: boolean,
): {
	readonly text: string;
	readonly behind: string;
	readonly last: boolean;
} {
	const body = bodyOf(tag);
	const early = random(5) === 0 ? httpHead(103, "x-tag: early") : "";
	const named = `x-tag: ${tag}`;
	switch (measured ? 1 + random(4) : random(5)) {
		case 0:
			return {
				text: `${early}${httpHead(200, named)}${body}`,
				behind: "",
				last: true,
			};
		case 1: {
			const half = random(body.length);
			const chunks = [body.slice(0, half), body.slice(half)]
				.filter((chunk) => chunk !== "")
				.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`);
			const coding = "transfer-encoding: chunked";
			return {
				text: `${early}${httpHead(200, coding, named)}${chunks.join("")}0\r\n\r\n`,
				behind: "",
				last: false,
			};
		}
		case 2: {
			// With another behind it, which must reach nobody.
			const length = `content-length: ${body.length}`;
			const other = `${httpHead(200, "x-tag: other", "content-length: 6")}secret`;
			return {
				text: `${httpHead(200, named, length)}${body}`,
				behind: other,
				last: false,
			};
		}
		default: {
			const length = `content-length: ${body.length}`;
			return {
				text: `${early}${httpHead(200, named, length)}${body}`,
				behind: "",
				last: false,
			};
		}
	}
}

async function afterTurns(turns: number): Promise<void> {
	for (let left = turns; left > 0; left--) {
		await new Promise((resolve) => setImmediate(resolve));
	}
}
