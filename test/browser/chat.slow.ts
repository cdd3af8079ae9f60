import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import {
	type Look,
	looks,
	openBrowser,
	openPage,
	seriousFaults,
	withoutChromium,
} from "../kit/browser.ts";
import { type Chat, startChat, startStrict } from "../kit/chat.ts";
import { startStore, withoutStore } from "../kit/store.ts";

/** `UPDATE_PICTURES=1` draws them again. Look at them before they are committed. */
const isUpdate = Boolean(process.env.UPDATE_PICTURES);
const pictureOf = (name: string) =>
	new URL(`../../docs/chat-${name}.png`, import.meta.url).pathname;

/** A page in which somebody has entered a room. */
interface Entered extends AsyncDisposable {
	readonly page: Page;
	readonly faults: readonly string[];
	/** Waits until the page says so of its connection. */
	state(text: string | RegExp): Promise<void>;
	say(text: string): Promise<void>;
	/** Waits for a message of the room. */
	hears(text: string): Promise<void>;
	/** All messages of the room, and what is said of those that are lost. */
	log(): Promise<string[]>;
	/** Waits until these are there, and nobody else. */
	sees(...names: string[]): Promise<void>;
}

interface Entering {
	readonly url?: string;
	readonly look?: Look;
	/** What is done to the page before it is loaded again. */
	readonly prepare?: (page: Page) => Promise<void>;
}

