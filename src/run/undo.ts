import { printPath, readsOfRequest } from "../config/steps/sent.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import type { Evaluate, Frame } from "../expression/evaluate.ts";
import type { Fuel } from "../expression/fuel.ts";
import { readsOf } from "../expression/template.ts";
import type { UndoPlan } from "../plan/plan.ts";
import { longestCallMs } from "../policy/retry.ts";
import { told } from "./answer.ts";
import { type PreparedRequest, prepareRequest } from "./call-request.ts";
import { prepare, undoLayout } from "./layout.ts";
import { listedBy } from "./listed.ts";
import type { OpenedUpstream } from "./open.ts";
import type { Caller } from "./send.ts";
import { SentWrite } from "./sent-write.ts";
import type { Spot } from "./spot.ts";
import { prepareTarget } from "./target.ts";
import type { WorkContext } from "./work.ts";

/** The call that takes a step's write back. */
export interface PreparedUndo
	extends Pick<Caller, "upstream" | "method" | "template" | "trail"> {
	/** Whether it can be made only of the answer of the write. */
	readonly readsAnswer: boolean;
	/** Null: there always is something to take back. */
	readonly when: Evaluate | null;
	readonly request: PreparedRequest;
	/** Path and query without the parameters that the upstream's own settings add, which may be secret. */
	readonly target: (frame: Frame) => string;
	/** Of its body what is told: without secrets, and no more than shows what it was. */
	readonly shown: (body: string) => string;
	/** Whether this status says that it is done. */
	readonly isDone: (status: number) => boolean;
	/** How long its call takes at the longest, once it has its turn. */
	readonly longestMs: number;
}

/** `step` is the name of the step that it undoes. */
export function prepareUndo(
	undo: UndoPlan,
	step: string,
	{ layout: around, upstreams, personal, secrets }: WorkContext,
): PreparedUndo {
	const opened = upstreams[undo.upstreamIndex] as OpenedUpstream;
	const { settings, upstream } = opened;
	const layout = undoLayout(around, step);
	const own = ["answer", "response", step];
	const reads = [...readsOfRequest(undo), ...readsOf(undo.when)];
	const listed = listedBy(undo.answers.map((status) => [status, true]));
	const timeoutMs = undo.timeoutMs ?? settings.timeoutMs;
	const retry = (undo.repeatable && settings.retry) || null;
	return {
		upstream,
		method: undo.method,
		template: printPath(undo.path),
		// The record of the request may have been told already.
		trail: null,
		readsAnswer: reads.some(({ name }) => own.includes(name)),
		when: undo.when && prepare(undo.when, layout),
		request: prepareRequest(undo, opened, {
			layout,
			polls: false,
			personal,
		}),
		target: prepareTarget(
			undo.path,
			undo.query,
			{ ...settings, query: [] },
			layout,
		),
		// What is cut in two would not be known any more.
		shown: (body) => shortened(secrets.hide(body)),
		isDone: (status) =>
			(status >= 200 && status < 300) || listed(status) === true,
		longestMs: retry === null ? timeoutMs : longestCallMs(timeoutMs, retry),
	};
}

/** How much of an undo's body is told: enough for an id, and no flood. */
const bodyToldMax = 2_000;

function shortened(body: string): string {
	return body.length <= bodyToldMax ? body : `${body.slice(0, bodyToldMax)}…`;
}

/** A write that can be taken back, with everything that its undo reads. */
export class UndoableWrite extends SentWrite {
	readonly undo: PreparedUndo;
	readonly #spot: Spot;
	/** The answer of the write, if a value could be made of it. Then the write was done. */
	#answer: { readonly body: unknown; readonly of: UpstreamResponse } | null =
		null;
	#value: unknown = null;
	#work: Promise<unknown> = Promise.resolve();
	/** Whether its step has made its value. Then it is only undone if the run, or a group around it, fails. */
	kept = false;
	/** Whether it is to be undone. */
	claimed = false;
	/** Whether all is known of it that there is to know. */
	over = false;
	#callOver = false;
	/** Whether its answer was read. To make a value of it may still wait for other steps, which perhaps never end any more. */
	#read = false;
	/** Whether it was undone, or could not be. */
	undone = false;
	#onOver: (() => void) | null = null;

	constructor(undo: PreparedUndo, spot: Spot) {
		super(spot.path, spot.index);
		this.undo = undo;
		this.#spot = spot;
	}

	/** The answer is one that the step can take. */
	took(body: unknown, of: UpstreamResponse): void {
		this.#answer = { body, of };
	}

	/** Whether the answer is known that its undo may read. */
	get known(): boolean {
		return this.#answer !== null;
	}

	/** Is handed the value that its step makes of the answer. */
	making(value: Promise<unknown>): void {
		this.#work = value.then(
			(made) => {
				this.kept = true;
				this.#value = made;
			},
			() => {},
		);
	}

	/** Its call has ended. `late` is the value of an answer for which its step no longer waited; null if none can be made. */
	callEnded(late: Promise<unknown> | null): void {
		this.#callOver = true;
		const known =
			late?.then((made) => {
				this.#value = made;
			}) ?? this.#work;
		void known.then(() => this.#end());
		this.#look();
	}

	/** Its answer was read. Its value is there, or a promise that may still wait for other steps. */
	answerRead(value: unknown): void {
		this.#read = true;
		if (!(value instanceof Promise)) this.#value = value;
		this.#look();
	}

	/** It is to be undone. Calls back when all is known of it, perhaps at once. */
	claim(fn: () => void): void {
		this.claimed = true;
		if (this.over) return fn();
		this.#onOver = fn;
		this.#look();
	}

	#look(): void {
		if (this.claimed && this.#callOver && this.#read) this.#end();
	}

	#end(): void {
		if (this.over) return;
		this.over = true;
		this.#onOver?.();
	}

	/** The names that its undo reads. */
	frame(fuel: Fuel): Frame {
		const answer = this.#answer;
		return {
			values: [
				answer?.body ?? null,
				answer === null ? null : told(answer.of),
				this.#value,
			],
			parent: this.#spot.frame,
			fuel,
		};
	}
}
