import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import { serveAdmin } from "../../src/admin/admin.ts";
import {
	looks,
	openBrowser,
	openPage,
	seriousFaults,
	withoutChromium,
} from "../kit/browser.ts";
import { keptGateway } from "../kit/history.ts";
import { serve } from "../kit/serve.ts";
import { startWeather, type Weather, weatherExample } from "../kit/weather.ts";

const guarded = `
auth:
  partners:
    keys: { list: [{ name: acme, hash: "sha256:2qG7Zk1P:mYgVYcnc9MHbKpQZ0xPHqZ0Yxw0hR2z8fJ1nJ3yq0aY" }] }
upstreams:
  mail: { url: "http://127.0.0.1:1", auth: { pass: true } }
  stock:
    url: http://127.0.0.1:1
    auth: { oauth2: { token: "http://127.0.0.1:1/token", client: shop, secret: "\${env.SECRET}" } }
routes:
  GET /orders:
    auth: partners
    require: \${auth.scope.includes('orders:read')}
    steps: { mail: { get: mail/inbox }, stock: { get: stock/all } }
    respond: { mail: "\${mail}", stock: "\${stock}" }
  GET /open: { respond: hello }
`;

/** The first row of the table of requests with this text. */
const rowWith = (page: Page, text: string) =>
	page.locator(".requests tbody tr", { hasText: text }).first();

/** Goes to a view, and waits until it is there: until then labels are those of the view before. */
async function open(page: Page, view: string): Promise<void> {
	await page.getByRole("link", { name: view, exact: true }).click();
	await page.getByRole("heading", { name: view, level: 1 }).waitFor();
}

/** Where the bars of a step stand, in pixels, and what they were spent on. */
async function barsOf(page: Page, step: string) {
	const row = page.locator(".waterfall tbody tr", {
		has: page.locator("th", { hasText: new RegExp(`(^|: )${step}$`) }),
	});
	const bars: { spent: string; from: number; to: number }[] = [];
	for (const bar of await row.locator(".bar").all()) {
		const box = (await bar.boundingBox()) ?? assert.fail("a bar is not seen");
		const spent = (await bar.getAttribute("data-spent")) ?? "";
		bars.push({ spent, from: box.x, to: box.x + box.width });
	}
	return bars;
}

let browser: Browser;

before(async () => {
	if (!withoutChromium()) browser = await openBrowser();
});
after(() => browser?.close());

