import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { compile } from "../../src/plan/compile.ts";
import { explain } from "../../src/plan/explain.ts";
import { hanging, testGateway } from "../kit/gateway.ts";

/** A step whose call takes so long; a group where it has steps. */
interface Drawn {
	readonly ms: number;
	readonly within: number | null;
	/** How many items, and how many of them at once; null without `each`. */
	readonly each: readonly [number, number] | null;
	/** Which of the steps before it, and of those around it, it reads first and which later. */
	readonly first: readonly number[];
	readonly later: readonly number[];
	readonly steps: readonly Drawn[];
}

const numbers = fc.array(fc.nat(9), { maxLength: 2 });
const { drawn: drawnStep } = fc.letrec<{ drawn: Drawn }>((tie) => ({
	drawn: fc.record({
		ms: fc.integer({ min: 1, max: 9 }).map((n) => n * 100),
		within: fc.option(fc.integer({ min: 1, max: 20 }).map((n) => n * 70)),
		each: fc.option(
			fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 })),
		),
		first: numbers,
		later: numbers,
		steps: fc.oneof(
			{ depthSize: "small", withCrossShrink: true },
			fc.constant([]),
			fc.array(tie("drawn"), { minLength: 1, maxLength: 3 }),
		),
	}),
}));

/** The steps as YAML; every call has a timeout `slack` times as long as it takes. */
function stepsYaml(
	steps: readonly Drawn[],
	slack: number,
	prefix: string,
	around: readonly string[],
): string {
	const known = [...around];
	const lines = steps.map((step, index) => {
		const name = `${prefix}${index}`;
		const yaml = stepYaml(step, slack, name, known);
		known.push(name);
		return `${name}: { ${yaml} }`;
	});
	return `{ ${lines.join(", ")} }`;
}

function stepYaml(
	{ ms, within, each, first, later, steps }: Drawn,
	slack: number,
	name: string,
	known: readonly string[],
): string {
	const read = (numbers: readonly number[]) =>
		numbers.flatMap(
			(number) => known[number % Math.max(known.length, 1)] ?? [],
		);
	const items = each && Array.from({ length: each[0] }, (_, item) => item);
	const keys = [
		"optional: true",
		...(within === null ? [] : [`within: ${within}ms`]),
		...(each && items
			? [
					`each: "\${[${items.join(", ")}]}", as: item_${name}, max: ${each[0]}, parallel: ${each[1]}`,
				]
			: []),
	];
	if (steps.length > 0) {
		const inner = steps.map((_, index) => `${name}_${index}`);
		return [
			`steps: ${stepsYaml(steps, slack, `${name}_`, known)}`,
			`value: "\${[${[...inner, ...read(later)].join(", ")}]}"`,
			...keys,
		].join(", ");
	}
	return [
		`post: up/${ms}, safe: true, timeout: ${ms * slack}ms`,
		`body: "\${[${read(first).join(", ")}]}"`,
		`pick: "\${[${["answer", ...read(later)].join(", ")}]}"`,
		...keys,
	].join(", ");
}

function routeYaml(steps: readonly Drawn[], slack: number): string {
	const names = steps.map((_, index) => `s${index}`);
	return `
upstreams: { up: { url: "http://up.test", connections: 4096 } }
routes:
  GET /r:
    deadline: 10h
    calls: 10000
    steps: ${stepsYaml(steps, slack, "s", [])}
    respond: "\${[${names.join(", ")}]}"
`;
}

/** Whether lists of one step wait for each other's places. Then they may be luckier than the worst case says. */
function sharesPlaces(steps: readonly Drawn[], lists = 1): boolean {
	return steps.some(({ each, steps: inner }) => {
		const [items, parallel] = each ?? [1, lists];
		const atOnce = lists * Math.min(items, parallel);
		return atOnce > parallel || sharesPlaces(inner, atOnce);
	});
}

test("the worst case is how long a route takes when every call takes its whole timeout", async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.array(drawnStep, { minLength: 1, maxLength: 5 }),
			async (steps) => {
				const written = checkText(routeYaml(steps, 1), "test.yaml", {});
				const [route] = explain(compile(configOrThrow(written)), [0]);
				const { ask } = testGateway(routeYaml(steps, 1000), ({ request }) => ({
					json: 1,
					afterMs: Number(request.target.slice(1)),
				}));
				const answer = await ask("/r");
				assert.equal(answer.status, 200);
				const worstMs = route?.worstMs ?? 0;
				assert.ok(answer.atMs <= worstMs, `${answer.atMs} > ${worstMs}`);
				if (!sharesPlaces(steps)) assert.equal(answer.atMs, worstMs);
			},
		),
		{ numRuns: 150 },
	);
});

test("it counts the attempts of a call that is tried again, and its waits at their longest", async () => {
	for (const [step, worstMs] of [
		["get: up/x", 3 * 1000 + 50 + 100],
		["post: up/x, body: {}", 1000],
		["get: up/x, within: 1800ms", 1800],
	] as const) {
		const yaml = `
upstreams: { up: { url: "http://up.test", timeout: 1s, retry: true } }
routes:
  GET /r:
    deadline: 1h
    steps: { it: { ${step}, optional: true } }
    respond: "\${it}"
`;
		const plan = compile(configOrThrow(checkText(yaml, "test.yaml", {})));
		assert.equal(explain(plan, [1000])[0]?.worstMs, worstMs);
		// Every attempt hangs, and chance makes every wait the longest.
		const { ask } = testGateway(
			yaml,
			() => hanging,
			{},
			() => 1,
		);
		const { atMs } = await ask("/r");
		// Within 1.8 s there is no time for a second attempt of a second: it ends before its worst case.
		assert.equal(atMs, worstMs === 1800 ? 1000 : worstMs);
	}
});
