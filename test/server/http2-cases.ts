import {
	asks,
	endHeaders,
	endStream,
	fields,
	frame,
	get,
	number32,
	padded,
	post,
	preface,
	prioritised,
	setting,
	types,
} from "./frames.ts";

/** Codes of errors (RFC 9113, 7). */
const codes = {
	...{ NO_ERROR: 0, PROTOCOL_ERROR: 1, INTERNAL_ERROR: 2 },
	...{ FLOW_CONTROL_ERROR: 3, STREAM_CLOSED: 5, FRAME_SIZE_ERROR: 6 },
	...{ REFUSED_STREAM: 7, CANCEL: 8, COMPRESSION_ERROR: 9 },
	ENHANCE_YOUR_CALM: 11,
} as const;

type Code = keyof typeof codes;

/**
 * What must come of the frames: an answer on a stream, a reset of a stream or the end of the connection by one of these
 * codes, or an acknowledged ping, because the connection lives on.
 */
export type Outcome =
	| { readonly answer: number }
	| { readonly reset: number; readonly by: readonly number[] }
	| { readonly ends: readonly number[] }
	| { readonly lives: true };

/** The part of the standard, what is sent, the frames, and the outcome. */
export type Case = readonly [string, string, readonly Buffer[], Outcome];

const { data, headers, priority, reset, settings, push } = types;
const { ping, goaway, window, continuation } = types;

const whole = endStream | endHeaders;
const answered = (answer = 1): Outcome => ({ answer });
const lives: Outcome = { lives: true };
/** It should end the connection. nghttp2 1.70 drops the frame, and no request comes of it. */
const ignored = lives;
/** It should reset the stream. nghttp2 1.70 drops the field, and the request comes without it. */
const dropped = answered();
const ends = (...by: Code[]): Outcome => ({
	ends: by.map((one) => codes[one]),
});
/** A peer may always treat a fault of a stream as one of the connection. */
const resets = (...by: Code[]): Outcome => ({
	reset: 1,
	by: by.map((one) => codes[one]),
});

const plain = asks();
const bytes = (...all: number[]) => Buffer.from(all);
const cat = (...all: Buffer[]) => Buffer.concat(all);
const request = (...pairs: (readonly [string, string])[]) => [
	frame(headers, whole, 1, fields(...pairs)),
];
const dependsOn = (stream: number, weight = 15, exclusive = false) =>
	cat(number32(exclusive ? stream + 2 ** 31 : stream), bytes(weight));
const method = [":method", "GET"] as const;
const scheme = [":scheme", "https"] as const;
const path = [":path", "/"] as const;
const authority = [":authority", "localhost"] as const;
const usual = [method, scheme, path, authority] as const;
const increment = (stream: number, by: number) =>
	frame(window, 0, stream, number32(by));
const half = frame(headers, endStream, 1, plain.subarray(0, 5));
const rest = (flags = endHeaders, stream = 1) =>
	frame(continuation, flags, stream, plain.subarray(5));
/** Requests whose head has one thing that only HPACK knows, before the usual fields. */
const packed = (...all: number[]) => [
	frame(headers, whole, 1, cat(plain, bytes(...all))),
];
const ascii = (text: string) => [text.length, ...Buffer.from(text)];

