import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { checkText, configOrThrow, loadConfig } from "../../src/config/load.ts";
import { stepKeyNames } from "../../src/config/steps/kinds.ts";
import { folderWith } from "../kit/cli.ts";
import { serve } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";
import { type Exchange, exchangesOf, printAnswer } from "./recipes/console.ts";
import { type Mistake, mistakesIn } from "./recipes/mistakes.ts";
import { type Answer, type Canned, canned } from "./recipes/upstreams.ts";

const page = readFileSync(
	new URL("../../docs/recipes.md", import.meta.url),
	"utf8",
);

interface Recipe {
	readonly number: number;
	readonly title: string;
	readonly yaml: string;
	/** The file of a function beside the config, by its name; null if there is none. */
	readonly file: { readonly name: string; readonly text: string } | null;
	readonly exchanges: readonly Exchange[];
}

const recipes = page
	.split(/^## /m)
	.slice(1)
	.map((section): Recipe => {
		const [, number = "", title = ""] = /^(\d+)\. (.*)/.exec(section) ?? [];
		const fence = (info: string) =>
			new RegExp(`^\`\`\`${info}\n([^]*?)^\`\`\``, "m").exec(section)?.[1] ??
			assert.fail(`${title} has no ${info}`);
		return {
			number: Number(number),
			title,
			yaml: fence("yaml"),
			file: fileIn(section),
			exchanges: exchangesOf(fence("console")),
		};
	});

/** The program of a recipe, and the file that its config names. */
function fileIn(section: string): Recipe["file"] {
	const [, text] = /^```ts fragment\n([^]*?)^```/m.exec(section) ?? [];
	const [, name] = /^ +run: \.\/([\w.]+)#/m.exec(section) ?? [];
	if (text === undefined || name === undefined) return null;
	return { name, text };
}

for (const { number, title, yaml, file, exchanges } of recipes) {
	describe(`recipe ${number}, ${title.toLowerCase()},`, () => {
		it("answers as the page shows, and asks its services nothing else", async () => {
			const calls = canned[number] ?? assert.fail("nothing is canned");
			await using services = await startServices(calls);
			const config = pointedAt(yaml, services.url);
			await using gateway = await (file === null
				? serve(config)
				: serveBeside(config, file));
			// Keys of an issuer are fetched when the gateway starts.
			await gateway.gateway.settled;
			for (const { request, shown, withHead } of exchanges) {
				const { path, ...options } = request;
				const answer = await gateway.get(path, options);
				assert.equal(printAnswer(answer, withHead), shown);
			}
			// What is undone is undone after the answer.
			if (/^ +undo:/m.test(yaml)) await services.all;
			assert.deepEqual(
				[...services.asked].toSorted(),
				Object.keys(calls).toSorted(),
			);
		});

		it("tells an author's mistakes at their lines", () => {
			assert.deepEqual(problemsOf(yaml), []);
			const mistakes = mistakesIn(yaml);
			for (const kind of ["key", "upstream", "wrong key"]) {
				assert.ok(mistakes.some((mistake) => mistake.kind === kind));
			}
			assert.deepEqual(
				mistakes.filter((mistake) => !isTold(mistake)).map(inWords),
				[],
			);
		});
	});
}

describe("docs/recipes.md", () => {
	it("is tried with misspelt steps, fields, keys and upstreams, and with keys of another kind", () => {
		const mistakes = recipes.flatMap(({ yaml }) => mistakesIn(yaml));
		const kinds = Map.groupBy(mistakes, ({ kind }) => kind);
		for (const kind of ["step", "field", "key", "upstream", "wrong key"]) {
			const found = kinds.get(kind as Mistake["kind"]) ?? [];
			assert.ok(found.length > 20, kind);
		}
	});

	it("shows every kind of step", () => {
		const shown = recipes.map(({ yaml }) => yaml).join("\n");
		// `patch` goes as `post` does.
		const apart = ["patch"];
		assert.deepEqual(
			stepKeyNames.filter(
				(kind) => !new RegExp(`^ +${kind}:`, "m").test(shown),
			),
			stepKeyNames.filter((kind) => apart.includes(kind)),
		);
	});
});

function problemsOf(yaml: string) {
	return checkText(yaml, "sluice.yaml", {}).problems;
}

function isTold({ yaml, line, word }: Mistake): boolean {
	return problemsOf(yaml).some(
		(problem) => problem.line === line && problem.message.includes(word),
	);
}

function inWords({ kind, yaml, line, word }: Mistake): string {
	const written = yaml.split("\n")[line - 1];
	const told = problemsOf(yaml).map(
		(problem) => `${problem.line}: ${problem.message}`,
	);
	return `${kind} ${word} on line ${line}, ${written}: ${told.join("; ") || "nothing is told"}`;
}

/** The config with all its upstreams at one place, each under a path of its name. */
function pointedAt(yaml: string, url: string): string {
	return yaml
		.replaceAll(/^( {2}(\w+): \{ url: )https?:[^ ,]+/gm, `$1${url}/$2`)
		.replaceAll(/((?:jwks|token): )https?:\/\/[^/]+/g, `$1${url}/login`);
}

/** The config in a folder, with the file of a function beside it. */
async function serveBeside(
	yaml: string,
	{ name, text }: NonNullable<Recipe["file"]>,
) {
	process.env.WEBHOOK_KEY = "key";
	using folder = folderWith({
		"sluice.yaml": yaml,
		"package.json": '{ "type": "module" }',
		[name]: text,
	});
	return serve(
		configOrThrow(await loadConfig(join(folder.path, "sluice.yaml"))),
	);
}

/** One server that plays all the services of a recipe. */
async function startServices(calls: Canned) {
	const asked = new Set<string>();
	const { promise: others, resolve } = Promise.withResolvers<void>();
	const upstream = await startUpstream((request, response) => {
		const { method, target, body } = request;
		// Requests have ids of their own.
		const sent = body
			.replace(/"key":"[^"]+"/, '"key":"request"')
			.replace(/subject_token=[^&]+/, "subject_token=…");
		const call = `${method} ${target}${sent && ` ${sent}`}`;
		asked.add(call);
		if (asked.size === Object.keys(calls).length) resolve();
		if (!Object.hasOwn(calls, call)) return json(response, {}, 599);
		const answer = calls[call];
		if (typeof answer !== "function") return json(response, answer);
		void (answer as Answer)(request, response, others);
	});
	return {
		url: upstream.url,
		asked,
		all: others,
		[Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
	};
}
