import { after, before, describe } from "node:test";
import { inStore, type ServeJobs } from "../kit/jobs.ts";
import { startStore, type TestStore, withoutStore } from "../kit/store.ts";
import { jobCases } from "./cases.ts";

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
});
