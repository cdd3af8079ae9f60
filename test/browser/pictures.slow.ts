import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { looks, openBrowser, openPage } from "../kit/browser.ts";
import { startWeather, type WeatherOptions } from "../kit/weather.ts";

/** `UPDATE_PICTURES=1` draws them again. Look at them before they are committed. */
const isUpdate = Boolean(process.env.UPDATE_PICTURES);
const folder = new URL("../../docs/", import.meta.url);
const bytesMax = 150_000;

/** Each request asks anew, so that a picture has bars. */
const options: WeatherOptions = {
	latencyMs: [60, 320],
	instead: ["cache: { for: 1m, stale: 10m }", "cache: { for: 1ms }"],
};

const cities = ["Москва", "London", "Tokyo", "Istanbul", "Париж", "Berlin"];

describe("the pictures of the page in docs/", () => {
	it("are there, and small", () => {
		for (const name of Object.keys(looks)) {
			const picture = readFileSync(new URL(`page-${name}.png`, folder));
			assert.equal(picture.toString("latin1", 1, 4), "PNG", name);
			assert.ok(picture.length < bytesMax, `${name}: ${picture.length}`);
		}
	});

	it("are of a gateway that starts and answers", async () => {
		await using weather = await startWeather(options);
		const answer = await weather.gateway.get("/weather?city=Tokyo");
		assert.equal(answer.status, 200);
	});

	// Not skipped, but not there: no check needs pictures that are new each time.
	if (!isUpdate) return;
	it("are drawn from a minute of the weather example", async () => {
		await using weather = await startWeather(options);
		const browser = await openBrowser();
		try {
			await using light = await openPage(browser, looks.light, weather.url);
			await using dark = await openPage(browser, looks.dark, weather.url);
			await using phone = await openPage(browser, looks.phone, weather.url);
			const pages = { light: light.page, dark: dark.page, phone: phone.page };
			await pages.dark.getByText("live", { exact: true }).waitFor();
			const end = performance.now() + 60_000;
			for (let at = 0; performance.now() < end; at++) {
				const some = cities.slice(0, 1 + (at % cities.length));
				await Promise.all(some.map(weather.ask));
				await weather.gateway.get("/weather/compare?city=Tokyo&city=Oslo");
			}
			await weather.translate.close();
			await weather.ask("Рим");
			for (const page of [pages.light, pages.phone]) {
				await page
					.locator(".requests tr", { hasText: "partial" })
					.first()
					.getByRole("link")
					.click();
				await page.locator(".bar").first().waitFor();
			}
			await pages.light.locator('.bar[data-spent="retry"]').first().hover();
			await pages.dark.locator("tbody .tone.warning").first().waitFor();
			for (const [name, page] of Object.entries(pages)) {
				const path = new URL(`page-${name}.png`, folder).pathname;
				await page.screenshot({ path });
			}
		} finally {
			await browser.close();
		}
	});
});
