import fc from "fast-check";

/** A random step. It reads only steps before it in the list it stands in. */
export interface RandomStep {
	readonly name: string;
	readonly kind: "get" | "post" | "value";
	/** Read before it starts. */
	readonly reads: readonly string[];
	readonly after: readonly string[];
	/** `never`: skipped. `second`: the second item is skipped. A name: skipped where that is null. */
	readonly when: "always" | "never" | "second" | { readonly read: string };
	/** Read by `pick`. */
	readonly pick: readonly string[];
	/** Read by the value of a listed status. */
	readonly answers: readonly string[];
	readonly fallback: {
		readonly reads: readonly string[];
		readonly fails: boolean;
	} | null;
	readonly optional: boolean;
	readonly withinMs: number | null;
	readonly timeoutMs: number | null;
	readonly each: RandomEach | null;
	/** How the call, or that of each item, ends if it is given the time. */
	readonly ends: readonly Ending[];
}

export interface RandomEach {
	readonly list: "null" | "long" | number;
	readonly parallel: number;
}

export type Ending =
	| "ok"
	| "status"
	| "invalid"
	| "listed"
	| "pick"
	| "refused";

export interface RandomRoute {
	readonly deadlineMs: number;
	/** Every step after those it reads. */
	readonly steps: readonly RandomStep[];
	/** The names in the order of the plan. */
	readonly planned: readonly string[];
	/** What is read by the answer. */
	readonly respond: readonly string[];
}

/** What happens around a route: never the same instant twice, unless one follows from the other. */
export interface Scenario {
	/** Of each call in turn: of step t's item i at 3 t + i. */
	readonly delaysMs: readonly number[];
	/** When the client leaves. */
	readonly leavesMs: number | null;
}

export const stepsMax = 12;
export const itemsMax = 3;

/** Which of the steps before it, modulo their number. */
const some = (maxLength: number) => fc.array(fc.nat(stepsMax), { maxLength });

const soon = fc.integer({ min: 20, max: 300 });

const seed = fc.record({
	rank: fc.nat(),
	kind: fc.constantFrom<RandomStep["kind"]>(
		"get",
		"get",
		"get",
		"post",
		"value",
	),
	reads: some(2),
	after: some(1),
	when: fc.constantFrom(
		"always",
		"always",
		"always",
		"never",
		"second",
		"read",
	),
	pick: some(2),
	answers: some(1),
	fallback: fc.option(fc.record({ reads: some(2), fails: chance(6) })),
	optional: fc.constantFrom(true, true, false),
	withinMs: fc.option(soon, { freq: 2 }),
	timeoutMs: fc.option(soon, { freq: 2 }),
	each: fc.option(
		fc.record({
			list: fc.oneof(
				{ weight: 9, arbitrary: fc.nat(itemsMax) },
				{ weight: 1, arbitrary: fc.constantFrom("null", "long") },
			),
			parallel: fc.integer({ min: 1, max: itemsMax }),
		}),
		{ freq: 2 },
	),
	ends: fc.array(
		fc.constantFrom<Ending>(
			...(["ok", "ok", "ok", "ok", "ok", "ok", "ok", "listed"] as const),
			...(["status", "invalid", "pick", "refused"] as const),
		),
		{ minLength: itemsMax, maxLength: itemsMax },
	),
	answered: chance(2),
});

/** True once in so many. */
function chance(once: number): fc.Arbitrary<boolean> {
	return fc.nat(once - 1).map((n) => n === 0);
}

export const randomRoute: fc.Arbitrary<RandomRoute> = fc
	.record({
		deadlineMs: fc.integer({ min: 50, max: 1500 }),
		seeds: fc.array(seed, { minLength: 1, maxLength: stepsMax }),
	})
	.map(({ deadlineMs, seeds }) => {
		const name = (at: number) => `s${at}`;
		const steps = seeds.map((seed, at): RandomStep => {
			const named = (picks: readonly number[]) =>
				at === 0 ? [] : [...new Set(picks.map((pick) => name(pick % at)))];
			const [read] = named([seed.rank]);
			return {
				...seed,
				name: name(at),
				reads: named(seed.reads),
				after: named(seed.after),
				when: when(seed.when, seed.each !== null, read),
				pick: named(seed.pick),
				answers: named(seed.answers),
				fallback: seed.fallback && {
					reads: named(seed.fallback.reads),
					fails: seed.fallback.fails,
				},
			};
		});
		const read = new Set(steps.flatMap((step) => readsOf(step)));
		return {
			deadlineMs,
			steps,
			planned: seeds
				.map(({ rank }, at) => ({ rank, name: name(at) }))
				.toSorted((a, b) => a.rank - b.rank)
				.map(({ name }) => name),
			respond: steps
				.filter(
					({ name, kind }, at) =>
						seeds[at]?.answered || (kind !== "post" && !read.has(name)),
				)
				.map(({ name }) => name),
		};
	});

