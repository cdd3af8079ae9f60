import assert from "node:assert/strict";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { inspectConfig, loadConfig } from "../../src/config/load.ts";
import { folderWith, sluice } from "../kit/cli.ts";

const ran = new Set<string>();
Object.assign(globalThis, { noteRun: (name: string) => ran.add(name) });

/** A module that tells when it runs. */
function telling(name: string): string {
	return `globalThis.noteRun?.("${name}");\nexport function score() { return 1; }\n`;
}

/** A config with a step for each reference, and more lines. */
function configOf(references: readonly string[], more = ""): string {
	const steps = references.map(
		(name, at) => `      s${at}: { run: "${name}" }`,
	);
	return `${more}routes:\n  GET /x:\n    steps:\n${steps.join("\n")}\n    respond: ["${references.map((_, at) => `\${s${at}}`).join('", "')}"]\n`;
}

const esm = { "package.json": '{ "type": "module" }' };

async function problemsOf(file: string): Promise<string[]> {
	const loaded = await loadConfig(file, {});
	const inspected = await inspectConfig(file, {});
	assert.deepEqual(inspected.problems, loaded.problems);
	return loaded.problems.map(({ message }) => message);
}

describe("a function that a config names", () => {
	it("runs when the config is loaded, and not when it is only looked at", async () => {
		const name = "sound";
		using folder = folderWith({
			...esm,
			"own.ts": telling(name),
			"sluice.yaml": configOf(["./own.ts#score"]),
		});
		const file = join(folder.path, "sluice.yaml");
		const inspected = await inspectConfig(file, {});
		assert.deepEqual(inspected.problems, []);
		assert.notEqual(inspected.config, null);
		assert.equal(ran.has(name), false);
		assert.notEqual((await loadConfig(file, {})).config, null);
		assert.equal(ran.has(name), true);
	});

	const faults: [what: string, more: string][] = [
		["an unknown key", "sever: 1\n"],
		["an absent variable", 'upstreams: { a: { url: "${env.NOPE}" } }\n'],
		["a line that cannot be read", "server: { port: 1\n"],
		[
			"a file that tls names",
			'upstreams: { a: { url: "https://a.test", tls: { ca: ./no.pem } } }\n',
		],
	];
	for (const [what, more] of faults) {
		it(`does not run where something else is wrong: ${what}`, async () => {
			using folder = folderWith({
				...esm,
				"own.ts": telling(what),
				"sluice.yaml": configOf(["./own.ts#score"], more),
			});
			const { config } = await loadConfig(join(folder.path, "sluice.yaml"), {});
			assert.equal(config, null);
			assert.equal(ran.has(what), false);
		});
	}

	it("does not run where another function is missing", async () => {
		using folder = folderWith({
			...esm,
			"own.ts": telling("beside"),
			"sluice.yaml": configOf(["./own.ts#score", "./none.ts#score"]),
		});
		const problems = await problemsOf(join(folder.path, "sluice.yaml"));
		assert.deepEqual(problems, [
			"./none.ts cannot be loaded: there is no such file",
		]);
		assert.equal(ran.has("beside"), false);
	});

	it("is read, and not run, by `check` and `explain`", async () => {
		using folder = folderWith({
			...esm,
			"own.ts": `import { writeFileSync } from "node:fs";
writeFileSync(new URL("ran", import.meta.url), "");
export const score: () => number = () => 1;`,
			"sluice.yaml": configOf(["./own.ts#score"]),
			"wrong.yaml": configOf(["./own.ts#scores"]),
		});
		for (const [args, code] of [
			[["check"], 0],
			[["check", "wrong.yaml"], 2],
			[["explain"], 0],
		] as const) {
			const command = sluice(args, { cwd: folder.path });
			assert.equal(await command.ended, code, command.stderr());
			assert.doesNotMatch(command.stderr(), /Warning/);
			assert.equal(existsSync(join(folder.path, "ran")), false, args.join(" "));
		}
	});

	const outside = "is not below the config's folder";
	it("stands below the config's folder, by whatever links", async () => {
		using folder = folderWith({
			...esm,
			"out.ts": telling("out"),
			"app-2/own.ts": telling("app-2"),
			"app/own.ts": telling("own"),
			"app/deep/..odd/own.ts": telling("odd"),
		});
		const at = (name: string) => join(folder.path, name);
		symlinkSync("../out.ts", at("app/link.ts"));
		symlinkSync("../app-2", at("app/folder"));
		symlinkSync("own.ts", at("app/same.ts"));
		symlinkSync("app", at("current"));
		symlinkSync("nowhere.ts", at("app/broken.ts"));
		mkdirSync(at("app/empty.ts"));
		const told = async (reference: string, from = "app") => {
			writeFileSync(at("app/sluice.yaml"), configOf([`${reference}#score`]));
			return problemsOf(at(`${from}/sluice.yaml`));
		};
		for (const reference of [
			"../out.ts",
			"./link.ts",
			"./folder/own.ts",
			"../app-2/own.ts",
			at("out.ts"),
		]) {
			for (const from of ["app", "current"]) {
				const [problem, ...others] = await told(reference, from);
				assert.ok(problem?.startsWith(`${reference} ${outside}`), `${problem}`);
				assert.deepEqual(others, []);
			}
		}
		assert.deepEqual(
			[...ran].filter((name) => /^(out|app-2)$/.test(name)),
			[],
		);
		for (const reference of [
			"./own.ts",
			"own.ts",
			"./same.ts",
			"../app/own.ts",
			"./deep/..odd/own.ts",
			at("app/own.ts"),
			at("current/own.ts"),
		]) {
			assert.deepEqual(await told(reference), [], reference);
			assert.deepEqual(await told(reference, "current"), [], reference);
		}
		for (const [reference, why] of [
			["./broken.ts", "there is no such file"],
			["./none.ts", "there is no such file"],
			["./empty.ts", "this is no file"],
		] as const) {
			assert.deepEqual(await told(reference), [
				`${reference} cannot be loaded: ${why}`,
			]);
		}
	});

	it("goes to a thread by the path that was judged", async () => {
		using folder = folderWith({
			...esm,
			"own.ts": telling("thread"),
			"sluice.yaml":
				'routes:\n  GET /x: { steps: { it: { run: "./link.ts#score", worker: true } } }\n',
		});
		symlinkSync("own.ts", join(folder.path, "link.ts"));
		const { config } = await loadConfig(join(folder.path, "sluice.yaml"), {});
		const [worker] = config?.workers.values() ?? [];
		assert.match(String(worker?.file), /\/own\.ts$/);
	});
});

