import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
	type Ask,
	asTheyCome,
	cities,
	inOrder,
} from "../../examples/tasks/cities.ts";
import { connect, talk } from "../../examples/tasks/connection.ts";
import { solutions } from "../../examples/tasks/equation.ts";
import { answersWhile } from "../../examples/tasks/equations.ts";
import { mirror } from "../../examples/tasks/mirror.ts";
import { serve, serveEcho, serveSite } from "../../examples/tasks/server.ts";
import { sizesOf } from "../../examples/tasks/sizes.ts";
import { showProgress } from "../../examples/tasks/terminal.ts";
import { breakfast } from "../../examples/tasks/three-seconds.ts";
import {
	createFuture,
	openScope,
	run,
	type Scope,
	sleep,
	TimedOut,
	virtualClock,
} from "../../src/tasks/index.ts";
import { type RunningCommand, runNode } from "../kit/cli.ts";

const folder = new URL("../../examples/tasks/", import.meta.url);

/** Runs it on a virtual clock, and gives what it returned and when. */
async function onVirtualClock<T>(main: (scope: Scope) => Promise<T>) {
	const clock = virtualClock();
	let over = false;
	const running = run(main, { clock, signals: false })
		.then((value) => ({ value, atMs: clock.now() }))
		.finally(() => {
			over = true;
			assert.equal(clock.pending, 0);
		});
	running.catch(() => {});
	while (!over) await clock.settle();
	return running;
}

describe("two functions that wait three seconds", () => {
	it("are done in three, not six", async () => {
		const { value, atMs } = await onVirtualClock((scope) =>
			breakfast(3, scope),
		);
		assert.deepEqual([value, atMs], ["tea and toast", 3000]);
	});
});

describe("the weather of twelve cities", () => {
	/** Later cities answer sooner. */
	const ask: Ask = async (city, scope) => {
		await sleep(300, scope);
		return city;
	};
	const backwards: Ask = async (city, scope) => {
		await sleep(300 - cities.indexOf(city), scope);
		return city;
	};

	it("comes in 0.3 s where each takes 0.3 s, in order of arrival", async () => {
		const { value, atMs } = await onVirtualClock((scope) =>
			Array.fromAsync(asTheyCome(backwards, scope)),
		);
		assert.deepEqual(value, cities.toReversed());
		assert.equal(atMs, 300);
	});

	it("is gathered in order, in 1.2 s with three at a time", async () => {
		const { value, atMs } = await onVirtualClock((scope) =>
			inOrder(ask, 3, scope),
		);
		assert.deepEqual([value, atMs], [cities, 1200]);
		const all = await onVirtualClock((scope) => inOrder(backwards, 12, scope));
		assert.deepEqual([all.value, all.atMs], [cities, 300]);
	});

	it("fails as one city does, and asks for no more", async () => {
		let asked = 0;
		const failing: Ask = async (city, scope) => {
			asked++;
			await sleep(300, scope);
			throw new Error(city);
		};
		await assert.rejects(
			onVirtualClock((scope) => inOrder(failing, 3, scope)),
			{ message: "Moscow" },
		);
		assert.equal(asked, 3);
		await assert.rejects(
			onVirtualClock((scope) => Array.fromAsync(asTheyCome(failing, scope))),
			{ message: "Moscow" },
		);
	});
});