const generic: Case[] = [
	["3.4", "a preface", [], lives],
	[
		"5.1",
		"PRIORITY on an idle stream",
		[frame(priority, 0, 1, dependsOn(0)), get()],
		answered(),
	],
	[
		"5.1",
		"WINDOW_UPDATE on a half-closed stream",
		[get(), increment(1, 1)],
		answered(),
	],
	[
		"5.1",
		"PRIORITY on a half-closed stream",
		[get(), frame(priority, 0, 1, dependsOn(0))],
		answered(),
	],
	[
		"5.1",
		"RST_STREAM on a half-closed stream",
		[get(), frame(reset, 0, 1, number32(8))],
		lives,
	],
	[
		"5.1",
		"PRIORITY on a closed stream",
		[
			get(),
			frame(reset, 0, 1, number32(8)),
			frame(priority, 0, 1, dependsOn(0)),
		],
		lives,
	],
	[
		"6.1",
		"a DATA frame",
		[post(), frame(data, endStream, 1, "test")],
		answered(),
	],
	[
		"6.1",
		"several DATA frames",
		[post(), frame(data, 0, 1, "test"), frame(data, endStream, 1, "test")],
		answered(),
	],
	[
		"6.1",
		"a DATA frame with padding",
		[post(), frame(data, endStream | padded, 1, "\x06test\0\0\0\0\0\0")],
		answered(),
	],
	["6.2", "a HEADERS frame", [get()], answered()],
	[
		"6.2",
		"a HEADERS frame with padding",
		[
			frame(
				headers,
				whole | padded,
				1,
				cat(bytes(6), plain, bytes(0, 0, 0, 0, 0, 0)),
			),
		],
		answered(),
	],
	[
		"6.2",
		"a HEADERS frame with a priority",
		[frame(headers, whole | prioritised, 1, cat(dependsOn(0), plain))],
		answered(),
	],
	[
		"6.3",
		"PRIORITY 1",
		[frame(priority, 0, 1, dependsOn(0, 0)), get()],
		answered(),
	],
	[
		"6.3",
		"PRIORITY 256",
		[frame(priority, 0, 1, dependsOn(0, 255)), get()],
		answered(),
	],
	[
		"6.3",
		"PRIORITY with a dependency",
		[
			frame(priority, 0, 1, dependsOn(0)),
			frame(priority, 0, 3, dependsOn(1)),
			get(3),
		],
		answered(3),
	],
	[
		"6.3",
		"PRIORITY with an exclusive dependency",
		[frame(priority, 0, 1, dependsOn(0, 15, true)), get()],
		answered(),
	],
	[
		"6.3",
		"PRIORITY of an idle stream, then HEADERS of a lower one",
		[frame(priority, 0, 3, dependsOn(0)), get()],
		answered(),
	],
	["6.4", "RST_STREAM", [post(), frame(reset, 0, 1, number32(8))], lives],
	[
		"6.5",
		"SETTINGS",
		[frame(settings, 0, 0, cat(setting(3, 100), setting(4, 65_535)))],
		lives,
	],
	["6.7", "PING", [frame(ping, 0, 0, "h2spec!!")], lives],
	[
		"6.8",
		"GOAWAY",
		[frame(goaway, 0, 0, cat(number32(0), number32(0)))],
		lives,
	],
	[
		"6.9",
		"WINDOW_UPDATE of the connection",
		[increment(0, 1), get()],
		answered(),
	],
	["6.9", "WINDOW_UPDATE of a stream", [get(), increment(1, 1)], answered()],
	["6.10", "one CONTINUATION", [half, rest()], answered()],
	[
		"6.10",
		"several CONTINUATIONs",
		[
			half,
			frame(continuation, 0, 1, plain.subarray(5, 9)),
			frame(continuation, endHeaders, 1, plain.subarray(9)),
		],
		answered(),
	],
	["8.3", "a GET", [get()], answered()],
	["8.3", "a HEAD", [frame(headers, whole, 1, asks("HEAD"))], answered()],
	["8.3", "a POST", [post(), frame(data, endStream, 1, "test")], answered()],
	[
		"8.1",
		"a POST with trailers",
		[
			post(1, ["trailer", "x-test"]),
			frame(data, 0, 1, "test"),
			frame(headers, whole, 1, fields(["x-test", "ok"])),
		],
		answered(),
	],
];