describe("the functions that a file exports, read without running it", () => {
	const exported: [file: string, text: string, names: string | null][] = [
		["a.ts", "export function f(a: number): void {}", "f"],
		["a.ts", "export async function f() {}\nexport class G {}", "f G"],
		["a.ts", "export const f = () => 1, { g, h: [i, ...j] } = x;", "f g i j"],
		["a.ts", "export let f: () => void;", "f"],
		["a.ts", "export const { a = 1, ...rest } = x;", "a rest"],
		[
			"a.ts",
			'export { f, g as h } from "./b.ts"; export type { T } from "x";',
			"f h",
		],
		["a.ts", 'export * as f from "./b.ts";', "f"],
		["a.ts", "export default function () {}", "default"],
		["a.ts", "export const a = 1, b = {}, c = [], d = `x`;", ""],
		["a.ts", 'import "x";', ""],
		["a.mjs", "export const f = await (async () => 1)();", "f"],
		["a.mjs", "#!/usr/bin/env node\nexport const f = g;", "f"],
		// What these export cannot be read, so nothing is said.
		["a.ts", 'export * from "./b.ts";', null],
		["a.cjs", "exports.f = () => 1; return;", null],
		["a.js", "with (x) exports.f = y;", null],
	];
	for (const [name, text, names] of exported) {
		it(`are ${names === "" ? "none" : (names ?? "unknown")} of ${JSON.stringify(text)}`, async () => {
			const all = names?.split(" ").filter((one) => one !== "") ?? [];
			using folder = folderWith({ [name]: text });
			const told = async (wanted: readonly string[]) => {
				const file = join(folder.path, "sluice.yaml");
				writeFileSync(file, configOf(wanted.map((one) => `./${name}#${one}`)));
				const { problems } = await inspectConfig(file, {});
				return problems.map(({ message }) => message.split(" — ")[0]);
			};
			if (all.length > 0) assert.deepEqual(await told(all), []);
			const missing = `./${name} exports no function \`nope\``;
			assert.deepEqual(await told(["nope"]), names === null ? [] : [missing]);
		});
	}

	it("are told to be unreadable where the file is no program", async () => {
		for (const [name, text] of [
			["a.ts", "export const a = ;"],
			["a.ts", "export enum A { b }"],
			["a.mjs", "export const a = ;"],
		] as const) {
			using folder = folderWith({
				[name]: text,
				"sluice.yaml": configOf([`./${name}#a`]),
			});
			const file = join(folder.path, "sluice.yaml");
			for (const load of [inspectConfig, loadConfig]) {
				const [problem] = (await load(file, {})).problems;
				assert.match(
					String(problem?.message),
					/^\.\/a\.m?[jt]s cannot be loaded: /,
				);
			}
		}
	});
});
