import fc from "fast-check";

/** A value that a step reads: another step's, or the code of its failure. */
export interface Read {
	readonly step: string;
	readonly code: boolean;
}

/** A random step. It reads only steps before it in the list that it stands in, and in the lists around. */
export interface RandomStep {
	readonly name: string;
	readonly kind: "get" | "post" | "value" | "publish" | "group" | "reply";
	/** Its position among its siblings, as the config has them. */
	readonly rank: number;
	/** Read before it starts. A group has none. */
	readonly reads: readonly Read[];
	/** How its calls send what they read. */
	readonly sending: Sending;
	/** Of a reply: whether it has no body if the first value that it reads is null. */
	readonly empties: boolean;
	readonly after: readonly string[];
	/** `never`: skipped. `second`: the second item is skipped. A read: skipped where that is null. */
	readonly when: "always" | "never" | "second" | Read;
	/** Read by `expect`, which holds where it is not null. */
	readonly expect: Read | null;
	/** Read by `pick`, or by the value of a group. Null: the group's value is a map of all its steps. */
	readonly pick: readonly Read[] | null;
	/** Read by the values of listed statuses. */
	readonly answers: readonly Read[];
	/** The statuses that are listed. All of them list 404. */
	readonly listed: readonly Listed[];
	readonly fallback: {
		readonly reads: readonly Read[];
		readonly fails: boolean;
	} | null;
	readonly optional: boolean;
	readonly withinMs: number | null;
	readonly timeoutMs: number | null;
	readonly each: RandomEach | null;
	readonly repeat: RandomRepeat | null;
	/** Of a post. Its `expect` is null then. */
	readonly undo: RandomUndo | null;
	/** Of a reply: whether the run counts as failed. */
	readonly undoes: boolean;
	/** How its work ends, by `endingOf`. */
	readonly ends: readonly Ending[];
	/** A group's own steps, every step after those that it reads. */
	readonly steps: readonly RandomStep[];
	/** The names of the items and of the round around it and of its own, outermost first. */
	readonly items: readonly string[];
}

export interface Sending {
	/** Where the values stand that it reads. Only a write has a form. */
	readonly part: "query" | "headers" | "form";
	/** Whether an expression gives the whole map. */
	readonly whole: boolean;
	/** Whether a code that is null is left out. */
	readonly loose: boolean;
}

export interface RandomEach {
	readonly list: "null" | "long" | number;
	readonly parallel: number;
	/** How many items must succeed; null if all must. */
	readonly enough: number | null;
}

export interface RandomUndo {
	readonly reads: readonly Read[];
	/** Whether it reads the answer of the write, and the step's own value. */
	readonly answer: boolean;
	readonly own: boolean;
	/** Whether its call is answered with 500. */
	readonly fails: boolean;
}

export type Listed = "404" | "4xx" | "any";

export interface RandomRepeat {
	/** How many rounds it takes until its condition no longer holds. */
	readonly rounds: number;
	readonly max: number;
	readonly waitMs: number | null;
	/** Read by its condition. */
	readonly reads: readonly Read[];
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
	/** Every step after those that it reads. */
	readonly steps: readonly RandomStep[];
	/** The steps that the answer reads, or the query of the request that is passed on. */
	readonly respond: readonly string[];
	/** Whether it has no body if the first value that it reads is null. */
	readonly empties: boolean;
	/** Whether the request is passed on after the steps. */
	readonly proxied: boolean;
}

/** The path and the step by which the model knows the request that is passed on. */
export const passedOn = "passed";

/** Chance around a route. It never chooses one instant twice, unless one follows from the other. */
export interface Scenario {
	/** Decides how long each call takes. */
	readonly delays: number;
	/** Whether some calls never end. */
	readonly hangs: boolean;
	/** When the client leaves. */
	readonly leavesMs: number | null;
}

export const itemsMax = 3;
const endsCount = 4;

/* Drawing */

