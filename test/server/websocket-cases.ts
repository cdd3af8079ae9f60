import { closing, frame, opcodes } from "../kit/websocket.ts";

const { continuation, text, binary, close, ping, pong } = opcodes;

/**
 * What a client sends, and what an echo must answer: the cases of the Autobahn suite (its sections 1 to 10), written down as
 * facts of RFC 6455.
 */
export interface Case {
	/** The number in the suite, and what it is about. */
	readonly name: string;
	/** Written one after the other, each in a packet of its own as far as the system allows. */
	readonly send: readonly Uint8Array[];
	/** The frames that come back, in order. Those before a fault may be missing: it may be seen first. */
	readonly expect?: readonly Expected[];
	/**
	 * The code that the connection ends with, because of what was sent. Absent: nothing ends it, so that it can be closed with
	 * 1000 afterwards.
	 */
	readonly ends?: number;
	/** The suite leaves open whether what was said last is answered before the end. */
	readonly open?: boolean;
}

interface Expected {
	readonly opcode: number;
	readonly payload: Buffer;
}

const message = (opcode: number, payload: Uint8Array | string): Expected => ({
	opcode,
	payload: Buffer.from(payload as Uint8Array),
});

const part = (opcode: number, payload: Uint8Array | string = "") =>
	frame(opcode, payload, { fin: false });

const hex = (digits: string) => Buffer.from(digits.replaceAll(" ", ""), "hex");

/** The same bytes in pieces of this size. */
function chopped(bytes: Buffer, size: number): Buffer[] {
	const pieces: Buffer[] = [];
	for (let at = 0; at < bytes.length; at += size) {
		pieces.push(bytes.subarray(at, at + size));
	}
	return pieces;
}

/** One message in frames whose payloads have this size. */
function fragmented(opcode: number, payload: Buffer, size: number): Buffer {
	const pieces = chopped(payload, size);
	return Buffer.concat(
		pieces.map((piece, at) =>
			frame(at === 0 ? opcode : continuation, piece, {
				fin: at === pieces.length - 1,
			}),
		),
	);
}

const full = (size: number, byte = 0x2a) => Buffer.alloc(size, byte);

const hello = "Hello-µ@ßöäüàá-UTF-8!!";

const framing = [text, binary].flatMap((opcode, index) => [
	...[0, 125, 126, 127, 128, 65_535, 65_536].map(
		(size, at): Case => ({
			name: `1.${index + 1}.${at + 1} a message of ${size} bytes`,
			send: [frame(opcode, full(size))],
			expect: [message(opcode, full(size))],
		}),
	),
	{
		name: `1.${index + 1}.8 a message in pieces of 997 bytes`,
		send: chopped(frame(opcode, full(65_536)), 997),
		expect: [message(opcode, full(65_536))],
	},
]);

const ten = Array.from({ length: 10 }, (_, at) => `payload-${at}`);

const pings: Case[] = [
	{
		name: "2.1 a ping without a payload",
		send: [frame(ping)],
		expect: [message(pong, "")],
	},
	{
		name: "2.2 a ping with a text",
		send: [frame(ping, "Hello, world!")],
		expect: [message(pong, "Hello, world!")],
	},
	{
		name: "2.3 a ping with bytes that are no text",
		send: [frame(ping, hex("00 ff fe fd fc fb 00 ff"))],
		expect: [message(pong, hex("00 ff fe fd fc fb 00 ff"))],
	},
	{
		name: "2.4 a ping of 125 bytes",
		send: [frame(ping, full(125, 0xfe))],
		expect: [message(pong, full(125, 0xfe))],
	},
	{
		name: "2.5 a ping of 126 bytes",
		send: [frame(ping, full(126, 0xfe))],
		ends: 1002,
	},
	{
		name: "2.6 a ping of 125 bytes, one by one",
		send: chopped(frame(ping, full(125, 0xfe)), 1),
		expect: [message(pong, full(125, 0xfe))],
	},
	{ name: "2.7 a pong that nobody asked for", send: [frame(pong)] },
	{
		name: "2.8 a pong that nobody asked for, with a payload",
		send: [frame(pong, "unsolicited pong payload")],
	},
	{
		name: "2.9 a pong that nobody asked for, then a ping",
		send: [frame(pong, "unsolicited"), frame(ping, "ping payload")],
		expect: [message(pong, "ping payload")],
	},
	{
		name: "2.10 ten pings",
		send: [Buffer.concat(ten.map((payload) => frame(ping, payload)))],
		expect: ten.map((payload) => message(pong, payload)),
	},
	{
		name: "2.11 ten pings, byte for byte",
		send: ten.flatMap((payload) => chopped(frame(ping, payload), 1)),
		expect: ten.map((payload) => message(pong, payload)),
	},
];

