import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { KnownTokens } from "../../src/core/known-tokens.ts";
import { Secrets } from "../../src/core/secrets.ts";

function knowing(...values: string[]): Secrets {
	const secrets = new Secrets();
	for (const value of values) secrets.add(value);
	return secrets;
}

/** How outputs write a text. */
const writings: Readonly<Record<string, (text: string) => string>> = {
	"as it is": (text) => text,
	"as JSON": (text) => JSON.stringify(text),
	"as JSON in JSON": (text) => JSON.stringify(JSON.stringify({ text })),
	"as JSON of ASCII": (text) =>
		JSON.stringify(text).replace(
			/[\u007f-\uffff]/g,
			(unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
		),
	"in a path": (text) => `/a/${encodeURIComponent(text)}/b`,
	"in a URL": (text) => encodeURI(text),
	"in a form": (text) => String(new URLSearchParams({ key: text })),
	"in small hexadecimal digits": (text) =>
		encodeURIComponent(text).replace(/%../g, (octet) => octet.toLowerCase()),
	"in base64": (text) => Buffer.from(text).toString("base64"),
	"in base64 behind one byte": (text) =>
		Buffer.from(`:${text}`).toString("base64"),
	"in base64 between others": (text) =>
		Buffer.from(`user:${text}\n`).toString("base64"),
	"in base64 for URLs": (text) =>
		Buffer.from(`ada:${text}`).toString("base64url"),
	"in hexadecimal digits": (text) => Buffer.from(text).toString("hex"),
	"as JSON of PHP": (text) => JSON.stringify(text).replaceAll("/", "\\/"),
	"as JSON of .NET": (text) =>
		JSON.stringify(text)
			.replaceAll('\\"', "\\u0022")
			.replace(
				/[&<>'+`\u007f-\uffff]/g,
				(unit) =>
					`\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
			),
	"as JSON of Go": (text) =>
		JSON.stringify(text)
			.replaceAll("&", "\\u0026")
			.replaceAll("<", "\\u003c")
			.replaceAll(">", "\\u003e"),
	"as CSV": (text) => `"${text.replaceAll('"', '""')}"`,
	"as Node prints it": (text) => inspect({ text: `in ${text}`, n: 1 }),
	"as Node prints it beside all quotes": (text) => inspect(`"'\`${text}`),
	"in HTML": (text) =>
		text
			.replaceAll("&", "&amp;")
			.replaceAll("<", "&lt;")
			.replaceAll(">", "&gt;")
			.replaceAll('"', "&quot;")
			.replaceAll("'", "&#39;"),
};

/** Secrets of all kinds: keys, passwords of people, texts of several lines, other scripts. */
const secretTexts = fc.oneof(
	fc
		.uint8Array({ minLength: 9, maxLength: 40 })
		.map((bytes) => Buffer.from(bytes).toString("base64url")),
	fc.string({ minLength: 6, maxLength: 30, unit: "grapheme" }),
	fc.string({ minLength: 6, maxLength: 30, unit: "binary-ascii" }),
);

describe("secrets", () => {
	it("are hidden as everything that an output makes of them", () => {
		fc.assert(
			fc.property(secretTexts, (text) => {
				const secrets = knowing(text);
				fc.pre(secrets.has(text));
				for (const [name, write] of Object.entries(writings)) {
					const written = write(text);
					const hidden = secrets.hide(`before ${written} after`);
					assert.ok(hidden.includes("***"), `${name}: ${hidden}`);
					assert.ok(!hidden.includes(written), `${name}: ${hidden}`);
					assert.ok(hidden.startsWith("before "), name);
					assert.ok(hidden.endsWith(" after"), name);
				}
			}),
			{ numRuns: 300 },
		);
	});

	it("leave JSON that is JSON, with nothing else changed", () => {
		const values = fc.array(fc.oneof(secretTexts, fc.string()));
		fc.assert(
			fc.property(secretTexts, values, fc.string(), (secret, around, key) => {
				const secrets = knowing(secret);
				fc.pre(secrets.has(secret));
				const value = [...around, { [key]: `x ${secret} y` }, 12.5, null];
				const hidden = secrets.hideInJson(JSON.stringify(value));
				assert.ok(!hidden.includes(JSON.stringify(secret).slice(1, -1)));
				const read = JSON.parse(hidden) as unknown[];
				assert.equal(read.length, value.length);
				assert.deepEqual(secrets.hideInValue(value), read);
			}),
			{ numRuns: 300 },
		);
	});

	it("leave no half escape behind, in which JSON would break", () => {
		for (const [secret, text] of [
			["nabcdef1", "\nabcdef1x"],
			["1babcdef", "\u001babcdefx"],
			["01babcdef", "\u001babcdefx"],
			["abcdef1\\", 'abcdef1"x'],
			["abcdef1\\u00", "abcdef1\u0001x"],
		] as const) {
			const json = JSON.stringify({ a: "before", b: text, c: "after" });
			const { a, b, c } = JSON.parse(knowing(secret).hide(json));
			assert.deepEqual([a, b, c], ["before", "***x", "after"], secret);
		}
		// A text is no JSON, and keeps its backslash.
		assert.equal(knowing("abcdef12").hide("C:\\abcdef12"), "C:\\***");
	});

	it("are hidden in bytes as in texts, and bytes without any are not copied", () => {
		fc.assert(
			fc.property(secretTexts, fc.string(), (secret, around) => {
				const secrets = knowing(secret);
				fc.pre(secrets.has(secret));
				const bytes = Buffer.from(`${around}${secret}${around}é`);
				const hidden = String(secrets.hideInBytes(bytes));
				assert.ok(hidden.includes("***") && hidden.endsWith("é"));
				assert.ok(!hidden.includes(secret));
			}),
		);
		const others = Buffer.from("nothing of the kind, é");
		assert.equal(knowing("a-secret-1").hideInBytes(others), others);
		assert.equal(new Secrets().hideInBytes(others), others);
	});

	it("are texts and numbers in JSON, and nothing that lies between them", () => {
		const trail =
			'["GET",0,0,-1,1,2,3,4,[],["a,b"],true,false,508,null,0,0,-1]';
		for (const secret of [
			...["1,2,3,4", "0,0,-1", "true,false", "508,null", "[],[1,2]", "4,[],["],
			...['","', '],["a,', "0,0,-1,1,2,3,4,[],["],
		]) {
			const shown = knowing(secret).hideInJson(trail);
			assert.deepEqual(JSON.parse(shown), JSON.parse(trail), secret);
		}
		const secrets = knowing("1234567890123456");
		const value = { a: 1234567890123456, b: [-1.5e3, "x 1234567890123456"] };
		const hidden = { a: "***", b: [-1500, "x ***"] };
		assert.deepEqual(secrets.hideInValue(value), hidden);
		const lines = Buffer.from(`${JSON.stringify(value)}\n{"é":1}\n`);
		assert.equal(
			String(secrets.hideInJsonBytes(lines)),
			`${JSON.stringify({ a: "***", b: [-1.5e3, "x ***"] })}\n{"é":1}\n`,
		);
	});

	it("hide the texts of a value that stands in JSON as a whole", () => {
		const file = JSON.stringify({ user: "ada", pin: "p-1", n: 7 });
		const shown = knowing(file).hideInJson(`{"is":${file},"b":"ada"}`);
		assert.equal(shown, '{"is":{"***":"***","***":"***","***":7},"b":"ada"}');
	});

	it("are found if they are long and not of ASCII", () => {
		const long = `Ü${randomBytes(7_000).toString("hex")}`;
		const bytes = knowing(long).hideInBytes(Buffer.from(`is ${long}`));
		assert.equal(String(bytes), "is ***");
	});

	it("are found beside, before and within each other", () => {
		const secrets = knowing("abc123def", "123defghi", "abc123defghi456");
		assert.equal(secrets.hide("abc123defghi"), "***");
		assert.equal(secrets.hide("xabc123defghi456y"), "x***y");
		assert.equal(secrets.hide("abc123defabc123def"), "******");
		assert.equal(secrets.hide("abc123de"), "abc123de");
	});

	it("are none if they are words, numbers or times", () => {
		const none = [
			...["", "a", "true", "false", "8080", "secret", "production", "s3cr"],
			...["1,2,3,4", "52.5,13.4", "[1, 2]", "true,false", "508,null"],
			...["12345678", "2026-11-30", "127.0.0.1:8080", "10.5", "upstream_"],
		];
		for (const text of none) assert.ok(!knowing(text).has(text), text);
		const some = [
			...[
				"pa55w.d",
				"twelveletter",
				"correct horse battery",
				"1234567890123456",
			],
			...["p\u00e4ssw\u00f6rt", "x9y8z7"],
		];
		for (const text of some) assert.ok(knowing(text).has(text), text);
	});

	it("are none if they stand in a name that everybody reads", () => {
		const secrets = knowing("weather-service-1");
		secrets.exceptNames(["GET /weather-service-1/{id}", "eu-west-1"]);
		secrets.add("eu-west-1");
		const text = "GET /weather-service-1/7 in eu-west-1";
		assert.equal(secrets.hide(text), text);
	});

	it("are known without the white space around them, too", () => {
		assert.equal(knowing(" the-key-1\n").hide("is the-key-1."), "is ***.");
	});

	it("cannot be printed", () => {
		const secrets = knowing("the-key-1");
		secrets.hide("first");
		secrets.addToken("token-number-1", {
			nowMs: 0,
			untilMs: 1,
			ofClient: false,
		});
		const printed = inspect(secrets, { depth: 9, showHidden: true });
		assert.ok(
			!/the-key-1|token-number/.test(printed + JSON.stringify(secrets)),
		);
	});

	it("are not those of another config, but of a copy", () => {
		const secrets = knowing("the-key-1");
		const copy = secrets.copy();
		copy.add("the-key-2");
		assert.equal(copy.hide("the-key-1 the-key-2"), "*** ***");
		assert.equal(secrets.hide("the-key-1 the-key-2"), "*** the-key-2");
	});
});

describe("tokens that were fetched", () => {
	const own = { nowMs: 0, untilMs: 1_000, ofClient: false };
	const ofClient = { ...own, ofClient: true };

	it("are hidden from then on, the gateway's own in every form", () => {
		const secrets = new Secrets();
		assert.equal(secrets.hide("token-number-1"), "token-number-1");
		secrets.addToken("token-number-1", own);
		secrets.addToken("token-number-2", ofClient);
		assert.equal(secrets.hide("token-number-1 token-number-2"), "*** ***");
		const coded = Buffer.from("x:token-number-1").toString("base64");
		assert.ok(secrets.hide(coded).includes("***"));
		assert.ok(!knowing("token-number-9").has("token-number-1"));
	});

	it("are hidden part by part, because claims are shown without their signature", () => {
		const secrets = new Secrets();
		const [head, claims, signature] = [
			"eyJhbGciOiJIUzI1NiJ9",
			"eyJzdWIiOiI3In0",
			"c2lnbmF0dXJlMQ",
		];
		secrets.addToken(`${head}.${claims}.${signature}`, ofClient);
		assert.equal(
			secrets.hide(`${head}.${claims}.${signature}`),
			`${head}.***.***`,
		);
		assert.equal(secrets.hide(`{"c":"${claims}"}`), '{"c":"***"}');
	});

	it("are hidden as a whole if they only have two dots", () => {
		const secrets = new Secrets();
		secrets.addToken("opaque-first-part.v1.x", own);
		assert.equal(secrets.hide("is opaque-first-part.v1.x"), "is ***");
		assert.equal(secrets.hide("is opaque-first-part"), "is ***");
	});

	it("of the gateway stay known, however many of clients come", () => {
		const secrets = new Secrets();
		secrets.addToken("token-number-1", { ...own, untilMs: 1e6 });
		for (let n = 0; n < 20_000; n++) {
			const token = randomBytes(18).toString("base64url");
			secrets.addToken(token, { ...ofClient, untilMs: 1e9 });
		}
		assert.equal(secrets.hide("token-number-1"), "***");
	});

	it("of the gateway have a bound of their own", () => {
		const known = new KnownTokens(1_024);
		let tidied = 0;
		for (let n = 0; n < 5_000; n++) {
			if (known.tidy(0)) tidied++;
			known.add(String(n), 1e9);
			assert.ok(known.size <= 1_024 + 85);
		}
		assert.ok(known.all().includes("4000"));
		assert.ok(tidied <= 5_000 / 80, `${tidied} times`);
	});

	it("are known until their end at least, and forgotten when many others have come", () => {
		const secrets = knowing("the-key-1");
		for (let nowMs = 0; nowMs < 400; nowMs++) {
			const token = `token-at-${nowMs}-of-400`;
			secrets.addToken(token, { nowMs, untilMs: nowMs + 20, ofClient: true });
			for (const age of [0, 10, 19]) {
				const older = `token-at-${Math.max(0, nowMs - age)}-of-400`;
				assert.equal(secrets.hide(older), "***", older);
			}
		}
		assert.equal(secrets.hide("token-at-100-of-400"), "token-at-100-of-400");
		assert.equal(secrets.hide("the-key-1"), "***");
	});

	it("are bounded: of very many the first ones are forgotten", () => {
		const secrets = new Secrets();
		const names: string[] = [];
		for (let n = 0; n < 9_000; n++) {
			const name = randomBytes(18).toString("base64url");
			names.push(name);
			secrets.addToken(name, { ...ofClient, untilMs: 1e9 });
		}
		assert.ok(!secrets.has(names[0] ?? ""));
		for (const name of names.slice(-8_192)) assert.ok(secrets.has(name));
	});
});
