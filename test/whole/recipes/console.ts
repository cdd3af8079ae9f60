import assert from "node:assert/strict";
import { STATUS_CODES } from "node:http";
import type { GetOptions, HttpAnswer } from "../../kit/serve.ts";
import { credentials } from "./credentials.ts";

/** A request that a page shows, and the answer below it. */
export interface Exchange {
	readonly request: GetOptions & { readonly path: string };
	readonly shown: string;
	/** Whether the answer's head is shown: `curl -i`. */
	readonly withHead: boolean;
}

/** Reads a block of `$ curl …` lines, each with what it prints below it. */
export function exchangesOf(block: string): Exchange[] {
	return block
		.split(/^\$ /m)
		.slice(1)
		.map((text) => {
			const [command = "", ...rest] = text.split("\n");
			return { ...readCommand(command), shown: rest.join("\n").trimEnd() };
		});
}

function readCommand(command: string): Omit<Exchange, "shown"> {
	const found = command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g);
	const [curl, ...words] = Array.from(
		found,
		([, quoted, filled, bare]) => quoted ?? withFiles(filled ?? bare ?? ""),
	);
	assert.equal(curl, "curl");
	const headers: Record<string, string> = {};
	let method = "GET";
	let body: string | undefined;
	let path = "";
	let withHead = false;
	while (words.length > 0) {
		const word = words.shift() ?? "";
		if (word === "-i") withHead = true;
		// It prints each piece as it comes.
		else if (word === "-N") continue;
		else if (word === "-X") method = words.shift() ?? "";
		else if (word === "-H") {
			const [name = "", ...value] = words.shift()?.split(": ") ?? [];
			headers[name] = value.join(": ");
		} else if (word === "--json") {
			body = words.shift() ?? "";
			headers["content-type"] = "application/json";
			if (method === "GET") method = "POST";
		} else if (word === "-d") {
			body = words.shift() ?? "";
			headers["content-type"] = "application/x-www-form-urlencoded";
			if (method === "GET") method = "POST";
		} else {
			assert.ok(word.startsWith("localhost:8080/"), `${word} in ${command}`);
			path = word.slice("localhost:8080".length);
		}
	}
	const sent = body === undefined ? {} : { body };
	return { request: { path, method, headers, ...sent }, withHead };
}

function withFiles(text: string): string {
	return text.replace(
		/\$\(cat ([\w.]+)\)/g,
		(_, name: string) =>
			credentials[name] ?? assert.fail(`there is no ${name}`),
	);
}

/** Header fields that every answer has, whatever the route. */
const common = new Set([
	"connection",
	"content-length",
	"date",
	"keep-alive",
	"transfer-encoding",
	"x-content-type-options",
	"x-request-id",
]);

const partsTypes = new Set(["application/x-ndjson", "text/event-stream"]);

/** Requests have ids of their own. */
const anId = /(?<="instance":")[^"]+/;
const shownId = "5f3e1f2c-4a0e-4d5b-9a53-3f6d6f0c6f11";

/** With the ids of messages and the mark of a list of members that pages show. */
export function withShownIds(text: string): string {
	return text
		.replaceAll(/[0-9a-f]{10}[0-9a-z]+(?=-\d)/g, "3f9c02a17b0")
		.replaceAll(/(?<="3f9c02a17b0-\d+\.)[0-9a-f]{8}/g, "5d1f0a9c");
}

/** An answer as a page shows it: its fields sorted as sent, without those that all answers have. */
export function printAnswer(
	{ status, headers, text }: HttpAnswer,
	withHead: boolean,
): string {
	if (!withHead) {
		assert.equal(status, 200, text);
		const inParts = partsTypes.has(headers["content-type"] ?? "");
		return inParts ? text.replace(anId, shownId).trimEnd() : withShownIds(text);
	}
	const fields = Object.entries(headers).flatMap(([name, value]) => {
		if (common.has(name)) return [];
		if (
			name === "content-type" &&
			value === "application/json; charset=utf-8"
		) {
			return [];
		}
		return [value].flat().map((one) => `${name}: ${one}`);
	});
	const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...fields];
	// A page shows no empty line at the end.
	return head.join("\n") + (text === "" ? "" : `\n\n${text}`);
}
