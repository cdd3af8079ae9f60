import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { openBrowser, withoutChromium } from "../kit/browser.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { json, type RealUpstream, startUpstream } from "../kit/upstream.ts";

/** The first script of a page that has these words. */
function scriptIn(file: string, words: string): string {
	const url = new URL(`../../docs/${file}`, import.meta.url);
	const scripts = readFileSync(url, "utf8").matchAll(/^```js\n([^]*?)^```$/gm);
	for (const [, script = ""] of scripts) {
		if (script.includes(words)) return script;
	}
	return assert.fail(`no script with ${words} in ${file}`);
}

const page = (script: string) =>
	`<!doctype html><title>parts</title><ol></ol>
<script type="module">
const tell = (what) => {
	const line = document.createElement("li");
	line.textContent = typeof what === "string" ? what : JSON.stringify(what);
	document.querySelector("ol").append(line);
};
const show = (at, value) => tell(at + " is " + value);
${script}
tell("read");
</script>`;

/** The script of docs/live.md shows nothing of a part, so its page does. */
const events = scriptIn("live.md", "board[at] = value").replace(
	"board[at] = value;",
	"show(at, value);",
);
const lines = scriptIn("recipes.md", "TextDecoderStream");

describe("answers in parts in a browser", { skip: withoutChromium() }, () => {
	let browser: Browser;
	let stack: AsyncDisposableStack;
	let upstream: RealUpstream;
	let gateway: ServedGateway;
	let opened: Page;
	/** Between browser and gateway: the connections that it has made. */
	let between: Set<Socket>;
	let url: string;
	let release: () => void;

	before(async () => {
		browser = await openBrowser();
	});
	after(() => browser.close());

	beforeEach(async () => {
		stack = new AsyncDisposableStack();
		const { promise: released, resolve } = Promise.withResolvers<void>();
		release = resolve;
		upstream = stack.use(
			await startUpstream(({ target }, response) => {
				const answer = () => json(response, target);
				if (target === "/late") void released.then(answer);
				else answer();
			}),
		);
		const html = (script: string, path: string) => ({
			headers: { "content-type": "text/html" },
			respond: page(
				script.replace(/"\/(board|accounts)\/7"/, `"${path}"`),
			).replaceAll("${", "$${"),
		});
		gateway = stack.use(
			await serve({
				upstreams: { api: { url: upstream.url } },
				routes: {
					"GET /board": {
						deadline: "60s",
						steps: { soon: { get: "api/soon" }, late: { get: "api/late" } },
						respond: { soon: "${soon}", late: "${late}" },
					},
					"GET /events": html(events, "/board"),
					"GET /lines": html(lines, "/board"),
				},
			}),
		);
		between = new Set();
		const { port } = new URL(gateway.url);
		const proxy = createServer((from) => {
			const to = connect(Number(port), "127.0.0.1");
			from.pipe(to).pipe(from);
			for (const [one, other] of [
				[from, to],
				[to, from],
			] as const) {
				one.on("error", () => {});
				one.on("close", () => void other.destroy());
			}
			between.add(from);
		});
		await new Promise<void>((resolve) =>
			proxy.listen(0, "127.0.0.1", () => resolve()),
		);
		stack.defer(() => {
			for (const socket of between) socket.destroy();
			proxy.close();
		});
		const address = proxy.address();
		assert.ok(address && typeof address === "object");
		url = `http://127.0.0.1:${address.port}`;
		opened = await browser.newPage();
		stack.defer(() => opened.close());
	});
	afterEach(async () => {
		release();
		await stack.disposeAsync();
	});

	const told = (text: string) =>
		opened.getByRole("listitem").filter({ hasText: text }).waitFor();

	it("are shown as they come, by EventSource", async () => {
		await opened.goto(`${url}/events`);
		await told("soon is /soon");
		assert.equal(await opened.getByText("late is").count(), 0);
		release();
		await told("late is /late");
	});

	it("that are cut are not run again by EventSource, and the page knows it", async () => {
		await opened.goto(`${url}/events`);
		await told("soon is /soon");
		for (const socket of between) socket.destroy();
		await told("the answer was cut");
		const statuses = gateway.ended
			.filter(({ route }) => route === "GET /board")
			.map(({ status }) => status);
		assert.deepEqual(statuses, [200, 204]);
		assert.equal(upstream.seen.length, 2);
	});

	it("are shown as they come, by fetch", async () => {
		await opened.goto(`${url}/lines`);
		await told("soon is /soon");
		release();
		await told("late is /late");
		await told("read");
	});
});
