import assert from "node:assert/strict";
import fc from "fast-check";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import type { UndoEnded } from "../../src/core/events.ts";
import type { UpstreamRequest } from "../../src/core/http/messages.ts";
import { criticalPath } from "../../src/telemetry/trail/critical-path.ts";
import {
	type Answer,
	type Reply,
	type TestGateway,
	testGateway,
} from "../kit/gateway.ts";
import { type Expected, type ExpectedCall, outcomes } from "./interpreter.ts";
import {
	configOf,
	delayOf,
	type Ending,
	endingOf,
	passedOn,
	type RandomRoute,
	type RandomStep,
	randomRoute,
	type Scenario,
	scenario,
} from "./random-routes.ts";

interface Ran {
	readonly answer: Answer;
	readonly kit: TestGateway;
	readonly undone: readonly UndoEnded[];
}

/**
 * Runs a route once, until nothing waits any more. To check its config takes longer than all the rest, so whoever runs it
 * twice checks it once. `prepare` is called before the request.
 */
export async function runOnce(
	route: RandomRoute,
	scenario: Scenario,
	config: object = configOf(route),
	prepare: (kit: TestGateway) => void = () => {},
	headers: readonly string[] = [],
): Promise<Ran> {
	const steps = new Map(allSteps(route.steps).map((one) => [one.name, one]));
	const kit = testGateway(config, ({ request }) => {
		const { name, index } = callOf(request.target);
		if (name === "probe") return { afterMs: 1 };
		if (name === passedOn) {
			return { json: {}, afterMs: delayOf(scenario, name, index) };
		}
		const [, undone] = /^undo-(.*)/.exec(name) ?? [];
		if (undone !== undefined) {
			const status = steps.get(undone)?.undo?.fails ? 500 : 200;
			return { status, afterMs: delayOf(scenario, name, index) };
		}
		const ending = endingOf(steps.get(name) as RandomStep, index);
		return { ...replies[ending], afterMs: delayOf(scenario, name, index) };
	});
	const undone: UndoEnded[] = [];
	kit.gateway.events.undoEnded.push((event) => undone.push(event));
	prepare(kit);
	const { answer, leave, scope } = kit.send("/x", { headers });
	const { leavesMs } = scenario;
	const leaving = leavesMs === null ? null : scope.clock.after(leavesMs, leave);
	void answer.then(() => leaving?.cancel());
	await kit.settle();
	return { answer: await answer, kit, undone };
}

const replies: Record<Ending, Reply> = {
	ok: { json: {} },
	pick: { json: {} },
	refused: { json: {} },
	status: { status: 500 },
	invalid: { text: "<html>" },
	listed: { status: 404 },
};

function allSteps(steps: readonly RandomStep[]): readonly RandomStep[] {
	return steps.flatMap((step) => [step, ...allSteps(step.steps)]);
}

/** The step that calls, and its positions in lists. */
function callOf(target: string): { name: string; index: number[] } {
	const [path = ""] = target.slice(1).split("?");
	const [name = "", ...index] = path.split("/");
	return { name, index: index.map(Number) };
}

/** As the header tells it. */
function printed(missing: readonly string[]): string | null {
	if (missing.length === 0) return null;
	const more = missing.length - 16;
	const named = missing.slice(0, 16);
	return (more > 0 ? [...named, `more;count=${more}`] : named).join(", ");
}

function assertAnswer(
	route: RandomRoute,
	answer: Answer,
	expected: Expected,
): void {
	assert.equal(answer.atMs, expected.endMs, "answered at");
	if (expected.code !== null) {
		assert.equal(answer.code, expected.code);
		return;
	}
	assert.equal(answer.text, expected.body);
	assert.equal(answer.status, expected.status);
	const typed = expected.body !== "" && !expected.passedOn;
	assert.equal(answer.header("content-type") !== null, typed);
	assert.equal(answer.header("sluice-missing"), printed(expected.missing));
	const whole = expected.missing.length === 0;
	assert.equal(answer.header("sluice-complete"), whole ? "?1" : "?0");
	const kept = expected.passedOn && asksSomebody(route) ? "no-cache" : null;
	assert.equal(answer.header("cache-control"), whole ? kept : "no-store");
}

/** Whether a service decides what is passed on. */
function asksSomebody({ steps }: RandomRoute): boolean {
	return allSteps(steps).some(({ kind }) => kind === "get" || kind === "post");
}

