import { randomUUID } from "node:crypto";
import { after, before, describe } from "node:test";
import { inStore, type ServeJobs } from "../kit/jobs.ts";
import { startStore, type TestStore, withoutStore } from "../kit/store.ts";
import { jobCases } from "./cases.ts";
import { drainCases } from "./drain.ts";
import { leaveCases } from "./leave.ts";

const skip = withoutStore();

describe("in a store", { skip }, () => {
	let store: TestStore;
	before(async () => {
		store = await startStore();
	});
	after(() => store[Symbol.asyncDispose]());
	const serve: ServeJobs = (...given) => inStore(store.url)(...given);
	jobCases(serve, () => ({
		serve: inStore(store.url, "shared"),
		[Symbol.dispose]() {},
	}));
	const place = (more: string) => () => {
		const prefix = randomUUID();
		const settings = { url: store.url, prefix, timeout: "1s" };
		return {
			lines: `jobs: { ${more} }\nstore: ${JSON.stringify(settings)}`,
			look: inStore(store.url, prefix),
			[Symbol.dispose]() {},
		};
	};
	drainCases("work", place("parallel: 2"));
	leaveCases(place("run: work, secret: '${env.WEBHOOK_SECRET}'"));
});
