import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AdminServer, serveAdmin } from "../../src/admin/admin.ts";
import { everything, type KeptGateway, keptGateway } from "../kit/history.ts";
import { ask, type HttpAnswer } from "../kit/serve.ts";

type Listed = {
	readonly requests: readonly Record<string, unknown>[];
	readonly next: string | null;
};

/** Asks the admin server of a gateway that keeps its requests, or of one that does not. */
async function asked(
	kept: KeptGateway,
	paths: readonly string[],
	history: KeptGateway["history"] | null = kept.history,
): Promise<HttpAnswer[]> {
	const admin: AdminServer = await serveAdmin(kept.gateway, {
		...{ port: 0, history },
	});
	try {
		const answers: HttpAnswer[] = [];
		for (const path of paths) answers.push(await ask(admin.url + path));
		return answers;
	} finally {
		await admin.close();
	}
}

/** A gateway whose file has one request of each kind. */
async function filled(): Promise<KeptGateway & { readonly file: string }> {
	const first = keptGateway();
	await first.ask("/whole/Oslo");
	await first.ask("/partial");
	await first.ask("/failed");
	await first.history.close();
	const again = keptGateway({ file: first.file });
	return {
		...again,
		async [Symbol.asyncDispose]() {
			await again[Symbol.asyncDispose]();
			await first[Symbol.asyncDispose]();
		},
	};
}

describe("/history", () => {
	test("gives kept requests by pages, with the author's own columns", async () => {
		await using kept = await filled();
		const [all, one, wrong] = await asked(kept, [
			"/history?since=1h",
			"/history?limit=1&completeness=partial",
			"/history?since=soon",
		]);
		const routes = (all?.json as Listed).requests.map(({ route }) => route);
		assert.deepEqual(routes, [
			"GET /failed",
			"GET /partial",
			"GET /whole/{id}",
		]);
		const whole = (all?.json as Listed).requests[2];
		assert.deepEqual(whole?.record, { city: "Oslo" });
		assert.equal((all?.json as Listed).next, null);
		const { requests, next } = one?.json as Listed;
		assert.equal(requests.length, 1);
		const [rest] = await asked(kept, [
			`/history?limit=1&completeness=partial&before=${next}`,
		]);
		assert.deepEqual(rest?.json, { requests: [], next: null });
		assert.equal(wrong?.status, 400);
		const { errors } = wrong?.json as { errors: { at: string }[] };
		assert.equal(errors[0]?.at, "query.since");
	});

	test("gives one of them with all that was done for it", async () => {
		await using kept = await filled();
		const { requests } = await kept.history.search(everything);
		const [found, none] = await asked(kept, [
			`/history/${requests[0]?.id}`,
			"/history/none",
		]);
		const { steps } = found?.json as { steps: { path: string }[] };
		assert.deepEqual(
			steps.map(({ path }) => path),
			["user", "order"],
		);
		assert.equal(none?.status, 404);
	});

	test("says how to have one if there is none", async () => {
		await using kept = keptGateway();
		for (const { status, json } of await asked(
			kept,
			["/history", "/history/a"],
			null,
		)) {
			assert.equal(status, 404);
			const { code, detail } = json as Record<string, string>;
			assert.equal(code, "route_not_found");
			assert.match(detail ?? "", /write `history: true` in the config/);
		}
	});

	test("is 503 while the file cannot be read", async () => {
		await using kept = keptGateway({ file: "/proc/none/sluice.db" });
		const [answer] = await asked(kept, ["/history"]);
		assert.equal(answer?.status, 503);
		assert.equal((answer?.json as { code: string }).code, "admin_unavailable");
	});
});
