import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeText } from "../../src/core/charset.ts";

const of = (...bytes: number[]) => new Uint8Array(bytes);

test("a text is read in its charset, by the labels that browsers know", () => {
	const cases: [label: string | null, bytes: Uint8Array, text: string][] = [
		[null, Buffer.from("Müller"), "Müller"],
		["utf-8", Buffer.from("Müller"), "Müller"],
		["UTF8", Buffer.from("Müller"), "Müller"],
		[" utf-8 ", of(0x41), "A"],
		["iso-8859-1", of(0xfc), "ü"],
		// By the standard they are windows-1252, which has more signs.
		["iso-8859-1", of(0x80, 0x92), "€’"],
		["us-ascii", of(0x80), "€"],
		["windows-1252", of(0x80, 0x92), "€’"],
		["iso-8859-2", of(0xb1), "ą"],
		["windows-1251", of(0xcf), "П"],
		["koi8-r", of(0xc1), "а"],
		["shift_jis", of(0x83, 0x41), "ア"],
		["euc-jp", of(0xa4, 0xa2), "あ"],
		["iso-2022-jp", of(0x1b, 0x24, 0x42, 0x24, 0x22), "あ"],
		["gbk", of(0xc4, 0xe3), "你"],
		["gb2312", of(0xc4, 0xe3), "你"],
		["big5", of(0xa7, 0x41), "你"],
		["euc-kr", of(0xb0, 0xa1), "가"],
		["utf-16", of(0x41, 0), "A"],
		["utf-16le", of(0x41, 0), "A"],
		["utf-16be", of(0, 0x41), "A"],
	];
	for (const [label, bytes, text] of cases) {
		assert.equal(decodeText(bytes, label), text, String(label));
	}
});

test("a byte order mark goes before the label, and is no part of the text", () => {
	for (const label of [null, "utf-8", "iso-8859-1", "klingon"]) {
		assert.equal(decodeText(of(0xef, 0xbb, 0xbf, 0x41), label), "A");
		assert.equal(decodeText(of(0xfe, 0xff, 0, 0x41), label), "A");
		assert.equal(decodeText(of(0xff, 0xfe, 0x41, 0), label), "A");
	}
	assert.equal(decodeText(of(0xff, 0xfe), null), "");
});

test("bytes that are not in their charset are refused", () => {
	const cases: [string | null, Uint8Array][] = [
		[null, of(0xff)],
		[null, of(0xc3)],
		[null, of(0xed, 0xa0, 0x80)],
		["utf-8", of(0xc0, 0x80)],
		["utf-16le", of(0x41)],
		["utf-16le", of(0, 0xd8)],
		["shift_jis", of(0x83)],
		["euc-jp", of(0xff)],
		["iso-8859-1", of(0xfe, 0xff, 0)],
	];
	for (const [label, bytes] of cases) {
		assert.throws(() => decodeText(bytes, label), TypeError, String(label));
	}
});

test("a charset that is not known is refused", () => {
	for (const label of ["", "klingon", "utf-7", "iso-2022-kr", "__proto__"]) {
		assert.throws(() => decodeText(of(0x41), label), RangeError, label);
	}
});