interface Seed {
	readonly rank: number;
	readonly kind: "get" | "post" | "value" | "publish" | "reply";
	readonly reads: readonly number[];
	readonly sending: Sending;
	readonly empties: boolean;
	readonly after: readonly number[];
	readonly when: "always" | "never" | "second" | "read";
	readonly expect: number | null;
	readonly pick: readonly number[];
	readonly whole: boolean;
	readonly answers: readonly number[];
	readonly listed: readonly Listed[];
	readonly fallback: {
		readonly reads: readonly number[];
		readonly fails: boolean;
	} | null;
	readonly optional: boolean;
	readonly withinMs: number | null;
	readonly timeoutMs: number | null;
	readonly each: RandomEach | null;
	readonly repeat:
		| (Omit<RandomRepeat, "reads"> & { readonly reads: readonly number[] })
		| null;
	readonly undo:
		| (Omit<RandomUndo, "reads"> & { readonly reads: readonly number[] })
		| null;
	readonly undoes: boolean;
	readonly ends: readonly Ending[];
	readonly answered: boolean;
	readonly steps: readonly Seed[];
}

/** Which of the steps that it can see, modulo their number. Odd ones read the code. */
const some = (maxLength: number) => fc.array(fc.nat(40), { maxLength });

const soon = fc.integer({ min: 20, max: 300 });

/** True once in so many. */
function chance(once: number): fc.Arbitrary<boolean> {
	return fc.nat(once - 1).map((n) => n === 0);
}

const { seed } = fc.letrec<{ seed: Seed }>((tie) => ({
	seed: fc.record({
		rank: fc.nat(),
		kind: fc.constantFrom<Seed["kind"]>(
			...(["get", "get", "get", "get", "get", "get"] as const),
			...(["post", "post", "post", "value", "value", "reply"] as const),
			"publish",
		),
		reads: some(2),
		sending: fc.record({
			part: fc.constantFrom<Sending["part"]>("query", "headers", "form"),
			whole: chance(3),
			loose: chance(3),
		}),
		empties: chance(2),
		after: some(1).map((picks) => picks.filter((pick) => pick % 3 === 0)),
		when: fc.constantFrom<Seed["when"]>(
			...(["always", "always", "always", "always"] as const),
			...(["never", "second", "read"] as const),
		),
		expect: fc.option(fc.nat(40), { freq: 1 }),
		pick: some(2),
		whole: chance(3),
		answers: some(1),
		listed: fc.constantFrom<readonly Listed[]>(
			...([["404"], ["404"], ["404"], ["4xx"], ["any"]] as const),
			...([
				["4xx", "404"],
				["any", "404"],
				["any", "4xx", "404"],
			] as const),
		),
		fallback: fc.option(fc.record({ reads: some(2), fails: chance(6) })),
		optional: fc.constantFrom(true, true, false),
		withinMs: fc.option(soon, { freq: 1 }),
		timeoutMs: fc.option(soon, { freq: 1 }),
		each: fc.option(
			fc.record({
				list: fc.oneof(
					{ weight: 9, arbitrary: fc.nat(itemsMax) },
					{ weight: 1, arbitrary: fc.constantFrom("null", "long") },
				),
				parallel: fc.integer({ min: 1, max: itemsMax }),
				enough: fc.oneof(
					{ weight: 3, arbitrary: fc.constant(null) },
					{ weight: 1, arbitrary: fc.integer({ min: 1, max: itemsMax }) },
				),
			}),
			{ freq: 2 },
		),
		repeat: fc.oneof(
			{ weight: 5, arbitrary: fc.constant(null) },
			{
				weight: 1,
				arbitrary: fc.record({
					rounds: fc.integer({ min: 1, max: itemsMax + 1 }),
					max: fc.integer({ min: 2, max: itemsMax }),
					waitMs: fc.option(soon, { freq: 1 }),
					reads: some(1),
				}),
			},
		),
		undo: fc.option(
			fc.record({
				reads: some(1),
				answer: fc.boolean(),
				own: chance(3),
				fails: chance(4),
			}),
			{ freq: 3 },
		),
		undoes: fc.boolean(),
		ends: fc.array(
			fc.constantFrom<Ending>(
				...(["ok", "ok", "ok", "ok", "ok", "ok", "ok", "listed"] as const),
				...(["status", "status", "invalid", "pick", "refused"] as const),
			),
			{ minLength: endsCount, maxLength: endsCount },
		),
		answered: chance(2),
		steps: fc.oneof(
			{ depthSize: "small", withCrossShrink: true },
			{ weight: 4, arbitrary: fc.constant([]) },
			{
				weight: 1,
				arbitrary: fc.array(tie("seed"), { minLength: 1, maxLength: 4 }),
			},
		),
	}),
}));

