import assert from "node:assert/strict";
import { test } from "node:test";
import {
	listRule,
	readXml,
	surveyXml,
	textOfXml,
	XmlError,
} from "../../src/core/xml.ts";

function read(text: string, lists: readonly string[] = []): unknown {
	return readXml(text, surveyXml(text), listRule(lists));
}

/** What is read, by what is written. */
const documents: Readonly<
	Record<string, readonly [xml: string, value: unknown]>
> = {
	"a text": ["<a>Ada</a>", { a: "Ada" }],
	"nothing in it": ["<a></a>", { a: "" }],
	"an empty element": ["<a/>", { a: "" }],
	"numbers and booleans stay texts": [
		"<a><b>007</b><c>true</c><d>1e3</d></a>",
		{ a: { b: "007", c: "true", d: "1e3" } },
	],
	"elements by name": ["<a><b>1</b><c>2</c></a>", { a: { b: "1", c: "2" } }],
	"elements of one name": [
		"<a><b>1</b><c/><b>2</b><b/></a>",
		{ a: { b: ["1", "2", ""], c: "" } },
	],
	attributes: [`<a id="7" lang='de'/>`, { a: { "@id": "7", "@lang": "de" } }],
	"an attribute and a text": [
		'<price currency="EUR">12.50</price>',
		{ price: { "@currency": "EUR", "#text": "12.50" } },
	],
	"an attribute named like an element": [
		'<a b="1"><b>2</b></a>',
		{ a: { "@b": "1", b: "2" } },
	],
	"elements named like members of every object": [
		"<a><__proto__>1</__proto__><constructor>2</constructor><__proto__/></a>",
		{ a: JSON.parse('{"__proto__":["1",""],"constructor":"2"}') },
	],
	"an attribute named __proto__": [
		'<a __proto__="1"/>',
		{ a: { "@__proto__": "1" } },
	],
	"mixed content": [
		"<p>Hello <b>Ada</b>, bye</p>",
		{ p: { b: "Ada", "#text": "Hello , bye" } },
	],
	"white space between elements": [
		"<a>\n  <b> x </b>\n\t<c>\r\n</c>\n</a>\n",
		{ a: { b: " x ", c: "\n" } },
	],
	"white space beside an attribute": [
		'<a b="1"> </a>',
		{ a: { "@b": "1", "#text": " " } },
	],
	CDATA: ["<a><![CDATA[<b>&amp;</b>]]></a>", { a: "<b>&amp;</b>" }],
	"CDATA between texts": ["<a>1<![CDATA[2]]>3<![CDATA[]]></a>", { a: "123" }],
	"the five entities": [
		`<a b="&lt;&quot;">&amp;&lt;&gt;&apos;&quot;</a>`,
		{ a: { "@b": '<"', "#text": `&<>'"` } },
	],
	"an entity is not read twice": ["<a>&amp;lt;</a>", { a: "&lt;" }],
	"numeric references": ["<a>&#65;&#x42;&#x1F600;</a>", { a: "AB😀" }],
	"comments and instructions": [
		"<?xml version='1.0'?><!-- a --><?b c?><a>1<!-- <b/> -->2<?d <e/>?></a><!-- -->",
		{ a: "12" },
	],
	"namespaces as they are written": [
		'<s:A xmlns:s="urn:a" s:b="1"><s:C/><C/></s:A>',
		{ "s:A": { "@xmlns:s": "urn:a", "@s:b": "1", "s:C": "", C: "" } },
	],
	"a prefix that is not declared": ["<x:a/>", { "x:a": "" }],
	"names of other scripts": ["<имя>Ада</имя>", { имя: "Ада" }],
	"a > in an attribute": ['<a b="1>2"><c/></a>', { a: { "@b": "1>2", c: "" } }],
	"line breaks in an attribute": [
		'<a b="1\n2\r\n3"/>',
		{ a: { "@b": "1 2 3" } },
	],
	"line breaks of all kinds": ["<a>1\r\n2\r3\n4</a>", { a: "1\n2\n3\n4" }],
};

for (const [name, [xml, value]] of Object.entries(documents)) {
	test(`XML is read: ${name}`, () => assert.deepEqual(read(xml), value));
}

/** What is refused, and how that is told. */
const refused: Readonly<Record<string, readonly [xml: string, words: string]>> =
	{
		"a document type": ["<!DOCTYPE a><a/>", "XML with a document type"],
		"a document type inside": [
			"<a><!DOCTYPE a></a>",
			"XML with a document type",
		],
		"an entity bomb": [
			'<!DOCTYPE a [<!ENTITY b "secret"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
			"XML with a document type",
		],
		"an external entity": [
			'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
			"XML with a document type",
		],
		"an entity nobody defined": [
			"<a>&nbsp;</a>",
			"XML with an entity that XML itself does not have",
		],
		"an entity named like a member of every object": [
			"<a>&constructor;</a>",
			"XML with an entity that XML itself does not have",
		],
		"an entity without its end": ["<a>&amp</a>", "XML without an end"],
		"an & by itself": ["<a>1 & 2</a>", "XML without an end"],
		"a character that XML cannot hold": ["<a>\u0001</a>", "XML with a fault"],
		"a reference to it": ["<a>&#0;</a>", "XML with a fault"],
		"half a surrogate pair": ["<a>&#xd800;</a>", "XML with a fault"],
		"an element that is not closed": ["<a><b></b>", "XML without an end"],
		"a tag that is cut": ["<a><b c=", "XML without an end"],
		"elements that overlap": ["<a><b></a></b>", "XML with a fault"],
		"an attribute twice": ['<a b="1" b="2"/>', "XML with a fault"],
		"an attribute without quotes": ["<a b=1/>", "XML with a fault"],
		"an attribute without a value": ["<a b/>", "XML with a fault"],
		"a < in an attribute": ['<a b="<"/>', "XML with a fault"],
		"two documents": ["<a/><b/>", "XML with a fault"],
		"text behind it": ["<a/>secret", "XML with a fault"],
		"a -- in a comment": ["<a><!-- -- --></a>", "XML with a fault"],
		"a ]]> in a text": ["<a>]]></a>", "XML with a fault"],
		"a declaration that is not first": [
			" <?xml version='1.0'?><a/>",
			"XML with a fault",
		],
		HTML: ["<html><br></html>", "HTML"],
		JSON: ['{"secret": 1}', "what is not XML"],
		"white space": [" \n", "what is not XML"],
	};