/** Each call begins when all that it reads is there, and ends when it should. */
function assertCalls(kit: TestGateway, expected: Expected): void {
	// Reads that begin at such an instant are cut at once, or not at all.
	const isCertain = (call: ExpectedCall) =>
		call.method === "GET" || !isOpen(call, expected);
	const seen = seenCalls(kit, "GET", "POST").filter(
		({ startMs, endMs }) => endMs > startMs,
	);
	assert.deepEqual(seen.filter(isCertain), expected.calls.filter(isCertain));
}

/**
 * Whether it may have been sent or not. A write is sent as soon as it is ready, and cannot wait for what fails at the same
 * instant. So which of the two comes first is chance.
 */
function isOpen(
	{ startMs }: ExpectedCall,
	{ failedMs, endMs }: Expected,
): boolean {
	return failedMs.includes(startMs) || (startMs === 0 && endMs === 0);
}

/** What a call asks, as if all that it sends were its query. */
function asked({ target, headers, body }: UpstreamRequest): string {
	const fields = headers.flatMap((name, at) =>
		at % 2 === 0 && /^(r\d|refused|answer|own)$/.test(name)
			? [`${name}=${headers[at + 1]}`]
			: [],
	);
	const values = [body ?? "", ...fields].filter((one) => one !== "");
	return values.length === 0 ? target : `${target}?${values.join("&")}`;
}

/** In the order of their targets. */
function seenCalls(
	{ calls }: TestGateway,
	...methods: readonly string[]
): ExpectedCall[] {
	return calls
		.filter(({ request }) => methods.includes(request.method))
		.map(({ request, startedMs, endedMs }) => ({
			...{ method: request.method, target: asked(request) },
			...{ startMs: startedMs, endMs: endedMs ?? 0 },
		}))
		.toSorted(byTarget);
}

function byTarget(a: ExpectedCall, b: ExpectedCall): number {
	return a.target < b.target ? -1 : 1;
}

/** The undos are made that should be, each when it should be, and all are told. */
function assertUndone({ kit, undone }: Ran, expected: Expected): void {
	const sent = seenCalls(kit, "POST").map(({ target }) => target);
	const { undos, told } = expected.undo(
		(write) => !isOpen(write, expected) || sent.includes(write.target),
	);
	const seen = undone.map(({ step, index, error }) =>
		[step, ...index, error?.code ?? "undone"].join(" "),
	);
	assert.deepEqual(seen.toSorted(), told.toSorted());
	assert.deepEqual(seenCalls(kit, "DELETE"), undos.toSorted(byTarget));
}

/**
 * Whatever fails, whenever, and whoever leaves: if the run has failed, each write with an undo that may have been done was
 * undone or told, once. If it has ended well, at most once.
 */
function assertTold(route: RandomRoute, { kit, undone }: Ran): void {
	const [end] = kit.ended;
	const failed = end?.error && end.error.code !== "client_closed";
	const undoable = new Set(
		allSteps(route.steps).flatMap(({ name, undo }) => (undo ? [name] : [])),
	);
	const nameOf = ({ step, index }: Pick<UndoEnded, "step" | "index">) =>
		[step, ...index].join(" ");
	const sent = (end?.writes ?? []).filter(
		({ step, outcome }) =>
			outcome !== "refused" && undoable.has(step.split(".").at(-1) ?? ""),
	);
	const told = Object.groupBy(undone, nameOf);
	for (const [name, writes] of Object.entries(Object.groupBy(sent, nameOf))) {
		const count = told[name]?.length ?? 0;
		assert.ok(count <= (writes?.length ?? 0), `${name}: told ${count} times`);
		// What was not answered then may have been refused later.
		const done = writes?.filter(({ outcome }) => outcome === "done").length;
		if (failed) assert.ok(count >= (done ?? 0), `${name}: told ${count} times`);
	}
}

function assertRun(route: RandomRoute, ran: Ran, expected: Expected): void {
	assertAnswer(route, ran.answer, expected);
	assertCalls(ran.kit, expected);
	assertUndone(ran, expected);
}

/**
 * Whether it was compared with what the page says. Fails if the page says otherwise, whichever of several things at one
 * instant comes first.
 */
