import {
	itemsMax,
	type RandomRoute,
	type RandomStep,
	readsOf,
	readsToStart,
	type Scenario,
} from "./random-routes.ts";

/**
 * What a run of a random route must do, worked out on paper: no promises, no timers, no scopes. First each step by
 * itself, as if no other could fail or be dropped; then, from the answer backwards, when each is dropped; then how it ends.
 */
export interface Expected {
	/** False where two things happen at one instant and either order is right. */
	readonly certain: boolean;
	/** When the client is answered, or has left. */
	readonly endMs: number;
	/** Null for an answer; else the codes of what failed at that instant. */
	readonly codes: ReadonlySet<string> | null;
	readonly body: string;
	readonly missing: readonly string[];
	readonly calls: readonly ExpectedCall[];
	/** Whether any step can fail the route. */
	readonly mayFail: boolean;
}

export interface ExpectedCall {
	readonly target: string;
	readonly startMs: number;
	readonly endMs: number;
	/** True where the call begins at the very instant at which it is not wanted any more. */
	readonly maybe: boolean;
}

const never = Number.POSITIVE_INFINITY;

/** A step by itself. */
interface Part {
	/** When it has ended, well or filled in; never where it fails. */
	readonly endMs: number;
	readonly value: unknown;
	/** What fails it first: several where items fail at one instant. */
	readonly faults: readonly Fault[];
	readonly missing: readonly { readonly at: string; readonly code: string }[];
	/** What it read after its calls. */
	readonly later: readonly string[];
	readonly calls: readonly { target: string; startMs: number; endMs: number }[];
}

interface Fault {
	readonly atMs: number;
	readonly code: string;
}

export function expect(route: RandomRoute, scenario: Scenario): Expected {
	const clash = clashes();
	const parts = new Map<string, Part>();
	route.steps.forEach((step, at) => {
		const delaysMs = scenario.delaysMs.slice(
			at * itemsMax,
			(at + 1) * itemsMax,
		);
		parts.set(
			step.name,
			partOf(step, route.deadlineMs, delaysMs, parts, clash),
		);
	});
	const part = (name: string) => parts.get(name) as Part;
	const dropped = dropsOf(route, part);
	const droppedMs = (name: string) => dropped.get(name) ?? never;

	const faults = route.steps.flatMap(({ name }) => {
		const { faults } = part(name);
		const failsMs = faults[0]?.atMs ?? never;
		clash.check(failsMs, droppedMs(name));
		return failsMs < droppedMs(name) ? faults : [];
	});
	const failsMs = Math.min(never, ...faults.map(({ atMs }) => atMs));
	const wholeMs = Math.max(
		0,
		...route.steps
			.filter(({ name }) => part(name).endMs < droppedMs(name))
			.map(({ name }) => part(name).endMs),
	);
	const leavesMs = scenario.leavesMs ?? never;
	const doneMs = faults.length > 0 ? failsMs : wholeMs;
	clash.check(leavesMs, doneMs);
	const endMs = Math.min(leavesMs, doneMs);
	return {
		certain: !clash.found,
		endMs,
		codes: codesOf(faults, failsMs, leavesMs < doneMs),
		body: JSON.stringify(
			Object.fromEntries(route.respond.map((name) => [name, part(name).value])),
		),
		missing: missingOf(route, part),
		calls: route.steps.flatMap((step) =>
			part(step.name).calls.flatMap((call) => {
				const unwantedMs = Math.min(endMs, droppedMs(step.name));
				if (call.startMs > unwantedMs) return [];
				const aborted = step.kind === "post" ? never : unwantedMs;
				return {
					...call,
					endMs: Math.min(call.endMs, aborted),
					maybe: call.startMs === unwantedMs,
				};
			}),
		),
		mayFail: route.steps.some(({ name }) => part(name).faults.length > 0),
	};
}

function codesOf(
	faults: readonly Fault[],
	failsMs: number,
	left: boolean,
): ReadonlySet<string> | null {
	if (left) return new Set(["client_closed"]);
	if (faults.length === 0) return null;
	const first = faults.filter(({ atMs }) => atMs === failsMs);
	return new Set(first.map(({ code }) => code));
}