const hpack: Case[] = [
	[
		"7541 6.1",
		"an indexed field of the static table",
		[frame(headers, whole, 1, cat(bytes(0x82, 0x87, 0x84), fields(authority)))],
		answered(),
	],
	[
		"7541 6.1",
		"an indexed field of the dynamic table",
		[
			frame(
				headers,
				whole,
				1,
				cat(bytes(0x82, 0x87, 0x84, 0x41, ...ascii("localhost"))),
			),
			frame(headers, whole, 3, bytes(0x82, 0x87, 0x84, 0xbe)),
		],
		answered(3),
	],
	[
		"7541 6.2.1",
		"an indexed literal with an indexed name",
		[
			frame(
				headers,
				whole,
				1,
				bytes(0x82, 0x87, 0x84, 0x41, ...ascii("localhost")),
			),
		],
		answered(),
	],
	[
		"7541 6.2.1",
		"an indexed literal with a new name",
		packed(0x40, ...ascii("x-test"), ...ascii("ok")),
		answered(),
	],
	[
		"7541 6.2.2",
		"a literal with an indexed name",
		packed(0x0f, 0x2b, ...ascii("agent")),
		answered(),
	],
	[
		"7541 6.2.2",
		"a literal with a new name",
		packed(0x00, ...ascii("x-test"), ...ascii("ok")),
		answered(),
	],
	[
		"7541 6.2.3",
		"a literal never to be indexed, with an indexed name",
		packed(0x1f, 0x2b, ...ascii("agent")),
		answered(),
	],
	[
		"7541 6.2.3",
		"a literal never to be indexed, with a new name",
		packed(0x10, ...ascii("x-test"), ...ascii("ok")),
		answered(),
	],
	[
		"7541 5.2",
		"a value in Huffman's code",
		packed(0x00, ...ascii("x-test"), 0x81, 0x1f),
		answered(),
	],
	[
		"7541 5.2",
		"a name in Huffman's code",
		packed(0x40, 0x81, 0x1f, ...ascii("ok")),
		answered(),
	],
	[
		"7541 6.3",
		"a smaller table",
		[frame(headers, whole, 1, cat(bytes(0x20), plain))],
		answered(),
	],
	[
		"7541 6.3",
		"a smaller table, and then a larger one",
		[frame(headers, whole, 1, cat(bytes(0x20, 0x3f, 0x61), plain))],
		answered(),
	],
	[
		"7541 2.3.3",
		"an index beyond the tables",
		packed(0xff, 0x20),
		ends("COMPRESSION_ERROR"),
	],
	[
		"7541 2.3.3",
		"a literal whose name is beyond the tables",
		packed(0x7f, 0x40, 1, 97),
		ends("COMPRESSION_ERROR"),
	],
	[
		"7541 4.2",
		"a table's size behind the fields",
		packed(0x20),
		ends("COMPRESSION_ERROR"),
	],
	[
		"7541 5.2",
		"Huffman's code padded by more than seven bits",
		packed(0x00, ...ascii("x"), 0x82, 0x1f, 0xff),
		ends("COMPRESSION_ERROR"),
	],
	[
		"7541 5.2",
		"Huffman's code padded by zeros",
		packed(0x00, ...ascii("x"), 0x81, 0x18),
		ends("COMPRESSION_ERROR"),
	],
	[
		"7541 5.2",
		"Huffman's code with its end in it",
		packed(0x00, ...ascii("x"), 0x84, 0xff, 0xff, 0xff, 0xff),
		ends("COMPRESSION_ERROR"),
	],
	["7541 6.1", "the index 0", packed(0x80), ends("COMPRESSION_ERROR")],
	[
		"7541 6.3",
		"a larger table than is allowed",
		[frame(headers, whole, 1, cat(bytes(0x3f, 0xff, 0xff, 0x03), plain))],
		ends("COMPRESSION_ERROR"),
	],
];

