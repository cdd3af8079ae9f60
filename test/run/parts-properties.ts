import assert from "node:assert/strict";
import fc from "fast-check";
import type { Config } from "../../src/config/config.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import type { Answer, TestGateway } from "../kit/gateway.ts";
import { type End, putTogether } from "../kit/parts.ts";
import { runOnce } from "./properties.ts";
import {
	configOf,
	type RandomRoute,
	type RandomStep,
	randomRoute,
	type Scenario,
	scenario,
} from "./random-routes.ts";

const inParts = ["accept", "application/x-ndjson"];

/** The list that is the whole answer: any of those that a route makes. */
const drawn = fc.nat(20);

/**
 * Runs so many random routes twice, whole and in parts. The calls are the same at the same instants, and so is what comes
 * of it. Each part comes when the steps that it waits for have ended, and so does each item of an answer that is a list.
 */
export async function addsUpToTheWhole(numRuns: number): Promise<void> {
	let [begun, listed] = [0, 0];
	await fc.assert(
		fc.asyncProperty(
			randomRoute,
			scenario,
			drawn,
			async (random, scenario, which) => {
				const { list, route, source } = answeringList(random, which);
				const config = withoutUnread(source);
				const whole = await runOnce(route, scenario, config);
				const parted = await runOnce(
					route,
					scenario,
					config,
					undefined,
					inParts,
				);
				parted.kit.assertNothingLeft();
				assert.deepEqual(callsOf(parted.kit), callsOf(whole.kit));
				assertTold(parted.kit, whole.kit);
				// A client that has left is not told of the end, but the event is.
				if (whole.answer.status !== 499) {
					assert.equal(parted.answer.atMs, whole.answer.atMs, "ended at");
				}
				assert.ok(parted.answer.atMs <= route.deadlineMs, "the deadline holds");
				if (parted.answer.pieces.length === 0) {
					const isStream = parted.answer.header("content-type") === inParts[1];
					// A client that has left reads nothing.
					if (isStream) assert.equal(whole.answer.status, 499);
					else assert.deepEqual(plain(parted.answer), plain(whole.answer));
					return;
				}
				begun++;
				assertSame(parted.answer, whole.answer, scenario);
				if (list === null) assertTimes(route, parted.answer, parted.kit);
				else if (assertItemTimes(route, list, parted)) listed++;
			},
		),
		{ numRuns },
	);
	assert.ok(begun > 0.4 * numRuns, `only ${begun} were sent in parts`);
	assert.ok(listed > 0.1 * numRuns, `only ${listed} were lists`);
}

/** Two of three routes that make lists answer with one of them. */
function answeringList(random: RandomRoute, which: number) {
	// The value of a message has another id each time.
	const lists = random.steps.filter(
		({ each, kind }) => each !== null && kind !== "publish",
	);
	const list = lists[which] ?? lists[which % (1.5 * lists.length)] ?? null;
	const route = { ...random, proxied: false };
	const source = configOf(route) as Source;
	if (list === null) return { list, route, source };
	const { respond: _, "respond?": _1, ...others } = source.routes["GET /x"];
	const key = route.empties ? "respond?" : "respond";
	const answering = { ...others, [key]: `\${${list.name}}` };
	return {
		list,
		route: { ...route, respond: [list.name] },
		source: { ...source, routes: { "GET /x": answering } },
	};
}

interface Source {
	readonly routes: {
		readonly "GET /x": Readonly<Record<string, unknown>> & {
			readonly steps: Readonly<Record<string, object>>;
		};
	};
}

/** The config without the steps that nobody reads any more. */
function withoutUnread(source: Source): Config {
	const loaded = checkValue(source, "test", {});
	const unread = loaded.problems.flatMap(
		({ message }) => /^nobody reads `(\w+)`/.exec(message)?.[1] ?? [],
	);
	if (unread.length === 0) return configOrThrow(loaded);
	const { steps, ...others } = source.routes["GET /x"];
	const kept = Object.entries(steps).filter(([name]) => !unread.includes(name));
	const route = { ...others, steps: Object.fromEntries(kept) };
	return withoutUnread({ ...source, routes: { "GET /x": route } });
}

function plain({ status, headers, text }: Answer): object {
	return { status, headers, text };
}