describe("the page in a browser", { skip: withoutChromium() }, () => {
	let weather: Weather;

	before(async () => {
		weather = await startWeather();
	});
	after(() => weather[Symbol.asyncDispose]());

	it("says what to do while there is no request", async () => {
		await using empty = await startWeather();
		await using opened = await openPage(browser, looks.light, empty.url);
		await opened.page.getByText("No request yet.").waitFor();
	});

	it("shows a request as it ends, and its bars in their order with the waits told apart", async () => {
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page, faults } = opened;
		await page.getByText("live", { exact: true }).waitFor();
		await weather.ask("Москва");
		const row = rowWith(page, "GET /weather");
		await row.waitFor();
		assert.match(await row.innerText(), /200.*ms\s+whole/s);
		await row.getByRole("link").click();
		await page.getByRole("heading", { name: "What happened when" }).waitFor();
		assert.match(await page.title(), /^Request .* · Sluice$/);
		assert.equal(await focused(page).getAttribute("id"), "content");
		const [translated, asked, shown] = [
			await barsOf(page, "city_en"),
			await barsOf(page, "now"),
			await barsOf(page, "weather"),
		] as const;
		const sent = (bars: typeof asked) =>
			bars.find(({ spent }) => spent === "upstream") ??
			assert.fail("no bar of the upstream");
		assert.ok(sent(translated).to <= sent(asked).from);
		assert.ok(sent(asked).to <= sent(shown).from);
		for (const bars of [translated, asked]) {
			const spent = bars.map((bar) => bar.spent);
			assert.ok(spent.includes("connection"), spent.join());
		}
		assert.equal(asked[0]?.spent, "before");
		assert.deepEqual(faults, []);
	});

	it("says in a sentence what a bar is, for the mouse and for the keyboard", async () => {
		// Nobody asked for this city, so no cache has its answers.
		await weather.ask("Istanbul");
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page } = opened;
		await rowWith(page, "GET /weather").getByRole("link").click();
		const sentence = page.locator(".sentence");
		await page.locator('.bar[data-spent="upstream"]').first().hover();
		await sentence
			.getByText(/^\w+ waited .* ms for \w+, which answered 200/)
			.waitFor();
		await page.locator('[data-spot="0 0"]').focus();
		await page.keyboard.press("ArrowDown");
		await sentence.getByText(/^city_en: /).waitFor();
		await page.keyboard.press("ArrowRight");
		const said = await sentence.innerText();
		const name = await focused(page).textContent();
		assert.ok(name?.endsWith(said), `${name}`);
		assert.match(said, /^city_en \w+ .*ms/);
	});

	it("shows a translation that failed, why, and what filled in", async () => {
		await using broken = await startWeather();
		await broken.translate.close();
		await using opened = await openPage(browser, looks.light, broken.url);
		const { page } = opened;
		await page.getByText("live", { exact: true }).waitFor();
		await broken.ask("London");
		const row = rowWith(page, "partial");
		await row.getByText(/city_en is missing: upstream_unreachable/).waitFor();
		await row.getByRole("link").click();
		await page
			.locator(".waterfall tr", { hasText: "city_en" })
			.getByText("filled in: upstream_unreachable")
			.waitFor();
		// The step that failed is chosen at first, so that its reason is seen at once.
		await page
			.getByText(
				/Its fallback or null filled in, because: upstream_unreachable/,
			)
			.waitFor();
	});

	it("finds requests by a filter, and says what is wrong with a filter", async () => {
		await weather.ask("Москва");
		await weather.gateway.get("/nothing");
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page } = opened;
		await page.getByText("Filter").click();
		await page.getByLabel("Status").fill("404");
		await page.keyboard.press("Enter");
		await rowWith(page, "no route").waitFor();
		assert.match(page.url(), /#\/traffic\?status=404$/);
		await page
			.locator("tbody .tone.good")
			.first()
			.waitFor({ state: "detached" });
		await page.getByLabel("Status").fill("many");
		await page.keyboard.press("Enter");
		await page
			.getByRole("alert")
			.getByText(/status/)
			.waitFor();
		await page.getByRole("button", { name: "Show all" }).click();
		await page.locator("tbody .tone.good").first().waitFor();
	});

	it("moves its charts with the traffic", async () => {
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page } = opened;
		await page.getByRole("img", { name: /now: requests 0\/s/ }).waitFor();
		const before = await drawn(page);
		const asking = page
			.getByRole("img", { name: /now: requests (?!0\/s)/ })
			.waitFor();
		await Promise.all(["London", "Tokyo"].map(weather.ask));
		await asking;
		assert.notEqual(await drawn(page), before);
	});

	it("stands still while the reader points at the table, and goes on after", async () => {
		await weather.ask("Москва");
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page } = opened;
		await rowWith(page, "GET /weather").hover();
		const count = await page.locator(".requests tbody tr").count();
		await weather.ask("Tokyo");
		await page
			.getByText("standing still, 1 newer request", { exact: true })
			.waitFor();
		assert.equal(await page.locator(".requests tbody tr").count(), count);
		await page.getByRole("heading", { name: "Traffic" }).hover();
		await page.locator(`.requests tbody tr:nth-child(${count + 1})`).waitFor();
	});

	it("has no more than 200 rows, and answers the reader while a thousand requests end", async () => {
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page } = opened;
		await page.getByText("live", { exact: true }).waitFor();
		for (let round = 0; round < 20; round++) {
			const asked = Array.from({ length: 50 }, () => weather.ask("Москва"));
			await Promise.all(asked);
		}
		await page.getByText(/requests not shown, because too many/).waitFor();
		assert.ok((await page.locator(".requests tbody tr").count()) <= 200);
		await open(page, "Routes");
		await page.getByRole("heading", { name: "Routes" }).waitFor();
	});

	it("shows the plan as a graph, with how its steps fare", async () => {
		await weather.ask("Москва");
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page, faults } = opened;
		await open(page, "Routes");
		const lefts: number[] = [];
		for (const step of ["city_en", "now", "weather"]) {
			const node = page.locator(`[data-step="${step}"]`);
			await node.getByText(/median .* ms · 95 % /).waitFor();
			lefts.push((await node.boundingBox())?.x ?? 0);
		}
		assert.deepEqual(
			lefts,
			lefts.toSorted((one, other) => one - other),
		);
		assert.equal(
			(await page.locator(".plan .arrow.chain:not(.sample *)").count()) > 3,
			true,
		);
		await page.getByText(/longest chain.* city_en → now → weather/).waitFor();
		await page.getByRole("link", { name: "GET /weather/compare" }).click();
		await page.locator('[data-step="cities"]').waitFor();
		assert.deepEqual(faults, []);
	});

	it("shows who may ask for a route, and as whom it asks", async () => {
		const secret = "planted-secret";
		await using served = await serve(guarded, { SECRET: secret });
		const admin = await serveAdmin(served.gateway, { port: 0 });
		try {
			await using opened = await openPage(browser, looks.light, admin.url);
			const { page, faults } = opened;
			await open(page, "Routes");
			await page
				.getByText("partners (keys), if ${auth.scope.includes('orders:read')}")
				.waitFor();
			await page.getByText("as the client (pass)").waitFor();
			await page.getByText("as the gateway (oauth2)").waitFor();
			assert.ok(!(await page.content()).includes(secret));
			await page.getByRole("link", { name: "GET /open" }).click();
			await page.getByText("everybody", { exact: true }).waitFor();
			assert.deepEqual(faults, []);
			assert.deepEqual(await seriousFaults(page), []);
		} finally {
			await admin.close();
		}
	});

	it("shows of each upstream its breaker, limiter, cache and budget", async () => {
		await weather.ask("Москва");
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page } = opened;
		await open(page, "Upstreams");
		const card = page.locator(".card", { hasText: "translate" }).first();
		for (const name of [
			"Breaker",
			"Limiter",
			"Cache",
			"Budget for extra attempts",
		]) {
			await card.getByText(name, { exact: true }).waitFor();
		}
		assert.match(await card.innerText(), /places taken/);
		assert.match(await card.innerText(), /answered from it|not asked yet/);
	});

	it("says of a store that it is away, and why", async () => {
		await using served = await serve(
			"store: redis://127.0.0.1:1\nroutes:\n  GET /hello: { respond: hello }\n",
		);
		await served.gateway.settled;
		const admin = await serveAdmin(served.gateway, { port: 0 });
		try {
			await using opened = await openPage(browser, looks.light, admin.url);
			const { page } = opened;
			await open(page, "Upstreams");
			await page.getByText("Shared store", { exact: true }).waitFor();
			await page.getByText(/^away for .* \(unreachable\)/).waitFor();
		} finally {
			await admin.close();
		}
	});

	it("says how the history is switched on where it is off", async () => {
		await using opened = await openPage(browser, looks.light, weather.url);
		await open(opened.page, "History");
		await opened.page.getByText(/history: \{ file: /).waitFor();
	});

	it("searches the history, with the author's own columns, and shows a request of it", async () => {
		await using kept = keptGateway();
		await kept.ask("/whole/Oslo", "/partial");
		const { gateway, history } = kept;
		const admin = await serveAdmin(gateway, { port: 0, history });
		try {
			await using opened = await openPage(browser, looks.light, admin.url);
			const { page } = opened;
			// A request of before the admin server: only the history has it.
			await page.getByText("No request yet.").waitFor();
			await open(page, "History");
			await rowWith(page, "city: Oslo").waitFor();
			await page.getByText("Filter").click();
			await page.getByLabel("Answer").selectOption("partial");
			await rowWith(page, "city: Oslo").waitFor({ state: "detached" });
			await rowWith(page, "GET /partial").getByRole("link").click();
			await page.locator(".waterfall th", { hasText: "user" }).waitFor();
		} finally {
			await admin.close();
		}
	});

	it("gives a line for a terminal where the admin server has no token", async () => {
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page } = opened;
		await open(page, "Try a route");
		await page.getByLabel("Route").selectOption("GET /weather");
		await page.getByLabel("Path and query").fill("/weather?city=Москва");
		await page.getByText(/^curl 'http:.*\/weather\?city=%D0%9C/).waitFor();
		assert.equal(await page.getByText("Send the request").count(), 0);
	});

	it("says that the connection is lost, and goes on by itself when it is back", async () => {
		const config = await startWeather();
		const { port } = new URL(config.url);
		await using opened = await openPage(browser, looks.light, config.url);
		const { page } = opened;
		await page.getByText("live", { exact: true }).waitFor();
		await config[Symbol.asyncDispose]();
		await page.getByText(/connection lost/).waitFor();
		const again = await serve(weatherExample, {
			OPENWEATHER_URL: "http://127.0.0.1:1",
			OPENWEATHER_KEY: "a-key-of-20-letters-1",
			TRANSLATE_URL: "http://127.0.0.1:1",
		});
		const admin = await serveAdmin(again.gateway, { port: Number(port) });
		await page.getByText("live", { exact: true }).waitFor();
		await admin.close();
		await again[Symbol.asyncDispose]();
	});

	it("says that there is no place for it, and goes on when there is one", async () => {
		await using others = await startWeather();
		const listening = new AbortController();
		const headers = { accept: "text/event-stream" };
		// An answer that nobody holds may be collected, and then its connection is closed.
		const listeners: Response[] = [];
		for (let count = 0; count < 16; count++) {
			const { signal } = listening;
			const listener = await fetch(`${others.url}/traffic`, {
				...{ headers, signal },
			});
			assert.equal(listener.status, 200);
			listeners.push(listener);
		}
		await using opened = await openPage(browser, looks.light, others.url);
		const { page } = opened;
		await page.getByText(/too many others listen/).waitFor();
		assert.equal(await page.getByText(/connection lost/).count(), 0);
		assert.equal(listeners.length, 16);
		listening.abort();
		await page.getByText("live", { exact: true }).waitFor();
	});
});

