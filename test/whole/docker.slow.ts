import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
} from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import { ask } from "../kit/serve.ts";

/**
 * The steps of the Dockerfile as a script: each stage is a folder that stands for its file system, and the image is the
 * last one. Nothing is fetched: for `npm ci` the repository's own node_modules are copied.
 */
const context = new URL("../..", import.meta.url).pathname;
const dockerfile = readFileSync(join(context, "Dockerfile"), "utf8");

/** The Node that the repository runs on. */
const { version } = JSON.parse(
	readFileSync(join(context, "tools/node/package.json"), "utf8"),
);

interface Instruction {
	readonly name: string;
	readonly rest: string;
}

const instructions = dockerfile
	.split("\n")
	.filter((line) => line !== "" && !line.startsWith("#"))
	.map((line): Instruction => {
		const [name = "", ...rest] = line.split(" ");
		return { name, rest: rest.join(" ") };
	});

/** The image's file system, and how it is run. */
interface Image {
	root: string;
	workdir: string;
	user: string;
	entrypoint: string[];
	command: string[];
	healthcheck: string[];
	readonly env: Record<string, string>;
}

const path = [dirname(process.execPath), process.env.PATH].join(delimiter);

function build(folder: string): Image {
	const stages = new Map<string, Image>();
	let stage: Image | null = null;
	for (const { name, rest } of instructions) {
		if (name === "FROM") {
			const [from = "", as = "AS", alias = `stage-${stages.size}`] =
				rest.split(" ");
			assert.equal(from, `node:${version}-slim`);
			assert.equal(as, "AS");
			stage = openStage(join(folder, alias));
			stages.set(alias, stage);
			continue;
		}
		carryOut({ name, rest }, stage ?? assert.fail("FROM comes first"), stages);
	}
	return stage ?? assert.fail("nothing is built");
}

function openStage(root: string): Image {
	mkdirSync(root, { recursive: true });
	return {
		root,
		workdir: "/",
		user: "root",
		entrypoint: [],
		command: [],
		healthcheck: [],
		env: {},
	};
}

function carryOut(
	{ name, rest }: Instruction,
	stage: Image,
	stages: ReadonlyMap<string, Image>,
): void {
	const here = join(stage.root, stage.workdir);
	switch (name) {
		case "WORKDIR":
			stage.workdir = rest;
			mkdirSync(join(stage.root, rest), { recursive: true });
			return;
		case "COPY":
			return copy(rest.split(" "), here, stages);
		case "RUN":
			return run(rest, here);
		case "ENV": {
			const [key = "", value = ""] = rest.split("=");
			stage.env[key] = value;
			return;
		}
		case "USER":
			stage.user = rest;
			return;
		case "HEALTHCHECK":
			stage.healthcheck = JSON.parse(rest.slice(rest.indexOf("[")));
			return;
		case "ENTRYPOINT":
			stage.entrypoint = JSON.parse(rest);
			return;
		case "CMD":
			stage.command = JSON.parse(rest);
			return;
		case "EXPOSE":
			return;
		default:
			assert.fail(`this test does not know ${name}`);
	}
}

/** As an engine does: a folder's contents, a file under its name; from the context only what .dockerignore lets in. */
function copy(
	words: readonly string[],
	here: string,
	stages: ReadonlyMap<string, Image>,
): void {
	const from = words[0]?.startsWith("--from=") ? words[0].slice(7) : null;
	const sources = words.slice(from === null ? 0 : 1, -1);
	const target = join(here, words.at(-1) ?? "");
	const base = from === null ? context : (stages.get(from)?.root ?? from);
	for (const source of sources) {
		if (from === null) assert.ok(allowed.has(source.replace("/", "")), source);
		const isFolder = source.endsWith("/");
		if (isFolder) mkdirSync(target, { recursive: true });
		// `folder/.` is what stands in the folder.
		copyByCp(isFolder ? `${join(base, source)}.` : join(base, source), target);
	}
}

const ignore = readFileSync(join(context, ".dockerignore"), "utf8").split("\n");
const allowed = new Set(
	ignore.filter((line) => line.startsWith("!")).map((line) => line.slice(1)),
);

function run(command: string, here: string): void {
	if (command === "npm ci --ignore-scripts") {
		return copyModules(here);
	}
	execFileSync("sh", ["-c", command], {
		cwd: here,
		stdio: ["ignore", "pipe", "pipe"],
		env: { PATH: path, HOME: here, npm_config_offline: "true" },
	});
}

/** `cpSync` computes for seconds with thousands of files. */
function copyByCp(...paths: string[]): void {
	execFileSync("cp", ["-a", ...paths]);
}