function assertOutcome(
	route: RandomRoute,
	scenario: Scenario,
	ran: Ran,
): boolean {
	const tried: Expected[] = [];
	let first: unknown = null;
	for (const expected of outcomes(route, scenario)) {
		if (!expected.certain) return false;
		try {
			assertRun(route, ran, expected);
			return true;
		} catch (error) {
			first ??= error;
		}
		tried.push(expected);
	}
	// There are more orders than can be tried. One route in some ten thousand needs another.
	const few = tried.slice(0, 5).map(wordsOf);
	if (few.some((words) => words !== few[0])) return false;
	throw first;
}

function wordsOf(expected: Expected): string {
	return JSON.stringify([expected, expected.undo(() => true)]);
}

/** The time of a request is made of parts with a name, and nothing of it is computing, because that takes no virtual time. */
function assertPath({ trails }: TestGateway): void {
	const [ended] = trails;
	assert.ok(ended);
	let atMs = 0;
	for (const part of criticalPath(ended)) {
		assert.equal(part.fromMs, atMs, "the parts follow each other");
		assert.notEqual(part.spent, "computing", JSON.stringify(part));
		atMs = part.toMs;
	}
	assert.equal(atMs, ended.durationMs, "the parts add up");
}

/** No step makes more calls at once than its `parallel` says. A write that was sent may go on when its item has ended. */
function assertParallel(route: RandomRoute, { calls }: TestGateway): void {
	for (const { name, each, kind } of allSteps(route.steps)) {
		if (kind !== "get" || each === null) continue;
		const own = calls.filter(
			({ request }) => callOf(request.target).name === name,
		);
		for (const { startedMs } of own) {
			const running = own.filter(
				(other) =>
					other.startedMs <= startedMs && (other.endedMs ?? 0) > startedMs,
			);
			assert.ok(running.length <= each.parallel, `${name}: ${running.length}`);
		}
	}
}

/**
 * Runs so many random routes, and compares every answer and every call with the interpreter's. The deadline holds and
 * nothing is left behind in any case.
 */
export async function endsAsItsPartsDo(numRuns: number): Promise<void> {
	let compared = 0;
	await fc.assert(
		fc.asyncProperty(randomRoute, scenario, async (route, scenario) => {
			const ran = await runOnce(route, scenario);
			const { answer, kit } = ran;
			kit.assertNothingLeft();
			assert.ok(answer.atMs <= route.deadlineMs, "the deadline holds");
			assertPath(kit);
			assertParallel(route, kit);
			assertTold(route, ran);
			if (assertOutcome(route, scenario, ran)) compared++;
		}),
		{ numRuns },
	);
	assert.ok(compared > 0.99 * numRuns, `only ${compared} were compared`);
}

/** Runs so many random routes twice, with other delays, where no bound of time is reached: the answers are equal. */
export async function answersTheSame(numRuns: number): Promise<void> {
	let compared = 0;
	await fc.assert(
		fc.asyncProperty(
			randomRoute,
			fc.nat(),
			fc.nat(),
			async (random, ...delays) => {
				const route = unhurried(random);
				const config = configOrThrow(checkValue(configOf(route), "test", {}));
				const answers: Answer[] = [];
				for (const seed of delays) {
					const scenario = { delays: seed, hangs: false, leavesMs: null };
					const { answer } = await runOnce(route, scenario, config);
					// Which of two failures comes first is a matter of time, and so is which of two replies.
					const [expected] = outcomes(route, scenario);
					if (answer.status !== 200 || expected?.failedMs.length !== 0) return;
					answers.push(answer);
				}
				const [one, other] = answers.map(bytesOf);
				assert.deepEqual(one, other);
				compared++;
			},
		),
		{ numRuns },
	);
	assert.ok(compared > 0.4 * numRuns, `only ${compared} were compared`);
}

/** Runs so many random routes where calls wait for one another's connections. */
export async function leavesNothingBehind(numRuns: number): Promise<void> {
	await fc.assert(
		fc.asyncProperty(
			randomRoute,
			scenario,
			fc.integer({ min: 1, max: 3 }),
			async (route, scenario, connections) => {
				const config = configOf(route, connections);
				const { answer, kit } = await runOnce(route, scenario, config);
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
	const unbound = (steps: readonly RandomStep[]): RandomStep[] =>
		steps.map((step) => ({
			...step,
			withinMs: null,
			timeoutMs: null,
			// Which items are enough is a matter of time.
			each: step.each && { ...step.each, enough: null },
			steps: unbound(step.steps),
		}));
	return { ...route, deadlineMs: 60_000, steps: unbound(route.steps) };
}

function bytesOf({ status, headers, body }: Answer): object {
	return { status, headers, body };
}