/** When nobody waits for a step any more: when the last of its readers has ended or been dropped itself. */
function dropsOf(
	{ steps, respond }: RandomRoute,
	part: (name: string) => Part,
): ReadonlyMap<string, number> {
	const drops = new Map<string, number>();
	for (const { name, kind } of steps.toReversed()) {
		const readers = steps.filter((step) => readsOf(step).includes(name));
		const releases = readers.map((reader) =>
			Math.min(part(reader.name).endMs, drops.get(reader.name) ?? never),
		);
		const kept = kind === "post" || respond.includes(name);
		drops.set(name, kept ? never : Math.max(...releases));
	}
	return drops;
}

/** In plan order, of the steps the answer and the writes are made of. */
function missingOf(
	{ steps, planned, respond }: RandomRoute,
	part: (name: string) => Part,
): string[] {
	const needed = new Set(respond);
	for (const step of steps.toReversed()) {
		if (step.kind === "post") needed.add(step.name);
		if (!needed.has(step.name)) continue;
		for (const read of readsToStart(step)) needed.add(read);
		for (const read of part(step.name).later) needed.add(read);
	}
	return planned
		.filter((name) => needed.has(name))
		.flatMap((name) =>
			part(name).missing.map(({ at, code }) => `${name}${at};error=${code}`),
		);
}

/** Finds out whether two instants are one, by chance or by construction. */
function clashes() {
	return {
		found: false,
		check(...instants: readonly number[]): void {
			const sorted = instants.filter(Number.isFinite).toSorted((a, b) => a - b);
			if (sorted.some((ms, at) => ms - (sorted[at - 1] ?? -1) < 1e-6)) {
				this.found = true;
			}
		},
	};
}

type Clash = ReturnType<typeof clashes>;

/** One carrying-out of a step or an item, by itself. */
interface Turn {
	readonly endMs: number;
	readonly value: unknown;
	readonly code: string | null;
	/** Whether a fallback or null stands for what failed. */
	readonly filled: boolean;
	readonly later: readonly string[];
	readonly call: Part["calls"][number] | null;
}

