import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { AnyKeys } from "../../src/config/keys/key.ts";
import { loadConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { checkShape } from "../../src/config/shape.ts";
import { readValue } from "../../src/config/source-value.ts";
import { problemsOf } from "../kit/problems.ts";
import { keySchemas } from "../kit/schemas.ts";

/** Values of every kind, most of which no key takes. */
const values = [
	...[null, true, 0, -1, 1.5, 1e9, "", "x", "true", "5", "5 sec", "1MB"],
	...[[], [1], ["x", "x"], [[]], {}, { x: 1 }, { attempts: -1 }, { for: 1 }],
];

/** The words of the libraries that judge. */
const foreign =
	/invalid (input|option|string|type)|too (small|big)|expected|must (match|be |have|NOT)|strict mode|undefined|\bNaN\b|received/i;

describe("the message for a wrong value", () => {
	test("has no words of the validator, whatever the key and the value", () => {
		const told = keySchemas.flatMap(({ keys }) => messagesOf(keys));
		assert.ok(told.length > 1000, String(told.length));
		for (const message of told) assert.doesNotMatch(message, foreign);
	});

	test("names the value that was meant", () => {
		const said = (text: string) =>
			problemsOf(`server: { ${text} }\nroutes: { GET /x: { respond: 1 } }`).at(
				0,
			);
		assert.match(said("drain: 5 sec") ?? "", /: write `5s`$/);
		assert.match(said("drain: 0.5") ?? "", /: write `0.5s`$/);
		assert.match(said("drain: 2 days") ?? "", /: write `48h`$/);
		assert.match(said("maxBody: 1.5gb") ?? "", /: write `1.5GiB`$/);
		assert.match(said('port: "80"') ?? "", /: write it without quotes$/);
		assert.match(said("drain: soon") ?? "", /or `2m`$/);
	});
});

function messagesOf(keys: AnyKeys): string[] {
	return Object.entries(keys).flatMap(([name, { kind }]) =>
		values.flatMap((value) => {
			const { root } = readValue(value);
			if (root === null) return [];
			const problems: { at: number; message: string | (() => string) }[] = [];
			checkShape(kind.schema, root, { what: `\`${name}\``, problems });
			return problems.map(({ message }) =>
				typeof message === "string" ? message : message(),
			);
		}),
	);
}

describe("a file that cannot be read as text", () => {
	const told = async (name: string, bytes: Uint8Array | string) => {
		const folder = mkdtempSync(join(tmpdir(), "sluice-words-"));
		try {
			const file = join(folder, name);
			writeFileSync(file, bytes);
			const { problems } = await loadConfig(file, {});
			return problems.map(printProblem).join("\n").replaceAll(folder, "");
		} catch (error) {
			return (error as Error).message.replaceAll(folder, "");
		} finally {
			rmSync(folder, { recursive: true });
		}
	};

	test("says on which line it is not UTF-8", async () => {
		const latin = Buffer.from(
			"routes:\n  GET /x: { respond: caf\xe9 }\n",
			"latin1",
		);
		assert.equal(
			await told("a.yaml", latin),
			"/a.yaml:2:25: this is not UTF-8: save the file as UTF-8",
		);
	});

	test("says that it is UTF-16", async () => {
		const wide = Buffer.from("\ufeffroutes: {}", "utf16le");
		assert.equal(
			await told("a.yaml", wide),
			"/a.yaml: this file is UTF-16: save it as UTF-8",
		);
	});

	test("of TypeScript names its line, where it does not parse and where it throws", async () => {
		assert.match(
			await told("a.ts", "export default {\n\troutes: {\n};\n"),
			/^\/a\.ts: cannot be loaded: .* \(line \d of a\.ts\)$/,
		);
		assert.equal(
			await told("b.ts", 'const a: number = 1;\n\nthrow new Error("no");\n'),
			"/b.ts: cannot be loaded: no (line 3 of b.ts)",
		);
	});

	test("of TypeScript has each problem at its line, or at the value around it", async () => {
		const text = `
const upstreams = { users: { url: "http://x.test" } };
const config = {
	upstreams,
	routes: {
		"GET /x": { steps: { now: { get: "userz/a" as string } } },
		...Object.fromEntries([["GET /y", { respnd: 1 }]]),
	},
} satisfies object;
export default config;
`;
		assert.equal(
			await told("c.ts", text),
			`/c.ts:6:31: routes["GET /x"].steps.now.get: unknown upstream \`userz\` — did you mean \`users\`?
/c.ts:5:2: routes["GET /y"].respnd: unknown key \`respnd\` in a route — did you mean \`respond\`?`,
		);
	});
});