const before = { expect: [message(text, "Hello")], ends: 1002 };

const reserved: Case[] = [
	{ name: "3.1 RSV 1", send: [frame(text, hello, { rsv: 1 })], ends: 1002 },
	{
		name: "3.2 RSV 2 after a message",
		send: [frame(text, "Hello"), frame(text, "x", { rsv: 2 }), frame(ping)],
		...before,
	},
	{
		name: "3.3 RSV 3 after a message, in one packet",
		send: [Buffer.concat([frame(text, "Hello"), frame(text, "x", { rsv: 3 })])],
		...before,
	},
	{
		name: "3.4 RSV 4, byte for byte",
		send: chopped(
			Buffer.concat([frame(text, "Hello"), frame(text, "x", { rsv: 4 })]),
			1,
		),
		...before,
	},
	{
		name: "3.5 RSV 5 of bytes",
		send: [frame(binary, full(8, 0xff), { rsv: 5 })],
		ends: 1002,
	},
	{
		name: "3.6 RSV 6 of a ping",
		send: [frame(ping, "x", { rsv: 6 })],
		ends: 1002,
	},
	{
		name: "3.7 RSV 7 of a close",
		send: [frame(close, closing(1000), { rsv: 7 })],
		ends: 1002,
	},
];

const kinds = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode): Case[] => [
	{ name: `4 opcode ${opcode}`, send: [frame(opcode)], ends: 1002 },
	{
		name: `4 opcode ${opcode} with a payload, after a message`,
		send: [frame(text, "Hello"), frame(opcode, "reserved"), frame(ping)],
		...before,
	},
]);