export const randomRoute: fc.Arbitrary<RandomRoute> = fc
	.record({
		deadlineMs: fc.integer({ min: 50, max: 1500 }),
		seeds: fc.array(seed, { minLength: 1, maxLength: 7 }),
		empties: chance(3),
		proxied: chance(4),
	})
	.map(({ deadlineMs, seeds, ...end }) => {
		let count = 0;
		const nextName = () => `s${count++}`;
		const { steps, read } = stepsOf(
			seeds,
			{ names: [], items: [], top: true },
			nextName,
		);
		return { deadlineMs, steps, respond: read, ...end };
	});

const finiteDelay = fc
	.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 9_999 }))
	.map(([whole, part]) => whole + part / 10_007);

export const scenario: fc.Arbitrary<Scenario> = fc.record({
	delays: fc.nat(),
	hangs: fc.boolean(),
	leavesMs: fc.option(finiteDelay, { freq: 2 }),
});

interface Sight {
	readonly names: readonly string[];
	readonly items: readonly string[];
	/** Whether it is the route itself. A reply stands nowhere else. */
	readonly top: boolean;
}

/** Steps of these seeds, and those that must be read by what they make together, or may be. */
function stepsOf(
	seeds: readonly Seed[],
	around: Sight,
	nextName: () => string,
): { steps: RandomStep[]; read: string[] } {
	const steps: RandomStep[] = [];
	const names = [...around.names];
	for (const one of seeds) {
		const step = stepOf(one, { ...around, names }, nextName);
		steps.push(step);
		if (!isUnread(step)) names.push(step.name);
	}
	const readInside = new Set(steps.flatMap(readsOf));
	const read = steps
		.filter((step, at) => {
			if (isUnread(step)) return false;
			return (
				seeds[at]?.answered || (!hasEffect(step) && !readInside.has(step.name))
			);
		})
		.map(({ name }) => name);
	return { steps, read };
}

function stepOf(
	one: Seed,
	{ names, items: itemsAround, top }: Sight,
	nextName: () => string,
): RandomStep {
	const name = nextName();
	const group = one.steps.length > 0;
	const mayBe =
		one.kind === "reply"
			? top && names.length > 0
			: one.kind !== "publish" || top;
	const kind = group ? "group" : mayBe ? one.kind : "value";
	const named = (picks: readonly number[]): Read[] =>
		names.length === 0
			? []
			: picks.map((pick) => ({
					step: names[(pick >> 1) % names.length] as string,
					code: pick % 2 === 1,
				}));
	const each = kind === "reply" ? null : one.each;
	const works = kind === "get" || kind === "post" || kind === "group";
	// Of repeats within each other only the innermost round could be told from the calls.
	const repeat = works && !itemsAround.includes("round") ? one.repeat : null;
	const items = [
		...itemsAround,
		...(each ? [itemOf(name)] : []),
		...(repeat ? ["round"] : []),
	];
	const sight = { names, items, top: false };
	const inner = stepsOf(group ? one.steps : [], sight, nextName);
	const own = inner.read.map((step) => ({ step, code: false }));
	const whole = one.whole && group;
	return {
		...one,
		name,
		kind,
		each,
		repeat: repeat && { ...repeat, reads: named(repeat.reads) },
		items,
		reads: group ? [] : named(one.reads),
		after: named(one.after).map(({ step }) => step),
		when: whenOf(one, each !== null, named([one.rank % 41])[0]),
		undo:
			kind === "post" && one.undo
				? { ...one.undo, reads: named(one.undo.reads) }
				: null,
		expect:
			one.expect === null || (kind === "post" && one.undo)
				? null
				: (named([one.expect])[0] ?? null),
		pick: whole ? null : [...own, ...named(one.pick)],
		answers: named(one.answers),
		fallback: one.fallback && {
			...one.fallback,
			reads: named(one.fallback.reads),
		},
		steps: inner.steps,
	};
}

