import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { GatewayError } from "../../src/core/errors.ts";
import {
	type Handle,
	listen,
	type Server,
	type ServerOptions,
} from "../../src/server/server.ts";
import { realClock, type Scope, virtualClock } from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { testTls } from "../kit/transport.ts";
import {
	asks,
	endHeaders,
	endStream,
	fields,
	frame,
	get,
	number32,
	openFrames,
	post,
	preface,
	setting,
	types,
} from "./frames.ts";

let stack: AsyncDisposableStack;
let server: Server;

beforeEach(() => {
	stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function serve(
	handle: Handle,
	options: Partial<ServerOptions> = {},
): Promise<void> {
	server = await listen({
		...serverDefaults,
		...{ host: "127.0.0.1", port: 0, tls: testTls },
		...{ clock: realClock(), handle },
		...options,
	});
	const opened = server;
	stack.defer(() => opened.close());
}

const calm = 11;

/** The code with which the connection ended; null if it ended without one. */
async function endOf(frames: readonly Buffer[]): Promise<number | null> {
	const client = stack.use(await openFrames(server.port));
	client.send(...frames);
	const end = await client.find(({ type }) => type === types.goaway);
	return end && end.payload.readUInt32BE(4);
}

const repeated = (count: number, make: (index: number) => Buffer) =>
	Array.from({ length: count }, (_, index) => make(index));

describe("a client that costs more than it pays", () => {
	test("by 10,000 requests that it takes back at once is cut off, for less than a second of the processor", async () => {
		let begun = 0;
		await serve((_request, scope) => {
			begun++;
			return new Promise((_, reject) => scope.onCancel(reject));
		});
		const frames = repeated(10_000, (index) =>
			Buffer.concat([
				get(2 * index + 1),
				frame(types.reset, 0, 2 * index + 1, number32(8)),
			]),
		);
		const before = process.cpuUsage();
		const code = await endOf(frames);
		const { user, system } = process.cpuUsage(before);
		assert.ok(code === calm || code === 2 || code === null, String(code));
		assert.ok(begun < 1_000, `${begun} were begun`);
		const seconds = (user + system) / 1e6;
		assert.ok(seconds < 1, `${seconds} s, the client's share included`);
	});

	test("by requests that it breaks, so that we reset them, is cut off", async () => {
		await serve(() => new Promise(() => {}));
		const code = await endOf(
			repeated(3_000, (index) =>
				Buffer.concat([
					frame(types.headers, endHeaders, 2 * index + 1, asks("POST")),
					frame(types.window, 0, 2 * index + 1, number32(0)),
				]),
			),
		);
		assert.notEqual(code, 0);
	});

	for (const [what, frames] of [
		["pings", repeated(2_000, () => frame(types.ping, 0, 0, "12345678"))],
		[
			"settings",
			repeated(2_000, () => frame(types.settings, 0, 0, setting(4, 65_535))),
		],
		["empty settings", repeated(2_000, () => frame(types.settings, 0, 0))],
		[
			"a head without an end",
			[
				frame(types.headers, endStream, 1, asks()),
				...repeated(2_000, () => frame(types.continuation, 0, 1)),
			],
		],
		[
			"empty DATA",
			[
				frame(types.headers, endHeaders, 1, asks("POST")),
				...repeated(2_000, () => frame(types.data, 0, 1)),
			],
		],
	] as [string, Buffer[]][]) {
		test(`by ${what} is cut off`, async () => {
			await serve(async (request) => {
				await request.readBody(1_000);
				return { status: 200, headers: [], body: "ok" };
			});
			assert.notEqual(await endOf(frames), 0);
		});
	}

	test("by a head that unpacks to a thousand times its length gets no answer to it", async () => {
		let seen = 0;
		await serve(async () => {
			seen++;
			return { status: 200, headers: [], body: "ok" };
		});
		// One long field in the table, and then it again and again: a byte each.
		const value = "y".repeat(3_900);
		const first = Buffer.concat([
			asks(),
			Buffer.from([0x40, 1, 0x78, 127, ...sizeOf(value.length - 127)]),
			Buffer.from(value),
		]);
		const bomb = Buffer.concat([asks(), Buffer.alloc(4_000, 0xbe)]);
		const client = stack.use(await openFrames(server.port));
		client.send(
			frame(types.headers, endStream | endHeaders, 1, first),
			frame(types.headers, endStream | endHeaders, 3, bomb),
		);
		const end = await client.find(
			({ type, stream }) =>
				type === types.goaway || (type === types.reset && stream === 3),
		);
		assert.ok(
			end === null ||
				end.payload.readUInt32BE(0) !== 0 ||
				end.type === types.goaway,
		);
		assert.ok(seen <= 1, `${seen} were answered`);
	});

	test("by a head that is a little too long is told so", async () => {
		await serve(async () => ({ status: 200, headers: [], body: "ok" }), {
			headerFieldsMax: 10,
		});
		const client = stack.use(await openFrames(server.port));
		const many = repeated(20, (index) => fields([`x-${index}`, "1"]));
		client.send(
			frame(
				types.headers,
				endStream | endHeaders,
				1,
				Buffer.concat([asks(), ...many]),
			),
		);
		const body = await client.find(({ type }) => type === types.data);
		const problem = JSON.parse(String(body?.payload));
		assert.equal(problem.status, 431);
	});

	test("by a window that it never opens has its answer cut", async () => {
		const clock = virtualClock();
		const scopes: Scope[] = [];
		const ends: unknown[] = [];
		await serve(
			async (_request, scope) => {
				scopes.push(scope);
				scope.onCancel((reason) => ends.push(reason));
				return { status: 200, headers: [], body: "x".repeat(100_000) };
			},
			{ clock },
		);
		const client = stack.use(
			await openFrames(server.port, [
				preface,
				frame(types.settings, 0, 0, setting(4, 0)),
			]),
		);
		client.send(get(1));
		await client.find(({ type }) => type === types.headers);
		for (let waited = 0; waited < 200_000; waited += 2_000) {
			await clock.advance(2_000);
		}
		const cut = await client.find(
			({ type, stream }) => type === types.reset && stream === 1,
		);
		assert.ok(cut, "its answer was not cut");
	});
});

describe("why a request ended is told", () => {
	const ends: string[] = [];
	let onEnd: () => void = () => {};

	/** Takes requests that are never answered. */
	async function serveSlowly(): Promise<void> {
		ends.length = 0;
		await serve(
			(_request, scope) =>
				new Promise((_, reject) => {
					scope.onCancel((reason) => {
						const { code, message } = reason as GatewayError;
						ends.push(`${code}: ${message}`);
						onEnd();
						reject(reason);
					});
				}),
		);
	}

	async function endsOf(count: number): Promise<readonly string[]> {
		while (ends.length < count) {
			await new Promise<void>((resolve) => {
				onEnd = resolve;
			});
		}
		return ends;
	}

	test("if another one on its connection has more body than it announced, for which Node ends the connection", async () => {
		await serveSlowly();
		const client = stack.use(await openFrames(server.port));
		client.send(get(1), post(3, ["content-length", "1"]));
		client.send(frame(types.data, endStream, 3, "test"));
		const words =
			"client_closed: the client broke the rules of HTTP/2 on its connection";
		assert.deepEqual(await endsOf(2), [words, words]);
	});

	test("if its client does what costs it nothing too often", async () => {
		await serveSlowly();
		const client = stack.use(await openFrames(server.port));
		client.send(get(1));
		const pings = () => frame(types.ping, 0, 0, "12345678");
		client.send(...repeated(500, pings));
		assert.deepEqual(await endsOf(1), [
			"client_closed: the client did too often what costs it nothing",
		]);
	});

	test("if its client has left it, or all", async () => {
		await serveSlowly();
		const client = stack.use(await openFrames(server.port));
		client.send(get(1), get(3));
		client.send(frame(types.reset, 0, 1, number32(8)));
		await endsOf(1);
		client.socket.destroy();
		const words = "client_closed: the client closed the connection";
		assert.deepEqual(await endsOf(2), [words, words]);
	});
});

function sizeOf(rest: number): number[] {
	return rest < 128 ? [rest] : [(rest & 127) | 128, ...sizeOf(rest >> 7)];
}
