import assert from "node:assert/strict";
import fc from "fast-check";
import {
	type Answer,
	type Reply,
	type TestGateway,
	testGateway,
} from "../kit/gateway.ts";
import { type Expected, expect } from "./model.ts";
import {
	configOf,
	type Ending,
	finiteDelays,
	itemsMax,
	type RandomRoute,
	randomRoute,
	type Scenario,
	scenario,
} from "./random-routes.ts";

interface Ran {
	readonly answer: Answer;
	readonly kit: TestGateway;
}

/** Runs a route once, until nothing waits any more. */
async function runOnce(
	route: RandomRoute,
	{ delaysMs, leavesMs }: Scenario,
	connections?: number,
): Promise<Ran> {
	const kit = testGateway(configOf(route, connections), ({ request }) => {
		const [, name = "", item = ""] = request.target.split(/[/?]/);
		if (name === "probe") return { afterMs: 1 };
		const at = route.steps.findIndex((step) => step.name === name);
		const ending = route.steps[at]?.ends[Number(item)] ?? "ok";
		const afterMs = delaysMs[at * itemsMax + Number(item)] ?? 0;
		return { ...replies[ending], afterMs };
	});
	const { answer, leave, scope } = kit.send("/x");
	const leaving = leavesMs === null ? null : scope.clock.after(leavesMs, leave);
	void answer.then(() => leaving?.cancel());
	await kit.settle();
	return { answer: await answer, kit };
}

const replies: Record<Ending, Reply> = {
	ok: { json: {} },
	pick: { json: {} },
	refused: { json: {} },
	status: { status: 500 },
	invalid: { text: "<html>" },
	listed: { status: 404 },
};

/** As the header tells it. */
function printed(missing: readonly string[]): string | null {
	if (missing.length === 0) return null;
	const more = missing.length - 16;
	const named = missing.slice(0, 16);
	return (more > 0 ? [...named, `more;count=${more}`] : named).join(", ");
}

function assertAnswer(answer: Answer, expected: Expected): void {
	assert.equal(answer.atMs, expected.endMs, "answered at");
	if (expected.codes) {
		assert.ok(
			expected.codes.has(String(answer.code)),
			`${answer.code} is none of ${[...expected.codes]}`,
		);
		return;
	}
	assert.equal(answer.text, expected.body);
	assert.equal(answer.status, 200);
	assert.equal(answer.header("sluice-missing"), printed(expected.missing));
	const whole = expected.missing.length === 0;
	assert.equal(answer.header("sluice-complete"), whole ? "?1" : "?0");
	assert.equal(answer.header("cache-control"), whole ? null : "no-store");
}

/** Each call begins when all it reads is there, and ends when it should. */
function assertCalls({ calls }: TestGateway, expected: Expected): void {
	const seen = new Map(
		calls.map(({ request, startedMs, endedMs }) => [
			request.target,
			{ startedMs, endedMs },
		]),
	);
	assert.equal(seen.size, calls.length, "no call is made twice");
	for (const { target, startMs, endMs, maybe } of expected.calls) {
		const call = seen.get(target);
		seen.delete(target);
		if (call === undefined && maybe) continue;
		assert.deepEqual(
			call,
			{ startedMs: startMs, endedMs: endMs },
			`the call of ${target}`,
		);
	}
	assert.deepEqual([...seen.keys()], [], "calls that were not expected");
}

/**
 * Runs so many random routes, three times each, and compares every answer and every call with the model. The deadline
 * holds and nothing is left behind in any case.
 */
export async function endsAsItsPartsDo(numRuns: number): Promise<void> {
	let certain = 0;
	await fc.assert(
		fc.asyncProperty(
			randomRoute,
			fc.array(scenario, { minLength: 3, maxLength: 3 }),
			async (route, scenarios) => {
				for (const scenario of scenarios) {
					const { answer, kit } = await runOnce(route, scenario);
					kit.assertNothingLeft();
					assert.ok(answer.atMs <= route.deadlineMs, "the deadline holds");
					const expected = expect(route, scenario);
					if (!expected.certain) continue;
					certain++;
					assertAnswer(answer, expected);
					assertCalls(kit, expected);
				}
			},
		),
		{ numRuns },
	);
	assert.ok(certain > 2 * numRuns, `only ${certain} cases were certain`);
}

/** Runs so many random routes twice, with other delays, where no bound of time is reached: the answers are equal. */
export async function answersTheSame(numRuns: number): Promise<void> {
	await fc.assert(
		fc.asyncProperty(
			randomRoute,
			finiteDelays,
			finiteDelays,
			async (random, ...delays) => {
				const route = unhurried(random);
				const answers: Answer[] = [];
				for (const delaysMs of delays) {
					const { answer } = await runOnce(route, { delaysMs, leavesMs: null });
					answers.push(answer);
				}
				const scenario = { delaysMs: delays[0], leavesMs: null };
				const failed = answers.some(({ status }) => status !== 200);
				// Which of two failures comes first is a matter of time, and so is whether it comes before it is dropped.
				if (failed && expect(route, scenario).mayFail) return;
				const [one, other] = answers.map(bytesOf);
				assert.deepEqual(one, other);
				assert.equal(failed, false);
			},
		),
		{ numRuns },
	);
}

/** Runs so many random routes where calls wait for one another's connections. */
export async function leavesNothingBehind(numRuns: number): Promise<void> {
	await fc.assert(
		fc.asyncProperty(
			randomRoute,
			scenario,
			fc.integer({ min: 1, max: 3 }),
			async (route, scenario, connections) => {
				const { answer, kit } = await runOnce(route, scenario, connections);
				kit.assertNothingLeft();
				assert.ok(answer.atMs <= route.deadlineMs, "the deadline holds");
				const startedMs = kit.clock.now();
				const probe = await kit.ask("/probe");
				assert.equal(probe.atMs, startedMs + 1, "all slots were given back");
			},
		),
		{ numRuns },
	);
}

/** The same route without a bound that time could reach. */
function unhurried(route: RandomRoute): RandomRoute {
	const steps = route.steps.map((step) => ({
		...step,
		withinMs: null,
		timeoutMs: null,
	}));
	return { ...route, deadlineMs: 60_000, steps };
}

function bytesOf({ status, headers, body }: Answer): object {
	return { status, headers, body };
}