/** A reply has no value, and that of a message is another each time. A group could not leave them out of its own. */
function isUnread({ kind }: RandomStep): boolean {
	return kind === "reply" || kind === "publish";
}

function itemOf(step: string): string {
	return `i${step.slice(1)}`;
}

function whenOf(
	{ when }: Seed,
	many: boolean,
	read: Read | undefined,
): RandomStep["when"] {
	if (when === "never") return "never";
	if (when === "second") return many ? "second" : "always";
	return when === "read" && read !== undefined ? read : "always";
}

/* What a step reads and does, as docs/language.md says it */

/** The steps that it waits for before it starts. */
export function readsToStart({
	reads,
	after,
	when,
	undo,
}: RandomStep): string[] {
	const condition = typeof when === "object" ? [when.step] : [];
	const all = [...reads, ...(undo?.reads ?? [])];
	return [...all.map(({ step }) => step), ...after, ...condition];
}

/** The steps that it may read at any time, in the steps inside it, too. */
export function readsOf(step: RandomStep): string[] {
	const { kind, expect, pick, answers, fallback, repeat, steps } = step;
	const own = new Set(steps.map(({ name }) => name));
	const called = kind === "get" || kind === "post";
	const later = [
		...(called && expect ? [expect] : []),
		...(called || kind === "group" ? (pick ?? []) : []),
		...(called ? answers : []),
		...(repeat?.reads ?? []),
		...(kind === "reply" ? [] : (fallback?.reads ?? [])),
	];
	return [
		...readsToStart(step),
		...later.map((read) => read.step),
		...steps.flatMap(readsOf),
	].filter((name) => !own.has(name));
}

/** Whether it does something besides giving a value. */
export function hasEffect({ kind, steps }: RandomStep): boolean {
	const ofItsOwn = kind === "post" || kind === "reply" || kind === "publish";
	return ofItsOwn || steps.some(hasEffect);
}

/** The key of `answers` that stands for the status of a call that ends so; null if none does. */
export function listedFor(
	{ listed }: RandomStep,
	ending: Ending,
): Listed | null {
	const keys: Partial<Record<Ending, readonly Listed[]>> = {
		listed: ["404", "4xx", "any"],
		status: ["any"],
	};
	return (keys[ending] ?? []).find((key) => listed.includes(key)) ?? null;
}

/** How the work ends at these positions in the lists around it. */
export function endingOf(
	{ ends }: RandomStep,
	index: readonly number[],
): Ending {
	const key = index.reduce((sum, position) => sum * itemsMax + position, 0);
	return ends[key % endsCount] ?? "ok";
}

/** How long a call takes. */
export function delayOf(
	{ delays, hangs }: Scenario,
	name: string,
	index: readonly number[],
): number {
	let state = (delays ^ 0x9e3779b9) >>> 0;
	for (const letter of `${name}/${index.join("/")}`) {
		state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193) >>> 0;
	}
	state = Math.imul(state ^ (state >>> 15), 0x85ebca6b) >>> 0;
	state = (state ^ (state >>> 13)) >>> 0;
	if (hangs && state % 12 === 0) return Number.POSITIVE_INFINITY;
	return 1 + (state % 400) + (1 + ((state >>> 9) % 9_999)) / 10_007;
}