function callsOf({ calls }: TestGateway): object[] {
	return calls.map(({ request, startedMs, endedMs }) => ({
		...{ method: request.method, target: request.target, startedMs, endedMs },
	}));
}

/** The gateway tells the same of both. Only the status is what was sent. */
function assertTold(parted: TestGateway, whole: TestGateway): void {
	const told = ({ ended }: TestGateway) =>
		ended.map(({ missing, error, writes, outlived, durationMs }) => ({
			...{ missing, writes, outlived, durationMs },
			code: error?.code ?? null,
		}));
	assert.deepEqual(told(parted), told(whole));
}

function assertSame(
	parted: Answer,
	whole: Answer,
	{ leavesMs }: Scenario,
): void {
	const { value = {}, end } = putTogether(parted);
	if (whole.status === 499) {
		assert.notEqual(leavesMs, null);
		assert.equal(end, null, "who has left reads no end");
	} else if (whole.status === 200) {
		const body = whole.text === "" ? null : whole.json;
		assert.deepEqual(value, body);
		assert.equal(printed(end as End), whole.header("sluice-missing"));
		const complete = whole.header("sluice-complete") === "?1";
		assert.equal(end?.complete, complete);
	} else {
		assert.equal(end?.complete, false);
		assert.deepEqual(end?.problem, whole.json);
	}
}

/** The last line's list, as the header of a whole answer has it. */
function printed({ missing = [], more }: End): string | null {
	const named = missing.map(
		({ step, index = [], error }) =>
			`${step}${printIndex(index)}${error ? `;error=${error}` : ""}`,
	);
	if (more !== undefined) named.push(`more;count=${more}`);
	return named.length === 0 ? null : named.join(", ");
}

function printIndex(index: readonly number[]): string {
	if (index.length === 0) return "";
	return index.length === 1
		? `;index=${index[0]}`
		: `;index="${index.join(".")}"`;
}

/** A part waits for its own step and for all replies. An answer that is no map waits for all that it reads. */
function assertTimes(
	{ steps, respond }: RandomRoute,
	answer: Answer,
	{ trails: [ended] }: TestGateway,
): void {
	const { times } = putTogether(answer);
	const replies = steps.filter(({ kind }) => kind === "reply");
	const first = replies.map(({ name }) => name);
	const ends = new Map(
		ended?.trail.steps
			.filter(({ index }) => index.length === 0)
			.map(({ path, endedMs }) => [path, endedMs]),
	);
	for (const [at, atMs] of Object.entries(times)) {
		const own = at === "" ? respond : [at];
		const waits = [...first, ...own].map((name) => ends.get(name) as number);
		const arrivedMs = ended?.trail.arrivedMs ?? Number.NaN;
		assert.equal(atMs, Math.max(0, ...waits) + arrivedMs, `${at} came`);
	}
}

/**
 * An item waits for itself and for all replies. If something may fill in for the list, or if an item has no value of its own,
 * it waits for the list. Whether there were items.
 */
function assertItemTimes(
	{ steps }: RandomRoute,
	{ name, each, fallback, optional }: RandomStep,
	{ answer, kit }: Awaited<ReturnType<typeof runOnce>>,
): boolean {
	const [ended] = kit.trails;
	assert.ok(ended);
	const { trail } = ended;
	const endOf = (path: string, ...index: number[]) =>
		trail.steps.find(
			(one) => one.path === path && `${one.index}` === `${index}`,
		);
	const replies = steps.filter(({ kind }) => kind === "reply");
	const first = replies.map((one) => endOf(one.name)?.endedMs as number);
	const { times } = putTogether(answer);
	const mayBeAnother = each?.enough != null && (fallback !== null || optional);
	for (const [at, atMs] of Object.entries(times)) {
		const item = at === "" ? undefined : endOf(name, Number(at));
		const ends = each?.enough == null ? ["skipped"] : [];
		const counts = ["ok", "filled", ...ends].includes(item?.end ?? "");
		const own = mayBeAnother || !counts ? endOf(name) : item;
		const waits = [...first, own?.endedMs as number];
		const dueMs = Math.max(0, ...waits);
		assert.equal(atMs, dueMs, `item ${at} came`);
	}
	return Object.keys(times).some((at) => at !== "");
}
