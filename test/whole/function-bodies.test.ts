import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer as bytesOf } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import { configOrThrow, loadConfig } from "../../src/config/load.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { folderWith } from "../kit/cli.ts";

/** Answers with what it was sent: the body itself, or its type with `?type`. */
const upstream = createServer(async (request, response) => {
	const type = request.headers["content-type"] ?? "none";
	const body = await bytesOf(request);
	response.setHeader("content-type", "text/plain; charset=utf-8");
	if (request.url === "/fails") response.statusCode = 404;
	response.end(request.url === "/type" ? JSON.stringify(type) : body);
}).listen(0, "127.0.0.1");
await once(upstream, "listening");
const { port } = upstream.address() as AddressInfo;

/** What a function calls with, and what it makes of the answer's body, in its own words. */
const functions = `
const all = Uint8Array.from({ length: 256 }, (_, at) => at);
const cases = {
	json: [{ body: { a: [1, 2n ** 64n] } }, ({ a }) => a],
	jsonType: [{ body: null }, (type) => type, "type"],
	form: [{ form: { user: "A & B", tags: ["x", 2], yes: true }, decode: "text" }, (text) => text],
	emptyForm: [{ form: {}, decode: "text" }, (text) => text],
	formType: [{ form: { a: 1 } }, (type) => type, "type"],
	text: [{ text: "é😀\\u0000\\r\\n", decode: "text" }, (text) => text],
	textType: [{ text: "a" }, (type) => type, "type"],
	bytes: [{ bytes: all, decode: "bytes" }, (bytes) => [bytes instanceof Uint8Array, bytes.length, [...bytes].every((byte, at) => byte === at)]],
	part: [{ bytes: all.subarray(10, 13), decode: "bytes" }, (bytes) => [...bytes]],
	buffer: [{ bytes: Buffer.from("é"), decode: "text" }, (text) => text],
	bytesType: [{ bytes: all }, (type) => type, "type"],
	ownType: [{ bytes: all, headers: { "content-type": "image/png" } }, (type) => type, "type"],
	noBytes: [{ bytes: new Uint8Array(), decode: "bytes" }, (bytes) => bytes],
	lines: [{ text: '{"a":1}\\n{"a":2}\\n', decode: "lines" }, (lines) => lines],
	xml: [{ text: "<a><b>1</b></a>", decode: "xml" }, (value) => value],
	xmlLists: [{ text: "<a><b>1</b></a>", decode: { xml: { lists: ["b"] } } }, (value) => value],
	failing: [{ text: "no", decode: "text" }, (text) => text, "fails"],
	put: [{ method: "PUT", text: "1" }, (value) => value],
};
const wrong = {
	two: { text: "a", body: 1 },
	three: { form: {}, text: "a", bytes: all },
	formNull: { form: { a: null } },
	formEmptyList: { form: { a: [] } },
	formMap: { form: { a: {} } },
	textNull: { text: null },
	textList: { text: ["a"] },
	halfText: { text: "\\ud800" },
	halfForm: { form: { a: "\\ud800" } },
	bytesText: { bytes: "a" },
	bytesBuffer: { bytes: new ArrayBuffer(1) },
	bytesInJson: { body: all },
	bytesDeepInJson: { body: { a: [all] } },
	noBytesInJson: { body: { a: new Uint8Array() } },
	decode: { decode: "csv" },
	decodeLists: { decode: { xml: { lists: "b" } } },
	decodeOwn: { decode: "toString" },
	notJson: { text: "<", decode: "json" },
	notText: { bytes: Uint8Array.of(0xff), decode: "text" },
};
export async function right({ name }, { call }) {
	const [options, told, path = "echo"] = cases[name];
	const { body } = await call("own/" + path, options);
	return told(body);
}
export const names = () => ({ right: Object.keys(cases), wrong: Object.keys(wrong) });
export async function refused({ name }, { call }) {
	try {
		await call("own/echo", wrong[name]);
		return "was not refused";
	} catch ({ code, message }) {
		return [code, message];
	}
}
/** Changes what it gives and gets, and gives it back. */
export async function changes({ bytes }, { call }) {
	const sent = Uint8Array.from(bytes);
	const answer = call("own/echo", { bytes: sent, decode: "bytes" });
	sent.fill(0);
	const { body } = await answer;
	body[0] = 90;
	bytes[1] = 91;
	return body;
}
`;

