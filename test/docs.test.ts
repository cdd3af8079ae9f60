import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import vm from "node:vm";
import type { z } from "zod";
import { channelKeys } from "../src/config/keys/channel.ts";
import { defaultsKeys } from "../src/config/keys/defaults.ts";
import { overloadKeys } from "../src/config/keys/overload.ts";
import { poolKeys } from "../src/config/keys/pool.ts";
import { proxyKeys } from "../src/config/keys/proxy.ts";
import { requestKeys } from "../src/config/keys/request.ts";
import { serverKeys } from "../src/config/keys/server.ts";
import { configKeys } from "../src/config/keys/top.ts";
import { upstreamKeys } from "../src/config/keys/upstream.ts";
import { checkText } from "../src/config/load.ts";
import { printProblem } from "../src/config/problem.ts";
import { stepKeys } from "../src/config/steps/kinds.ts";
import { errorTable, GatewayError } from "../src/core/errors.ts";
import { policyDecisions } from "../src/core/events.ts";
import { headerOf } from "../src/core/http/headers.ts";
import { parseJson, printJson } from "../src/core/json.ts";
import {
	constants,
	functions,
	listMethods,
	numberMethods,
	textMethods,
} from "../src/expression/language.ts";
import { parseExpression } from "../src/expression/parse.ts";
import {
	configPage,
	defaultConfigs,
	errorsPage,
	exampleConfigs,
	metaOf,
	slugger,
} from "../tools/docs.ts";
import { inputsFile, withComments } from "../tools/inputs.ts";
import { withVerdicts } from "../tools/verdicts.ts";
import { compute } from "./expression/compute.ts";
import {
	type Answer,
	type Reply,
	type SeenCall,
	testGateway,
} from "./kit/gateway.ts";
import { fencesOf, lineOf } from "./kit/markdown.ts";
import { keySchemas } from "./kit/schemas.ts";

const root = new URL("../", import.meta.url);
const page = (name: string) => readFileSync(new URL(name, root), "utf8");
const language = page("docs/language.md");

/** The variables that the pages' configs read. */
const env = {
	ADMIN_TOKEN: "a-token-of-20-letters",
	API_KEY: "a-key-of-20-letters-1",
	OPENWEATHER_KEY: "a-key-of-20-letters-1",
	TRANSLATE_URL: "http://translate.test",
	WEBHOOK_SECRET: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
};

function problemsOf(yaml: string): string[] {
	return checkText(yaml, "sluice.yaml", env).problems.map(printProblem);
}

