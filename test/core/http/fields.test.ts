import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import {
	answerFieldsRefused,
	callFieldsRefused,
	codedFields,
	conditionFields,
	connectionFields,
	credentialFields,
	fieldsConfirmed,
	fieldsOfNotModified,
	framingFields,
	hopFields,
	hopFieldsOf,
	lookalikes,
	neverPassed,
	notAsked,
	passesUnasked,
	serverFields,
} from "../../../src/core/http/fields.ts";

const hop =
	"connection content-length expect http2-settings keep-alive proxy-connection te trailer transfer-encoding upgrade";
const proxy =
	"proxy-authenticate proxy-authentication-info proxy-authorization";
const answer = "date sluice-complete sluice-missing x-request-id";

describe("the fields", () => {
	const rows: [string, ReadonlySet<string>, string][] = [
		["that HTTP sets itself", hopFields, hop],
		["that end with a connection", connectionFields, `${hop} ${proxy}`],
		["that nobody sets of a call", callFieldsRefused, `${hop} host`],
		["that nobody sets of an answer", answerFieldsRefused, `${hop} ${answer}`],
		[
			"that a proxy never passes on",
			neverPassed,
			`${hop} ${proxy} ${answer} host traceparent tracestate via`,
		],
		["that the server writes", serverFields, `${hop} x-request-id`],
		["that frame a message", framingFields, "content-length transfer-encoding"],
		[
			"that are taken for one of HTTP's own",
			lookalikes,
			"content_length http2_settings keep_alive proxy_connection transfer_encoding",
		],
		[
			"that are not what is asked",
			notAsked,
			`${hop} traceparent tracestate via`,
		],
		[
			"that say who asks",
			credentialFields,
			"authorization cookie proxy-authorization",
		],
		[
			"that ask for less than the whole",
			conditionFields,
			"if-match if-modified-since if-none-match if-range if-unmodified-since range",
		],
		[
			"that are true of a coded body",
			codedFields,
			"content-encoding content-length",
		],
	];
	for (const [title, fields, names] of rows) {
		test(title, () => {
			assert.deepEqual([...fields].toSorted(), names.split(" ").toSorted());
		});
	}
});

test("a proxied route passes unasked what the language page lists, and no other field", () => {
	const page = new URL("../../../docs/language.md", import.meta.url);
	const [, list = ""] =
		/\*\*Header fields\.\*\* Of a request these pass: (.*?)\. /s.exec(
			readFileSync(page, "utf8"),
		) ?? [];
	const listed = [...list.matchAll(/`([a-z-]+)(\*?)`/g)];
	assert.ok(listed.length > 10, list);
	const isListed = (name: string) =>
		listed.some(([, start = "", rest]) =>
			rest === "*" ? name.startsWith(start) : name === start,
		);
	const names = new Set([
		...listed.map(([, name = "", rest]) => (rest === "*" ? `${name}x` : name)),
		...[...neverPassed, ...conditionFields, ...credentialFields, ...notAsked],
		...["accept-encoding", "content-type", "content-location", "last-modified"],
		...["if", "server", "set-cookie", "user-agent", "warning", "x-other"],
	]);
	names.delete("if-x");
	for (const name of names) {
		const passes = isListed(name) && !neverPassed.has(name);
		assert.equal(passesUnasked(name), passes, name);
	}
});

test("the fields that `Connection` names are for that connection, too", () => {
	assert.equal(hopFieldsOf(["a", "connection"]), hopFields);
	assert.equal(hopFieldsOf(["connection", "keep-alive, Close"]), hopFields);
	const named = hopFieldsOf(["Connection", "close, X-A", "connection", "etag"]);
	for (const name of [...hopFields, "x-a", "etag"]) {
		assert.ok(named.has(name), name);
	}
	assert.ok(!named.has("age"));
});

test("a 304 brings news but for the body, the connection and a proxy's own", () => {
	const told = [
		...["etag", '"1"', "Age", "0", "content-language", "de"],
		...["connection", "x-hop", "x-hop", "1", "keep-alive", "timeout=5"],
		...["content-type", "a", "content-encoding", "b", "content-length", "0"],
		...["content-range", "c", "proxy-authentication-info", "d"],
		...["proxy-connection", "e", "trailer", "f", "transfer-encoding", "g"],
	];
	assert.deepEqual(fieldsConfirmed(told), told.slice(0, 6));
});

test("a 304 repeats what an answer says but for its content, and where that is", () => {
	const said = ["Content-Type", "a", "content-location", "/b", "vary", "c"];
	assert.deepEqual(fieldsOfNotModified(said), said.slice(2));
});
