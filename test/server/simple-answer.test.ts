import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { AnswerForm } from "../../src/server/simple-answer.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heldBytes(): number {
	collect();
	return process.memoryUsage().heapUsed;
}

const kibibyte = 1_024;

/** A head as long as an upstream may send it, of which fields are parts. */
const headOf = (text: string) =>
	Buffer.from(text + "x".repeat(256 * kibibyte)).toString("latin1");

/** Fields with names of their own, each in a head of its own. */
function sendFields(form: AnswerForm, valueLength: number): void {
	for (let at = 0; at < 300; at++) {
		const name = `x-name-of-a-field-${String(at).padStart(3, "0")}`;
		const head = headOf(name);
		const value = head.slice(name.length, name.length + valueLength);
		const line = form.lineOf(head.slice(0, name.length), value);
		assert.equal(line.text, `${name}: ${value}\r\n`);
	}
}

for (const [title, length] of [
	["long", 256 * kibibyte],
	["short", 100],
] as const) {
	test(`the ${title} fields of an upstream leave little behind`, () => {
		const form = new AnswerForm(1_000);
		const before = heldBytes();
		sendFields(form, length);
		sendFields(form, length - 1);
		const held = heldBytes() - before;
		assert.ok(held < 2_000 * kibibyte, `${held}`);
		assert.equal(form.lineOf("x-name", "a").text, "x-name: a\r\n");
	});
}

test("a field is what it is after one that was too long, and before", () => {
	const form = new AnswerForm(1_000);
	const long = "y".repeat(2 * kibibyte);
	for (const value of ["close", long, "close", "keep-alive", long]) {
		const { says, text } = form.lineOf("Connection", value);
		assert.deepEqual([says, text], ["connection", `Connection: ${value}\r\n`]);
	}
	assert.throws(() => form.lineOf("Connection", "a\nb"), TypeError);
	assert.equal(form.lineOf("Connection", "é").text, "Connection: é\r\n");
});
