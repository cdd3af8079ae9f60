import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";

/** The import order of ARCHITECTURE.md: a file imports from its own folder and from folders to its left. */
const layers =
	"tasks core policy upstream expression config plan run server gateway cli".split(
		" ",
	);

const root = new URL("../src/", import.meta.url);

function importsOf(file: string): string[] {
	const text = readFileSync(new URL(file, root), "utf8");
	const found = text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g);
	return [...found].map((match) => match[1] ?? "");
}

function layerOf(path: string): number {
	return layers.indexOf(path.split("/")[0] ?? "");
}

const files = globSync("**/*.ts", { cwd: root }).map((path) =>
	path.replaceAll("\\", "/"),
);

test("every folder of src stands in the list of layers", () => {
	const strays = files.filter(
		(file) => file.includes("/") && layerOf(file) < 0,
	);
	assert.deepEqual(strays, []);
});

test("imports point left: to the own folder or to folders before it", () => {
	const wrong = files.flatMap((file) =>
		importsOf(file)
			.filter((target) => target.startsWith("."))
			.map((target) => new URL(target, new URL(file, root)).href)
			.map((href) => href.slice(root.href.length))
			.filter((target) => file.includes("/") && layerOf(target) > layerOf(file))
			.map((target) => `${file} imports ${target}`),
	);
	assert.deepEqual(wrong, []);
});

test("architecture names the layers in the order that is enforced", () => {
	const page = readFileSync(new URL("../ARCHITECTURE.md", root), "utf8");
	const there = layers.filter((layer) =>
		files.some((file) => file.startsWith(`${layer}/`)),
	);
	assert.ok(page.includes(there.join(" ")), there.join(" "));
});
