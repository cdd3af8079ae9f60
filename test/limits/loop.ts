import { test } from "node:test";

test("is well", () => {});
test("never ends", () => {
	for (;;);
});
