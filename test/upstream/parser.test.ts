import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answers, createRandom } from "./answers.ts";
import {
	assertSameInPieces,
	compareSpoiled,
	everyCut,
	judge,
} from "./compare.ts";
import { createOracle, faultOf, ourReading, type Sent } from "./readings.ts";

/** What our parser of answers takes, and what it refuses; beside it undici's, which must take it for the same. */

function sent(text: string, method: Sent["method"] = "GET"): Sent {
	return { bytes: Buffer.from(text, "latin1"), method };
}

const ok = "HTTP/1.1 200 OK\r\n";
const chunked = `${ok}transfer-encoding: chunked\r\n\r\n`;

describe("an answer", () => {
	test("of those that servers send is read as undici reads it", async () => {
		const oracle = createOracle();
		for (const [name, each] of answers) {
			assert.equal(
				judge(each, await oracle.reading(each)),
				"same answer",
				name,
			);
		}
		await oracle.close();
	});

	test("is the same wherever it is cut in two, and byte by byte", () => {
		for (const each of answers.values()) {
			for (const cut of everyCut(each.bytes.length)) {
				assertSameInPieces(each, [cut]);
			}
			assertSameInPieces(each, everyCut(each.bytes.length));
		}
	});

	test("that ends at any byte is not taken for whole, unless its end is the connection's", () => {
		for (const [name, { bytes, method }] of answers) {
			if (name.startsWith("until the end") || name.startsWith("two")) continue;
			const whole = ourReading({ bytes, method });
			for (const end of everyCut(bytes.length)) {
				const cut = ourReading({ bytes: bytes.subarray(0, end), method });
				if ("refused" in cut) continue;
				assert.deepEqual(cut, whole, `${name}, cut at ${end}`);
			}
		}
	});
});

