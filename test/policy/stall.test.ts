import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { ByteQueue } from "../../src/core/body/byte-queue.ts";
import type { ByteStream } from "../../src/core/body/byte-stream.ts";
import type { StreamHead } from "../../src/core/http/messages.ts";
import {
	type HeardRequest,
	promisedStream,
	toldStream,
} from "../../src/policy/promised.ts";
import { stall } from "../../src/policy/stall.ts";
import { type Outcome, outcomeOf } from "../../src/tasks/index.ts";
import { codeOf, policySetting, streamRequestOf } from "../kit/policy.ts";

let setting = policySetting(null);
let { clock, scope } = setting;
let sent: HeardRequest;
let head: StreamHead | null;
let end: () => void;

const next = toldStream(
	(request, inner) =>
		new Promise((resolve, reject) => {
			sent = request;
			const leave = inner.onCancel(reject);
			end = () => {
				leave();
				resolve();
			};
		}),
);

function queue(): ByteQueue {
	return new ByteQueue({
		length: null,
		onFull() {},
		onWanted() {},
		onLeft() {},
	});
}

function begin(
	body: ByteStream | null = null,
	untakenMs: number | null = 1000,
): Promise<Outcome<void>> {
	const request = streamRequestOf({
		body,
		untakenMs,
		timeoutMs: 100,
		onHead: (came) => {
			head = came;
		},
	});
	return outcomeOf(promisedStream(stall("files")(next))(request, scope));
}

beforeEach(() => {
	setting = policySetting(null);
	({ clock, scope } = setting);
	head = null;
});

afterEach(() => setting.assertNothingLeft());

test("ends a stream whose head does not come in time", async () => {
	const outcome = begin();
	await clock.advance(100);
	assert.equal(codeOf(await outcome), "upstream_timeout");
});

test("does not count the time in which the client sends nothing, but that since its last piece", async () => {
	const body = queue();
	const outcome = begin(body);
	const pieces = sent.body?.[Symbol.asyncIterator]();
	const first = pieces?.next();
	await clock.advance(5000);
	body.push(Buffer.from("x"));
	await first;
	await clock.advance(99);
	assert.equal(scope.listeners, 1);
	await clock.advance(1);
	assert.equal(codeOf(await outcome), "upstream_timeout");
});

test("lets a body take as long as it moves, and ends it when the upstream keeps it waiting", async () => {
	const outcome = begin();
	const body = queue();
	sent.onHead({ status: 200, headers: [], body });
	const pieces = head?.body[Symbol.asyncIterator]();
	for (let piece = 0; piece < 5; piece++) {
		const read = pieces?.next();
		await clock.advance(999);
		body.push(Buffer.from("x"));
		await read;
	}
	const read = pieces?.next();
	await clock.advance(1000);
	assert.equal(codeOf(await outcome), "upstream_timeout");
	body.end();
	await read;
	await clock.settle();
});

test("ends a body whose reader does not come for the next piece", async () => {
	const outcome = begin();
	sent.onHead({ status: 200, headers: [], body: queue() });
	await clock.advance(1000);
	assert.equal(codeOf(await outcome), "client_closed");
});

test("leaves the reader to its server, and still ends a body whose upstream sends nothing", async () => {
	const outcome = begin(null, null);
	const body = queue();
	sent.onHead({ status: 200, headers: [], body });
	body.push(Buffer.from("x"));
	await clock.advance(60_000);
	const pieces = head?.body[Symbol.asyncIterator]();
	await pieces?.next();
	await clock.advance(60_000);
	assert.equal(scope.cancelled, false);
	const read = pieces?.next();
	await clock.advance(1000);
	assert.equal(codeOf(await outcome), "upstream_timeout");
	body.end();
	await read;
	await clock.settle();
});

test("leaves nothing behind where all goes well", async () => {
	const outcome = begin();
	sent.onHead({ status: 200, headers: [], body: queue() });
	end();
	assert.equal((await outcome).ok, true);
});