describe("the page of an admin server with a token", {
	skip: withoutChromium(),
}, () => {
	const token = "a-token-of-20-letters";
	let weather: Weather;

	before(async () => {
		weather = await startWeather({ token });
	});
	after(() => weather[Symbol.asyncDispose]());

	async function enter(page: Page, text: string) {
		await page.getByLabel("Token").fill(text);
		await page.keyboard.press("Enter");
	}

	it("asks for it, says when it is wrong, and keeps it nowhere", async () => {
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page, faults } = opened;
		await enter(page, "wrong");
		await page.getByText(/does not know this token/).waitFor();
		assert.deepEqual(await seriousFaults(page), []);
		await enter(page, token);
		await page.getByText("live", { exact: true }).waitFor();
		const kept = await page.evaluate(
			"JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])",
		);
		assert.ok(!String(kept).includes(token));
		await page.reload();
		await page.getByLabel("Token").waitFor();
		assert.deepEqual(faults, []);
	});

	it("tries a route, and leads to what happened", async () => {
		await using opened = await openPage(browser, looks.light, weather.url);
		const { page, faults } = opened;
		await enter(page, token);
		await open(page, "Try a route");
		await page.getByLabel("Path and query").fill("/weather?city=Москва");
		await page.getByRole("button", { name: "Send the request" }).click();
		await page.getByText(/Answered 200 after/).waitFor();
		await page.getByText(/"city":"Москва"/).waitFor();
		await page.getByRole("link", { name: "What happened when" }).click();
		await page.locator(".waterfall th", { hasText: "city_en" }).waitFor();
		assert.deepEqual(faults, []);
	});
});

