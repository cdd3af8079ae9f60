import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { pad, printColumns, wrapped } from "../../src/cli/columns.ts";
import { printExplanation } from "../../src/cli/explain-text.ts";
import { main } from "../../src/cli/main.ts";
import { listOfRoutes } from "../../src/cli/overview.ts";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { compile } from "../../src/plan/compile.ts";
import { explain } from "../../src/plan/explain.ts";

/** What the command prints to stdout in this process. */
async function printed(...args: string[]): Promise<string> {
	const { write } = process.stdout;
	let text = "";
	process.stdout.write = (chunk: string | Uint8Array) => {
		text += String(chunk);
		return true;
	};
	try {
		assert.equal(await main(args), 0);
	} finally {
		process.stdout.write = write;
	}
	return text;
}

function fits(text: string, columns = 80): void {
	for (const line of text.split("\n")) {
		assert.ok([...line].length <= columns, line);
	}
}

describe("at 80 columns", () => {
	for (const command of ["", "check", "explain", "call", "serve", "schema"]) {
		it(`the help of \`${`sluice ${command}`.trim()}\` fits, and ends with one line break`, async () => {
			const text = await printed(...[command].filter(Boolean), "--help");
			fits(text);
			assert.match(text, /[^\n]\n$/);
		});
	}

	it("the helps say what exit codes and signals mean", async () => {
		for (const command of ["check", "explain", "call", "serve"]) {
			const text = await printed(command, "--help");
			assert.match(text, /^Exit codes:\n {2}0 {2}.*\n {2}1 {2}.*\n {2}2 {2}/m);
		}
		const serve = await printed("serve", "--help");
		for (const name of "TERM INT HUP QUIT USR1 USR2".split(" ")) {
			assert.ok(serve.includes(`SIG${name}`), name);
		}
	});

	it("explanations fit", () => {
		const folder = new URL("../golden/explain/", import.meta.url);
		for (const name of globSync("*.txt", { cwd: folder })) {
			fits(readFileSync(new URL(name, folder), "utf8"));
		}
	});

	it("an explanation of long names and paths fits, and loses no word of them", () => {
		const name = "the_products_that_this_customer_is_likely_to_buy_next";
		const path = "v1/organisations/${params.organisation}/members".repeat(2);
		const config = configOrThrow(
			checkText(
				`
upstreams: { recommendations: { url: "http://x.test" } }
routes:
  GET /organisations/{organisation}/and/much/more/that/makes/the/path/long/enough:
    summary: ${"A summary that goes on and on. ".repeat(5)}
    steps:
      first: { get: "recommendations/${path}" }
      ${name}: { get: "recommendations/a", query: { a: "\${first.id}" }, each: "\${[1]}", optional: true }
    respond: \${[first, ${name}]}
`,
				"test.yaml",
				{},
			),
		);
		const timeouts = config.resolved.reveal().map(({ timeoutMs }) => timeoutMs);
		const routes = explain(compile(config), timeouts);
		for (const columns of [60, 80, 120]) {
			const text = printExplanation(routes, columns);
			fits(text, columns);
			assert.ok(text.includes(name));
			const glued = text.replaceAll(/\s+/g, "");
			assert.ok(glued.includes(path.replaceAll(" ", "")));
		}
	});

	it("the list of routes fits, and names at most 40", () => {
		const route = (key: string) => ({
			key,
			summary: "What it says. ".repeat(9),
		});
		const many = Array.from({ length: 50 }, (_, at) => route(`GET /${at}`));
		const lines = listOfRoutes({ routes: many } as never);
		fits(lines.join("\n"), 79);
		assert.equal(lines.length, 41);
		assert.equal(lines.at(-1), "  and 10 more");
		fits(
			listOfRoutes({
				routes: [route(`GET /${"a".repeat(99)}`)],
			} as never).join(),
		);
	});
});

describe("columns", () => {
	it("wrap the last one below itself", () => {
		assert.equal(
			printColumns(
				[
					["a", "one two three four five six"],
					["bcd", "x\ny"],
				],
				24,
			),
			["a    one two three four", "     five six", "bcd  x", "     y"].join(
				"\n",
			),
		);
	});

	it("break a word that is too long behind a slash, or where they must", () => {
		assert.deepEqual(wrapped("GET users/abc/def", 10), [
			"GET users/",
			"abc/def",
		]);
		assert.deepEqual(wrapped("a".repeat(25), 10), [
			...["a".repeat(10), "a".repeat(10), "a".repeat(5)],
		]);
		assert.equal(pad("é", 3), "é  ");
	});
});