async function enterBy(
	browser: Browser,
	name: string,
	{ url, look = looks.light, prepare }: Entering & { readonly url: string },
): Promise<Entered> {
	const opened = await openPage(browser, look, `${url}/#kitchen`);
	const { page, faults } = opened;
	// The browser itself reports each connection that is cut. That is no fault of the page.
	const ownFaults = () => faults.filter((one) => !/WebSocket|ERR_/.test(one));
	if (prepare !== undefined) {
		await prepare(page);
		await page.reload();
	}
	await page.getByLabel("Your name").fill(name);
	await page.keyboard.press("Enter");
	const state = (text: string | RegExp) =>
		page.locator("#state").getByText(text).waitFor();
	await state(/^Connected/);
	return {
		page,
		state,
		get faults() {
			return ownFaults();
		},
		async say(text) {
			await page.getByLabel("Your message").fill(text);
			await page.keyboard.press("Enter");
		},
		hears: (text) =>
			page.locator("#messages p").getByText(text, { exact: true }).waitFor(),
		log: () => page.locator("#messages li > p, #messages .gap").allInnerTexts(),
		async sees(...names) {
			const shown = names.map((one) => (one === name ? `${one} (you)` : one));
			const list = shown.toSorted().join("").replaceAll(/[()]/g, "\\$&");
			const hasText = new RegExp(`^${list}$`);
			await page.locator("#members", { hasText }).waitFor();
		},
		[Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
	};
}

describe("the chat in a browser", { skip: withoutChromium() }, () => {
	let browser: Browser;
	let chat: Chat;

	before(async () => {
		browser = await openBrowser();
	});
	after(() => browser.close());
	beforeEach(async () => {
		chat = await startChat();
	});
	afterEach(() => chat[Symbol.asyncDispose]());

	const enter = (name: string, { url = chat.url, ...how }: Entering = {}) =>
		enterBy(browser, name, { url, ...how });

	it("lets three talk, each in the best way that comes through, and says who is there", async () => {
		await using noSockets = await startStrict(chat, "pass");
		await using noEvents = await startStrict(chat, "cut");
		await using ada = await enter("Ada");
		await using bob = await enter("Bob", { url: noSockets.url });
		const eve = await enter("Eve", { url: noEvents.url });
		await ada.state("Connected over a WebSocket");
		await bob.state("Connected by events");
		await eve.state("Connected by polling");
		const all = [ada, bob, eve];
		await Promise.all(all.map((one) => one.sees("Ada", "Bob", "Eve")));
		await ada.say("Is it raining?");
		await Promise.all(all.map((one) => one.hears("Is it raining?")));
		await bob.say("Yes");
		await Promise.all(all.map((one) => one.hears("Yes")));
		await eve.say("A little");
		await Promise.all(all.map((one) => one.hears("A little")));
		for (const one of all) {
			assert.deepEqual(await one.log(), ["Is it raining?", "Yes", "A little"]);
			assert.equal(await one.page.locator("#outbox li").count(), 0);
			assert.deepEqual(one.faults, []);
		}
		await eve[Symbol.asyncDispose]();
		await Promise.all([ada, bob].map((one) => one.sees("Ada", "Bob")));
		await bob.page.getByRole("button", { name: "Leave" }).click();
		await ada.sees("Ada");
	});

	it("gives up events that a proxy holds back, and polls", async () => {
		await using strict = await startStrict(chat, "hold");
		await using ada = await enter("Ada", { url: strict.url });
		await ada.state("Connected by polling");
		await ada.say("hello");
		await ada.hears("hello");
	});

	it("comes back by itself after the gateway was restarted, and says what is lost", async () => {
		await using strict = await startStrict(chat, "pass");
		await using ada = await enter("Ada");
		await using bob = await enter("Bob", { url: strict.url });
		await ada.say("before");
		const both = [ada, bob];
		await Promise.all(both.map((one) => one.hears("before")));
		await chat.stop("drain");
		await Promise.all(both.map((one) => one.state(/^No connection/)));
		await chat.start();
		await Promise.all(both.map((one) => one.state(/^Connected/)));
		await Promise.all(both.map((one) => one.sees("Ada", "Bob")));
		await bob.say("after");
		await Promise.all(both.map((one) => one.hears("after")));
		const gap =
			"The gateway or its store was away, or this room was empty for long. Earlier messages that are not shown above are gone.";
		for (const one of both) {
			assert.deepEqual(await one.log(), ["before", gap, "after"]);
		}
		// Whoever comes now has lost nothing.
		await using eve = await enter("Eve");
		await eve.hears("after");
		assert.deepEqual(await eve.log(), ["after"]);
	});

	it("shows a message that was not taken as not sent, and sends it again once", async () => {
		await using ada = await enter("Ada");
		await chat.stop("cut");
		await ada.state(/^No connection/);
		await ada.say("Tea is ready");
		const outbox = ada.page.locator("#outbox li");
		await outbox.getByText(/^Not sent/).waitFor();
		assert.deepEqual(await ada.log(), []);
		await chat.start();
		await ada.state(/^Connected/);
		await outbox.getByRole("button", { name: "Send again" }).click();
		await ada.hears("Tea is ready");
		await outbox.waitFor({ state: "detached" });
		const texts = (await ada.log()).filter((text) => text === "Tea is ready");
		assert.equal(texts.length, 1);
	});

	it("shows a message once that was taken although nobody heard the answer", async () => {
		await using strict = await startStrict(chat, "cut");
		await using ada = await enter("Ada", { url: strict.url });
		await using bob = await enter("Bob");
		// It comes through, and its answer does not.
		let posts = 0;
		await ada.page.route("**/rooms/**", async (route) => {
			if (route.request().method() !== "POST") return route.continue();
			posts++;
			if (posts > 1) return route.continue();
			await route.fetch();
			await route.abort();
		});
		await ada.say("hello");
		await bob.hears("hello");
		await ada.hears("hello");
		assert.equal(await ada.page.locator("#outbox li").count(), 0);
		const say = (key: string, text: string) =>
			fetch(`${chat.url}/rooms/kitchen?name=Eve`, {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify({ key, text }),
			});
		for (const [key, text] of [
			...[["1", "twice"] as const, ["1", "twice"] as const],
			["2", "last"] as const,
		]) {
			await say(key, text);
		}
		await bob.hears("last");
		assert.deepEqual(await bob.log(), ["hello", "twice", "last"]);
	});

	it("takes a WebSocket that answers nothing for dead, and opens another", async () => {
		let opened = 0;
		await using ada = await enter("Ada", {
			async prepare(page) {
				await page.clock.install();
				await page.routeWebSocket("**/rooms/**", (socket) => {
					opened++;
					socket.connectToServer();
					// What the page says goes nowhere.
					if (opened === 1) socket.onMessage(() => {});
				});
			},
		});
		await ada.say("hello");
		const outbox = ada.page.locator("#outbox li");
		await outbox.getByText("Sending …").waitFor();
		await ada.page.clock.fastForward(10_000);
		await outbox.getByText(/^Not sent/).waitFor();
		await ada.page.clock.fastForward(2_000);
		await ada.state("Connected over a WebSocket");
		assert.equal(opened, 2);
		await outbox.getByRole("button", { name: "Send again" }).click();
		await ada.hears("hello");
	});

	it("says why a message was refused", async () => {
		// The example's ten seconds could pass before the last message.
		await using strict = await startChat((yaml) =>
			yaml.replace("limit: 30, per: 10s", "limit: 30, per: 1h"),
		);
		await using ada = await enter("Ada", { url: strict.url });
		await Promise.all(
			Array.from({ length: 30 }, (_, at) =>
				fetch(`${strict.url}/rooms/hall?name=x`, {
					method: "POST",
					headers: { "content-type": "application/json" },
					body: JSON.stringify({ key: `${at}`, text: "x" }),
				}),
			),
		);
		await ada.say("one too many");
		const outbox = ada.page.locator("#outbox li");
		await outbox.getByText(/^Not sent\. .*[Tt]oo many requests/).waitFor();
		await outbox.getByRole("button", { name: "Drop" }).click();
		await outbox.waitFor({ state: "detached" });
	});

	it("shows markup as text, in names, rooms and messages", async () => {
		const markup = '<img src=x onerror="document.title=1">';
		await using ada = await enter("Ada");
		await using eve = await enter("<script>1</script>");
		await eve.say(markup);
		await ada.hears(markup);
		await ada.sees("<script>1</script>", "Ada");
		await ada.page.goto(`${chat.url}/#${encodeURIComponent(markup)}`);
		await ada.page.getByRole("heading", { name: markup }).waitFor();
		assert.equal(
			await ada.page.locator("main img, main script, main b > *").count(),
			0,
		);
		assert.equal(await ada.page.title(), `${markup} · Chat`);
		assert.deepEqual(ada.faults, []);
	});

	it("says at its door why a room cannot be entered", async () => {
		await using opened = await openPage(browser, looks.light, chat.url);
		const { page } = opened;
		await page.getByLabel("Your name").fill("Ada");
		await page.getByLabel("Room").fill("..");
		await page.keyboard.press("Enter");
		await page.getByRole("alert").getByText("No room has that name.").waitFor();
		await page.getByLabel("Room").fill("a/../b");
		await page.keyboard.press("Enter");
		await page
			.getByRole("alert")
			.getByText(/^The request is invalid: params.room/)
			.waitFor();
	});

	it("can be used with the keyboard alone", async () => {
		await using ada = await enter("Ada");
		const focus = () => ada.page.evaluate("document.activeElement.id");
		assert.equal(await focus(), "text");
		await ada.page.keyboard.type("two");
		await ada.page.keyboard.press("Shift+Enter");
		await ada.page.keyboard.type("lines");
		await ada.page.keyboard.press("Enter");
		await ada.hears("two\nlines");
		assert.equal(await focus(), "text");
		await ada.page.keyboard.press("Shift+Tab");
		assert.equal(await focus(), "scroll");
	});

	for (const look of Object.values(looks)) {
		it(`has no barrier that axe knows, ${look.name}`, async () => {
			await using opened = await openPage(browser, look, chat.url);
			assert.deepEqual(await seriousFaults(opened.page), []);
			await using ada = await enter("Ada", { look });
			for (let at = 0; at < 20; at++) await ada.say(`message ${at}`);
			await ada.hears("message 19");
			await chat.stop("cut");
			await ada.state(/^No connection/);
			await ada.say("not sent");
			await ada.page.getByText(/^Not sent/).waitFor();
			await chat.start();
			await ada.state(/^Connected/);
			await ada.page.locator(".gap").waitFor();
			assert.deepEqual(await seriousFaults(ada.page), []);
			const tooWide = await ada.page.evaluate(
				"document.documentElement.scrollWidth - document.documentElement.clientWidth",
			);
			assert.equal(tooWide, 0);
		});
	}

	it("has pictures in the docs, and they are small", async () => {
		if (isUpdate) await draw();
		for (const name of ["light", "phone"]) {
			const picture = readFileSync(pictureOf(name));
			assert.equal(picture.toString("latin1", 1, 4), "PNG", name);
			assert.ok(picture.length < 150_000, `${name}: ${picture.length}`);
		}
	});

	async function draw(): Promise<void> {
		await using strict = await startStrict(chat, "pass");
		await using ada = await enter("Ada");
		await using bob = await enter("Bob", {
			look: looks.phone,
			url: strict.url,
		});
		await using eve = await enter("Eve");
		for (const [who, text] of [
			[ada, "Has anybody seen the kettle?"],
			[bob, "It is in the garden."],
			[
				eve,
				"In the garden, of all places! I have looked for it in the cupboard, under the table, and even in the hall.",
			],
			[ada, "Thank you!"],
		] as const) {
			await who.say(text);
			await Promise.all([ada, bob, eve].map((one) => one.hears(text)));
		}
		const all = [ada, bob, eve];
		await chat.stop("cut");
		await Promise.all(all.map((one) => one.state(/^No connection/)));
		await ada.say("Tea is ready.");
		await ada.page.getByText(/^Not sent/).waitFor();
		await chat.start();
		await Promise.all(all.map((one) => one.state(/^Connected/)));
		await Promise.all(all.map((one) => one.sees("Ada", "Bob", "Eve")));
		await bob.say("Are you still there?");
		await ada.hears("Are you still there?");
		await ada.page.screenshot({ path: pictureOf("light") });
		await bob.page.screenshot({ path: pictureOf("phone") });
	}
});

describe("the chat of two gateways with a store, in a browser", {
	skip: withoutChromium() || withoutStore(),
}, () => {
	it("lets pages talk over both, and loses nothing when either is restarted", async () => {
		await using store = await startStore();
		// On a busy machine a store may take longer than 50 ms, and then each gateway would go on alone.
		const shared = (yaml: string) =>
			`store: { url: "${store.url}", timeout: 1s }\n${yaml}`;
		await using one = await startChat(shared);
		await using other = await startChat(shared);
		await using noSockets = await startStrict(other, "pass");
		await using noEvents = await startStrict(other, "cut");
		await using browser = await openBrowser();
		const enter = (name: string, url: string) =>
			enterBy(browser, name, { url });
		await using ada = await enter("Ada", one.url);
		await using bob = await enter("Bob", noSockets.url);
		await using eve = await enter("Eve", noEvents.url);
		const all = [ada, bob, eve];
		await ada.state("Connected over a WebSocket");
		await bob.state("Connected by events");
		await eve.state("Connected by polling");
		await Promise.all(all.map((who) => who.sees("Ada", "Bob", "Eve")));
		await ada.say("from one");
		await Promise.all(all.map((who) => who.hears("from one")));
		await bob.say("from the other");
		await Promise.all(all.map((who) => who.hears("from the other")));

		await one.stop("cut");
		await ada.state(/^No connection/);
		await eve.say("while one is away");
		await bob.hears("while one is away");
		await one.start();
		await Promise.all(all.map((who) => who.hears("while one is away")));

		await Promise.all([one.stop("cut"), other.stop("cut")]);
		await Promise.all(all.map((who) => who.state(/^No connection/)));
		await Promise.all([one.start(), other.start()]);
		await Promise.all(all.map((who) => who.state(/^Connected/)));
		await Promise.all(all.map((who) => who.sees("Ada", "Bob", "Eve")));
		await ada.say("after both");
		await Promise.all(all.map((who) => who.hears("after both")));
		for (const who of all) {
			assert.deepEqual(await who.log(), [
				...["from one", "from the other", "while one is away", "after both"],
			]);
		}
	});
});
