import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isToken } from "../../src/core/http/headers.ts";
import { listen, type Server } from "../../src/server/server.ts";
import { realClock } from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { testTls } from "../kit/transport.ts";
import {
	endStream,
	type FrameClient,
	frame,
	openFrames,
	types,
} from "./frames.ts";
import { beginnings, cases, type Outcome } from "./http2-cases.ts";

// The cases are those of h2spec (RFC 9113 and RFC 7541), and what else must not come through, written as frames.

let server: Server;
/** Texts of requests' fields that nobody should see. */
const unclean: string[] = [];

before(async () => {
	server = await listen({
		...serverDefaults,
		...{ host: "127.0.0.1", port: 0, tls: testTls, clock: realClock() },
		handle: async (request) => {
			unclean.push(...request.headers.filter((text) => /[\r\n\0]/.test(text)));
			unclean.push(
				...request.headers.filter((text, at) => at % 2 === 0 && !isToken(text)),
			);
			await request.readBody(100_000);
			return { status: 200, headers: [], body: "ok" };
		},
	});
});
after(() => server.close());

const asked = Buffer.from("still up");

/** What came of the frames, in the words of the case. */
async function outcome(
	client: FrameClient,
	wanted: Outcome,
): Promise<Outcome | string> {
	const { ping, goaway, reset, data, headers } = types;
	const found = await client.find(({ type, flags, stream, payload }) => {
		if (type === goaway) return true;
		if ("reset" in wanted && type === reset) return stream === wanted.reset;
		const of =
			"reset" in wanted ? wanted.reset : "answer" in wanted && wanted.answer;
		if (stream === of) {
			const ends = (flags & endStream) !== 0;
			return type === reset || (ends && (type === data || type === headers));
		}
		// A connection that lives on shows that by the ping behind the frames.
		const waits = "lives" in wanted || "ends" in wanted;
		return waits && type === ping && payload.equals(asked);
	});
	// Node does not always say why (RFC 9113, 5.4.1: it should).
	const mayClose = "ends" in wanted || "reset" in wanted;
	if (found === null) return mayClose ? wanted : "closed unasked";
	const { type, payload, stream } = found;
	if (type === ping) return { lives: true };
	if (type === data || type === headers) return { answer: stream };
	const code = payload.readUInt32BE(type === goaway ? 4 : 0);
	return type === goaway ? { ends: [code] } : { reset: stream, by: [code] };
}

function assertIs(got: Outcome | string, wanted: Outcome): void {
	if (typeof got === "object") {
		if ("ends" in got && "ends" in wanted) {
			assert.ok(wanted.ends.includes(got.ends[0] ?? -1), JSON.stringify(got));
			return;
		}
		// A peer may always end the connection for the fault of a stream (RFC 9113, 5.4).
		if ("reset" in wanted && ("ends" in got || "by" in got)) {
			const code = "ends" in got ? got.ends[0] : got.by[0];
			assert.ok(wanted.by.includes(code ?? -1), JSON.stringify(got));
			return;
		}
	}
	assert.deepEqual(got, wanted);
}

describe("by RFC 9113 and RFC 7541", () => {
	for (const [section, what, frames, wanted] of cases) {
		test(`${section}: ${what}`, async () => {
			using client = await openFrames(server.port);
			client.send(...frames, frame(types.ping, 0, 0, asked));
			assertIs(await outcome(client, wanted), wanted);
		});
	}

	for (const [what, begin] of beginnings) {
		test(`3.4: ${what}`, async () => {
			using client = await openFrames(server.port, begin);
			const found = await client.find(({ type }) => type === types.goaway);
			if (found !== null) assert.notEqual(found.payload.readUInt32BE(4), 0);
		});
	}

	test("there are as many cases as h2spec has", () => {
		assert.ok(cases.length + beginnings.length >= 146, String(cases.length));
	});

	test("no request has a field that is none", () => {
		assert.deepEqual(unclean, []);
	});

	test("and the server goes on", async () => {
		using client = await openFrames(server.port);
		client.send(frame(types.ping, 0, 0, asked));
		assert.deepEqual(await outcome(client, { lives: true }), { lives: true });
	});
});