/* The config */

/** The config of a route, `GET /x`. If its upstream has few connections, `GET /probe` tells whether all are free. */
export function configOf(route: RandomRoute, connections?: number): object {
	return {
		upstreams: {
			users: {
				url: "http://users.test",
				timeout: "600ms",
				connections: connections ?? 4096,
			},
		},
		channels: { room: { maxMessage: "1MiB" } },
		routes: {
			"GET /x": {
				deadline: `${route.deadlineMs}ms`,
				calls: 10_000,
				steps: blockOf(route.steps),
				...endOf(route),
			},
			...(connections && { "GET /probe": probeOf(connections) }),
		},
	};
}

/** What is done when the steps have ended. */
function endOf({ respond, empties, proxied }: RandomRoute): object {
	const [first] = respond;
	if (!proxied && empties && first !== undefined) {
		return {
			"respond?": `\${${first} === null ? null : { ${respond.join(", ")} }}`,
		};
	}
	if (!proxied) {
		const names = respond.map((name) => [name, `\${${name}}`]);
		return { respond: Object.fromEntries(names) };
	}
	const query = respond.map((name) => [
		name,
		`\${${printed({ step: name, code: false })}}`,
	]);
	const to = `users/${passedOn}`;
	return { proxy: { to, query: Object.fromEntries(query) } };
}

function probeOf(connections: number): object {
	const each = Array.from({ length: connections }, (_, index) => index);
	return {
		steps: { all: { each, parallel: connections, get: "users/probe" } },
	};
}

/** Steps in the order of the config. */
export function planned(steps: readonly RandomStep[]): readonly RandomStep[] {
	return steps.toSorted((a, b) => a.rank - b.rank);
}

function blockOf(steps: readonly RandomStep[]): object {
	return Object.fromEntries(
		planned(steps).map((step) => [step.name, keysOf(step)]),
	);
}

function keysOf(step: RandomStep): object {
	const { kind, each, after, fallback, optional, withinMs } = step;
	const common = {
		...conditionOf(step),
		...(after.length > 0 ? { after } : {}),
	};
	const refused = endsIn(step, "refused");
	if (kind === "reply") {
		const undo = step.undoes ? { undo: true } : {};
		return {
			...common,
			reply: { status: 207, ...bodyOf(step, refused), ...undo },
		};
	}
	return {
		...common,
		...(each ? { ...eachOf(each), as: itemOf(step.name) } : {}),
		...workOf(step, refused),
		...(step.repeat ? { repeat: repeatOf(step.repeat) } : {}),
		...(withinMs === null ? {} : { within: `${withinMs}ms` }),
		...(fallback
			? {
					fallback: list(
						"filled ${failure.code} ${failure.status ?? 0}",
						fallback.reads,
						String(fallback.fails),
					),
				}
			: {}),
		...(optional ? { optional: true } : {}),
	};
}

function bodyOf({ reads, empties }: RandomStep, refused: string): object {
	const [first] = reads;
	const body = list("replied", reads, refused);
	if (!empties || first === undefined) return { body };
	return {
		"body?": body.replace("${", `\${${nameOf(first)} === null ? null : `),
	};
}

function conditionOf({ when }: RandomStep): object {
	if (when === "always") return {};
	if (when === "never") return { when: false };
	return {
		when: when === "second" ? "${index !== 1}" : `\${${nameOf(when)} !== null}`,
	};
}

function eachOf({ list, parallel, enough }: RandomEach): object {
	const count = list === "long" ? itemsMax + 1 : list;
	const items =
		count === "null" ? "${null}" : Array.from({ length: count }, (_, at) => at);
	const until = enough === null ? {} : { enough };
	return { each: items, parallel, max: itemsMax, ...until };
}

function repeatOf({ rounds, max, waitMs, reads }: RandomRepeat): object {
	const holds = [`round + 1 < ${rounds}`, ...reads.map(nameOf)].join(", ");
	const wait = waitMs === null ? {} : { wait: `${waitMs}ms` };
	return { while: `\${[${holds}][0]}`, max, ...wait };
}