describe("a connection for as long as its block", () => {
	/** A peer that never says goodbye unless told to; `closed` settles when the client has closed its connection. */
	async function peer(behave: (socket: Socket) => void) {
		const { promise: closed, resolve: noteClosed } =
			Promise.withResolvers<void>();
		const sockets: Socket[] = [];
		const server = createServer({ allowHalfOpen: true }, (socket) => {
			sockets.push(socket);
			for (const end of ["end", "error", "close"]) socket.on(end, noteClosed);
			behave(socket);
		});
		await new Promise<void>((listening) =>
			server.listen(0, "127.0.0.1", listening),
		);
		return {
			port: (server.address() as AddressInfo).port,
			closed,
			[Symbol.asyncDispose]() {
				for (const socket of sockets) socket.destroy();
				return new Promise<void>((done) => server.close(() => done()));
			},
		};
	}

	function talking(port: number, note: (line: string) => void = () => {}) {
		return run((scope) => talk(port, ["one", "two", "three"], note, scope), {
			signals: false,
		});
	}

	it("sends on while it receives", async () => {
		const notes: string[] = [];
		await run(
			async (scope) => {
				await using echo = await serveEcho(scope);
				const note = (line: string) => void notes.push(line);
				await talk(echo.port, ["one", "two", "three"], note, scope);
			},
			{ signals: false },
		);
		const ofKind = (kind: string) => notes.filter((it) => it.startsWith(kind));
		assert.deepEqual(ofKind("->"), ["-> one", "-> two", "-> three"]);
		assert.deepEqual(ofKind("<-"), ["<- ONE", "<- TWO", "<- THREE"]);
		assert.ok(notes.indexOf("-> two") < notes.indexOf("<- ONE"));
	});

	it("fails where the peer goes away, in order or not, and is closed", async () => {
		await using leaving = await peer((socket) => {
			socket.resume().once("data", () => socket.end("bye\n"));
		});
		await assert.rejects(talking(leaving.port), {
			message: "the peer hung up",
		});
		await leaving.closed;
		await using resetting = await peer((socket) => {
			socket.once("data", () => socket.resetAndDestroy());
		});
		await assert.rejects(talking(resetting.port), { code: "ECONNRESET" });
		await resetting.closed;
		await assert.rejects(talking(1), { code: "ECONNREFUSED" });
	});

	it("is closed when its block fails", async () => {
		await using silent = await peer((socket) => void socket.resume());
		const wrong = new Error("cannot write this down");
		const atOnce = run(
			async (scope) => {
				await using _ = await connect(silent.port, scope);
				throw wrong;
			},
			{ signals: false },
		);
		await assert.rejects(atOnce, wrong);
		await silent.closed;
		await using speaking = await peer((socket) => void socket.resume());
		const failing = talking(speaking.port, () => {
			throw wrong;
		});
		await assert.rejects(failing, wrong);
		await speaking.closed;
	});

	it("is closed when it is cancelled, with the reason", async () => {
		await using silent = await peer((socket) => void socket.resume());
		const reason = new Error("enough");
		const cancelled = run(
			async (scope) => {
				const note = () => scope.cancel(reason);
				await talk(silent.port, ["one", "two"], note, scope);
			},
			{ signals: false },
		);
		await assert.rejects(cancelled, reason);
		await silent.closed;
	});
});

describe("the sizes of addresses", () => {
	it("are there in order, and one that fails costs no other", async () => {
		await run(
			async (scope) => {
				await using site = await serveSite(scope);
				const paths = ["/300", "/lost", "/1", "/20"];
				let got = 0;
				const outcomes = await sizesOf(
					[...paths.map((path) => site.url + path), "http://127.0.0.1:1/"],
					(bytes) => (got += bytes),
					scope,
				);
				assert.deepEqual(
					outcomes.map((it) =>
						it.ok ? it.value : (it.error as Error).message,
					),
					[300_000, "status 404", 1000, 20_000, "fetch failed"],
				);
				assert.ok(got >= 321_000);
			},
			{ signals: false },
		);
	});

	it("are given up after five seconds each, four being asked for at once", async () => {
		const { value, atMs } = await onVirtualClock(async (scope) => {
			await using silent = await serve(() => {}, scope);
			return await sizesOf(Array(5).fill(silent.url), () => {}, scope);
		});
		for (const outcome of value) {
			assert.ok(!outcome.ok && outcome.error instanceof TimedOut);
		}
		assert.equal(atMs, 10_000);
	});
});

describe("one hundred equations", () => {
	it("are solved rightly", () => {
		const found = [0, 7, 9, 14, 41, 60].map(solutions);
		// 9 = 0+0+9 = 1+4+4, 41 = 0+16+25 = 1+4+36 = 9+16+16; 7 and 60 are of the form that has none.
		assert.deepEqual(found, [1, 0, 2, 1, 3, 0]);
	});

	it("are counted with the answers meanwhile: none while the loop is blocked", async () => {
		await run(
			async (scope) => {
				const { promise: fifth, resolve } = Promise.withResolvers<void>();
				let asked = 0;
				await using server = await serve((_, response) => {
					if (++asked === 5) resolve();
					response.end();
				}, scope);
				const waiting = await answersWhile(() => fifth, server.url, scope);
				assert.ok(waiting.answers >= 4);
				const inline = async () => solutions(1_000_000);
				const blocked = await answersWhile(inline, server.url, scope);
				assert.deepEqual(blocked, { value: 18, answers: 0 });
			},
			{ signals: false },
		);
	});
});

