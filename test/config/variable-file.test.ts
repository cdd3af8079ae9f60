import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { folderWith } from "../kit/cli.ts";

const mebibyte = 1024 ** 2;

let folder: ReturnType<typeof folderWith>;
before(() => {
	folder = folderWith({ plain: "a-secret\n" });
});
after(() => folder[Symbol.dispose]());

/** The value of a header that reads `env.KEY`, or what is wrong with it. */
function read(env: Record<string, string>, hole = "${env.KEY}") {
	const text = `
upstreams:
  api: { url: "http://api.test", headers: { x-key: "${hole}" } }
routes:
  GET /x: { steps: { a: { get: api/a } }, respond: "\${a}" }
`;
	const { config, problems } = checkText(text, "a.yaml", env);
	return {
		value: config?.resolved.reveal()[0]?.headers[0]?.[1],
		said: problems.map(({ line, column, message }) => {
			return `${line}:${column} ${message}`;
		}),
	};
}

/** Makes a file, and gives its path. */
function file(name: string, content: string | Uint8Array): string {
	const path = join(folder.path, name);
	writeFileSync(path, content);
	return path;
}

describe("a file that stands for a variable", () => {
	const texts: readonly (readonly [string, string, string])[] = [
		["without a line break", "s3cret", "s3cret"],
		["with a line break at its end", "s3cret\n", "s3cret"],
		["with one of Windows", "s3cret\r\n", "s3cret"],
		["with two, of which one is cut", "{}\n\n", "{}\n"],
		["with space at its ends", " secret ", " secret "],
	];
	for (const [name, content, value] of texts.slice(0, 3)) {
		test(`is read ${name}`, () => {
			const KEY_FILE = file("key", content);
			assert.deepEqual(read({ KEY_FILE }), { value, said: [] });
		});
	}
	for (const [name, content, value] of texts) {
		test(`is a text ${name}`, () => {
			const KEY_FILE = file("key", content);
			const hole = `\${env.KEY === '${JSON.stringify(value).slice(1, -1).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}' ? 'same' : 'other'}`;
			assert.equal(read({ KEY_FILE }, hole).value, "same");
		});
	}

	test("counts only if the variable itself is not set", () => {
		const KEY_FILE = file("key", "of-the-file");
		assert.equal(read({ KEY_FILE, KEY: "own" }).value, "own");
		assert.equal(read({ KEY_FILE, KEY: "" }).value, "of-the-file");
		assert.equal(read({ KEY: "own", KEY_FILE: "/nowhere" }).value, "own");
		assert.match(read({ KEY_FILE: "" }).said[0] ?? "", /KEY is not set/);
	});

	test("is not opened if no setting reads its variable", () => {
		const env = { KEY: "its-0wn", OTHER_FILE: "/nowhere" };
		assert.deepEqual(read(env), { value: "its-0wn", said: [] });
	});

	test("is what `env.NAME_FILE` names, and not what it holds, if that is read itself", () => {
		const KEY_FILE = file("key", "secret");
		assert.equal(read({ KEY_FILE }, "${env.KEY_FILE}").value, KEY_FILE);
	});

	const faults: readonly (readonly [string, () => string, string])[] = [
		["is missing", () => join(folder.path, "none"), "is not there"],
		["lies in a file", () => join(folder.path, "plain", "x"), "is not there"],
		["is a folder", () => folder.path, "is a folder"],
		["is empty", () => file("empty", ""), "is empty"],
		["is a line break alone", () => file("line", "\n"), "is empty"],
		[
			"is no UTF-8",
			() => file("latin", Uint8Array.of(0x61, 0xe9)),
			"is no text in UTF-8",
		],
		[
			"is one byte too long",
			() => file("long", "a".repeat(mebibyte + 1)),
			"is longer than 1 MiB",
		],
		["is a device without an end", () => "/dev/zero", "is no file"],
		["is a pipe that nobody writes", () => pipe(), "is no file"],
	];
	for (const [name, path, words] of faults) {
		test(`that ${name} is an error at its place, which does not show where it is`, () => {
			const KEY_FILE = path();
			const said = [`3:52 the file that KEY_FILE names ${words}`];
			assert.deepEqual(read({ KEY_FILE }), { value: undefined, said });
			// Whoever names a file wants it, whatever stands behind `??`.
			assert.deepEqual(read({ KEY_FILE }, "${env.KEY ?? 'none'}").said, said);
		});
	}

	test("may be as long as its bound", () => {
		const KEY_FILE = file("long", "a".repeat(mebibyte));
		assert.equal(read({ KEY_FILE }).value?.length, mebibyte);
	});

	test("that this user may not read is an error", () => {
		const KEY_FILE = file("locked", "secret");
		chmodSync(KEY_FILE, 0o000);
		const isRoot = process.geteuid?.() === 0;
		// Root may read every file.
		if (isRoot) process.seteuid?.(65_534);
		try {
			assert.match(read({ KEY_FILE }).said[0] ?? "", /may not be read/);
		} finally {
			if (isRoot) process.seteuid?.(0);
		}
	});

	function pipe(): string {
		const path = join(folder.path, "pipe");
		rmSync(path, { force: true });
		execFileSync("mkfifo", [path]);
		return path;
	}

	test("that Kubernetes has mounted is a link to a link", () => {
		const data = join(folder.path, "..data");
		mkdirSync(data);
		writeFileSync(join(data, "key"), "mounted\n");
		const link = join(folder.path, "mounted");
		execFileSync("ln", ["-s", join("..data", "key"), link]);
		assert.equal(read({ KEY_FILE: link }).value, "mounted");
	});
});