function partOf(
	step: RandomStep,
	deadlineMs: number,
	delaysMs: readonly number[],
	parts: ReadonlyMap<string, Part>,
	clash: Clash,
): Part {
	const endOf = (names: readonly string[]) =>
		Math.max(0, ...names.map((name) => parts.get(name)?.endMs ?? never));
	const lengths = (names: readonly string[]) =>
		names.map((name) => JSON.stringify(parts.get(name)?.value).length);
	const startMs = endOf(readsToStart(step));
	const withinMs = startMs + (step.withinMs ?? never);
	const limitMs = Math.min(withinMs, deadlineMs);
	const limitCode =
		withinMs < deadlineMs ? "upstream_timeout" : "deadline_exceeded";
	clash.check(withinMs, deadlineMs);

	const nothing: Part = {
		endMs: never,
		value: null,
		faults: [],
		missing: [],
		later: [],
		calls: [],
	};
	if (startMs === never) return nothing;
	const { each } = step;
	if (each === null) return joined([turn(0, startMs)], false);
	if (each.list === "null") return refused("reference_missing");
	if (each.list === "long") return refused("limit_exceeded");
	return joined(inLines(each.list, each.parallel), true);

	function refused(code: string): Part {
		return step.optional
			? { ...nothing, endMs: startMs, missing: [{ at: "", code }] }
			: { ...nothing, faults: [{ atMs: startMs, code }] };
	}

	/** Each line takes the next item when it has done one. */
	function inLines(count: number, parallel: number): Turn[] {
		const freeMs = new Array<number>(parallel).fill(startMs);
		const turns: Turn[] = [];
		for (let index = 0; index < count; index++) {
			const line = freeMs.indexOf(Math.min(...freeMs));
			if (freeMs[line] === never) break;
			const done = turn(index, freeMs[line] as number);
			freeMs[line] = done.endMs;
			turns.push(done);
		}
		return turns;
	}

	function joined(turns: readonly Turn[], many: boolean): Part {
		const failed = turns.filter(({ code, filled }) => code !== null && !filled);
		const failsMs = Math.min(never, ...failed.map(({ endMs }) => endMs));
		const ends = turns.map(({ endMs }) => endMs);
		return {
			endMs: failed.length > 0 ? never : Math.max(startMs, ...ends),
			faults: failed.flatMap(({ endMs, code }) =>
				code !== null && endMs === failsMs && endMs < never
					? [{ atMs: endMs, code }]
					: [],
			),
			value: many ? turns.map(({ value }) => value) : turns[0]?.value,
			missing: turns.flatMap(({ code, filled }, index) =>
				code !== null && filled
					? [{ at: many ? `;index=${index}` : "", code }]
					: [],
			),
			later: turns.flatMap(({ later }) => later),
			calls: turns.flatMap(({ call }) => call ?? []),
		};
	}

	function turn(index: number, atMs: number): Turn {
		if (isSkipped(index)) return good(atMs, null);
		const tried =
			step.kind === "value" ? valued(index, atMs) : called(index, atMs);
		return tried.code === null ? tried : filled(tried);
	}

	function isSkipped(index: number): boolean {
		const { when } = step;
		if (when === "always") return false;
		if (when === "never") return true;
		if (when === "second") return index === 1;
		return parts.get(when.read)?.value === null;
	}

	function valued(index: number, atMs: number): Turn {
		return step.ends[index] === "refused"
			? bad(atMs, "reference_missing")
			: good(atMs, ["value", ...lengths(step.reads), 0]);
	}

	function called(index: number, atMs: number): Turn {
		const ending = step.ends[index];
		if (ending === "refused") return bad(atMs, "reference_missing");
		if (atMs >= limitMs) return bad(atMs, limitCode);
		const timeoutMs = atMs + (step.timeoutMs ?? 600);
		const answerMs = atMs + (delaysMs[index] ?? never);
		clash.check(timeoutMs, answerMs, limitMs);
		const query = [
			...step.reads.map((read, at) => `${read}=${lengths(step.reads)[at]}`),
			"refused=0",
		];
		const sent = {
			target: `/${step.name}/${index}?${query.join("&")}`,
			startMs: atMs,
		};
		// What ends a write that was sent is not what ends its step.
		const boundMs = step.kind === "post" ? deadlineMs : limitMs;
		const call = { ...sent, endMs: Math.min(answerMs, timeoutMs, boundMs) };
		if (answerMs < Math.min(timeoutMs, limitMs)) {
			return { ...answered(ending, answerMs), call };
		}
		return timeoutMs < limitMs
			? { ...bad(timeoutMs, "upstream_timeout"), call }
			: { ...bad(limitMs, limitCode), call };
	}

	function answered(ending: string | undefined, answerMs: number): Turn {
		if (ending === "status") return bad(answerMs, "upstream_status");
		if (ending === "invalid") return bad(answerMs, "upstream_invalid");
		const later = ending === "listed" ? step.answers : step.pick;
		const readyMs = Math.max(answerMs, endOf(later));
		if (withinMs < deadlineMs) {
			clash.check(readyMs, withinMs);
			if (readyMs > withinMs) {
				return bad(withinMs, "upstream_timeout");
			}
		}
		if (ending === "pick") {
			return { ...bad(readyMs, "reference_missing"), later };
		}
		const word = ending === "listed" ? "listed" : "picked";
		return { ...good(readyMs, [word, ...lengths(later), 0]), later };
	}

	function filled(failed: Turn): Turn {
		const { fallback, optional } = step;
		if (fallback === null) return { ...failed, filled: optional };
		const readyMs = endOf(fallback.reads);
		clash.check(readyMs, withinMs);
		return {
			...failed,
			endMs: Math.max(failed.endMs, readyMs),
			value: fallback.fails ? null : ["filled", ...lengths(fallback.reads), 0],
			filled: !fallback.fails || optional,
			later: [...failed.later, ...fallback.reads],
		};
	}
}

function good(endMs: number, value: unknown): Turn {
	return { endMs, value, code: null, filled: false, later: [], call: null };
}

function bad(endMs: number, code: string): Turn {
	return { endMs, value: null, code, filled: false, later: [], call: null };
}