const step = (fn: string, worker: boolean, args: object) => ({
	steps: { got: { run: `./own.ts#${fn}`, worker, args } },
	respond: "${got}",
});
const route = (fn: string, worker: boolean) => ({
	request: { query: { "name?": { type: "string" } } },
	...step(fn, worker, { name: "${query.name}" }),
});
const kinds = { here: false, thread: true };
const routes = Object.fromEntries(
	Object.entries(kinds).flatMap(([kind, worker]) => [
		[`GET /${kind}/right`, route("right", worker)],
		[`GET /${kind}/refused`, route("refused", worker)],
		[`GET /${kind}/names`, route("names", worker)],
		[
			`POST /${kind}/changes`,
			{
				request: { bytes: {} },
				steps: {
					got: {
						run: "./own.ts#changes",
						worker,
						args: { bytes: "${bytes}" },
					},
					sent: {
						put: "own/echo",
						bytes: "${bytes}",
						decode: "bytes",
						after: ["got"],
					},
				},
				headers: { "content-type": "x/x" },
				respond: "${got}",
			},
		],
	]),
);
const folder = folderWith({
	"own.ts": functions,
	"package.json": '{ "type": "module" }',
	"sluice.json": JSON.stringify({
		upstreams: { own: { url: `http://127.0.0.1:${port}` } },
		routes,
	}),
});
const gateway = createGateway(
	configOrThrow(await loadConfig(join(folder.path, "sluice.json"))),
);
after(async () => {
	await gateway.close();
	folder[Symbol.dispose]();
	upstream.close();
	upstream.closeAllConnections();
});

async function ask(path: string, init?: RequestInit): Promise<Response> {
	return gateway.fetch(new Request(`http://gateway.test${path}`, init));
}

const right: Readonly<Record<string, string>> = {
	json: "[1,18446744073709551616]",
	jsonType: '"application/json"',
	form: '"user=A%20%26%20B&tags=x&tags=2&yes=true"',
	emptyForm: "null",
	formType: '"application/x-www-form-urlencoded"',
	text: '"é😀\\u0000\\r\\n"',
	textType: '"text/plain; charset=utf-8"',
	bytes: "[true,256,true]",
	part: "[10,11,12]",
	buffer: '"é"',
	bytesType: '"application/octet-stream"',
	ownType: '"image/png"',
	noBytes: "null",
	lines: '[{"a":1},{"a":2}]',
	xml: '{"a":{"b":"1"}}',
	xmlLists: '{"a":{"b":["1"]}}',
	failing: '"no"',
	put: "1",
};

const wrong: Readonly<Record<string, readonly [string, RegExp]>> = {
	two: ["step_failed", /a call has one/],
	three: ["step_failed", /a call has one/],
	formNull: ["reference_missing", /form\.a/],
	formEmptyList: ["reference_missing", /form\.a/],
	formMap: ["step_failed", /form\.a/],
	textNull: ["reference_missing", /text/],
	textList: ["step_failed", /text/],
	halfText: ["step_failed", /half a surrogate pair/],
	halfForm: ["step_failed", /half a surrogate pair/],
	bytesText: ["step_failed", /no Uint8Array/],
	bytesBuffer: ["step_failed", /no Uint8Array/],
	bytesInJson: ["step_failed", /bytes cannot become JSON/],
	bytesDeepInJson: ["step_failed", /bytes cannot become JSON/],
	noBytesInJson: ["step_failed", /bytes cannot become JSON/],
	decode: ["step_failed", /unknown `decode`/],
	decodeLists: ["step_failed", /unknown `decode`/],
	decodeOwn: ["step_failed", /unknown `decode`/],
	notJson: ["upstream_invalid", /not JSON|what is not/],
	notText: ["upstream_invalid", /charset|UTF-8/],
};

for (const kind of Object.keys(kinds)) {
	describe(`a function's call, ${kind === "here" ? "in the process" : "on a thread"},`, () => {
		for (const [name, told] of Object.entries(right)) {
			it(`sends and takes: ${name}`, async () => {
				const answer = await ask(`/${kind}/right?name=${name}`);
				assert.equal(await answer.text(), told);
			});
		}

		for (const [name, [code, message]] of Object.entries(wrong)) {
			it(`is refused: ${name}`, async () => {
				const answer = await ask(`/${kind}/refused?name=${name}`);
				const told = (await answer.json()) as [string, string];
				assert.equal(told[0], code, told[1]);
				assert.match(told[1], message);
			});
		}

		it("is told of in every case above", async () => {
			const answer = await ask(`/${kind}/names`);
			const names = { right: Object.keys(right), wrong: Object.keys(wrong) };
			assert.deepEqual(await answer.json(), names);
		});

		it("sends what was given, and no change of the function's reaches anybody", async () => {
			const sent = Uint8Array.of(1, 2, 3, 255);
			const init = { method: "POST", body: sent };
			const answer = await ask(`/${kind}/changes`, init);
			const bytes = new Uint8Array(await answer.arrayBuffer());
			assert.deepEqual([...bytes], [90, 2, 3, 255]);
		});
	});
}