const framing: Case[] = [
	[
		"4.1",
		"a frame of an unknown type",
		[frame(0x16, 0, 0, "unknown"), get()],
		answered(),
	],
	[
		"4.1",
		"an undefined flag",
		[frame(ping, 0x16, 0, "h2spec!!"), get()],
		answered(),
	],
	[
		"4.1",
		"a reserved bit",
		[frame(ping, 0, 2 ** 31, "h2spec!!"), get()],
		answered(),
	],
	[
		"4.2",
		"DATA of 2^14 bytes",
		[post(), frame(data, endStream, 1, "x".repeat(2 ** 14))],
		answered(),
	],
	[
		"4.2",
		"DATA of more",
		[post(), frame(data, endStream, 1, "x".repeat(2 ** 14 + 1))],
		ends("FRAME_SIZE_ERROR"),
	],
	[
		"4.2",
		"HEADERS of more",
		[frame(headers, whole, 1, cat(plain, fields(["x", "y".repeat(2 ** 14)])))],
		ends("FRAME_SIZE_ERROR"),
	],
	["4.3", "a broken block of fields", packed(0x40), ends("COMPRESSION_ERROR")],
	[
		"4.3",
		"PRIORITY in a block of fields",
		[half, frame(priority, 0, 1, dependsOn(0)), rest()],
		ends("PROTOCOL_ERROR"),
	],
	[
		"4.3",
		"HEADERS of another stream in a block of fields",
		[half, get(3), rest()],
		ends("PROTOCOL_ERROR"),
	],
	[
		"5.1",
		"DATA on an idle stream",
		[frame(data, endStream, 1, "test")],
		ends("PROTOCOL_ERROR"),
	],
	[
		"5.1",
		"RST_STREAM on an idle stream",
		[frame(reset, 0, 1, number32(8))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"5.1",
		"WINDOW_UPDATE on an idle stream",
		[increment(1, 100)],
		ends("PROTOCOL_ERROR"),
	],
	[
		"5.1",
		"CONTINUATION on an idle stream",
		[frame(continuation, endHeaders, 1, plain)],
		ends("PROTOCOL_ERROR"),
	],
	[
		"5.1",
		"DATA on a half-closed stream",
		[get(), frame(data, endStream, 1, "test")],
		ends("STREAM_CLOSED"),
	],
	[
		"5.1",
		"HEADERS on a half-closed stream",
		[get(), get()],
		ends("STREAM_CLOSED", "PROTOCOL_ERROR"),
	],
	[
		"5.1",
		"CONTINUATION on a half-closed stream",
		[get(), frame(continuation, endHeaders, 1, plain)],
		ends("STREAM_CLOSED", "PROTOCOL_ERROR"),
	],
	[
		"5.1",
		"HEADERS after a reset",
		[post(), frame(reset, 0, 1, number32(8)), get()],
		ignored,
	],
	[
		"5.1",
		"CONTINUATION after a reset",
		[
			post(),
			frame(reset, 0, 1, number32(8)),
			frame(continuation, endHeaders, 1, plain),
		],
		ends("STREAM_CLOSED", "PROTOCOL_ERROR"),
	],
	["5.1.1", "a stream of the server's", [get(2)], ends("PROTOCOL_ERROR")],
	["5.1.1", "a stream below one before", [get(5), get(3)], ignored],
	[
		"5.4.1",
		"a fault of the connection",
		[frame(ping, 0, 0, "short")],
		ends("FRAME_SIZE_ERROR"),
	],
	["5.5", "an unknown frame", [frame(0xff, 0, 1, "x"), get()], answered()],
	[
		"5.5",
		"an unknown frame in a block of fields",
		[half, frame(0xff, 0, 0, "x"), rest()],
		ends("PROTOCOL_ERROR"),
	],
];

const frames: Case[] = [
	[
		"6.1",
		"DATA on stream 0",
		[frame(data, endStream, 0, "test")],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.1",
		"DATA with more padding than payload",
		[post(), frame(data, endStream | padded, 1, "\x10test")],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.2",
		"HEADERS without their end, then PRIORITY",
		[half, frame(priority, 0, 1, dependsOn(0))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.2",
		"HEADERS without their end, then others",
		[half, get(3)],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.2",
		"HEADERS on stream 0",
		[frame(headers, whole, 0, plain)],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.2",
		"HEADERS with more padding than payload",
		[frame(headers, whole | padded, 1, cat(bytes(200), plain))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.3",
		"PRIORITY on stream 0",
		[frame(priority, 0, 0, dependsOn(0))],
		ignored,
	],
	[
		"6.3",
		"PRIORITY of another length",
		[frame(priority, 0, 1, bytes(0, 0, 0, 0))],
		ends("FRAME_SIZE_ERROR"),
	],
	[
		"6.4",
		"RST_STREAM on stream 0",
		[frame(reset, 0, 0, number32(8))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.4",
		"RST_STREAM of another length",
		[post(), frame(reset, 0, 1, "abc")],
		ends("FRAME_SIZE_ERROR"),
	],
	[
		"6.5",
		"SETTINGS that acknowledge with a payload",
		[frame(settings, 1, 0, "\0")],
		ends("FRAME_SIZE_ERROR"),
	],
	[
		"6.5",
		"SETTINGS on a stream",
		[frame(settings, 0, 1, setting(3, 1))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.5",
		"SETTINGS of another length",
		[frame(settings, 0, 0, "abc")],
		ends("FRAME_SIZE_ERROR"),
	],
	[
		"6.5.2",
		"ENABLE_PUSH 2",
		[frame(settings, 0, 0, setting(2, 2))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.5.2",
		"a window above the most",
		[frame(settings, 0, 0, setting(4, 2 ** 31))],
		ends("FLOW_CONTROL_ERROR"),
	],
	[
		"6.5.2",
		"frames below the least",
		[frame(settings, 0, 0, setting(5, 2 ** 14 - 1))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.5.2",
		"frames above the most",
		[frame(settings, 0, 0, setting(5, 2 ** 24))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.5.2",
		"an unknown setting",
		[frame(settings, 0, 0, setting(0xff, 1)), get()],
		answered(),
	],
	[
		"6.5.3",
		"several windows in one frame",
		[frame(settings, 0, 0, cat(setting(4, 100), setting(4, 65_535))), get()],
		answered(),
	],
	[
		"6.7",
		"a PING that acknowledges",
		[frame(ping, 1, 0, "unasked!"), get()],
		ends("INTERNAL_ERROR"),
	],
	[
		"6.7",
		"a PING on a stream",
		[frame(ping, 0, 1, "h2spec!!")],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.7",
		"a PING of another length",
		[frame(ping, 0, 0, "abcdef")],
		ends("FRAME_SIZE_ERROR"),
	],
	[
		"6.8",
		"GOAWAY on a stream",
		[frame(goaway, 0, 1, cat(number32(0), number32(0)))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.9",
		"WINDOW_UPDATE by 0 of the connection",
		[increment(0, 0)],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.9",
		"WINDOW_UPDATE by 0 of a stream",
		[post(), increment(1, 0)],
		resets("PROTOCOL_ERROR"),
	],
	[
		"6.9",
		"WINDOW_UPDATE of another length",
		[frame(window, 0, 0, "abc")],
		ends("FRAME_SIZE_ERROR"),
	],
	[
		"6.9.1",
		"a window of the connection above the most",
		[increment(0, 2 ** 31 - 1), increment(0, 2 ** 31 - 1)],
		ends("FLOW_CONTROL_ERROR"),
	],
	[
		"6.9.1",
		"a window of a stream above the most",
		[post(), increment(1, 2 ** 31 - 1), increment(1, 2 ** 31 - 1)],
		resets("FLOW_CONTROL_ERROR"),
	],
	[
		"6.9.2",
		"a window that changes after HEADERS",
		[
			frame(settings, 0, 0, setting(4, 0)),
			get(),
			frame(settings, 0, 0, setting(4, 10)),
		],
		answered(),
	],
	[
		"6.9.2",
		"a window below zero, which opens again",
		[
			frame(settings, 0, 0, setting(4, 3)),
			get(),
			frame(settings, 0, 0, setting(4, 2)),
			increment(1, 100),
		],
		answered(),
	],
	[
		"6.10",
		"CONTINUATION, then another frame",
		[
			half,
			frame(continuation, 0, 1, plain.subarray(5, 9)),
			frame(data, endStream, 1, "x"),
		],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.10",
		"CONTINUATION on stream 0",
		[half, frame(continuation, endHeaders, 0, plain.subarray(5))],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.10",
		"CONTINUATION after the end of HEADERS",
		[post(), frame(continuation, endHeaders, 1, plain)],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.10",
		"CONTINUATION after the end of another",
		[frame(headers, 0, 1, plain.subarray(0, 5)), rest(), rest()],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.10",
		"CONTINUATION of another stream",
		[half, rest(endHeaders, 3)],
		ends("PROTOCOL_ERROR"),
	],
	[
		"6.10",
		"CONTINUATION after DATA",
		[post(), frame(data, 0, 1, "x"), rest()],
		ends("PROTOCOL_ERROR"),
	],
	[
		"7",
		"an unknown code in GOAWAY",
		[frame(goaway, 0, 0, cat(number32(0), number32(0xff)))],
		ends("NO_ERROR"),
	],
	[
		"7",
		"an unknown code in RST_STREAM",
		[post(), frame(reset, 0, 1, number32(0xff)), get(3)],
		answered(3),
	],
	[
		"8.4",
		"PUSH_PROMISE of a client",
		[frame(push, endHeaders, 1, cat(number32(3), plain))],
		ends("PROTOCOL_ERROR"),
	],
];

const semantics: Case[] = [
	[
		"8.1",
		"second HEADERS that do not end the stream",
		[post(), frame(headers, endHeaders, 1, fields(["x-test", "ok"]))],
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.1",
		"a name in capitals",
		request(...usual, ["X-Test", "ok"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.1",
		"a name with a space",
		request(...usual, ["x test", "ok"]),
		dropped,
	],
	["8.2.1", "an empty name", request(...usual, ["", "ok"]), dropped],
	[
		"8.2.1",
		"a value with a line feed",
		request(...usual, ["x-test", "a\nb"]),
		dropped,
	],
	[
		"8.2.1",
		"a value with a carriage return",
		request(...usual, ["x-test", "a\rb"]),
		dropped,
	],
	[
		"8.2.1",
		"a value with a NUL",
		request(...usual, ["x-test", "a\0b"]),
		dropped,
	],
	[
		"8.3",
		"an unknown pseudo-field",
		request(...usual, [":test", "ok"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.3",
		"a pseudo-field of answers",
		request(...usual, [":status", "200"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.1",
		"a pseudo-field as trailer",
		[
			post(),
			frame(data, 0, 1, "test"),
			frame(headers, whole, 1, fields(method)),
		],
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.3",
		"a pseudo-field behind others",
		request(scheme, path, authority, ["x-test", "ok"], method),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.2",
		"`connection`",
		request(...usual, ["connection", "keep-alive"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.2",
		"`keep-alive`",
		request(...usual, ["keep-alive", "timeout=5"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.2",
		"`proxy-connection`",
		request(...usual, ["proxy-connection", "close"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.2",
		"`transfer-encoding`",
		request(...usual, ["transfer-encoding", "chunked"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.2",
		"`upgrade`",
		request(...usual, ["upgrade", "websocket"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.2",
		"`te` other than `trailers`",
		request(...usual, ["te", "gzip"]),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.2.2",
		"`te: trailers`",
		request(...usual, ["te", "trailers"]),
		answered(),
	],
	[
		"8.3.1",
		"an empty `:path`",
		request(method, scheme, [":path", ""], authority),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.3.1",
		"no `:method`",
		request(scheme, path, authority),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.3.1",
		"no `:scheme`",
		request(method, path, authority),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.3.1",
		"no `:path`",
		request(method, scheme, authority),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.3.1",
		"two `:method`",
		request(method, ...usual),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.3.1",
		"two `:scheme`",
		request(scheme, ...usual),
		resets("PROTOCOL_ERROR"),
	],
	["8.3.1", "two `:path`", request(path, ...usual), resets("PROTOCOL_ERROR")],
	[
		"8.3.1",
		"two `:authority`",
		request(authority, ...usual),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.3.1",
		"a `:path` that is no path",
		request(method, scheme, [":path", "x"], authority),
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.1.1",
		"a body longer than `content-length`",
		[post(1, ["content-length", "1"]), frame(data, endStream, 1, "test")],
		resets("PROTOCOL_ERROR", "INTERNAL_ERROR"),
	],
	[
		"8.1.1",
		"a body shorter than `content-length`",
		[post(1, ["content-length", "9"]), frame(data, endStream, 1, "test")],
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.1.1",
		"several DATA frames that are longer",
		[
			post(1, ["content-length", "5"]),
			frame(data, 0, 1, "test"),
			frame(data, endStream, 1, "test"),
		],
		resets("PROTOCOL_ERROR", "INTERNAL_ERROR"),
	],
	[
		"8.1.1",
		"two `content-length`",
		[
			post(1, ["content-length", "4"], ["content-length", "4"]),
			frame(data, endStream, 1, "test"),
		],
		resets("PROTOCOL_ERROR"),
	],
	[
		"8.1.1",
		"a `content-length` that is no number",
		[post(1, ["content-length", "+4"]), frame(data, endStream, 1, "test")],
		resets("PROTOCOL_ERROR"),
	],
	[
		"8441",
		"extended CONNECT, which is not offered",
		request(
			[":method", "CONNECT"],
			[":protocol", "websocket"],
			scheme,
			path,
			authority,
		),
		resets("PROTOCOL_ERROR"),
	],
];

/** What others send as the first bytes. */
export const beginnings: readonly (readonly [string, readonly Buffer[]])[] = [
	["another preface", [Buffer.from("INVALID CONNECTION PREFACE\r\n\r\n")]],
	["a request of HTTP/1.1", [Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n")]],
	["no SETTINGS behind it", [preface, frame(ping, 0, 0, "h2spec!!")]],
];

export const cases: readonly Case[] = [
	...generic,
	...hpack,
	...framing,
	...frames,
	...semantics,
];