const fragments: Case[] = [
	{
		name: "5.1 a ping in two fragments",
		send: [part(ping, "frag"), frame(continuation, "ment")],
		ends: 1002,
	},
	{
		name: "5.2 a pong in two fragments",
		send: [part(pong, "frag"), frame(continuation, "ment")],
		ends: 1002,
	},
	...["one packet", "two packets", "bytes"].map((how, at): Case => {
		const frames = [part(text, "frag"), frame(continuation, "ment")];
		return {
			name: `5.${at + 3} a text in two fragments, in ${how}`,
			send:
				at === 1 ? frames : chopped(Buffer.concat(frames), at === 0 ? 1000 : 1),
			expect: [message(text, "fragment")],
		};
	}),
	...["one packet", "two packets", "bytes"].map((how, at): Case => {
		const frames = [
			part(text, "frag"),
			frame(ping, "pong"),
			frame(continuation, "ment"),
		];
		return {
			name: `5.${at + 6} a ping between two fragments, in ${how}`,
			send:
				at === 1 ? frames : chopped(Buffer.concat(frames), at === 0 ? 1000 : 1),
			expect: [message(pong, "pong"), message(text, "fragment")],
		};
	}),
	...[true, false].flatMap((fin, first) =>
		["one packet", "two packets", "bytes"].map((how, at): Case => {
			const frames = [
				frame(continuation, "non-continuation", { fin }),
				frame(text, "Hello"),
			];
			return {
				name: `5.${9 + 3 * first + at} the last or a middle fragment of nothing, in ${how}`,
				send:
					at === 1
						? frames
						: chopped(Buffer.concat(frames), at === 0 ? 1000 : 1),
				ends: 1002,
			};
		}),
	),
	{
		name: "5.15 a message, a fragment of nothing, and another message",
		send: [
			part(text, "fragment1"),
			frame(continuation, "fragment2"),
			part(continuation, "fragment3"),
			frame(text, "fragment4"),
		],
		expect: [message(text, "fragment1fragment2")],
		ends: 1002,
	},
	...[false, true].map(
		(fin, at): Case => ({
			name: `5.${16 + at} a fragment of nothing before a message, twice`,
			send: [
				frame(continuation, "fragment1", { fin }),
				part(text, "fragment2"),
				frame(continuation, "fragment3"),
				frame(continuation, "fragment1", { fin }),
				part(text, "fragment2"),
				frame(continuation, "fragment3"),
			],
			ends: 1002,
		}),
	),
	{
		name: "5.18 a text in two fragments that both say that they begin it",
		send: [part(text, "fragment1"), frame(text, "fragment2")],
		ends: 1002,
	},
	...[0, 1].map(
		(at): Case => ({
			name: `5.${19 + at} five fragments with pings between them`,
			send: [
				part(text, "fragment1"),
				part(continuation, "fragment2"),
				frame(ping, "pongme 1!"),
				part(continuation, "fragment3"),
				part(continuation, "fragment4"),
				frame(ping, "pongme 2!"),
				frame(continuation, "fragment5"),
			].flatMap((one) => (at === 0 ? [one] : chopped(one, 1))),
			expect: [
				message(pong, "pongme 1!"),
				message(pong, "pongme 2!"),
				message(text, "fragment1fragment2fragment3fragment4fragment5"),
			],
		}),
	),
];

const kosme = Buffer.from("κόσμε");
const spoilt = hex(
	"ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64",
);

/** A text as its bytes, in one frame and in one frame for each byte. */
function utf8(name: string, bytes: Buffer, isValid: boolean): Case[] {
	const end = isValid ? { expect: [message(text, bytes)] } : { ends: 1007 };
	return [
		{ name: `${name}, whole`, send: [frame(text, bytes)], ...end },
		{
			name: `${name}, in a frame for each byte`,
			send: [fragmented(text, bytes, 1)],
			...end,
		},
	];
}

