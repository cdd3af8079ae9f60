/** What the tests run on threads. */
import { createHash } from "node:crypto";
import { threadId } from "node:worker_threads";
import { transfer } from "../../src/tasks/index.ts";

interface Context {
	readonly signal: AbortSignal;
	readonly call: (...args: unknown[]) => Promise<unknown>;
}

export const thread = (): number => threadId;
export const same = (value: unknown): unknown => value;
export const noFunction = 7;

export function spins(_: unknown, { call }: Context): never {
	void call();
	for (;;) createHash("md5").update("again").digest();
}

/** Counts where the tests can see it, so that they see when it stops. */
export function counts(shared: SharedArrayBuffer, { call }: Context): never {
	const counter = new Int32Array(shared);
	void call();
	for (;;) Atomics.add(counter, 0, 1);
}

export const hangs = (): Promise<never> => new Promise(() => {});
export const waits = async ({ call }: Context): Promise<unknown> => call();
export const exits = (): never => process.exit(7);
export function runsOutOfMemory(): never {
	const all: unknown[] = [];
	for (;;) all.push(new Array(100_000).fill(all.length));
}
export function failsLater(): Promise<never> {
	setImmediate(() => {
		throw new TypeError("nobody caught this");
	});
	return new Promise(() => {});
}

class OutOfRange extends Error {
	override readonly name = "OutOfRange";
	readonly code = "E_RANGE";
	readonly limits = { least: 1n };
	readonly unsendable = () => 1;
}

export function throws(): never {
	throw new OutOfRange("too far", { cause: new RangeError("the inner one") });
}
export function throwsMany(): never {
	throw new AggregateError([new TypeError("one"), "two"], "both failed");
}
export function throwsValue(value: unknown): never {
	throw value;
}
export function throwsFunction(): never {
	throw () => 1;
}
export function throwsCycle(): never {
	const error = new Error("it is its own cause");
	error.cause = error;
	throw error;
}
export const returnsFunction = () => () => 1;

let moved = new Uint8Array();
export function moves(bytes: Uint8Array<ArrayBuffer>) {
	moved = bytes;
	bytes[0] = (bytes[0] ?? 0) + 1;
	return transfer(bytes, [bytes.buffer]);
}
/** What the thread still has of it. */
export const movedLength = (): number => moved.byteLength;

export async function asks(args: number[], { call }: Context) {
	return Promise.all(args.map((arg) => call(arg)));
}
export async function catches({ call }: Context) {
	return call().catch(({ name, code, message }) => ({ name, code, message }));
}
const ends: string[] = [];
export function leavesBehind({ call, signal }: Context): string {
	const note = ({ message }: Error) => void ends.push(message);
	call("unheard").catch(note);
	signal.addEventListener("abort", () => {
		note(signal.reason);
		call("late").catch(note);
	});
	return "done";
}
/** How what it left behind ended. */
export const endsLeftBehind = (): string[] => ends;
export const contextOf = ({ call, signal, ...values }: Context) => ({
	...values,
	aborted: signal.aborted,
	call: typeof call,
});

/** Where the cosine meets a line: some milliseconds of computing. */
export function solve(slope: number): number {
	let root = 0;
	for (let round = 0; round < 2000; round++) {
		let [low, high] = [0, 2];
		for (let step = 0; step < 50; step++) {
			root = (low + high) / 2;
			if (Math.cos(root) > slope * root) low = root;
			else high = root;
		}
	}
	return root;
}
