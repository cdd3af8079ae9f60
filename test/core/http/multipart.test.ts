import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import {
	isBoundary,
	type Part,
	partsOf,
} from "../../../src/core/http/multipart.ts";

function read(body: string | Buffer, boundary = "b", partsMax = 1000) {
	const bytes = typeof body === "string" ? Buffer.from(body) : body;
	return partsOf(bytes, boundary, partsMax);
}

/** The parts as `name=value`, a file as `name(file; type)=value`; or the fault. */
function told(body: string, boundary?: string): string[] | string {
	const parts = read(body, boundary);
	return typeof parts === "string" ? parts : parts.map(tell);
}

function tell({ name, fileName, type, bytes }: Part): string {
	const file = fileName === null ? "" : `(${fileName}; ${type})`;
	return `${name}${file}=${bytes}`;
}

const disposition = "Content-Disposition: form-data; ";
const field = (name: string, value: string, more = "") =>
	`${disposition}name="${name}"\r\n${more}\r\n${value}\r\n`;

describe("the parts of a form", () => {
	const good: [what: string, body: string, parts: string[]][] = [
		["none", "--b--\r\n", []],
		["one", `--b\r\n${field("a", "1")}--b--\r\n`, ["a=1"]],
		["no line break at the end", `--b\r\n${field("a", "1")}--b--`, ["a=1"]],
		["one before the start", `\r\n--b\r\n${field("a", "1")}--b--`, ["a=1"]],
		[
			"a name twice",
			`--b\r\n${field("a", "1")}--b\r\n${field("a", "2")}--b--`,
			["a=1", "a=2"],
		],
		["an empty value", `--b\r\n${field("a", "")}--b--`, ["a="]],
		["an empty name", `--b\r\n${field("", "1")}--b--`, ["=1"]],
		[
			"line breaks in a value",
			`--b\r\n${field("a", "\r\n1\r\n\n2\r")}--b--`,
			["a=\r\n1\r\n\n2\r"],
		],
		[
			"the boundary within a line",
			`--b\r\n${field("a", "1--b--b--")}--b--`,
			["a=1--b--b--"],
		],
		[
			"a line that begins nearly so",
			`--b\r\n${field("a", "\r\n-b\r\n--c")}--b--`,
			["a=\r\n-b\r\n--c"],
		],
		[
			"a file",
			`--b\r\n${disposition}name="f"; filename="a b.png"\r\nContent-Type: Image/PNG; x=1\r\n\r\n\0\xff\r\n--b--`,
			["f(a b.png; image/png)=\0\xff"],
		],
		[
			"a file without a type",
			`--b\r\n${disposition}name="f"; filename=""\r\n\r\n\r\n--b--`,
			["f(; null)="],
		],
		[
			"a name without quotes",
			`--b\r\ncontent-disposition:form-data;name=f;filename=a.txt\r\n\r\nx\r\n--b--`,
			["f(a.txt; null)=x"],
		],
		[
			"both kinds of file names",
			`--b\r\n${disposition}name="f"; filename="a.txt"; filename*=UTF-8''b.exe\r\n\r\nx\r\n--b--`,
			["f(a.txt; null)=x"],
		],
		[
			"a path as a file name",
			`--b\r\n${disposition}name="f"; filename="C:\\dir\\a.txt"\r\n\r\nx\r\n--b--`,
			["f(C:\\dir\\a.txt; null)=x"],
		],
		[
			"names of UTF-8, and escaped ones",
			`--b\r\n${field("имя %22%0D%0a%41", "1")}--b--`,
			['имя "\r\n%41=1'],
		],
		[
			"a name that looks like a parameter",
			`--b\r\n${field("a; filename=x", "1")}--b--`,
			["a; filename=x=1"],
		],
		["__proto__", `--b\r\n${field("__proto__", "1")}--b--`, ["__proto__=1"]],
		[
			"other fields",
			`--b\r\n${field("a", "1", "X-Other: ü\r\nContent-Transfer-Encoding: 8bit\r\n")}--b--`,
			["a=1"],
		],
	];
	for (const [what, body, parts] of good) {
		it(`are read: ${what}`, () => {
			assert.deepEqual(told(body), parts);
		});
	}

	const bad: [what: string, body: string, fault: RegExp][] = [
		["nothing", "", /begin with its boundary/],
		["another boundary", `--c\r\n${field("a", "1")}--c--`, /begin with/],
		["a text before it", `hello\r\n--b\r\n${field("a", "1")}--b--`, /begin/],
		["a text behind it", `--b\r\n${field("a", "1")}--b--\r\nx`, /goes on/],
		[
			"two line breaks behind it",
			`--b\r\n${field("a", "1")}--b--\r\n\r\n`,
			/goes on/,
		],
		["no end", `--b\r\n${field("a", "1")}`, /no end/],
		["half an end", `--b\r\n${field("a", "1")}--b-`, /begins as its boundary/],
		["an end without hyphens", `--b\r\n${field("a", "1")}--b`, /begins as/],
		["an end within a head", `--b\r\n${disposition}name="a"\r\n`, /no end/],
		[
			"a boundary that goes on",
			`--b\r\n${field("a", "1\r\n--bc")}--b--`,
			/begins as its boundary and is another/,
		],
		[
			"blanks behind a boundary",
			`--b \r\n${field("a", "1")}--b--`,
			/begins as/,
		],
		["a bare line feed behind it", `--b\n${field("a", "1")}--b--`, /begins as/],
		[
			"a bare line feed before it",
			`--b\r\n${field("a", "1\n--b\r\nx")}--b--`,
			/line break of its own/,
		],
		[
			"bare line feeds everywhere",
			`--b\r\n${field("a", "1")}--b--`.replaceAll("\r", ""),
			/begins as/,
		],
		[
			"no line break of its own",
			`--b\r\n${disposition}name="a"\r\n\r\n--b--`,
			/line break of its own/,
		],
		["no header fields", "--b\r\n\r\n1\r\n--b--", /malformed header field/],
		[
			"a line without a colon",
			`--b\r\n${field("a", "1", "x\r\n")}--b--`,
			/malformed header/,
		],
		[
			"a continued line",
			`--b\r\n${field("a", "1", " x: 1\r\n")}--b--`,
			/malformed header/,
		],
		[
			"a bare line feed in a head",
			`--b\r\n${field("a", "1", "x: 1\ny: 2\r\n")}--b--`,
			/malformed header/,
		],
		[
			"a bare carriage return in a head",
			`--b\r\n${field("a", "1", "x: 1\ry: 2\r\n")}--b--`,
			/malformed header/,
		],
		["NUL in a head", `--b\r\n${field("a\0", "1")}--b--`, /malformed header/],
		["no disposition", "--b\r\nx: 1\r\n\r\n1\r\n--b--", /without a proper/],
		[
			"another disposition",
			'--b\r\ncontent-disposition: attachment; name="a"\r\n\r\n1\r\n--b--',
			/without a proper/,
		],
		[
			"no name",
			"--b\r\ncontent-disposition: form-data\r\n\r\n1\r\n--b--",
			/without a proper/,
		],
		[
			"two names",
			`--b\r\n${disposition}name="a"; name="b"\r\n\r\n1\r\n--b--`,
			/without a proper/,
		],
		[
			"two file names",
			`--b\r\n${disposition}name="a"; filename="b"; FileName="c"\r\n\r\n1\r\n--b--`,
			/without a proper/,
		],
		[
			"a quote that stays open",
			`--b\r\n${disposition}name="a\r\n\r\n1\r\n--b--`,
			/without a proper/,
		],
		[
			"two dispositions",
			`--b\r\n${field("a", "1", `${disposition}name="b"\r\n`)}--b--`,
			/two fields `content-disposition`/,
		],
		[
			"two types",
			`--b\r\n${field("a", "1", "Content-Type: a/b\r\ncontent-type: c/d\r\n")}--b--`,
			/two fields `content-type`/,
		],
		[
			"a malformed type",
			`--b\r\n${field("a", "1", 'Content-Type: a/b; c="\r\n')}--b--`,
			/malformed content-type/,
		],
		[
			"`filename*` alone",
			`--b\r\n${disposition}name="f"; filename*=UTF-8''a\r\n\r\nx\r\n--b--`,
			/`filename\*` alone/,
		],
		[
			"an escaped quote in a name",
			`--b\r\n${field('a\\"b', "1")}--b--`,
			/has a name with/,
		],
		[
			"an escaped quote in a file name",
			`--b\r\n${disposition}name="a"; filename="b\\"c"\r\n\r\n1\r\n--b--`,
			/has a name with/,
		],
		[
			"a transfer encoding",
			`--b\r\n${field("a", "MQ==", "Content-Transfer-Encoding: base64\r\n")}--b--`,
			/transfer encoding/,
		],
	];
	for (const [what, body, fault] of bad) {
		it(`are refused: ${what}`, () => {
			const found = told(body);
			assert.equal(typeof found, "string", JSON.stringify(found));
			assert.match(found as string, fault);
		});
	}

	it("are refused if a head is not UTF-8", () => {
		const body = Buffer.from(`--b\r\n${field("\xe9", "1")}--b--`, "latin1");
		assert.match(String(read(body)), /not UTF-8/);
	});

	it("are cut anywhere without being taken for whole", () => {
		const whole = `--b\r\n${field("a", "1")}--b\r\n${field("c", "2")}--b--`;
		for (let length = 0; length < whole.length; length++) {
			const found = told(whole.slice(0, length));
			assert.equal(typeof found, "string", `${length}: ${found}`);
		}
	});

	it("have heads of at most 8 KiB", () => {
		const head = `${disposition}name="a"\r\nx: `;
		const body = (length: number) =>
			`--b\r\n${head}${"x".repeat(length - head.length)}\r\n\r\n1\r\n--b--`;
		assert.deepEqual(told(body(8 * 1024 - 2)), ["a=1"]);
		assert.match(String(told(body(8 * 1024 - 1))), /more than 8192 bytes/);
	});

	it("have at most 16 header fields, with 16 parameters each", () => {
		const body = (fields: number, parameters: number) =>
			`--b\r\n${disposition}name="a"${";".repeat(parameters - 1)}\r\n${"x: y\r\n".repeat(fields - 1)}\r\n1\r\n--b--`;
		for (const count of [15, 16]) {
			assert.deepEqual(told(body(count, count)), ["a=1"]);
		}
		assert.match(String(told(body(17, 1))), /more than 16 header fields/);
		assert.match(String(told(body(1, 17))), /without a proper/);
	});

	it("are at most as many as wanted, and one more", () => {
		const body = (count: number) =>
			`${`--b\r\n${field("a", "1")}`.repeat(count)}--b--`;
		for (const [count, found] of [
			[2, 2],
			[3, 3],
			[4, 4],
			[5, 4],
			[1000, 4],
		] as const) {
			assert.equal(read(body(count), "b", 3).length, found);
		}
	});

	it("are views of the body", () => {
		const body = Buffer.from(`--b\r\n${field("a", "1")}--b--`);
		const [part] = read(body);
		assert.ok(typeof part === "object");
		assert.equal(part.bytes.buffer, body.buffer);
	});
});

