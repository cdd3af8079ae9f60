import { test } from "node:test";

test("is well", () => {});
test("waits for what never comes", async () => {
	setInterval(() => {}, 1000);
	await new Promise(() => {});
});
test("is well after it", () => {});