describe("a mirror", () => {
	/** Asks it as a client that may say anything. */
	function ask(url: string, path: string, method = "GET") {
		return new Promise<{ status: number; location: string; text: string }>(
			(resolve, reject) => {
				const { hostname, port } = new URL(url);
				const asked = request({ hostname, port, path, method, agent: false });
				asked.on("error", reject).on("response", async (answer) => {
					const { statusCode: status = 0, headers } = answer;
					const { location = "" } = headers;
					resolve({ status, location, text: await text(answer) });
				});
				asked.end();
			},
		);
	}

	it("is thirty lines, imports and comments not counted", () => {
		const program = readFileSync(new URL("mirror.ts", folder), "utf8");
		const lines = program
			.split("\n")
			.filter((line) => !/^\s*($|\/\/|\/?\*|import )/.test(line));
		assert.ok(lines.length <= 30, `${lines.length}`);
	});

	it("serves a site, and names itself where the site does", async () => {
		await run(
			async (scope) => {
				await using site = await serveSite(scope);
				await using server = await serve(mirror(site.url), scope);
				const first = await ask(server.url, "/");
				assert.ok(first.text.includes(`href="${server.url}/4000"`));
				assert.ok(!first.text.includes(site.url));
				assert.equal((await ask(server.url, "/20")).text, "\0".repeat(20_000));
				assert.equal((await ask(server.url, "/20", "HEAD")).text, "");
				assert.equal((await ask(server.url, "/lost")).status, 404);
			},
			{ signals: false },
		);
	});

	it("turns redirects to itself, and leaves texts in other encodings as they are", async () => {
		await run(
			async (scope) => {
				await using site = await serve(({ url, headers }, response) => {
					const own = `http://${headers.host}/next`;
					if (url === "/moved")
						response.writeHead(302, { location: own }).end();
					else {
						response.setHeader("content-type", "text/plain; charset=koi8-r");
						response.end(Buffer.from(`${own} \xc4`, "latin1"));
					}
				}, scope);
				await using server = await serve(mirror(site.url), scope);
				const moved = await ask(server.url, "/moved");
				assert.deepEqual(
					[moved.status, moved.location],
					[302, `${server.url}/next`],
				);
				const answer = await fetch(`${server.url}/koi8`);
				const bytes = Buffer.from(await answer.arrayBuffer());
				assert.equal(bytes.toString("latin1"), `${site.url}/next \xc4`);
			},
			{ signals: false },
		);
	});

	it("asks nobody but the site, only reads, and says when the site is gone", async () => {
		await run(
			async (scope) => {
				await using gone = await serveSite(scope);
				await using server = await serve(mirror(gone.url), scope);
				for (const path of ["http://127.0.0.1:1/", ".evil.test/", "a://b"]) {
					const { status } = await ask(server.url, path);
					assert.ok(status === 405 || status === 400, path);
				}
				assert.equal((await ask(server.url, "/", "DELETE")).status, 405);
				await gone[Symbol.asyncDispose]();
				assert.equal((await ask(server.url, "/")).status, 502);
			},
			{ signals: false },
		);
	});

	it("ends what it asked for when the client leaves", async () => {
		await run(
			async (scope) => {
				const left = createFuture<string>();
				const asked = createFuture<void>();
				await using site = await serve(async (_, __, scope) => {
					asked.resolve();
					const reason = await new Promise((end) => scope.onCancel(end));
					left.resolve((reason as Error).message);
				}, scope);
				await using server = await serve(mirror(site.url), scope);
				const client = openScope({ parent: scope });
				const answer = fetch(server.url, { signal: client.signal });
				await asked.result();
				client.cancel(new Error("enough"));
				await assert.rejects(answer, { message: "enough" });
				assert.equal(await left.result(), "the client left");
			},
			{ signals: false },
		);
	});
});