function workOf(step: RandomStep, refused: string): object {
	const { kind, pick } = step;
	switch (kind) {
		case "value":
			return { value: list("value", step.reads, refused) };
		case "publish":
			return {
				publish: "room",
				message: list("published", step.reads, refused),
			};
		case "group": {
			const fails = endsIn(step, "pick");
			const value = pick && { value: list("group", pick, fails) };
			return { steps: blockOf(step.steps), ...value };
		}
		default:
			return callOf(step, refused);
	}
}

function callOf(step: RandomStep, refused: string): object {
	const { name, kind, items, reads, expect, pick, timeoutMs } = step;
	const path = items.map((item) => `/\${${item}}`).join("");
	return {
		...(step.undo ? { undo: undoOf(step, step.undo, path) } : {}),
		[kind]: `users/${name}${path}`,
		...sentBy(step, reads, { refused: `${refused} ? null : 0` }),
		answers: Object.fromEntries(
			step.listed.map((key) => [key, list(key, step.answers)]),
		),
		...(expect ? { expect: `\${${nameOf(expect)} !== null}` } : {}),
		pick: list("picked", pick ?? [], endsIn(step, "pick")),
		...(timeoutMs === null ? {} : { timeout: `${timeoutMs}ms` }),
	};
}

/** The part of a call that sends these values, and others besides. */
function sentBy(
	{ kind, sending: { part, whole, loose } }: RandomStep,
	reads: readonly Read[],
	besides: Readonly<Record<string, string>>,
): object {
	const values = reads.map((read, at): [string, string] => {
		if (!read.code) return [`r${at}`, printed(read)];
		if (!loose) return [`r${at}`, `${nameOf(read)} ?? 'none'`];
		return [whole ? `r${at}` : `r${at}?`, nameOf(read)];
	});
	const more = Object.entries(besides);
	const name = part === "form" && kind !== "post" ? "query" : part;
	if (!whole) {
		const templates = [...values, ...more].map(([key, value]) => [
			key,
			`\${${value}}`,
		]);
		return { [name]: Object.fromEntries(templates) };
	}
	const entries = (all: [string, string][]) =>
		all.map(([key, value]) => `${key}: ${value}`).join(", ");
	const own = `{ ${entries(values)} }`;
	const left = loose ? `compact(${own})` : own;
	return { [name]: `\${{ ...${left}, ${entries(more)} }}` };
}

function undoOf(
	step: RandomStep,
	{ reads, answer, own }: RandomUndo,
	path: string,
): object {
	const known = {
		...(answer ? { answer: "answer === null ? 'no' : 'yes'" } : {}),
		...(own ? { own: printed({ step: step.name, code: false }) } : {}),
	};
	return {
		delete: `users/undo-${step.name}${path}`,
		...sentBy(step, reads, known),
	};
}

/** An expression that tells whether the work ends so. */
function endsIn({ ends, items }: RandomStep, ending: Ending): string {
	const keys = ends.flatMap((end, key) => (end === ending ? [key] : []));
	const key = items.reduce(
		(sum, item) => `(${sum} * ${itemsMax} + ${item})`,
		"0",
	);
	return `[${keys.join(", ")}].includes(${key} % ${endsCount})`;
}

/** A list of a word and of everything that is read. It fails where `fails` is true. */
function list(word: string, reads: readonly Read[], fails = "false"): string {
	const items = [
		`\`${word}\``,
		...reads.map(printed),
		`${fails} ? null + 1 : 0`,
	];
	return `\${[${items.join(", ")}]}`;
}

function nameOf({ step, code }: Read): string {
	return code ? `missing.${step}` : step;
}

/** A code as it is; of a value its length, so that it shows in others without growing. */
function printed(read: Read): string {
	const name = nameOf(read);
	return read.code ? name : `JSON.stringify(${name}).length`;
}
