import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { matchesGlob } from "node:path";
import { test } from "node:test";
import { adminKeys } from "../src/config/keys/admin.ts";
import { apiKeyKeys, authKeys, basicKeys } from "../src/config/keys/auth.ts";
import { jwtKeys } from "../src/config/keys/auth-jwt.ts";
import { mtlsKeys } from "../src/config/keys/auth-mtls.ts";
import { channelKeys } from "../src/config/keys/channel.ts";
import { defaultsKeys } from "../src/config/keys/defaults.ts";
import { historyKeys } from "../src/config/keys/history.ts";
import { jobsKeys } from "../src/config/keys/jobs.ts";
import { logKeys } from "../src/config/keys/log.ts";
import { overloadKeys } from "../src/config/keys/overload.ts";
import { poolKeys } from "../src/config/keys/pool.ts";
import { proxyKeys } from "../src/config/keys/proxy.ts";
import { rateLimitKeys } from "../src/config/keys/rate-limit.ts";
import { requestKeys } from "../src/config/keys/request.ts";
import { routeKeys } from "../src/config/keys/route.ts";
import { serverKeys } from "../src/config/keys/server.ts";
import { storeKeys } from "../src/config/keys/store.ts";
import { configKeys } from "../src/config/keys/top.ts";
import { upstreamKeys } from "../src/config/keys/upstream.ts";
import { type StepKey, stepKeys } from "../src/config/steps/kinds.ts";
import { keySchemas } from "./kit/schemas.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

type Shape = Readonly<Record<string, unknown>>;

/** Each row of the table of keys: what its first cell names, and the keys in its second. */
function rowsOfKeys(): readonly (readonly [string, readonly string[]])[] {
	const table = readme.slice(readme.indexOf("## The keys"));
	const rows = table
		.slice(0, table.indexOf("[docs/"))
		.matchAll(/^\| (.+?) \| (.*) \|$/gm);
	return Array.from(
		rows,
		([, where = "", keys = ""]) =>
			[
				where.replaceAll("`", ""),
				Array.from(keys.matchAll(/`(\w+)`/g), ([, key = ""]) => key),
			] as const,
	).slice(2);
}

/** What every kind of step takes that makes a value. */
const everyStep = new Set(
	Object.keys(stepKeys.value.shape).filter((key) => key !== "value"),
);

/** The keys of these kinds that not every step has. */
function ownKeys(...kinds: readonly StepKey[]): Shape {
	const all = kinds.flatMap((kind) => Object.entries(stepKeys[kind].shape));
	return Object.fromEntries(all.filter(([key]) => !everyStep.has(key)));
}

const rowShapes: Readonly<Record<string, Shape>> = {
	top: configKeys.shape,
	server: serverKeys.shape,
	pool: poolKeys.shape,
	defaults: defaultsKeys.shape,
	upstream: upstreamKeys.shape,
	channel: channelKeys.shape,
	auth: authKeys.shape,
	jwt: jwtKeys.shape,
	keys: apiKeyKeys.shape,
	basic: basicKeys.shape,
	mtls: mtlsKeys.shape,
	rateLimit: rateLimitKeys.shape,
	overload: overloadKeys.shape,
	log: logKeys.shape,
	jobs: jobsKeys.shape,
	history: historyKeys.shape,
	store: storeKeys.shape,
	admin: adminKeys.shape,
	route: routeKeys.shape,
	proxy: proxyKeys.shape,
	request: requestKeys.shape,
	call: ownKeys("get", "head", "post", "put", "patch", "delete"),
	value: ownKeys("value"),
	group: ownKeys("steps"),
	function: ownKeys("run"),
	message: ownKeys("publish"),
	answer: stepKeys.reply.shape,
	"every other step": Object.fromEntries([...everyStep].map((key) => [key, 0])),
};

/** `respond?` is a spelling of `respond`. */
const isWritten = (key: string) => !key.endsWith("?");

test("each row of the README's table has exactly the keys of its place", () => {
	const rows = rowsOfKeys();
	assert.deepEqual(
		rows.map(([where]) => where).toSorted(),
		Object.keys(rowShapes).toSorted(),
	);
	for (const [where, listed] of rows) {
		const known = Object.keys(rowShapes[where] ?? {}).filter(isWritten);
		assert.deepEqual(listed.toSorted(), known.toSorted(), where);
	}
});

test("every kind of key and of step has a row in the README's table", () => {
	const placed = new Set(Object.values(rowShapes).flatMap(Object.keys));
	const known = keySchemas.flatMap(({ shape }) => Object.keys(shape));
	const missing = known.filter((key) => isWritten(key) && !placed.has(key));
	assert.deepEqual(missing, []);
});

test("the README's index has every page once", () => {
	const index = readme.slice(readme.indexOf("## The pages"));
	const pages = [...index.matchAll(/^(?:\d+\.|   ) .*$/gm)].flatMap(([line]) =>
		[...line.matchAll(/\]\((docs\/[\w.-]+)\)/g)].map(([, page]) => page),
	);
	const root = new URL("..", import.meta.url);
	assert.deepEqual(
		pages.toSorted(),
		globSync("docs/*.md", { cwd: root }).toSorted(),
	);
});

test("the README begins with a config of ten lines at most", () => {
	const [, first = ""] = /^```yaml\n([^]*?)^```$/m.exec(readme) ?? [];
	assert.ok(first.split("\n").length <= 11, first);
});

test("git ignores what the pages tell to make in the repository", () => {
	const text = readFileSync(new URL("../.gitignore", import.meta.url), "utf8");
	const ignored = text.split("\n").filter((line) => /^[/*]/.test(line));
	const pages = ["README.md", "docs/auth.md", "docs/tls.md"].map((name) =>
		readFileSync(new URL(`../${name}`, import.meta.url), "utf8"),
	);
	const made = [
		.../[Ww]rite `([\w-]+\.\w+)`|makes ([\w.-]+\.tgz)|(?<=[^-=]>>? |out )([\w-]+\.(?:yaml|json|key|pem))/g[
			Symbol.matchAll
		](pages.join("\n")),
	].map((found) => found.slice(1).find((one) => one !== undefined) ?? "");
	assert.ok(
		made.includes("sluice.yaml") && made.includes("acme.key"),
		`${made}`,
	);
	for (const name of new Set(made)) {
		const is = ignored.some((line) =>
			matchesGlob(name, line.replace(/^\//, "")),
		);
		assert.ok(is, name);
	}
});
