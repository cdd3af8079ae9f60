import assert from "node:assert/strict";
import { ByteQueue } from "../../src/core/body/byte-queue.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import type {
	StreamHead,
	StreamRequest,
} from "../../src/core/http/messages.ts";
import { cache } from "../../src/policy/cache/cache.ts";
import {
	type HeardRequest,
	promisedStream,
	toldStream,
} from "../../src/policy/promised.ts";
import { openScope } from "../../src/tasks/index.ts";
import { policySetting } from "./policy.ts";

/** An upstream's answer to a stream. */
export interface Reply {
	readonly status?: number;
	readonly headers?: readonly string[];
	/** In pieces, as they come. Default: the number of the call. */
	readonly pieces?: readonly string[];
	/** Null: it is chunked, unless `headers` say nothing of it. Default: what it is. */
	readonly length?: number | null;
	/** Fails instead, or after the pieces. */
	readonly error?: Error;
	readonly beforeHead?: boolean;
	/** Does not end. */
	readonly open?: boolean;
	/** Ends only then. */
	readonly until?: Promise<void>;
}

/** The cache in front of streams that are replies, one after another, the last for ever. */
export function streams(
	...replies: (Reply | ((request: StreamRequest) => Reply))[]
) {
	const setting = policySetting("cache");
	const { clock, told } = setting;
	const context = {
		...setting.context,
		scope: openScope({ clock }),
		origins: ["http://files.test"],
		credentials: new Map(),
		coalesced: false,
	};
	const { stream: cacheStream } = cache(
		{
			forMs: null,
			staleMs: 0,
			ifErrorMs: 0,
			bytesMax: 100_000,
			entriesMax: 10,
			answerBytesMax: 10,
		},
		context,
	);
	const sent: StreamRequest[] = [];
	const wire = toldStream((request, scope) => {
		const next = replies[Math.min(sent.length, replies.length - 1)] ?? {};
		sent.push(request);
		const reply = typeof next === "function" ? next(request) : next;
		return carryOut(request, reply, sent.length, scope);
	});
	const stream = promisedStream(cacheStream(wire));
	const open = async (changes: Partial<HeardRequest> = {}) => {
		const scope = openScope({ clock });
		const heads: StreamHead[] = [];
		const request: HeardRequest = {
			method: "GET",
			target: "/a",
			headers: [],
			body: null,
			idempotent: true,
			requestId: "test-request",
			client: "192.0.2.1",
			timeoutMs: 1000,
			cached: true,
			idleMs: 1000,
			untakenMs: 1000,
			onHead: (head) => heads.push(head),
			...changes,
		};
		const ended = stream(request, scope);
		ended.catch(() => {});
		await clock.advance(0);
		return { head: heads[0], heads, ended, scope };
	};
	/** Asks and reads all. */
	const ask = async (changes?: Partial<HeardRequest>) => {
		const { heads, ended, scope, ...opened } = await open(changes);
		if (opened.head === undefined) await ended;
		const head = heads[0] ?? assert.fail("no head");
		const text = await read(head);
		await ended;
		assert.equal(heads.length, 1);
		assert.equal(scope.listeners, 0);
		const header = (name: string) => headerOf(head.headers, name);
		return { status: head.status, text, header, length: head.body.length };
	};
	return { clock, context, told, sent, open, ask };
}

export async function read({ body }: StreamHead): Promise<string> {
	const pieces: Uint8Array[] = [];
	for await (const piece of body) pieces.push(piece);
	return Buffer.concat(pieces).toString();
}

function carryOut(
	{ onHead, method }: HeardRequest,
	reply: Reply,
	count: number,
	scope: { onCancel(fn: (reason: unknown) => void): () => void },
): Promise<void> {
	const { status = 200, headers = [], pieces = [String(count)] } = reply;
	const bodiless = status === 304 || method === "HEAD";
	const bytes = bodiless ? [] : pieces.map((piece) => Buffer.from(piece));
	const total = pieces.join("").length;
	return new Promise((resolve, reject) => {
		if (reply.beforeHead) return reject(reply.error);
		const queue = new ByteQueue({
			length: reply.length === undefined ? total : reply.length,
			onFull: () => {},
			onWanted: () => {},
			onLeft: () => fail(new Error("left")),
		});
		const fail = (reason: unknown) => {
			stop();
			queue.fail(reason);
			reject(reason);
		};
		const stop = scope.onCancel(fail);
		onHead({ status, headers, body: queue });
		for (const piece of bytes) queue.push(piece);
		if (reply.error) return fail(reply.error);
		if (reply.open) return;
		const end = () => {
			stop();
			queue.end();
			resolve();
		};
		if (reply.until === undefined) end();
		else void reply.until.then(end);
	});
}
