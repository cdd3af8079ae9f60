import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { EventSource } from "undici";
import { type Chat, startChat, startStrict } from "../kit/chat.ts";
import { runNode } from "../kit/cli.ts";
import { ask } from "../kit/serve.ts";
import { exchangesOf, withShownIds } from "../whole/recipes/console.ts";

// Browsers have it.
Object.assign(globalThis, { EventSource });

/** What a page hears, by the script of the example. */
interface Told {
	readonly event: string;
	readonly message?: { readonly text: string; readonly from: string };
	readonly members?: readonly { readonly name: string }[];
	readonly member?: { readonly name: string };
	readonly lost?: number | null;
}

interface Shown {
	readonly state: "listening" | "lost" | "refused";
	readonly way?: string;
	readonly problem?: { readonly code: string };
}

interface Visit {
	say(body: { readonly key: string; readonly text: string }): Promise<{
		readonly status: number;
		readonly body: { readonly code?: string };
	}>;
	leave(): void;
}

interface Script {
	enter(
		room: string,
		name: string,
		options: {
			readonly tell: (told: Told) => void;
			readonly show: (shown: Shown) => void;
			readonly origin: string;
		},
	): Visit;
}

const script = new URL(
	"../../examples/chat/page/connection.js",
	import.meta.url,
);
const { enter }: Script = await import(script.href);

let chat: Chat;
let leaving: Visit[];

beforeEach(async () => {
	chat = await startChat();
	leaving = [];
});

afterEach(async () => {
	for (const visit of leaving) visit.leave();
	await chat[Symbol.asyncDispose]();
});

/** Somebody in a room, with what was told and shown so far. */
class Visitor {
	readonly told: Told[] = [];
	readonly shown: Shown[] = [];
	readonly visit: Visit;
	#waiting: (() => void)[] = [];
	#keys = 0;