test("a boundary is of 1 to 70 characters that RFC 2046 allows", () => {
	const boundaries: [string, boolean][] = [
		["", false],
		["b", true],
		["-".repeat(70), true],
		["-".repeat(71), false],
		["a b", true],
		["a ", false],
		[" ", false],
		["----=_Part_0_12.34", true],
		["'()+_,-./:=?", true],
		["a;b", false],
		['a"b', false],
		["é", false],
		["a\r\nb", false],
		["a\n", false],
	];
	for (const [text, is] of boundaries) {
		assert.equal(isBoundary(text), is, JSON.stringify(text));
	}
});

test("a boundary may have any of its characters, and 70 of them", () => {
	for (const boundary of ["'()+_,-./:=?", "a b", "-".repeat(70), "b--"]) {
		const body = `--${boundary}\r\n${field("a", `1\r\n-${boundary}`)}--${boundary}--`;
		assert.deepEqual(told(body, boundary), [`a=1\r\n-${boundary}`]);
	}
});

test("a megabyte that nearly holds boundaries is read in a time that grows with its length alone", () => {
	const near = (size: number) => [
		"\n".repeat(size),
		"-".repeat(size),
		`\n${"-".repeat(71)}`.repeat(size / 72),
		`\r\n--${"-".repeat(69)}x`.repeat(size / 74),
		"\r\n\r\n".repeat(size / 4),
		`${"x: 1\r\n"}`.repeat(size / 6),
	];
	const boundary = "-".repeat(70);
	const times = [1 << 18, 1 << 20].map((size) =>
		near(size).map((content) => {
			const body = Buffer.from(
				`--${boundary}\r\n${field("a", content)}--${boundary}--`,
			);
			let best = Number.POSITIVE_INFINITY;
			for (let round = 0; round < 3; round++) {
				const start = process.cpuUsage();
				read(body, boundary);
				const { user, system } = process.cpuUsage(start);
				best = Math.min(best, (user + system) / 1000);
			}
			return best;
		}),
	);
	for (const ms of times[1] ?? []) assert.ok(ms < 50, `took ${times[1]} ms`);
});
