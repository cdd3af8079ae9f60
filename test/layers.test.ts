import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { circlesIn, type Module, moduleOf, modulesIn } from "./kit/modules.ts";

/** The import order of ARCHITECTURE.md: a file imports from its own folder and from folders to its left. */
const layers =
	"tasks core store policy upstream expression config plan auth run live jobs server gateway telemetry admin cli".split(
		" ",
	);

/** What is for whoever uses the package. */
const publicEnds = ["src/index.ts", "src/tasks/index.ts"];

/** What no file imports, and why it is an export. */
const calledByName = new Set([
	// Piscina calls it.
	"src/tasks/worker.ts: carryOut",
]);

const root = new URL("../", import.meta.url);
const modules = modulesIn(
	root,
	"{src,bin,test,bench,examples,tools,ui}/**/*.{ts,tsx,js}",
);
const sources = [...modules].filter(([path]) => path.startsWith("src/"));

/** The imports of files of the repository, with the paths of these files. */
function importsOf(path: string, { imports }: Module) {
	return imports
		.filter(({ from }) => from.startsWith("."))
		.map((one) => {
			const { href } = new URL(one.from, new URL(path, root));
			return { ...one, path: href.slice(root.href.length) };
		});
}

function layerOf(path: string): number {
	return layers.indexOf(path.split("/")[1] ?? "");
}

const inFolder = (path: string) => path.split("/").length > 2;

test("every folder of src stands in the list of layers", () => {
	const strays = sources
		.map(([path]) => path)
		.filter((path) => inFolder(path) && layerOf(path) < 0);
	assert.deepEqual(strays, []);
});

test("imports point left: to the own folder or to folders before it", () => {
	const wrong = sources.flatMap(([path, module]) =>
		importsOf(path, module)
			.filter((one) => inFolder(path) && layerOf(one.path) > layerOf(path))
			.map((one) => `${path} imports ${one.path}`),
	);
	assert.deepEqual(wrong, []);
});

test("no file is loaded in a circle of files", () => {
	const loads = sources.map(([path, module]) => {
		const loaded = importsOf(path, module).filter((one) => !one.typesOnly);
		return [path, loaded.map((one) => one.path)] as const;
	});
	assert.deepEqual(circlesIn(new Map(loads)), []);
});

test("every export is imported somewhere, and a type at least named in its own file", () => {
	const used = new Set<string>();
	for (const [path, module] of modules) {
		for (const one of importsOf(path, module)) {
			for (const name of one.names) used.add(`${one.path}: ${name}`);
		}
	}
	const unused = sources
		.filter(([path]) => !publicEnds.includes(path) && !used.has(`${path}: *`))
		.flatMap(([path, { exports }]) =>
			exports
				.filter(({ isType, named }) => !isType || named === 0)
				.map(({ name }) => `${path}: ${name}`),
		)
		.filter((one) => !used.has(one) && !calledByName.has(one));
	assert.deepEqual(unused, []);
});

test("every private member of a class is read", () => {
	const unread = sources.flatMap(([path, { unreadMembers }]) =>
		unreadMembers.map((name) => `${path}: ${name}`),
	);
	assert.deepEqual(unread, []);
});

test("architecture names the layers in the order that is enforced", () => {
	const page = readFileSync(new URL("ARCHITECTURE.md", root), "utf8");
	const there = layers.filter((layer) =>
		sources.some(([path]) => path.startsWith(`src/${layer}/`)),
	);
	assert.ok(page.includes(there.join(" ")), there.join(" "));
});

describe("what a file says of its modules", () => {
	test("is whom it imports, under the other's names, and whether anything is loaded", () => {
		const { imports } = moduleOf(`import assert from "node:assert/strict";
import { a, type B, c as d } from "./one.ts";
import type { E } from "./two.ts";
import * as all from "./three.ts";
import {
	f,
	type G,
} from "./four.ts";
import "./five.ts";
export { h } from "./six.ts";
export * from "./seven.ts";
const later = await import("./eight.ts");
`);
		assert.deepEqual(
			imports.map(({ from, names, typesOnly }) => [
				from,
				names.join(" "),
				typesOnly,
			]),
			[
				["node:assert/strict", "default", false],
				["./one.ts", "a B c", false],
				["./two.ts", "E", true],
				["./three.ts", "*", false],
				["./four.ts", "f G", false],
				["./six.ts", "h", false],
				["./seven.ts", "*", false],
				["./five.ts", "", false],
				["./eight.ts", "*", false],
			],
		);
	});

	test("is what it exports, and how often it names that itself", () => {
		const { exports } = moduleOf(`export const a = 1;
export async function b(): Promise<C> {}
export interface C {}
/** As C and a have it. */
export type D = C;
export abstract class E {}
const f = a;
export { f as g, type H };
export { i } from "./other.ts";
`);
		assert.deepEqual(
			exports.map(({ name, isType, named }) => [name, isType, named]),
			[
				["a", false, 1],
				["b", false, 0],
				["C", true, 2],
				["D", true, 0],
				["E", false, 0],
				["g", false, 0],
				["H", true, 0],
			],
		);
	});

	test("is which private members no line reads", () => {
		const { unreadMembers } = moduleOf(`class A {
	readonly #read = 1;
	#written = 1;
	#counted = 0;
	#compared = 0;
	static #called() {}
	#never() {}
	get #got() {}
	has(other: A) {
		// Not this.#never either.
		this.#written = 2;
		this.#counted++;
		return this.#read + A.#called(this.#compared === 1) + (#got in other);
	}
}
`);
		assert.deepEqual(unreadMembers, ["#written", "#counted", "#never"]);
	});

	test("shows the circles among files", () => {
		const graph = {
			a: ["b"],
			b: ["c", "d"],
			c: ["a"],
			d: ["e"],
			e: [],
			f: ["f"],
		};
		assert.deepEqual(circlesIn(new Map(Object.entries(graph))), [
			["a", "b", "c"],
			["f"],
		]);
	});
});
