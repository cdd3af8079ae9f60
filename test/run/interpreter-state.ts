import type { ExpectedCall } from "./interpreter.ts";
import type { Placed } from "./interpreter-orders.ts";
import {
	hasEffect,
	type RandomStep,
	type Read,
	readsToStart,
} from "./random-routes.ts";

interface Mark {
	readonly path: string;
	readonly index: readonly number[];
	readonly code: string;
}

/** Steps that end together: those of the route, or of a group at one item. */
export interface Block extends Placed {
	readonly steps: ReadonlyMap<string, StepRun>;
	/** In the order of the config. */
	readonly planned: readonly StepRun[];
	/** The steps that what it makes reads. */
	readonly result: readonly string[];
	/** The carrying-out of the group; null for the route. */
	readonly around: Turn | null;
}

export interface StepRun extends Placed {
	/** As answers name it: `s0.s1`. */
	readonly path: string;
	readonly step: RandomStep;
	readonly block: Block;
	state: "waiting" | "running" | "ended" | "dropped";
	value: unknown;
	code: string | null;
	marks: readonly Mark[];
	later: ReadonlySet<StepRun>;
	/** Why its list is refused; null if it is not. */
	refusal: string | null;
	/** How many items there are, and how many of them have come to the front. */
	count: number;
	next: number;
	turns: Turn[];
	/** What fills in for the whole step, if its list says how many items are enough. */
	filling: Turn | null;
	startMs: number;
	/** When `within` has ended it. */
	cut: boolean;
}

/** A call whose end may come sooner. */
export interface OwnCall extends ExpectedCall {
	endMs: number;
}

/** One carrying-out of a step, for itself or for one item. */
export interface Turn extends Placed {
	readonly of: StepRun;
	/** Its position in its own list, and with those in the lists around. */
	readonly at: number;
	readonly item: readonly number[];
	/** The number of its round, and the values and marks of the rounds before. */
	round: number;
	readonly values: unknown[];
	readonly kept: Mark[];
	/** The how-manieth it was to come to the front. */
	readonly came: number;
	phase:
		| "queued"
		| "begins"
		| "calls"
		| "waits"
		| "reads"
		| "inside"
		| "failed"
		| "fills"
		| "done"
		| "gone";
	/** Whether its condition has skipped it. */
	skipped: boolean;
	/** Whether it holds one of the places of its step. */
	placed: boolean;
	call: OwnCall | null;
	/** The write that it has sent last, if that can be undone. */
	write: Written | null;
	/** How its call ends, and when. */
	endsMs: number;
	endsWith: string | null;
	/** What it waits for, and what it does then. */
	awaits: readonly Read[];
	then: () => void;
	inside: Block | null;
	code: string;
	/** The how-manieth it was to fail, where others may stand in for it. */
	failed: number;
	value: unknown;
	marks: readonly Mark[];
	later: Set<StepRun>;
}

/** A write that was sent, and can be undone. */
export interface Written {
	readonly turn: Turn;
	readonly call: ExpectedCall;
	/** The path of its undo, and what that sends besides the step's own value. */
	readonly target: string;
	readonly sends: readonly string[];
	/** Whether its step still waited for its answer. */
	waited: boolean;
	/** When its step was ended that had the answer, and waited for others to make a value of it. */
	leftMs: number;
	/** The value that its step makes of the answer; null if none is made. */
	own: unknown;
	/** How its call ends: nothing was done, its answer is one to take, or nobody knows. */
	readonly ends: "refused" | "known" | "unknown";
	readonly index: readonly number[];
	/** Whether its step has made its value. */
	kept: boolean;
	/** When it was to be undone; Infinity if it is not. */
	claimedMs: number;
}

/** The positions of what it does now: of a round, too. */
export function indexAt({ of, item, round }: Turn): readonly number[] {
	return of.step.repeat ? [...item, round] : item;
}

/* Names and values */

export function isActive({ phase }: Turn): boolean {
	return phase !== "done" && phase !== "gone";
}

export function find(name: string, block: Block): StepRun {
	const own = block.steps.get(name);
	if (own !== undefined) return own;
	return find(name, (block.around as Turn).of.block);
}

/** The positions in the lists around a block. */
export function indexOf({ around }: Block): readonly number[] {
	return around === null ? [] : indexAt(around);
}

export function hasEnded(name: string, block: Block): boolean {
	return find(name, block).state === "ended";
}

export function rawOf({ step, code }: Read, block: Block): unknown {
	const run = find(step, block);
	return code ? run.code : run.value;
}

/** As the config's expressions show what they read. */
export function valueOf(read: Read, block: Block): unknown {
	const raw = rawOf(read, block);
	return read.code ? raw : JSON.stringify(raw).length;
}

export function made(
	word: string,
	reads: readonly Read[],
	block: Block,
): unknown {
	return [word, ...reads.map((read) => valueOf(read, block)), 0];
}

export function isSkipped(
	{ when }: RandomStep,
	at: number,
	block: Block,
): boolean {
	if (when === "always") return false;
	if (when === "never") return true;
	return when === "second" ? at === 1 : rawOf(when, block) === null;
}

export function resultOf({ pick, steps }: RandomStep): readonly string[] {
	return pick?.map(({ step }) => step) ?? steps.map(({ name }) => name);
}

/* What an answer is made of */

/** The steps that a block is made of: those that its result reads, and those that do something. */
export function madeOf({ planned: runs, result }: Block): string[] {
	return runs
		.filter(({ step }) => hasEffect(step) || result.includes(step.name))
		.map(({ step }) => step.name);
}

function isAround(run: StepRun, block: Block): boolean {
	return run.block !== block;
}

/** The steps around a block that these of its steps have read. */
export function outside(block: Block, runs: readonly StepRun[]): StepRun[] {
	return [...readIn(block, runs)].filter((run) => isAround(run, block));
}

function readIn(block: Block, runs: readonly StepRun[]): ReadonlySet<StepRun> {
	const read = new Set(runs);
	for (const run of read) {
		if (isAround(run, block)) continue;
		for (const name of readsToStart(run.step)) read.add(find(name, block));
		for (const other of run.later) read.add(other);
	}
	return read;
}

/** The missing parts of these steps and of all that they have read, in the order of the config. */
export function marksOf(block: Block, names: readonly string[]): Mark[] {
	const runs = names.map((name) => find(name, block));
	const read = readIn(block, runs);
	return block.planned.flatMap((run) => (read.has(run) ? run.marks : []));
}

export function print({ path, index, code }: Mark): string {
	const at =
		index.length === 0
			? ""
			: index.length === 1
				? `;index=${index[0]}`
				: `;index="${index.join(".")}"`;
	return `${path}${at};error=${code}`;
}

export function compare(a: readonly number[], b: readonly number[]): number {
	const at = a.findIndex((position, depth) => position !== b[depth]);
	return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