describe("the programs of examples/tasks", () => {
	const cwd = fileURLToPath(folder);
	const start = (name: string, ...args: string[]) =>
		runNode([`${name}.ts`, ...args], { cwd });

	/** Shortened where they wait; what is printed, times aside. */
	const runs: Record<string, { args: string[]; prints: RegExp }> = {
		"three-seconds": {
			args: ["0.2"],
			prints:
				/^tea and toast are being made\ntea and toast are ready after S, not S\n$/,
		},
		connection: {
			args: ["privet", "мир"],
			prints:
				/^S {2}-> privet\nS {2}-> мир\nS {2}<- PRIVET\nS {2}<- МИР\nclosed after S\n$/,
		},
		cities: {
			args: ["12"],
			prints:
				/^(S {2}[A-Z].*: -?\d+ °C, [A-Z][a-z]+\n){12}\nin order, 12 at a time, S:\nMoscow: 1 °C, Clouds\n(.*\n){10}Istanbul: 29 °C, Clear\n$/,
		},
		sizes: {
			args: [],
			prints:
				/^ +1000 .*\/1\n +20000 .*\/20\n +300000 .*\/300\n +4000000 .*\/4000\n +status 404 .*\/lost\n5 addresses in S\n$/,
		},
		equations: {
			args: ["3000000"],
			prints:
				/^x² .*\non the pool: (\d+) solutions in S, [1-9]\d* requests answered meanwhile\ninline: \1 solutions in S, 0 requests answered meanwhile\n$/,
		},
	};

	for (const [name, { args, prints }] of Object.entries(runs)) {
		it(`${name} prints what it does, and ends by itself`, async () => {
			const program = start(name, ...args);
			assert.equal(await program.ended, 0, program.stderr());
			assert.match(program.stdout().replaceAll(/\d+\.\d s/g, "S"), prints);
			assert.equal(program.stderr(), "");
		});
	}

	/** Interrupts it when it has printed the text; it ends without a word. */
	async function interrupt(program: RunningCommand, text: string) {
		await program.printed(text);
		program.process.kill("SIGINT");
		assert.equal(await program.ended, 130, program.stderr());
		assert.equal(program.stderr(), "");
	}

	for (const [name, args, text] of [
		["three-seconds", ["60"], "made"],
		["connection", ["one", "two"], "one"],
		["cities", [], "°C"],
		["equations", ["1000000000"], "x²"],
		["mirror", [], "mirrors"],
	] as const) {
		it(`${name} ends cleanly at Ctrl-C`, () =>
			interrupt(start(name, ...args), text));
	}

	it("sizes tells at Ctrl-C what it has", async () => {
		await run(
			async (scope) => {
				const asked = createFuture<void>();
				await using site = await serve(({ url }, response) => {
					if (url === "/quick") response.end("quick");
					else asked.resolve();
				}, scope);
				const addresses = ["quick", "never"].map((it) => `${site.url}/${it}`);
				const program = start("sizes", ...addresses);
				await asked.result();
				program.process.kill("SIGINT");
				assert.equal(await program.ended, 130, program.stderr());
				assert.match(program.stdout(), /^ +5 .*quick\n.*SIGINT .*never\n$/);
			},
			{ signals: false },
		);
	});

	it("the mirror serves until then", async () => {
		const program = start("mirror");
		await program.printed("mirrors");
		const [, url = ""] = /^(\S+)/.exec(program.stdout()) ?? [];
		const answer = await fetch(url);
		assert.ok((await answer.text()).includes(`${url}/300`));
		await interrupt(program, "mirrors");
	});

	it("are all in the README, each with its command", () => {
		const readme = readFileSync(new URL("README.md", folder), "utf8");
		const programs = globSync("*.ts", { cwd }).filter((file) =>
			/^if \(import\.meta\.main\)/m.test(
				readFileSync(new URL(file, folder), "utf8"),
			),
		);
		assert.equal(programs.length, 6);
		for (const file of programs) {
			const command = `npx node examples/tasks/${file}`;
			assert.ok(readme.includes(command), command);
			assert.ok(readFileSync(new URL(file, folder), "utf8").includes(command));
		}
	});
});

describe("the progress of the programs", () => {
	/** What is written to a terminal, and what is not written to anything else. */
	async function shown(isTty: boolean) {
		const written: string[] = [];
		const { isTTY, write } = process.stderr;
		process.stderr.isTTY = isTty;
		process.stderr.write = (text: string | Uint8Array) => {
			written.push(String(text));
			return true;
		};
		try {
			await onVirtualClock(async (scope) => {
				let done = 0;
				using _ = showProgress(scope, () => `${done} of 2`);
				await sleep(150, scope);
				done = 1;
				await sleep(150, scope);
			});
		} finally {
			Object.assign(process.stderr, { isTTY, write });
		}
		return written;
	}

	it("is drawn ten times a second on a terminal, and erased at the end", async () => {
		const erase = "\r\x1b[K";
		assert.deepEqual(await shown(true), [
			`${erase}0.0 s  0 of 2`,
			`${erase}0.1 s  0 of 2`,
			`${erase}0.2 s  1 of 2`,
			erase,
		]);
	});

	it("is not there where nobody looks", async () => {
		assert.deepEqual(await shown(false), []);
	});
});