/** Texts of our faults; undici must refuse each as well. */
const refused: Readonly<Record<string, readonly [string, RegExp]>> = {
	"a space before the colon of a length": [
		`${ok}content-length : 2\r\n\r\n`,
		/before the colon/,
	],
	"a space before the colon of a coding": [
		`${ok}transfer-encoding\t: chunked\r\n\r\n`,
		/before the colon/,
	],
	"no name": [`${ok}: b\r\n\r\n`, /proper name/],
	"no colon": [`${ok}a\r\n\r\n`, /without a colon/],
	"a colon in the next line only": [
		`${ok}a\r\nb: c\r\n\r\n`,
		/without a colon/,
	],
	"a folded line": [`${ok}a: b\r\n c\r\n\r\n`, /without a colon/],
	"a folded line with a colon": [`${ok}a: b\r\n c: d\r\n\r\n`, /proper name/],
	"a bare CR in a value": [`${ok}a: b\rc\r\n\r\n`, /control character/],
	"a bare LF in a value": [`${ok}a: b\nc: d\r\n\r\n`, /control character/],
	"bare LFs alone": ["HTTP/1.1 200 OK\na: b\n\n", /not HTTP/],
	"a bare LF at the end of the head": [`${ok}a: b\r\n\n`, /not HTTP/],
	"a NUL in a value": [`${ok}a: b\0\r\n\r\n`, /control character/],
	"a DEL in a value": [`${ok}a: \x7f\r\n\r\n`, /control character/],
	"two lengths": [
		`${ok}content-length: 1\r\ncontent-length: 2\r\n\r\nx`,
		/two/,
	],
	"two equal lengths": [
		`${ok}content-length: 1\r\nContent-Length: 1\r\n\r\nx`,
		/two/,
	],
	"a list of lengths": [`${ok}content-length: 1, 1\r\n\r\nx`, /no number/],
	"a length with a sign": [`${ok}content-length: +1\r\n\r\nx`, /no number/],
	"a length in hexadecimal": [`${ok}content-length: 0x1\r\n\r\nx`, /no number/],
	"no length": [`${ok}content-length:\r\n\r\nx`, /no number/],
	"a tab behind a length": [`${ok}content-length: 1\t\r\n\r\nx`, /tab/],
	"a length and chunks": [
		`${ok}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
		/beside chunks/,
	],
	"chunks and a length": [
		`${ok}transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n`,
		/beside chunks/,
	],
	"a chunk without a size": [`${chunked}\r\nx\r\n`, /without a size/],
	"a chunk's size that is none": [`${chunked}g\r\nx\r\n`, /without a size/],
	"a chunk's size in 0x": [`${chunked}0x1\r\nx\r\n0\r\n\r\n`, /without a size/],
	"a chunk's size that is negative": [`${chunked}-1\r\n`, /without a size/],
	"a space behind a chunk's size": [
		`${chunked}1 \r\nx\r\n0\r\n\r\n`,
		/without a size/,
	],
	"a bare LF behind a chunk's size": [
		`${chunked}1\nx\r\n0\r\n\r\n`,
		/without a size/,
	],
	"an extension whose quotes are not closed": [
		`${chunked}1;a="b\r\nx\r\n0\r\n\r\n`,
		/without a size/,
	],
	"a chunk that is longer than its size": [
		`${chunked}1\r\nxy\r\n0\r\n\r\n`,
		/longer than its size/,
	],
	"a chunk that is shorter than its size": [
		`${chunked}3\r\nx\r\n0\r\n\r\n`,
		/longer than its size/,
	],
	"a bare LF behind a chunk": [`${chunked}1\r\nx\n0\r\n\r\n`, /longer than/],
	"a length among the trailers": [
		`${chunked}0\r\ncontent-length: 1\r\n\r\n`,
		/trailer frames/,
	],
	"a trailer that is none": [`${chunked}0\r\na b: c\r\n\r\n`, /proper name/],
	"a bare LF in the trailers": [`${chunked}0\r\na: b\n\r\n`, /control/],
	"another protocol": ["SSH-2.0-OpenSSH_9.9\r\n\r\n", /status line/],
	"another protocol, cut short": ["SSH-2.0", /not HTTP/],
	TLS: ["\x15\x03\x01\x00\x02\x02\x46", /speaks TLS: write `https/],
	"HTTP/1.2": ["HTTP/1.2 200 OK\r\n\r\n", /status line/],
	"HTTP/1.1 in small letters": ["http/1.1 200 OK\r\n\r\n", /status line/],
	"a status of two digits": ["HTTP/1.1 20 OK\r\n\r\n", /status line/],
	"a status of four digits": ["HTTP/1.1 2000 OK\r\n\r\n", /status line/],
	"a status below 100": ["HTTP/1.1 099 OK\r\n\r\n", /status line/],
	"two spaces before the status": ["HTTP/1.1  200 OK\r\n\r\n", /status line/],
	"101 unasked": [
		"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
		/switch/,
	],
	"an interim answer that ends its connection": [
		`HTTP/1.1 103 Hints\r\nconnection: close\r\n\r\n${ok}content-length: 0\r\n\r\n`,
		/interim/,
	],
	"an interim answer alone": ["HTTP/1.1 103 Hints\r\n\r\n", /too early/],
	nothing: ["", /too early/],
};

describe("refused is", () => {
	for (const [name, [text, fault]] of Object.entries(refused)) {
		test(name, async () => {
			const oracle = createOracle();
			const each = sent(text);
			const theirs = await oracle.reading(each);
			assert.ok("refused" in theirs, "undici takes it");
			const ours = ourReading(each);
			assert.match("refused" in ours ? ours.refused : "taken", fault);
			assertSameInPieces(each, everyCut(text.length));
			await oracle.close();
		});
	}
});

test("a tab behind `chunked`, which undici takes for another coding, is refused", async () => {
	const oracle = createOracle();
	const tabbed = sent(`${ok}transfer-encoding: chunked\t\r\n\r\n0\r\n\r\n`);
	const theirs = await oracle.reading(tabbed);
	assert.equal("refused" in theirs ? "" : theirs.body, "0\r\n\r\n");
	assert.deepEqual(ourReading(tabbed), {
		refused: "a tab in a field that frames the message",
	});
	await oracle.close();
});

describe("refused is, though undici takes it,", () => {
	const twice = (name: string) =>
		`${ok}${name}: a\r\ncontent-length: 0\r\n${name}: b\r\n\r\n`;
	const interim = (field: string) =>
		`HTTP/1.1 103 Hints\r\n${field}\r\n\r\n${ok}content-length: 0\r\n\r\n`;
	const cases: Readonly<Record<string, readonly [string, RegExp]>> = {
		"a type of content twice": [twice("content-type"), /content-type .* twice/],
		"a location twice": [twice("location"), /location .* twice/],
		"an interim answer with a length": [
			interim("content-length: 5"),
			/interim answer announces/,
		],
		"an interim answer with a length of 0": [
			interim("content-length: 0"),
			/interim answer announces/,
		],
		"an interim answer with chunks": [
			interim("transfer-encoding: chunked"),
			/interim answer announces/,
		],
		"a status of 600": ["HTTP/1.1 600 No\r\n\r\n", /a status above 599/],
		"a status of 999": ["HTTP/1.1 999 No\r\n\r\n", /a status above 599/],
		"a length of 2^53": [
			`${ok}content-length: ${2 ** 53}\r\n\r\nx`,
			/no number/,
		],
	};
	for (const [name, [text, fault]] of Object.entries(cases)) {
		test(name, () => {
			const ours = ourReading(sent(text));
			assert.match("refused" in ours ? ours.refused : "taken", fault);
			assertSameInPieces(sent(text), everyCut(text.length));
		});
	}
});

test("what can no longer become an answer is not waited for", () => {
	for (const pieces of [
		["SSH-2.0"],
		["H", "ello"],
		["HTTP/2"],
		["HTTP/1.1 200 OK\n"],
		["HTTP/1.1 200 OK\r", "x"],
		["HTTP/1.1 200 OK\r\nx: ", "\0"],
		["HTTP/1.1 200 OK\r\nx: y", "\n"],
		[chunked, "z"],
		[chunked, "5", " "],
		[chunked, "5\r", "x"],
		[chunked, "1\r\n", "x", "y"],
	]) {
		const last = pieces.length - 1;
		assert.equal(faultOf(pieces.slice(0, last)), null, `${pieces}`);
		assert.notEqual(faultOf(pieces), null, `${pieces}`);
	}
});

describe("the limit of", () => {
	/** The bytes of a head of this length, blank line included. */
	const headOf = (length: number) => {
		const rest = `${ok}content-length: 0\r\nx: \r\n\r\n`.length;
		return `${ok}content-length: 0\r\nx: ${"y".repeat(length - rest)}\r\n\r\n`;
	};
	const trailersOf = (length: number) => {
		const rest = `${chunked}x: \r\n\r\n`.length;
		return `${chunked}0\r\nx: ${"y".repeat(length - rest)}\r\n\r\n`;
	};
	const chunkOf = (length: number) =>
		`${chunked}0;${"e".repeat(length - "0;\r\n".length)}\r\n\r\n`;
	const manyExtensions = (length: number) => {
		let text = chunked;
		for (let left = length; left > 0; left -= 1000) {
			text += `1;${"e".repeat(Math.min(left, 1000) - 1)}\r\nx\r\n`;
		}
		return `${text}0\r\n\r\n`;
	};
	const interim = (count: number) =>
		`${"HTTP/1.1 102 Processing\r\n\r\n".repeat(count)}${ok}content-length: 0\r\n\r\n`;
	const limits = {
		"16 KiB of a head": [16 * 1024, headOf],
		"256 fields": [
			256,
			(count) =>
				`${ok}${"x: y\r\n".repeat(count - 1)}content-length: 0\r\n\r\n`,
		],
		"32 interim answers": [32, interim],
		"1 KiB of a line before a chunk": [1024, chunkOf],
		"16 KiB of extensions": [16 * 1024, manyExtensions],
		"16 KiB of a head and trailers": [16 * 1024, trailersOf],
		"256 fields and trailers": [
			256,
			(count) => `${chunked}0\r\n${"x: y\r\n".repeat(count - 1)}\r\n`,
		],
		"15 digits of a length": [
			15,
			(count) => `${ok}content-length: ${"1".padStart(count, "0")}\r\n\r\nx`,
		],
		"12 digits of a chunk's size": [
			12,
			(count) => `${chunked}${"1".padStart(count, "0")}\r\nx\r\n0\r\n\r\n`,
		],
	} satisfies Record<string, readonly [number, (count: number) => string]>;
	for (const [name, [limit, make]] of Object.entries(limits)) {
		test(`${name} holds to the one, however it is cut`, () => {
			for (const count of [limit - 1, limit, limit + 1]) {
				const each = sent(make(count));
				const { length } = each.bytes;
				for (const cuts of [[], [length >> 1], [10, 11, 12, length - 3]]) {
					const reading = ourReading(each, cuts);
					assert.equal("refused" in reading, count > limit, `${count} ${cuts}`);
				}
			}
		});
	}
});

test("20,000 spoiled answers are read as undici reads them, or refused where that is listed", async () => {
	const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
	const seen = await compareSpoiled(20_000, createRandom(seed));
	// Were the answers spoiled too little or too much, the comparison would say nothing.
	assert.ok((seen.get("same answer") ?? 0) > 2_000, `SEED=${seed}`);
	assert.ok((seen.get("both refuse") ?? 0) > 2_000, `SEED=${seed}`);
});