const characters: Case[] = [
	{
		name: "6.1.1 an empty text",
		send: [frame(text)],
		expect: [message(text, "")],
	},
	{
		name: "6.1.2 three empty fragments",
		send: [part(text), part(continuation), frame(continuation)],
		expect: [message(text, "")],
	},
	{
		name: "6.1.3 three fragments of which the middle one is not empty",
		send: [part(text), part(continuation, "middle"), frame(continuation)],
		expect: [message(text, "middle")],
	},
	...utf8("6.2 a text", Buffer.from(hello), true),
	...utf8("6.2.4 Greek", kosme, true),
	...utf8("6.3 a text with a surrogate", spoilt, false),
	{
		name: "6.4 a text that is wrong in its second of three fragments",
		send: [
			part(text, hex("ce ba e1 bd b9 cf 83 ce bc ce b5")),
			part(continuation, hex("f4 90 80 80")),
			frame(continuation, hex("65 64 69 74 65 64")),
		],
		ends: 1007,
	},
	// 6.5: prefixes that are whole characters; 6.6: those that end in the middle of one.
	...[...kosme.keys()].flatMap((end) => {
		const bytes = kosme.subarray(0, end + 1);
		const isValid = !bytes.toString().includes("\ufffd");
		return utf8(`6.5 the first ${end + 1} bytes of Greek`, bytes, isValid);
	}),
	...[
		...["00", "c2 80", "e0 a0 80", "f0 90 80 80"],
		...["7f", "df bf", "ef bf bf", "f4 8f bf bf"],
		...["ed 9f bf", "ee 80 80", "ef bf bd", "f4 8f bf bf"],
		...["ef bf be", "ef bf bf", "f0 9f bf be", "f0 9f bf bf", "f0 af bf be"],
	].flatMap((digits) =>
		utf8(`6.7–6.11, 6.22 the character ${digits}`, hex(digits), true),
	),
	...[
		...["f8 88 80 80 80", "fc 84 80 80 80 80"],
		...["f7 bf bf bf", "fb bf bf bf bf", "fd bf bf bf bf bf"],
		...["f4 90 80 80", "80", "bf", "80 bf", "80 bf 80", "80 bf 80 bf"],
		...["c0 20 c1 20 df 20", "e0 20 ef 20", "f0 20 f7 20", "f8 20", "fc 20"],
		...["c0", "e0 80", "f0 80 80", "f8 80 80 80", "fc 80 80 80 80"],
		...["df", "ef bf", "f7 bf bf", "fb bf bf bf", "fd bf bf bf bf"],
		...["c0 e0 80 f0 80 80", "fe", "ff", "fe fe ff ff"],
		...[
			"c0 af",
			"e0 80 af",
			"f0 80 80 af",
			"f8 80 80 80 af",
			"fc 80 80 80 80 af",
		],
		...[
			"c1 bf",
			"e0 9f bf",
			"f0 8f bf bf",
			"f8 87 bf bf bf",
			"fc 83 bf bf bf bf",
		],
		...[
			"c0 80",
			"e0 80 80",
			"f0 80 80 80",
			"f8 80 80 80 80",
			"fc 80 80 80 80 80",
		],
		...[
			"ed a0 80",
			"ed ad bf",
			"ed ae 80",
			"ed af bf",
			"ed b0 80",
			"ed be 80",
			"ed bf bf",
		],
		...["ed a0 80 ed b0 80", "ed af bf ed bf bf"],
	].flatMap((digits) =>
		utf8(`6.8–6.21 the bytes ${digits}`, hex(digits), false),
	),
];

/** Everything after a closing frame is ignored. */
const endings: Case[] = [
	{
		name: "7.1.1 a message, then a close",
		send: [frame(text, "Hello"), frame(close, closing(1000))],
		expect: [message(text, "Hello")],
		ends: 1000,
	},
	{
		name: "7.1.2 two closes",
		send: [frame(close, closing(1000)), frame(close, closing(1001))],
		ends: 1000,
	},
	{
		name: "7.1.3 a close, then a ping",
		send: [frame(close, closing(1000)), frame(ping)],
		ends: 1000,
	},
	{
		name: "7.1.4 a close, then a text",
		send: [frame(close, closing(1000)), frame(text, "Hello")],
		ends: 1000,
	},
	{
		name: "7.1.5 a close between fragments",
		send: [
			part(text, "fragment1"),
			frame(close, closing(1000)),
			frame(continuation, "fragment2"),
		],
		ends: 1000,
	},
	{
		name: "7.1.6 256 KiB, a text, a close and a ping",
		send: [
			frame(text, full(256 * 1024)),
			frame(text, "Hello"),
			frame(close, closing(1000)),
			frame(ping),
		],
		expect: [message(text, full(256 * 1024)), message(text, "Hello")],
		ends: 1000,
		open: true,
	},
	{ name: "7.3.1 a close without a payload", send: [frame(close)], ends: 1005 },
	{ name: "7.3.2 half a code", send: [frame(close, "x")], ends: 1002 },
	{
		name: "7.3.3 a code alone",
		send: [frame(close, closing(1000))],
		ends: 1000,
	},
	{
		name: "7.3.4 a code and a reason",
		send: [frame(close, closing(1000, hello))],
		ends: 1000,
	},
	{
		name: "7.3.5 a reason of 123 bytes",
		send: [frame(close, closing(1000, full(123)))],
		ends: 1000,
	},
	{
		name: "7.3.6 a reason of 124 bytes",
		send: [frame(close, closing(1000, full(124)))],
		ends: 1002,
	},
	{
		name: "7.5.1 a reason that is no UTF-8",
		send: [frame(close, closing(1000, spoilt))],
		ends: 1007,
	},
	...[
		...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013],
		...[1014, 3000, 3999, 4000, 4999],
	].map(
		(code): Case => ({
			name: `7.7 the code ${code}`,
			send: [frame(close, closing(code))],
			ends: code,
		}),
	),
	...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
		(code): Case => ({
			name: `7.9, 7.13 the code ${code}`,
			send: [frame(close, closing(code))],
			ends: 1002,
		}),
	),
];