function when(
	kind: string,
	each: boolean,
	read: string | undefined,
): RandomStep["when"] {
	if (kind === "never") return "never";
	if (kind === "second") return each ? "second" : "always";
	return kind === "read" && read !== undefined ? { read } : "always";
}

/** Whatever a step may read, at any time. */
export function readsOf(step: RandomStep): string[] {
	const call = step.kind === "value" ? [] : [...step.pick, ...step.answers];
	return [...readsToStart(step), ...call, ...(step.fallback?.reads ?? [])];
}

export function readsToStart({ reads, after, when }: RandomStep): string[] {
	const condition = typeof when === "object" ? [when.read] : [];
	return [...reads, ...after, ...condition];
}

const delay = fc
	.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 9_999 }))
	.map(([whole, part]) => whole + part / 10_007);

export const delays = fc.array(
	fc.oneof(
		{ weight: 9, arbitrary: delay },
		{ weight: 1, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
	),
	{ minLength: stepsMax * itemsMax, maxLength: stepsMax * itemsMax },
);

export const finiteDelays = fc.array(delay, {
	minLength: stepsMax * itemsMax,
	maxLength: stepsMax * itemsMax,
});

export const scenario: fc.Arbitrary<Scenario> = fc.record({
	delaysMs: delays,
	leavesMs: fc.option(delay, { freq: 2 }),
});

/** The config of a route: `GET /x`. */
export function configOf(route: RandomRoute, connections = 64): object {
	const byName = new Map(route.steps.map((step) => [step.name, step]));
	return {
		upstreams: {
			users: { url: "http://users.test", timeout: "600ms", connections },
		},
		routes: {
			"GET /x": {
				deadline: `${route.deadlineMs}ms`,
				steps: Object.fromEntries(
					route.planned.map((name) => [
						name,
						stepOf(byName.get(name) as RandomStep),
					]),
				),
				respond: Object.fromEntries(
					route.respond.map((name) => [name, `\${${name}}`]),
				),
			},
			"GET /probe": {
				steps: {
					all: {
						each: Array.from({ length: connections }, (_, index) => index),
						parallel: connections,
						get: "users/probe",
					},
				},
			},
		},
	};
}

function stepOf(step: RandomStep): object {
	const { name, kind, each, fallback, withinMs } = step;
	return {
		...whenOf(step),
		...(step.after.length > 0 ? { after: step.after } : {}),
		...(each ? eachOf(each) : {}),
		...(kind === "value"
			? { value: list("value", step.reads, endingOf(step, "refused")) }
			: callOf(step, `users/${name}/${each ? "${index}" : 0}`)),
		...(withinMs === null ? {} : { within: `${withinMs}ms` }),
		...(fallback
			? { fallback: list("filled", fallback.reads, String(fallback.fails)) }
			: {}),
		...(step.optional ? { optional: true } : {}),
	};
}

function whenOf({ when }: RandomStep): object {
	if (when === "always") return {};
	if (when === "never") return { when: false };
	return {
		when: when === "second" ? "${index !== 1}" : `\${${when.read} !== null}`,
	};
}

function eachOf({ list, parallel }: RandomEach): object {
	const count = list === "long" ? itemsMax + 1 : list;
	const items =
		count === "null" ? "${null}" : Array.from({ length: count }, () => "item");
	return { each: items, parallel, max: itemsMax };
}

function callOf(step: RandomStep, target: string): object {
	const lengths = step.reads.map((read) => [read, `\${${lengthOf(read)}}`]);
	return {
		[step.kind]: target,
		query: {
			...Object.fromEntries(lengths),
			refused: `\${${endingOf(step, "refused")} ? null : 0}`,
		},
		answers: { 404: list("listed", step.answers) },
		pick: list("picked", step.pick, endingOf(step, "pick")),
		...(step.timeoutMs === null ? {} : { timeout: `${step.timeoutMs}ms` }),
	};
}

/** An expression that tells whether the step, or the item, ends so. */
function endingOf({ each, ends }: RandomStep, ending: Ending): string {
	if (!each) return String(ends[0] === ending);
	const indexes = ends.flatMap((end, index) => (end === ending ? [index] : []));
	return `[${indexes.join(", ")}].includes(index)`;
}

/** A list of a word and what is read, that fails where `fails` is true. */
function list(word: string, reads: readonly string[], fails = "false"): string {
	const items = [
		`'${word}'`,
		...reads.map(lengthOf),
		`${fails} ? null + 1 : 0`,
	];
	return `\${[${items.join(", ")}]}`;
}

/** So that a value shows in those made of it, without growing. */
function lengthOf(name: string): string {
	return `JSON.stringify(${name}).length`;
}
