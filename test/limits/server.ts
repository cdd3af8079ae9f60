import { createServer } from "node:http";
import { test } from "node:test";

test("is well", () => {});
test("leaves a server", async () => {
	await new Promise<void>((resolve) => createServer().listen(0, resolve));
});
test("is well after it", () => {});
