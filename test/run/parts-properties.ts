import assert from "node:assert/strict";
import fc from "fast-check";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import type { Answer, TestGateway } from "../kit/gateway.ts";
import { type End, putTogether } from "../kit/parts.ts";
import { runOnce } from "./properties.ts";
import {
	configOf,
	type RandomRoute,
	randomRoute,
	type Scenario,
	scenario,
} from "./random-routes.ts";

const inParts = ["accept", "application/x-ndjson"];

/**
 * Runs so many random routes twice, whole and in parts. The calls are the same at the same instants, and so is what comes
 * of it. Each part comes when the steps that it waits for have ended.
 */
export async function addsUpToTheWhole(numRuns: number): Promise<void> {
	let begun = 0;
	await fc.assert(
		fc.asyncProperty(randomRoute, scenario, async (random, scenario) => {
			const route = { ...random, proxied: false };
			const config = configOrThrow(checkValue(configOf(route), "test", {}));
			const whole = await runOnce(route, scenario, config);
			const parted = await runOnce(route, scenario, config, undefined, inParts);
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
			assertTimes(route, parted.answer, parted.kit);
		}),
		{ numRuns },
	);
	assert.ok(begun > 0.4 * numRuns, `only ${begun} were sent in parts`);
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