	constructor(name: string, origin = chat.url, room = "kitchen") {
		const note = () => {
			for (const look of this.#waiting.splice(0)) look();
		};
		this.visit = enter(room, name, {
			origin,
			tell: (told) => {
				this.told.push(told);
				note();
			},
			show: (shown) => {
				this.shown.push(shown);
				note();
			},
		});
		leaving.push(this.visit);
	}

	async until(isThere: () => boolean): Promise<void> {
		while (!isThere()) {
			await new Promise<void>((resolve) => this.#waiting.push(resolve));
		}
	}

	/** How it listens, as soon as it does. */
	async way(): Promise<string | undefined> {
		await this.until(() => this.shown.at(-1)?.state === "listening");
		return this.shown.at(-1)?.way;
	}

	async say(text: string): Promise<number> {
		const key = `${this.#keys++}`;
		return (await this.visit.say({ key, text })).status;
	}

	get texts(): string[] {
		return this.told.flatMap(({ message }) => (message ? [message.text] : []));
	}

	async hears(...texts: string[]): Promise<void> {
		await this.until(() => this.texts.length >= texts.length);
		assert.deepEqual(this.texts, texts);
	}
}

const origins = {
	"over a WebSocket": null,
	"by events": "pass",
	"by polling": "cut",
} as const;

for (const [way, events] of Object.entries(origins)) {
	describe(`a page of the chat that listens ${way}`, () => {
		it("hears what others say and what it says itself, once and in order, and who is there", async () => {
			await using strict = events && (await startStrict(chat, events));
			const ada = new Visitor("Ada", strict?.url);
			assert.equal(await ada.way(), way);
			const bob = new Visitor("Bob");
			await bob.way();
			const isThere = ({ member, members = [] }: Told) =>
				[member, ...members].some((one) => one?.name === "Bob");
			await ada.until(() => ada.told.some(isThere));
			assert.equal(await bob.say("hello"), 201);
			await ada.hears("hello");
			assert.equal(await ada.say("hello, Bob"), 201);
			for (const text of ["a", "b", "c"]) await bob.say(text);
			const all = ["hello", "hello, Bob", "a", "b", "c"];
			await Promise.all([ada.hears(...all), bob.hears(...all)]);
		});

		it("comes back by itself after a crash, and hears that something may be lost", async () => {
			await using strict = events && (await startStrict(chat, events));
			const ada = new Visitor("Ada", strict?.url);
			await ada.way();
			await ada.say("before");
			await ada.hears("before");
			await chat.stop("cut");
			await ada.until(() => ada.shown.at(-1)?.state === "lost");
			await assert.rejects(ada.visit.say({ key: "lost", text: "lost" }));
			await chat.start();
			assert.equal(await ada.way(), way);
			await ada.until(() => ada.told.some(({ event }) => event === "gap"));
			const gaps = ada.told.filter(({ event }) => event === "gap");
			assert.deepEqual(
				gaps.map(({ lost }) => lost),
				[null],
			);
			assert.equal(await ada.say("after"), 201);
			await ada.hears("before", "after");
		});
	});
}

describe("a page of the chat", () => {
	it("gets what it missed while its connection was lost, in another way if it must", async () => {
		const bob = new Visitor("Bob");
		await bob.way();
		const strict = await startStrict(chat, "pass");
		const ada = new Visitor("Ada", strict.url);
		assert.equal(await ada.way(), "by events");
		await bob.say("first");
		await ada.hears("first");
		const { port } = new URL(strict.url);
		await strict[Symbol.asyncDispose]();
		await ada.until(() => ada.shown.at(-1)?.state === "lost");
		for (const text of ["second", "third"]) await bob.say(text);
		await using _ = await startStrict(chat, "cut", Number(port));
		assert.equal(await ada.way(), "by polling");
		await ada.hears("first", "second", "third");
		assert.ok(ada.told.every(({ event }) => event !== "gap"));
	});

	it("hears how many messages are lost if more came than are kept", async () => {
		await using small = await startChat((yaml) =>
			yaml.replace("last: 100", "last: 2"),
		);
		const strict = await startStrict(small, "pass");
		const { port } = new URL(strict.url);
		const ada = new Visitor("Ada", strict.url);
		await ada.way();
		const bob = new Visitor("Bob", small.url);
		await bob.way();
		await bob.say("first");
		await ada.hears("first");
		await strict[Symbol.asyncDispose]();
		await ada.until(() => ada.shown.at(-1)?.state === "lost");
		for (const text of ["a", "b", "c", "d", "e"]) await bob.say(text);
		await using _ = await startStrict(small, "pass", Number(port));
		await ada.hears("first", "d", "e");
		const gaps = ada.told.filter(({ event }) => event === "gap");
		assert.deepEqual(
			gaps.map(({ lost }) => lost),
			[3],
		);
		// Otherwise the page asks on for a server that is gone.
		ada.visit.leave();
		bob.visit.leave();
	});

	it("hears a message once, also if it is sent twice", async () => {
		const messageOf = (offset: number) => ({
			...{ event: "message", id: `abc-${offset}` },
			message: { text: `${offset}` },
		});
		const answers = [1, 1, 2].map((offset) => ({
			...{ after: "abc-1", members: [], events: [messageOf(offset)] },
		}));
		const server = createServer(({ headers, socket }, response) => {
			if (headers.accept === "text/event-stream") {
				socket.destroy();
				return;
			}
			const answer = answers.shift();
			if (answer === undefined) return;
			response.setHeader("content-type", "application/json");
			response.end(JSON.stringify(answer));
		});
		server.on("upgrade", (_, socket) => socket.destroy());
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		const { port } = server.address() as AddressInfo;
		const ada = new Visitor("Ada", `http://127.0.0.1:${port}`);
		await ada.until(() => ada.texts.includes("2"));
		assert.deepEqual(ada.texts, ["1", "2"]);
		ada.visit.leave();
		server.close();
		server.closeAllConnections();
	});

	it("is told why it cannot enter, and does not try again", async () => {
		const nobody = new Visitor("   ");
		await nobody.until(() => nobody.shown.length > 0);
		assert.partialDeepStrictEqual(nobody.shown, [
			{ state: "refused", problem: { code: "request_invalid" } },
		]);
	});

	it("hears that a message is refused, and why", async () => {
		const ada = new Visitor("Ada");
		await ada.way();
		const { status, body } = await ada.visit.say({ key: "1", text: " " });
		assert.deepEqual([status, body.code], [400, "request_invalid"]);
	});

	it("enters any room, and hears nothing of another", async () => {
		const names = ["a/b", "кухня", "100 %", "?x=1#y", "…"];
		const visitors = names.map((room) => new Visitor("Ada", chat.url, room));
		for (const [at, visitor] of visitors.entries()) {
			await visitor.way();
			await visitor.say(`${at}`);
		}
		for (const [at, visitor] of visitors.entries()) {
			await visitor.hears(`${at}`);
		}
	});

	it("is served with a policy that lets it run its own files alone", async () => {
		for (const [path, type] of [
			["/", "text/html"],
			["/chat.js", "text/javascript"],
			["/chat.css", "text/css"],
		] as const) {
			const { status, headers } = await ask(chat.url + path);
			assert.equal(status, 200, path);
			assert.ok(headers["content-type"]?.startsWith(type));
			const policy = String(headers["content-security-policy"]);
			assert.ok(policy.startsWith("default-src 'none'; script-src 'self';"));
			assert.doesNotMatch(policy, /unsafe|\*/);
		}
		assert.equal((await ask(`${chat.url}/nothing`)).status, 404);
	});
});

describe("the README of the chat", () => {
	const readme = readFileSync(
		new URL("../../examples/chat/README.md", import.meta.url),
		"utf8",
	);
	const blocks = [...readme.matchAll(/^```console\n([^]*?)^```/gm)].map(
		([, block = ""]) => block,
	);

	/** With the ids and the instant that the page shows. */
	const asShown = (text: string) =>
		withShownIds(text)
			.replaceAll(/(?<="at":)\d{13}/g, "1795982635733")
			.trimEnd();

	it("shows what each way to listen and to speak gives", async () => {
		const [events = "", socket = "", ...others] = blocks;
		const [listening] = exchangesOf(events);
		const { path = "", headers } = listening?.request ?? {};
		const request = get(chat.url + path, { headers, agent: false });
		const [response] = (await once(request, "response")) as [IncomingMessage];
		const [first] = (await once(response, "data")) as [Buffer];
		assert.equal(asShown(String(first)), listening?.shown);
		response.on("error", () => {});

		const [, script = "", shown = ""] =
			/^\$ npx node -e '(.*)'\n([^]*)/.exec(socket) ?? [];
		const at = new URL(chat.url).host;
		const bob = runNode(["-e", script.replace("localhost:8080", at)], {
			cwd: ".",
		});
		await bob.printed("\n");
		assert.equal(asShown(bob.stdout()), shown.trimEnd());

		assert.equal(others.length, 2);
		for (const exchange of others.flatMap(exchangesOf)) {
			const { path: asked, ...options } = exchange.request;
			const given = await ask(chat.url + asked, options);
			assert.equal(given.status, options.method === "POST" ? 201 : 200);
			assert.equal(asShown(given.text), exchange.shown);
		}
		request.destroy();
		bob.process.kill();
		await bob.ended;
	});
});
