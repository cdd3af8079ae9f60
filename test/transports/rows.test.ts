import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { notOverTls, rows } from "./rows.ts";

test("each file of the server's tests is run over TLS, or it is said why not", () => {
	const files = readdirSync("test/server").filter((name) =>
		name.endsWith(".test.ts"),
	);
	const named = [...rows.tls, ...Object.keys(notOverTls)].filter((path) =>
		path.startsWith("test/server/"),
	);
	assert.deepEqual(
		named.sort(),
		files.map((name) => `test/server/${name}`).sort(),
	);
});