for (const look of Object.values(looks)) {
	describe(`the page as ${look.name}`, { skip: withoutChromium() }, () => {
		it("has no serious fault that axe finds, in any view, and is not wider than the window", async () => {
			const weather = await startWeather();
			try {
				await weather.ask("Москва");
				await weather.translate.close();
				await weather.ask("London");
				await using opened = await openPage(browser, look, weather.url);
				const { page } = opened;
				const check = async (view: string) => {
					assert.deepEqual(await seriousFaults(page), [], view);
					const width = await page.evaluate(
						"document.documentElement.scrollWidth",
					);
					assert.ok(Number(width) <= look.viewport.width, `${view}: ${width}`);
				};
				await rowWith(page, "partial").waitFor();
				await page.getByText("Filter").click();
				await check("Traffic");
				await rowWith(page, "partial").getByRole("link").click();
				await page
					.getByRole("heading", { name: "What happened when" })
					.waitFor();
				await check("a request");
				for (const view of ["Routes", "Upstreams", "History", "Try a route"]) {
					await open(page, view);
					await page.getByRole("heading", { name: view, level: 1 }).waitFor();
					await check(view);
				}
			} finally {
				await weather[Symbol.asyncDispose]();
			}
		});
	});
}

function focused(page: Page): Locator {
	return page.locator(":focus");
}

/** What the first chart draws, as a picture. */
function drawn(page: Page): Promise<unknown> {
	return page.evaluate("document.querySelector('canvas').toDataURL()");
}
