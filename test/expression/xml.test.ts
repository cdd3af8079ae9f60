import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { listRule, readXml, surveyXml } from "../../src/core/xml.ts";
import { compute, failureOf } from "./compute.ts";

const print = (x: unknown) => compute("printXml(x)", { x }) as string;
const read = (xml: string, lists: readonly string[] = []) =>
	readXml(xml, surveyXml(xml), listRule(lists));

const name = fc.constantFrom("a", "b", "s:c", "имя", "__proto__", "x-1.y");
const text = fc
	.oneof(
		fc.string({ unit: "grapheme" }),
		fc.constantFrom("", " ", "\r\n", "\t<&>\"'", "]]>", "007", "<![CDATA[x]]>"),
	)
	.map((one) =>
		one.replaceAll(
			/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu,
			"",
		),
	);

/** What an element may become. */
const { element } = fc.letrec<{ element: unknown }>((tie) => ({
	element: fc.oneof(
		{ depthSize: "small" },
		text,
		fc
			.record({
				attributes: fc.dictionary(name, text, { maxKeys: 3 }),
				elements: fc.dictionary(
					name,
					fc.oneof(
						tie("element"),
						fc.array(tie("element"), { minLength: 2, maxLength: 3 }),
					),
					{ maxKeys: 3 },
				),
				text,
			})
			.map(({ attributes, elements, text }) => {
				const own = [
					...Object.entries(attributes).map(([key, of]) => [`@${key}`, of]),
					...Object.entries(elements),
					// White space alone is dropped beside elements.
					...(text === "" ||
					(Object.keys(elements).length > 0 && /^[\t\n\r ]*$/.test(text))
						? []
						: [["#text", text]]),
				] as [string, unknown][];
				const alone =
					own.length === 0 || (own.length === 1 && own[0]?.[0] === "#text");
				return alone ? (own[0]?.[1] ?? "") : Object.fromEntries(own);
			}),
	),
}));

test("what is printed as XML is read again as it was", () => {
	fc.assert(
		fc.property(name, element, (root, value) => {
			const whole = Object.fromEntries([[root, value]]);
			assert.deepEqual(read(print(whole)), whole);
		}),
		{ numRuns: 1000 },
	);
});

test("what was read of XML is printed so that it is read so again", () => {
	for (const xml of [
		'<a b="1">\n <c>2</c> x <c/>\n<d e="&#10;\'&quot;"> </d></a>',
		"<a><![CDATA[<b>]]>&amp;&#13;</a>",
		'<s:A xmlns:s="urn:s"><s:B s:c="1"/></s:A>',
	]) {
		const value = read(xml);
		assert.deepEqual(read(print(value)), value, xml);
	}
	const listed = read("<a><b/></a>", ["b"]);
	assert.deepEqual(read(print(listed), ["b"]), listed);
});

test("elements are printed at most 64 deep", () => {
	const nested = (depth: number) => {
		let value: unknown = "x";
		for (let at = 0; at < depth; at++) value = { a: value };
		return value;
	};
	assert.ok(read(print(nested(64))));
	assert.match(
		failureOf("printXml(x)", { x: nested(65) }).message,
		/deeper than 64 elements/,
	);
});