const KiB = 1024;
const MiB = 1024 * KiB;

const limits: Case[] = [
	...[64 * KiB, 256 * KiB, MiB, 4 * MiB, 16 * MiB].flatMap((size) =>
		[text, binary].map(
			(opcode): Case => ({
				name: `9.1–9.2 ${size} bytes of kind ${opcode}`,
				send: [frame(opcode, full(size))],
				expect: [message(opcode, full(size))],
			}),
		),
	),
	...[64, 1024, 16 * KiB, 256 * KiB, 4 * MiB].map(
		(size): Case => ({
			name: `9.3–9.4 4 MiB in fragments of ${size} bytes`,
			send: [fragmented(binary, full(4 * MiB), size)],
			expect: [message(binary, full(4 * MiB))],
		}),
	),
	...[64, 1024, 4096].map(
		(size): Case => ({
			name: `9.5–9.6 1 MiB in packets of ${size} bytes`,
			send: chopped(frame(text, full(MiB)), size),
			expect: [message(text, full(MiB))],
		}),
	),
	...[0, 16, 256, 4096].map(
		(size): Case => ({
			name: `9.7–9.8 a thousand messages of ${size} bytes`,
			send: [
				Buffer.concat(
					Array.from({ length: 1000 }, () => frame(text, full(size))),
				),
			],
			expect: Array.from({ length: 1000 }, () => message(text, full(size))),
		}),
	),
	{
		name: "10.1 64 KiB in fragments of 1,300 bytes",
		send: [fragmented(text, full(65_536), 1300)],
		expect: [message(text, full(65_536))],
	},
];

/** What an attacker sends. The longest message is 16 MiB. */
const attacks: Case[] = [
	{
		name: "a compression bomb, although nothing was agreed on",
		send: [frame(binary, full(2000, 0), { rsv: 4 })],
		ends: 1002,
	},
	{
		name: "a frame without a mask",
		send: [frame(text, "Hello", { masked: false })],
		ends: 1002,
	},
	{
		name: "a flood of pings",
		send: [Buffer.concat(Array.from({ length: 5000 }, () => frame(ping, "x")))],
		expect: Array.from({ length: 32 }, () => message(pong, "x")),
		ends: 1008,
	},
	{
		name: "a frame that says it has 100 MB",
		send: [frame(binary, "x", { length: 100_000_000 })],
		ends: 1009,
	},
	{
		name: "a frame that says it has 2^63 bytes",
		send: [hex("82 ff 7f ff ff ff ff ff ff ff 00 00 00 00")],
		ends: 1009,
	},
	{
		name: "a message of which each fragment has 1 MiB, without an end",
		send: [
			part(binary, full(MiB)),
			...Array.from({ length: 16 }, () => part(continuation, full(MiB))),
		],
		ends: 1009,
	},
	{
		name: "300,000 empty fragments",
		send: [
			part(text),
			Buffer.concat(Array.from({ length: 300_000 }, () => part(continuation))),
		],
		ends: 1008,
	},
];

export const sections: readonly [name: string, cases: readonly Case[]][] = [
	["framing", framing],
	["pings and pongs", pings],
	["reserved bits", reserved],
	["opcodes", kinds],
	["fragments", fragments],
	["UTF-8", characters],
	["closing", endings],
	["limits", limits],
	["attacks", attacks],
];