describe("docs/errors.md and docs/config.md", () => {
	test("errors.md is what the table of errors generates", () => {
		assert.equal(page("docs/errors.md"), errorsPage(), "run `npm run docs`");
	});

	test("every code is one that the gateway raises", () => {
		const root = new URL("../src/", import.meta.url);
		const sources = globSync("**/*.ts", { cwd: root })
			.filter((name) => !/^core\/errors|^policy\/verdict/.test(name))
			.map((name) => readFileSync(new URL(name, root), "utf8"))
			.join();
		for (const code of Object.keys(errorTable)) {
			assert.ok(sources.includes(`"${code}"`), code);
		}
	});

	test("the types of inputs are what the keys generate", () => {
		assert.equal(
			page("src/config/inputs.ts"),
			inputsFile(metaOf),
			"run `npm run docs`",
		);
		const define = page("src/config/define.ts");
		assert.equal(define, withComments(define, metaOf), "run `npm run docs`");
	});

	test("config.md is what the schema generates", () => {
		assert.equal(page("docs/config.md"), configPage(), "run `npm run docs`");
	});

	test("config.md says what each key takes in words of its own, one cell each", () => {
		const rows = [...configPage().matchAll(/^\| \[`.*$/gm)];
		assert.ok(rows.length > 150, `${rows.length} rows`);
		for (const [row] of rows) {
			assert.doesNotMatch(row, /Invalid|expected|another value/);
			const bars = row.replaceAll("\\|", "").split("|").length - 1;
			assert.ok(bars === 3 || bars === 4, row);
		}
	});

	test("the verdicts in protection.md are those of the policies", () => {
		const protection = page("docs/protection.md");
		assert.equal(protection, withVerdicts(protection), "run `npm run docs`");
	});

	test("protection.md names every decision of every policy, and no other", () => {
		const rows = page("docs/protection.md").split("| policy | decisions |")[1];
		const named = Object.fromEntries(
			[...(rows ?? "").matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(
				([, policy = "", text = ""]) => [
					policy,
					text.split(" · ").map((one) => /^`(\w+)`/.exec(one)?.[1]),
				],
			),
		);
		assert.deepEqual(named, policyDecisions);
	});

	test("every key has a description and an example", () => {
		for (const { shape } of keySchemas) {
			for (const [key, schema] of Object.entries(shape)) {
				// `body?` is told of under `body`.
				if (key.endsWith("?")) continue;
				const meta = metaOf(schema);
				assert.ok(meta?.description, `${key} has no description`);
				assert.match(meta.example, new RegExp(`(^|\\W)${key}:|^get:`, "m"));
				assert.match(configPage(), new RegExp(`^### .*\`${key}\``, "m"));
			}
		}
	});

	for (const { title, yaml } of exampleConfigs()) {
		test(`the example of ${title} loads`, () => {
			// The example of an upstream's key needs no route that calls it.
			const others = problemsOf(yaml).filter(
				(it) => !/no route calls/.test(it),
			);
			assert.deepEqual(others, [], yaml);
		});
	}

	for (const { title, written, unwritten } of defaultConfigs()) {
		test(`${title} has the default it is said to have`, () => {
			const { config } = checkText(written, "written", env);
			assert.ok(config, problemsOf(written).join("\n"));
			assert.deepEqual(config, checkText(unwritten, "unwritten", env).config);
		});
	}
});

describe("the configs in README.md and docs", () => {
	for (const name of [
		"README.md",
		"docs/language.md",
		"docs/live.md",
		"docs/protection.md",
		"docs/scaling.md",
		"docs/kubernetes.md",
		"docs/server.md",
		"docs/operating.md",
	]) {
		for (const { info, text, line } of fencesOf(page(name))) {
			if (!/^yaml\b/.test(info)) continue;
			test(`the one at ${name}:${line} loads, or is marked as a fragment`, () => {
				if (info === "yaml problems" || info === "yaml fragment") return;
				assert.equal(info, "yaml");
				assert.match(text, /^routes:/m, "a whole config, or `yaml fragment`");
				assert.deepEqual(problemsOf(text), []);
			});
		}
	}

	test("the one with mistakes has the problems printed below it", () => {
		const fences = fencesOf(language);
		const at = fences.findIndex(({ info }) => info === "yaml problems");
		const printed = problemsOf(fences[at]?.text ?? "");
		assert.equal(`${printed.join("\n")}\n`, fences[at + 1]?.text);
	});
});

describe("the configs of docs/language.md do what is said of them", () => {
	const config = (route: string) =>
		fencesOf(language).find(({ text }) => text.includes(`\n  ${route}:\n`))
			?.text ?? assert.fail(route);

	test("the first starts what it can at once, and answers without what is optional", async () => {
		const { ask, calls } = testGateway(
			config("GET /users/{id}"),
			({ request }) =>
				request.target === "/users/7"
					? { json: { name: "Ada", level: "gold" }, afterMs: 50 }
					: request.target === "/discounts/gold"
						? { json: { percent: 5 } }
						: { status: 500, afterMs: 100 },
		);
		const answer = await ask("/users/7");
		assert.deepEqual(answer.json, { name: "Ada", orders: null, discount: 5 });
		assert.equal(
			answer.header("sluice-missing"),
			"orders;error=upstream_status",
		);
		const starts = calls.map(({ request, startedMs }) => [
			request.target,
			startedMs,
		]);
		assert.deepEqual(starts, [
			["/users/7", 0],
			["/orders?user=7", 0],
			["/discounts/gold", 50],
		]);
	});

	test("the first answers 404 for a user nobody knows, without asking for the discount", async () => {
		const { ask, calls } = testGateway(
			config("GET /users/{id}"),
			({ upstream }) => (upstream === "users" ? { status: 404 } : { json: [] }),
		);
		const answer = await ask("/users/7");
		assert.equal(answer.status, 404);
		assert.deepEqual(answer.json, { name: null, orders: [], discount: 0 });
		assert.equal(answer.header("sluice-complete"), "?1");
		assert.equal(calls.length, 2);
	});

	test("the second source is asked at once, aborted when it is not needed and used when it is", async () => {
		const yaml = config("GET /rates");
		const slowFar = ({ upstream }: SeenCall): Reply =>
			upstream === "near"
				? { json: "near", afterMs: 50 }
				: { json: "far", afterMs: 100 };
		const whole = testGateway(yaml, slowFar);
		const first = await whole.ask("/rates");
		assert.deepEqual([first.json, first.atMs], ["near", 50]);
		assert.notEqual(whole.calls[1]?.aborted, null);
		const partial = await testGateway(yaml, (call) =>
			call.upstream === "near" ? { status: 503 } : slowFar(call),
		).ask("/rates");
		assert.deepEqual([partial.json, partial.atMs], ["far", 100]);
		assert.equal(partial.header("sluice-complete"), "?0");
	});

	test("without `optional` the second source fails the route only if it fails before the first is there", async () => {
		const optional = config("GET /rates");
		const required = optional.replace(/ +optional: true\n/, "");
		assert.notEqual(required, optional);
		const ask = (yaml: string, farMs: number) =>
			testGateway(yaml, ({ upstream }) =>
				upstream === "near"
					? { json: "near", afterMs: 50 }
					: { status: 500, afterMs: farMs },
			).ask("/rates");
		for (const farMs of [20, 100]) {
			const answer = await ask(optional, farMs);
			assert.equal(answer.json, "near");
			assert.equal(answer.header("sluice-complete"), "?1");
		}
		assert.equal((await ask(required, 20)).code, "upstream_status");
		assert.equal((await ask(required, 100)).json, "near");
	});

	test("a failed item has its fallback, at its place", async () => {
		const { ask } = testGateway(config("GET /prices"), ({ request }) =>
			request.target === "/prices/b" ? { status: 500 } : { json: { price: 1 } },
		);
		const answer = await ask("/prices?id=a&id=b&id=c");
		assert.deepEqual(answer.json, [
			{ id: "a", position: 0, price: 1 },
			{ id: "b" },
			{ id: "c", position: 2, price: 1 },
		]);
		assert.equal(
			answer.header("sluice-missing"),
			"prices;index=1;error=upstream_status",
		);
	});

	test("a write that nobody reads is waited for", async () => {
		const { ask, calls } = testGateway(config("POST /orders"), () => ({
			json: { id: 9 },
			afterMs: 100,
		}));
		const body = { item: "book" };
		const answer = await ask("/orders", { method: "POST", body });
		assert.deepEqual([answer.status, answer.json], [201, { id: 9 }]);
		assert.equal(answer.atMs, 200);
		assert.equal(calls[1]?.request.body, '{"order":9}');
	});
});

describe("the links between the pages", () => {
	for (const name of ["README.md", ...globSync("docs/*.md", { cwd: root })]) {
		test(`${name} links to what there is`, () => {
			for (const [, target = ""] of page(name).matchAll(/\]\(([^)\s]+)\)/g)) {
				if (/^https?:/.test(target)) continue;
				const url = new URL(target, new URL(name, root));
				const { hash } = url;
				url.hash = "";
				assert.ok(existsSync(url), `${target} in ${name}`);
				if (hash === "") continue;
				const anchors = anchorsOf(readFileSync(url, "utf8"));
				assert.ok(
					anchors.has(decodeURIComponent(hash.slice(1))),
					`${target} in ${name}`,
				);
			}
		});
	}
});

