import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";

/**
 * Chromium without what makes a window: it has the same engine. To start it and to open a page in it takes a third of the
 * processor time.
 */
const executablePath = "/usr/bin/chromium-headless-shell";

/** The reason to skip a test that needs Debian's Chromium; false if it is there. Where all must be there, none is skipped. */
export function withoutChromium(): string | false {
	if (existsSync(executablePath)) return false;
	const reason = "chromium-headless-shell is not installed";
	assert.ok(!process.env.SLUICE_TEST_ALL, reason);
	return reason;
}

/** A browser without a window. Whoever opens it closes it. */
export function openBrowser(): Promise<Browser> {
	// Chromium's own sandbox refuses to be started by root, as in containers.
	const isRoot = process.getuid?.() === 0;
	return chromium.launch({
		executablePath,
		args: isRoot ? ["--no-sandbox"] : [],
	});
}

/** How a page is looked at. */
export interface Look {
	readonly name: string;
	readonly colorScheme: "light" | "dark";
	readonly viewport: { readonly width: number; readonly height: number };
}

export const looks = {
	light: {
		name: "light",
		colorScheme: "light",
		viewport: { width: 1200, height: 760 },
	},
	dark: {
		name: "dark",
		colorScheme: "dark",
		viewport: { width: 1200, height: 760 },
	},
	phone: {
		name: "phone",
		colorScheme: "light",
		viewport: { width: 360, height: 740 },
	},
} as const satisfies Record<string, Look>;

/** A page, and what went wrong in it: requests to other hosts, errors of scripts, and what its policy forbade. */
export interface WatchedPage extends AsyncDisposable {
	readonly page: Page;
	readonly faults: readonly string[];
}

export async function openPage(
	browser: Browser,
	look: Look,
	url: string,
): Promise<WatchedPage> {
	const page = await browser.newPage({
		colorScheme: look.colorScheme,
		viewport: look.viewport,
	});
	const faults: string[] = [];
	const { origin } = new URL(url);
	page.on("request", (request) => {
		const to = new URL(request.url());
		if (to.origin !== origin && to.protocol !== "data:") {
			faults.push(`asks ${to.href}`);
		}
	});
	page.on("pageerror", (error) => faults.push(error.message));
	page.on("console", (message) => {
		const text = message.text();
		// A browser reports each answer that is no success, also those that the page expects.
		const isStatus = text.startsWith("Failed to load resource");
		if (message.type() === "error" && !isStatus) faults.push(text);
	});
	await page.goto(url);
	return {
		page,
		faults,
		[Symbol.asyncDispose]: () => page.close(),
	};
}

/** What axe calls serious or critical, a line each: the rule, and where. */
export async function seriousFaults(page: Page): Promise<string[]> {
	// Reading the source takes longer than asking it. A page that was not loaded again has it already.
	const hasAxe = await page.evaluate("typeof axe === 'object'");
	if (!hasAxe) await page.evaluate(axe.source);
	const violations = (await page.evaluate(
		'axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)',
	)) as axe.Result[];
	return violations
		.filter(({ impact }) => impact === "serious" || impact === "critical")
		.flatMap(({ id, nodes }) =>
			nodes.map(({ html, failureSummary }) =>
				[id, html, failureSummary].join(" · "),
			),
		);
}