for (const [name, [xml, words]] of Object.entries(refused)) {
	test(`XML is refused, and nothing of it is shown: ${name}`, () => {
		assert.throws(() => read(xml), new XmlError(words));
	});
}

test("elements nest at most 64 deep", () => {
	const nested = (depth: number) => "<a>".repeat(depth) + "</a>".repeat(depth);
	for (const depth of [63, 64]) assert.ok(read(nested(depth)));
	for (const depth of [65, 100_000]) {
		assert.throws(() => read(nested(depth)), {
			message: "XML that is nested deeper than 64 elements",
		});
	}
	assert.ok(read(`<a>${"<b/>".repeat(100)}${"<b></b>".repeat(100)}</a>`));
});

test("elements are lists by their names, or the last names of their path", () => {
	const xml = "<a><b><c>1</c></b><d><c>2</c><e>3</e></d></a>";
	assert.deepEqual(read(xml, ["c"]), {
		a: { b: { c: ["1"] }, d: { c: ["2"], e: "3" } },
	});
	assert.deepEqual(read(xml, ["b/c", "e"]), {
		a: { b: { c: ["1"] }, d: { c: "2", e: ["3"] } },
	});
	assert.deepEqual(read(xml, ["a/d/c", "a"]), {
		a: [{ b: { c: "1" }, d: { c: ["2"], e: "3" } }],
	});
	assert.deepEqual(read(xml, ["x/a/d/c", "d/b"]), {
		a: { b: { c: "1" }, d: { c: "2", e: "3" } },
	});
	assert.deepEqual(read("<a><b/><b/></a>", ["b"]), { a: { b: ["", ""] } });
});

test("what is counted is at least what is made", () => {
	const counted = (xml: string) => surveyXml(xml).values;
	assert.equal(counted("<a/>"), 3);
	assert.equal(counted("<a b='' c=\"'\">&amp;&#65;</a>"), 9);
	assert.equal(counted("<a><!-- <b/> &amp; --></a>"), 5);
	assert.equal(counted("<a><![CDATA[<b/>]]><?c?></a>"), 5);
	assert.equal(counted("<a b='\n\t1>2'><c/></a>"), 9);
	for (const [xml] of Object.values(documents)) {
		const values = (value: unknown): number =>
			typeof value !== "object" || value === null
				? 1
				: 1 +
					Object.entries(value).reduce(
						(sum, [, inner]) => sum + 1 + values(inner),
						0,
					);
		// A list is one value more, and its elements have no keys.
		assert.ok(counted(xml) * 2 > values(read(xml)), xml);
	}
});

test("the charset is what a byte order mark, the type, or the document itself says", () => {
	const latin = (text: string) => Buffer.from(text, "latin1");
	const wide = (text: string) => Buffer.from(text, "utf16le");
	const cases: [bytes: Uint8Array, announced: string | null, text: RegExp][] = [
		[Buffer.from("<a>ü</a>"), null, /^<a>ü/],
		[latin("<a>ü</a>"), "iso-8859-1", /^<a>ü/],
		[latin("<?xml version='1.0' encoding='ISO-8859-1'?><a>ü</a>"), null, />ü</],
		[
			latin(
				'<?xml version="1.0" encoding = "iso-8859-1" standalone="yes"?><a>ü</a>',
			),
			null,
			/>ü</,
		],
		[
			Buffer.from("<?xml version='1.0' encoding='iso-8859-1'?><a>ü</a>"),
			"utf-8",
			/>ü</,
		],
		// Whoever prints a text of UTF-16 as UTF-8 leaves the declaration in it.
		[
			Buffer.from("<?xml version='1.0' encoding='utf-16'?><a>ü</a>"),
			null,
			/>ü</,
		],
		[wide("<a>ü</a>"), null, /^<a>ü/],
		[wide("\ufeff<a>ü</a>"), "iso-8859-1", /^<a>ü/],
		[wide("<a>ü</a>").swap16(), null, /^<a>ü/],
		[Buffer.from("\ufeff<a>ü</a>"), null, /^<a>ü/],
	];
	for (const [bytes, announced, text] of cases) {
		assert.match(textOfXml(bytes, announced), text, String(text));
	}
	assert.throws(() => textOfXml(latin("<a>ü</a>"), null), TypeError);
	assert.throws(() => textOfXml(latin("<a>ü</a>"), "utf-8"), TypeError);
	const unknown = latin("<?xml version='1.0' encoding='klingon'?><a/>");
	assert.throws(() => textOfXml(unknown, null), RangeError);
});