describe("the command in the pages", () => {
	const calls = /^(?:[A-Z_]+=\S* )*sluice /m;

	for (const name of globSync("docs/*.md", { cwd: root })) {
		if (name === "docs/cli.md") continue;
		const shell = fencesOf(page(name)).filter(({ info }) => info === "sh");
		if (!shell.some(({ text }) => calls.test(text))) continue;
		test(`${name} says what \`sluice\` is where it calls it`, () => {
			assert.match(
				page(name),
				/`sluice` is \[the command\]\(cli\.md#the-command\)/,
			);
		});
	}
});

describe("docs/not-here.md", () => {
	/** What a row may name although it is there, because it tells what that lacks. */
	const lacking: Record<string, readonly string[]> = {
		"upgrades to other protocols than WebSocket; compressed messages": [
			"websocket",
		],
		"XML that clients send, read": ["xml"],
		"HTTP/2 to upstreams, gRPC": ["upstreams"],
		"formats other than JSON, [XML](language.md#xml), lines, texts and bytes": [
			...["text", "bytes", "xml", "lines"],
		],
	};
	const known = [
		...Object.keys(configKeys.shape),
		...Object.keys(requestKeys.shape),
		...Object.keys(stepKeys),
		...["undo", "xml", "lines", "multipart", "websocket", "workers"],
	].filter((key) => !key.endsWith("?"));
	const rows = page("docs/not-here.md").matchAll(
		/^\| (?!not here|---)(.+?) \| (.+) \|$/gm,
	);

	for (const [, lacks = ""] of rows) {
		test(`does not deny what a key does: ${lacks}`, () => {
			const words = lacks.toLowerCase().match(/[a-z]+/g) ?? [];
			const named = known.filter((key) =>
				words.some(
					(word) => word === key || new RegExp(`^${key}(s|ing)$`).test(word),
				),
			);
			assert.deepEqual(named, lacking[lacks] ?? []);
		});
	}
});

describe("docs/language.md", () => {
	const tables = tablesOf(language);

	/** How the rows of a table are tried, by its header. */
	const trials: Record<string, (row: Row) => void | Promise<void>> = {
		"expression | result": tryExpression,
		"expression | data | result": tryExpression,
		"expression | data | result | JavaScript": tryExpression,
		"refused | instead": tryRefused,
		"in YAML | data | value": tryTemplate,
		"declared | asked with | `query.x`": tryRequest,
		"declared | sent | gives": tryContent,
		"a call says | data | sent": ([call = "", ...rest]) =>
			tryCall([code(call)], rest),
		"`query` says | data | sent": ([query = "", ...rest]) =>
			tryCall(["get: users/a", `query: ${code(query)}`], rest),
		"a body says | data | sent": ([body = "", ...rest]) =>
			tryBody(code(body), rest),
		"the upstream answers | the step says | `missing.user`": (row) =>
			tryStep(row, "${missing.user}"),
		"the upstream answers | the step says | its value": (row) => tryStep(row),
		"the upstream answers | the step says | its value | `Sluice-Complete`": (
			row,
		) => tryStep(row),
		"what | default | set by | beyond it": tryLimit,
	};

	for (const [header, tryRow] of Object.entries(trials)) {
		const found = tables.filter((table) => table.header === header);
		test(`has a table of ${header}`, () => assert.notEqual(found.length, 0));
		for (const { rows } of found) {
			for (const { cells, line } of rows) {
				test(`line ${line} is right: ${cells.join(" | ")}`, () =>
					tryRow(cells));
			}
		}
	}

	test("has an example of every method", () => {
		for (const [lead, methods] of [
			["Of texts:", textMethods],
			["Of lists:", listMethods],
			["Of numbers:", numberMethods],
		] as const) {
			const rows = tables.find((table) => table.lead === lead)?.rows ?? [];
			const shown = rows.map(({ cells: [cell = ""] }) => cell).join();
			const names = Object.keys(methods);
			assert.deepEqual(
				names.filter((name) => !shown.includes(`.${name}(`)),
				[],
			);
		}
	});

	test("names every function and constant", () => {
		const math = /^`Math` has `([^`]+)` and the constants `([^`]+)`/m.exec(
			language,
		);
		const words = new Set(`${math?.[1]} ${math?.[2]}`.split(/\s+/));
		for (const name of [...functions.keys(), ...constants.keys()]) {
			const known = name.startsWith("Math.")
				? words.has(name.slice("Math.".length))
				: language.includes(`| \`${name}(`);
			assert.ok(known, name);
		}
	});
});

/** The cells of a row as they are written. */
type Row = readonly string[];

function tryExpression([source = "", ...cells]: Row): void {
	const [data, result = "", javaScript = ""] =
		cells.length === 1 ? ["", ...cells] : cells;
	const names = code(data ?? "") || "{}";
	assert.equal(
		ours(code(source), parseJson(names) as Data),
		normal(code(result)),
	);
	if (javaScript === "") return;
	assert.equal(
		theirs(code(source), JSON.parse(names)),
		normal(code(javaScript)),
	);
}

type Data = Record<string, unknown>;

function ours(source: string, data: Data): string {
	try {
		return printJson(compute(source, data));
	} catch (error) {
		if (error instanceof GatewayError) return error.code;
		throw error;
	}
}

/** What JavaScript itself makes of it; what JSON cannot say by its name. */
function theirs(source: string, data: Data): string {
	try {
		const value: unknown = vm.runInNewContext(`(${source})`, { ...data });
		const isJson = value !== undefined && !/NaN|Infinity/.test(String(value));
		return isJson ? JSON.stringify(value) : String(value);
	} catch (error) {
		return (error as Error).name;
	}
}

function tryRefused([refused = "", instead = ""]: Row): void {
	assert.notDeepEqual(parseExpression(code(refused)).faults, []);
	if (!instead.startsWith("`")) return;
	for (const source of codes(instead)) {
		assert.deepEqual(parseExpression(source).faults, [], source);
	}
}

async function tryTemplate([yaml = "", data = "", value = ""]: Row) {
	const config = `routes:\n  GET /x:\n    steps:\n${stepsOf(data) || "      {}\n"}    respond: ${code(yaml)}\n`;
	if (value === "refused") {
		const others = problemsOf(config).filter((it) => !/nobody reads/.test(it));
		assert.notDeepEqual(others, []);
		return;
	}
	const answer = await testGateway(config).ask("/x");
	assert.equal(valueOf(answer), normal(code(value)));
}

async function tryRequest([declared = "", query = "", read = ""]: Row) {
	const config = `
routes:
  GET /x:
    request: { query: { ${code(declared)} } }
    respond: \${query.x}
`;
	const answer = await testGateway(config).ask(`/x${code(query)}`);
	assert.equal(valueOf(answer), normal(code(read)));
}

/** What a name of the body is, with the name before it. */
async function tryContent([declared = "", sent = "", given = ""]: Row) {
	const [, name = "1", value = code(given)] =
		/^(form|text|body) (.*)$/.exec(code(given)) ?? [];
	const respond = name === "1" ? name : `\${${name}}`;
	const config = `
routes:
  POST /x:
    request: { ${code(declared)} }
    respond: ${respond}
`;
	const [, contentType = "", body = ""] = /^(\S+) (.*)$/.exec(code(sent)) ?? [];
	const options = { method: "POST", contentType, body };
	const answer = await testGateway(config).ask("/x", options);
	assert.equal(valueOf(answer), normal(value));
}

async function tryCall(call: readonly string[], [data = "", sent = ""]: Row) {
	const config = `${users}
routes:
  GET /x:
    steps:
${stepsOf(data)}      called:
        ${call.join("\n        ")}
    respond: \${called}
`;
	const { ask, calls } = testGateway(config);
	const answer = await ask("/x");
	const [first] = calls;
	assert.equal(first ? first.request.target : valueOf(answer), code(sent));
}

/** What is sent of the body, with its type before it. */
async function tryBody(body: string, [data = "", sent = ""]: Row) {
	const config = `${users}
routes:
  GET /x:
    steps:
${stepsOf(data)}      called: { post: users/a, ${quoted(body)} }
    respond: \${called}
`;
	const { ask, calls } = testGateway(config);
	const answer = await ask("/x");
	const [first] = calls;
	const shown = first
		? `${headerOf(first.request.headers, "content-type")} ${first.request.body}`
		: valueOf(answer);
	assert.equal(shown, code(sent));
}

/** A text on a line of its own needs no quotes, inside braces it does. */
function quoted(body: string): string {
	return body.replace(
		/^text: (.*?)(, headers: .*)?$/,
		(_, text: string, rest = "") => `text: '${text}'${rest}`,
	);
}

async function tryStep(
	[reply = "", step = "", value = "", complete = ""]: Row,
	respond = "${user}",
) {
	const own = code(step) && `, ${code(step)}`;
	const config = `${users}
routes:
  GET /x:
    steps: { user: { get: users/a${own} } }
    respond: ${respond}
`;
	const answer = await testGateway(config, () => replyOf(code(reply))).ask(
		"/x",
	);
	assert.equal(valueOf(answer), normal(code(value)));
	if (complete === "") return;
	assert.equal(answer.header("sluice-complete"), code(complete));
}

/** A limit that can be set has the default that the schema says. */
function tryLimit([, value = "", setBy = ""]: Row): void {
	const keys = codes(setBy);
	if (keys.length > 0) assert.deepEqual(codes(value), keys.map(defaultOf));
}

function defaultOf(key: string): string | undefined {
	const limits: Record<string, z.ZodType> = {
		...upstreamKeys.shape,
		...defaultsKeys.shape,
	};
	const maps: Record<string, Record<string, z.ZodType>> = {
		server: serverKeys.shape,
		pool: poolKeys.shape,
		proxy: proxyKeys.shape,
		overload: overloadKeys.shape,
		channel: channelKeys.shape,
	};
	const [map = "", member = ""] = key.split(".");
	const schema = member ? maps[map]?.[member] : limits[key];
	assert.ok(schema, key);
	return metaOf(schema)?.default;
}

const users = 'upstreams: { users: { url: "http://users.test" } }';

/** Steps that have the data as their values, as lines of a route. */
function stepsOf(data: string): string {
	const entries = Object.entries(JSON.parse(code(data) || "{}"));
	return entries
		.map(
			([name, value]) => `      ${name}: { value: ${JSON.stringify(value)} }\n`,
		)
		.join("");
}

/** `200 text/html: <b>Ada</b>`: a status, perhaps a content-type, and a body. */
function replyOf(written: string): Reply {
	const [, status = "", type, body = ""] =
		/^(\d{3})(?: (\w+\/[^:]+):)?(?: ([^]*))?$/.exec(written) ?? [];
	const headers = type === undefined ? [] : ["content-type", type];
	const text = body.replaceAll("⏎", "\n");
	return type?.endsWith("=iso-8859-1")
		? { status: Number(status), headers, bytes: Buffer.from(text, "latin1") }
		: { status: Number(status), headers, text };
}

/** The answer's body as it stands, or the code of what went wrong. */
function valueOf({ json, body }: Answer): string {
	const failed = /^\{"type":"urn:sluice:error:/.test(String(body));
	return failed ? (json as { code: string }).code : String(body);
}

/** JSON as it is printed; what is no JSON as it is. */
function normal(text: string): string {
	try {
		return printJson(parseJson(text));
	} catch {
		return text;
	}
}

/* Markdown */

function anchorsOf(markdown: string): Set<string> {
	const slugOf = slugger();
	const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, "");
	const headings = prose.matchAll(/^#+ (.*)$/gm);
	return new Set(Array.from(headings, ([, heading = ""]) => slugOf(heading)));
}

interface Table {
	readonly header: string;
	/** The last line of text before it. */
	readonly lead: string;
	readonly rows: readonly { readonly cells: Row; readonly line: number }[];
}

function tablesOf(markdown: string): Table[] {
	const found = markdown.matchAll(/(?:^|\n)([^\n]*)\n\n((?:\|[^\n]*\n)+)/g);
	return Array.from(found, ({ 1: lead = "", 2: text = "", index }) => {
		const [header = "", , ...rows] = text.trimEnd().split("\n");
		const first = lineOf(markdown, index + `\n${lead}\n\n`.length) + 2;
		return {
			header: cellsOf(header).join(" | "),
			lead,
			rows: rows.map((row, at) => ({ cells: cellsOf(row), line: first + at })),
		};
	});
}

/** A bar that belongs to a cell is written `\|`. */
function cellsOf(row: string): string[] {
	return row
		.slice(1, -1)
		.split(/(?<!\\)\|/)
		.map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** What stands between backticks; more of them where there are some inside. */
function codes(cell: string): string[] {
	return Array.from(
		cell.matchAll(/(`+)(.+?)\1(?!`)/g),
		([, , text = ""]) => /^ (.*) $/.exec(text)?.[1] ?? text,
	);
}

function code(cell: string): string {
	return codes(cell)[0] ?? "";
}
