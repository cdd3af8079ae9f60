/** The code that runs in a thread of a pool. Nothing here is called in the thread that owns the pool. */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { packThrown, unpackThrown } from "./thread-error.ts";
import {
	type FromThread,
	type Job,
	type JobContext,
	partsOf,
	type ToThread,
} from "./thread-message.ts";

type ThreadFunction = (...args: unknown[]) => unknown;

/** Takes the job that lies at the port, calls its function, and sends back the result or the error. */
export async function carryOut(port: MessagePort): Promise<void> {
	const { file, name, args, context } = receiveMessageOnPort(port)
		?.message as Job;
	let side: Side | null = null;
	try {
		const fn = await load(file, name);
		// The only possible message now says that nobody waits any more.
		if (receiveMessageOnPort(port) !== undefined) return;
		post(port, { kind: "begun" });
		side = context && createContext(context, port);
		const given = side ? [...args, side.context] : args;
		const { value, moved } = partsOf(await fn(...given));
		try {
			const message: FromThread = { kind: "returned", value };
			port.postMessage(message, [...moved]);
		} catch (error) {
			throw notCloned(name, error);
		}
	} catch (thrown) {
		post(port, { kind: "threw", thrown: packThrown(thrown, side?.numberOf) });
	} finally {
		side?.end();
	}
}

function post(port: MessagePort, message: FromThread): void {
	port.postMessage(message);
}

async function load(file: string, name: string): Promise<ThreadFunction> {
	const module: Record<string, unknown> = await import(file);
	const fn = module[name];
	if (typeof fn === "function") return fn as ThreadFunction;
	throw new TypeError(`${file} exports no function ${name}`);
}

function notCloned(name: string, error: unknown): TypeError {
	const why = error instanceof Error ? error.message : String(error);
	return new TypeError(
		`${name} returned what cannot go to another thread: ${why}`,
		{ cause: error },
	);
}

interface Side {
	readonly context: Readonly<Record<string, unknown>>;
	/** The number of the call that failed with this error; undefined if none did. */
	numberOf(thrown: unknown): number | undefined;
	/** The function has returned. Calls that it did not wait for fail, and so do new ones. */
	end(): void;
}

interface Waiting {
	resolve(value: unknown): void;
	reject(error: unknown): void;
}

function createContext({ values, calls }: JobContext, port: MessagePort): Side {
	const controller = new AbortController();
	const waiting = new Map<number, Waiting>();
	const failed = new Map<unknown, number>();
	let count = 0;
	let over = false;

	function call(name: string, args: readonly unknown[]): Promise<unknown> {
		const answer = new Promise((resolve, reject) => {
			if (over) throw hasReturned();
			const id = count++;
			post(port, { kind: "call", id, name, args });
			waiting.set(id, { resolve, reject });
		});
		// A failing call that the function does not wait for must not end the thread.
		answer.catch(() => {});
		return answer;
	}

	port.on("message", (message: ToThread) => {
		if (message.kind === "left") return;
		const found = waiting.get(message.id);
		waiting.delete(message.id);
		if (message.kind === "answered") return found?.resolve(message.value);
		const thrown = unpackThrown(message.thrown);
		failed.set(thrown, message.id);
		found?.reject(thrown);
	});
	return {
		context: {
			...values,
			...Object.fromEntries(
				calls.map((name) => [name, (...args: unknown[]) => call(name, args)]),
			),
			signal: controller.signal,
		},
		numberOf: (thrown) => failed.get(thrown),
		end() {
			over = true;
			controller.abort(hasReturned());
			for (const { reject } of waiting.values()) reject(hasReturned());
		},
	};
}

function hasReturned(): Error {
	return new Error("the function has returned");
}