function copyModules(here: string): void {
	const modules = realpathSync(join(context, "node_modules"));
	// What is large and not used here: the Node of development, for the image has its own, the linter, and what others keep.
	const unused = /^(node-(bin|linux|darwin|win)[^/]*|@biomejs|\.cache)$/;
	const names = readdirSync(modules).filter((name) => !unused.test(name));
	const target = join(here, "node_modules");
	mkdirSync(target);
	copyByCp(...names.map((name) => join(modules, name)), target);
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

describe("the image", () => {
	const folder = mkdtempSync(join(tmpdir(), "sluice-image-"));
	const running: ChildProcess[] = [];
	/** What a container's ports are here; containers find each other by name, these on loopback. */
	const ports = new Map<string, number>();
	let image: Image;

	before(async () => {
		image = build(folder);
		for (const port of ["8080", "8001", "8002"]) {
			ports.set(port, await freePort());
		}
	});

	after(async () => {
		for (const child of running) {
			if (child.exitCode !== null) continue;
			child.kill("SIGKILL");
			await once(child, "exit");
		}
		rmSync(folder, { recursive: true });
	});

	function here(word: string): string {
		const mapped = word
			.replace(/^\/(?=\w)/, `${image.root}/`)
			.replace(/0\.0\.0\.0|(?<=\/\/)(openweather|translate)(?=:)/, "127.0.0.1");
		return mapped.replace(
			/\b(8080|8001|8002)\b/,
			(port) => `${ports.get(port)}`,
		);
	}

	/** Starts a container: a process that sees nothing but the image's files and these variables. */
	function start(
		words: readonly string[],
		env: Record<string, string> = {},
		workdir = image.workdir,
	): ChildProcess {
		const [command = "", ...args] = words.map(here);
		assert.equal(command, "node");
		const mapped = Object.entries(env).map(([key, value]) => [
			key,
			here(value),
		]);
		const child = spawn(process.execPath, args, {
			cwd: join(image.root, workdir),
			env: { PATH: path, ...image.env, ...Object.fromEntries(mapped) },
		});
		running.push(child);
		return child;
	}

	async function exitCode(child: ChildProcess): Promise<number> {
		const [code] = await once(child, "exit");
		return code as number;
	}

	/** Resolves when something listens, as its output says. */
	async function listening({ stdout, stderr }: ChildProcess): Promise<void> {
		let text = "";
		stderr?.on("data", (chunk) => {
			text += chunk;
		});
		for await (const chunk of stdout ?? []) {
			text += chunk;
			if (text.includes("http://")) return;
		}
		assert.fail(`it ended without listening: ${text}`);
	}

	it("holds what runs, and nothing that only builds", () => {
		const sluice = join(image.root, "sluice");
		assert.deepEqual(readdirSync(sluice).toSorted(), [
			"LICENSE",
			"bin",
			"dist",
			"node_modules",
			"package.json",
		]);
		const { dependencies, devDependencies, peerDependencies } = JSON.parse(
			readFileSync(join(sluice, "package.json"), "utf8"),
		);
		const has = (name: string) =>
			existsSync(join(sluice, "node_modules", name));
		// What traces take is optional beside the package, and the image has it.
		const runs = { ...dependencies, ...peerDependencies };
		assert.deepEqual(
			Object.keys(runs).filter((name) => !has(name)),
			[],
		);
		const builds = Object.keys(devDependencies).filter(
			(name) => !Object.hasOwn(runs, name),
		);
		assert.ok(builds.length > 8);
		assert.deepEqual(builds.filter(has), []);
		assert.ok(!existsSync(join(sluice, "dist/index.ts")));
		assert.ok(existsSync(join(sluice, "dist/page/index.html")));
	});

	it("runs as a user who is not root, and names no registry", () => {
		assert.equal(image.user, "node");
		assert.doesNotMatch(dockerfile, /registry|https:/);
	});

	it("says what is wrong where no config is mounted", async () => {
		const child = start([...image.entrypoint, ...image.command]);
		assert.equal(await exitCode(child), 2);
	});

	it("serves the mounted config, and its health check passes while it does", async () => {
		cpSync(
			join(context, "examples/weather/sluice.yaml"),
			join(image.root, "config/sluice.yaml"),
		);
		assert.equal(await exitCode(start(image.healthcheck)), 1);
		const env = {
			OPENWEATHER_KEY: "demo-key-1",
			TRANSLATE_URL: "http://translate:8002",
		};
		const child = start([...image.entrypoint, ...image.command], env);
		await listening(child);
		assert.equal(await exitCode(start(image.healthcheck)), 0);
		child.kill("SIGTERM");
		assert.equal(await exitCode(child), 0);
	});

	it("serves the example of compose.yaml, with its two services", async () => {
		const { services } = parse(
			readFileSync(join(context, "compose.yaml"), "utf8"),
		) as {
			services: Record<
				string,
				{
					volumes: string[];
					entrypoint?: string[];
					command: string[];
					environment?: Record<string, string>;
				}
			>;
		};
		for (const volume of Object.values(services).flatMap(
			(one) => one.volumes,
		)) {
			const [from = "", to = "", mode] = volume.split(":");
			assert.equal(mode, "ro");
			cpSync(join(context, from), join(image.root, to), { recursive: true });
		}
		// Every image has it.
		mkdirSync(join(image.root, "tmp"), { recursive: true });
		const children = Object.values(services).map(
			({ entrypoint = image.entrypoint, command, environment = {} }) =>
				start([...entrypoint, ...command], environment),
		);
		await Promise.all(children.map(listening));
		assert.equal(await exitCode(start(image.healthcheck)), 0);
		const answer = await ask(
			here(
				"http://127.0.0.1:8080/weather?city=%D0%9C%D0%BE%D1%81%D0%BA%D0%B2%D0%B0",
			),
		);
		assert.equal(answer.headers["sluice-complete"], "?1");
		assert.deepEqual(answer.json, { city: "Москва", weather: "облачно" });
		for (const child of children) child.kill("SIGTERM");
		assert.deepEqual(await Promise.all(children.map(exitCode)), [0, 0, 0]);
	});
});