describe("`server`, `store` and `admin`", () => {
	const source = (server: string, more = "") =>
		`server: { ${server} }\n${more}\nroutes: { GET /x: { respond: 1 } }`;
	const loaded = (text: string, env: Record<string, string>) =>
		checkText(text, "sluice.yaml", env);

	test("take each text, number, size and duration from the environment", () => {
		const env = {
			HOSTS: "a.test, b.test",
			HOST: "c.test",
			SIZE: "2MiB",
			COUNT: "7",
			RATE: "false",
			WAIT: "3s",
			PROXIES: "10.0.0.0/8,fd00::1",
			FIELD: "x-real-ip",
			ORIGIN: "https://app.example.com",
			PATH_OF: "/healthz",
			PREFIX: "shop",
			BRIEF: "20ms",
		};
		const { server, store, admin } = configOrThrow(
			loaded(
				source(
					`hosts: "\${env.HOSTS}", maxBody: "\${env.SIZE}", connections: "\${env.COUNT}", minRate: "\${env.RATE}", drain: "\${env.WAIT}", trustedProxies: "\${env.PROXIES}", addressHeader: "\${env.FIELD}", health: "\${env.PATH_OF}", cors: { origins: ["\${env.ORIGIN}"] }`,
					`store: { url: "redis://a", prefix: "\${env.PREFIX}", timeout: "\${env.BRIEF}" }
admin: { port: "\${env.COUNT}", hosts: ["\${env.HOST}", d.test] }`,
				),
				env,
			),
		);
		assert.deepEqual(server.hosts, ["a.test", "b.test"]);
		assert.equal(server.bodyBytesMax, 2 * mebibyte);
		assert.equal(server.connectionsMax, 7);
		assert.equal(server.leastBytesPerSecond, null);
		assert.equal(server.drainMs, 3000);
		assert.deepEqual(server.trustedProxies, ["10.0.0.0/8", "fd00::1"]);
		assert.equal(server.addressHeader, "x-real-ip");
		assert.equal(server.healthPath, "/healthz");
		assert.deepEqual(server.cors?.origins, ["https://app.example.com"]);
		assert.equal(store?.prefix, "shop");
		assert.equal(store?.timeoutMs, 20);
		assert.equal(admin?.port, 7);
		assert.deepEqual(admin?.hosts, ["c.test", "d.test"]);
	});

	test("take them from files, too", () => {
		const text = source(
			'port: "${env.PORT}"',
			'admin: { token: "${env.TOKEN}" }',
		);
		const { server, admin } = configOrThrow(
			loaded(text, {
				PORT_FILE: file("port", "9000\n"),
				TOKEN_FILE: file("token", "a-token-of-16-letters\n"),
			}),
		);
		assert.equal(server.port, 9000);
		assert.equal(admin?.token?.reveal(), "a-token-of-16-letters");
	});

	test("tell by its name which variable does not fit, and never what it holds", () => {
		const env = { WORD: "planted-secret", LIST: "a.test,planted secret" };
		const said = (server: string) =>
			loaded(source(server), env).problems.map(({ message }) => message);
		const holds = (name: string) => `what ${name} holds is not`;
		const host =
			"a host without a port, such as `api.example.com`, `*.example.com` or `192.0.2.1`";
		const size = "a size with its unit, such as `64KiB` or `8MiB`";
		assert.deepEqual(said('maxBody: "${env.WORD}"'), [
			`${holds("WORD")} ${size}`,
		]);
		assert.deepEqual(said('connections: "${env.WORD}"'), [
			`${holds("WORD")} a whole number from 1 to 1000000`,
		]);
		assert.deepEqual(said('hosts: "${env.LIST}"'), [
			`${holds("LIST")} texts with commas between them, each ${host}`,
		]);
		assert.deepEqual(said('hosts: [a.test, "${env.LIST}"]'), [
			`${holds("LIST")} ${host}`,
		]);
		assert.deepEqual(said('hosts: [a.test, "${env.NONE}"]'), [
			"the environment variable NONE is not set: set it, or write `?? 'a default'`",
		]);
		// As before, for what is written.
		assert.deepEqual(said("maxBody: 2"), [
			`\`maxBody\` takes ${size}: write \`2B\``,
		]);
	});
});
