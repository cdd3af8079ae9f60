import { ByteQueue } from "../core/body/byte-queue.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { StepMark } from "../core/events.ts";
import { type HeaderList, headersWithout } from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { problemResponse, unsniffed } from "../core/http/problem.ts";
import { hasContent, isStatus } from "../core/http/status.ts";
import {
	type PrintBound,
	type PrintedSize,
	printJson,
	sizeWithin,
	tooLong,
} from "../core/json.ts";
import type { Evaluate, Frame } from "../expression/evaluate.ts";
import { Fuel } from "../expression/fuel.ts";
import { partsOf } from "../plan/parts.ts";
import type { RoutePlan, StepPlan, StepRef } from "../plan/plan.ts";
import { openScope } from "../tasks/scope.ts";
import type { Block } from "./block.ts";
import { type ComposedRoute, carryOut } from "./compose.ts";
import type { Face } from "./faces.ts";
import { Heartbeat } from "./heartbeat.ts";
import { ItemParts } from "./item-parts.ts";
import { type Layout, prepare } from "./layout.ts";
import { badStatus, type Merged, missingNamedMax } from "./merge.ts";
import {
	type ItemListener,
	Run,
	type RunEnd,
	type RunInput,
	type RunResult,
} from "./run.ts";
import { prepareHeaders } from "./target.ts";

/** The parts of a route's answer, in written order, and its head. */
export interface PreparedParts {
	readonly status: Evaluate;
	readonly headers: (frame: Frame) => HeaderList;
	readonly members: readonly PreparedMember[];
	/** The only member is a list whose items are sent one by one; else null. */
	readonly items: PreparedItems | null;
	readonly bound: PrintBound;
}

interface PreparedItems {
	/** The step that makes them. */
	readonly step: string;
	/** The steps that must have ended before any of them is sent. Null: all wait for the whole list. */
	readonly reads: readonly StepRef[] | null;
}

interface PreparedMember {
	readonly place: Place;
	/** Whether it is left out if its value is null. */
	readonly optional: boolean;
	readonly evaluate: Evaluate;
	/** The steps that must have ended before it is made. */
	readonly reads: readonly StepRef[];
}

/** Where a part stands in the whole answer. */
interface Place {
	/** The JSON that names it: `"at":"user",`; empty if the part is the whole answer. */
	readonly json: string;
	/** What the whole answer has there besides the value: `"user":`, and the comma or bracket before. */
	readonly bytes: number;
}

/** Null if the route never answers in parts. */
export function prepareParts(
	route: RoutePlan,
	bound: PrintBound,
	layout: Layout,
): PreparedParts | null {
	const parts = partsOf(route);
	if (parts === null) return null;
	const refsOf = (indexes: readonly number[]) =>
		indexes.map((index) => ({ up: 0, index }));
	const items = parts[0]?.items ?? null;
	return {
		bound,
		status: prepare(route.status, layout),
		headers: prepareHeaders(route.headers, [unsniffed], layout),
		members: parts.map(({ at, optional, value, waitsFor }) => ({
			place: placeOf(at),
			optional,
			evaluate: prepare(value, layout),
			reads: refsOf(waitsFor),
		})),
		items: items && {
			step: (route.steps[items.step] as StepPlan).name,
			reads: items.waitsFor.includes(items.step)
				? null
				: refsOf(items.waitsFor),
		},
	};
}

function placeOf(at: string | number | null): Place {
	if (at === null) return { json: "", bytes: 0 };
	const name = JSON.stringify(at);
	const bytes = typeof at === "number" ? 1 : Buffer.byteLength(name) + 2;
	return { json: `"at":${name},`, bytes };
}

/**
 * Carries out a route's steps as `compose` does, but answers with the first part as soon as it can be made. The body
 * sends each part, and in its last line how the run has ended. Until the first part it answers or rejects as `compose`.
 */
export function composeInParts(
	route: ComposedRoute,
	parts: PreparedParts,
	input: RunInput,
	face: Face,
): Promise<RunResult> {
	return new Promise((resolve, reject) => {
		// Whoever leaves the body ends the run, as does a client whose connection is gone.
		const scope = openScope({ parent: input.scope });
		const parted = new PartedAnswer(parts, face, { ...input, scope });
		const { promise: over, resolve: end } = Promise.withResolvers<RunEnd>();
		parted.onBegin = (response) => resolve({ response, missing: [], over });
		const run = new Run(
			route,
			{ ...input, scope },
			(result) => {
				scope.close();
				if (!parted.begun) return resolve(result);
				parted.end();
				end({ missing: result.missing, error: null });
			},
			(error) => {
				scope.close();
				if (!parted.begun) return reject(error);
				parted.fail(error);
				end({ missing: [], error });
			},
		);
		const merge = (frame: Frame, marks: readonly StepMark[]) =>
			parted.rest(frame, marks) ?? route.merge(frame, marks);
		run.items = parted.listenTo(run);
		const block = carryOut(route, run, ({ frame, account }) =>
			parted.beforeEnd(frame, () => run.answer(merge, frame, account)),
		);
		if (block !== null) parted.follow(block, run);
	});
}

interface Head {
	readonly status: number;
	readonly headers: HeaderList;
}

/** The answer of one run, which is sent while it is made. */
class PartedAnswer {
	readonly #parts: PreparedParts;
	readonly #face: Face;
	readonly #input: RunInput;
	readonly #queue: ByteQueue;
	/** Null if its face has none. */
	readonly #heartbeat: Heartbeat | null;
	/** Its nodes are those that a whole answer has. */
	readonly #fuel: Fuel;
	/** A member that was sent or left out is true. A failure is kept, because it counts only if the steps end well. */
	readonly #made: (true | GatewayError | undefined)[] = [];
	/** Null if its items are not sent one by one. */
	#items: ItemParts | null = null;
	/** Null until it is first needed. */
	#head: Head | GatewayError | null = null;
	#marks: readonly StepMark[] = [];
	/** How long the whole answer is so far. */
	#bytes = 0;
	/** To print all parts may take no more than to print the whole. */
	readonly #size: PrintedSize;
	#number = 0;
	begun = false;
	onBegin: (response: GatewayResponse) => void = () => {};

	constructor(parts: PreparedParts, face: Face, input: RunInput) {
		const { request, scope } = input;
		this.#parts = parts;
		this.#face = face;
		this.#input = input;
		const { memory } = request;
		this.#fuel = new Fuel(scope.clock.turn, undefined, memory, request.ip);
		this.#size = sizeWithin(parts.bound, this.#fuel);
		this.#queue = new ByteQueue({
			length: null,
			memory,
			// `maxAnswer` bounds all that can wait.
			onFull() {},
			onWanted() {},
			onLeft: () => scope.cancel(left()),
		});
		const { heartbeat } = face;
		this.#heartbeat =
			heartbeat === null
				? null
				: new Heartbeat(scope, () => this.#beat(heartbeat));
	}

	/** Hears of items as they end. Null if none is sent before all have ended. */
	listenTo(run: Run): ItemListener | null {
		const { items } = this.#parts;
		this.#items =
			items &&
			new ItemParts({
				step: items.step,
				fuel: this.#fuel,
				print: (at, value) => this.#print(placeOf(at), value),
				send: (lines) => this.#send(lines),
				isOver: () => run.over,
			});
		return items?.reads ? this.#items : null;
	}

	/** Sends each part as soon as the steps that it waits for have ended. */
	follow(block: Block, run: Run): void {
		const whenEnded = (reads: readonly StepRef[], then: () => void) => {
			const ended = block.ended(reads, run.calls);
			const inTurn = () => void this.#fuel.piece(then, undefined);
			if (ended === null) inTurn();
			// If the run is cancelled, its end is the last line.
			else ended.then(inTurn, () => {});
		};
		const { members, items } = this.#parts;
		if (items?.reads) {
			whenEnded(items.reads, () => {
				if (!run.over && this.#hasBody(block.frame)) this.#items?.open();
			});
		}
		members.forEach(({ reads }, index) => {
			whenEnded(reads, () => {
				if (!run.over) this.#sendEarly(index, block.frame);
			});
		});
	}

	/** Calls back when the steps have ended, and the items of their list are sent. */
	beforeEnd(frame: Frame, then: () => void): void {
		if (this.#items === null || !this.#hasBody(frame)) return then();
		this.#fuel.begin();
		this.#sendEarly(0, frame);
		if (this.#made[0] === true) this.#items.whenSent(then);
		else then();
	}

	#sendEarly(index: number, frame: Frame): void {
		if (this.#made[index] !== undefined || !this.#hasBody(frame)) return;
		try {
			const line = this.#lineOf(index, frame);
			this.#made[index] = true;
			if (line !== null) this.#send([line]);
		} catch (error) {
			this.#made[index] = asGatewayError(error);
		}
	}

	/** False also if the head cannot be made, which fails the answer when all steps have ended. */
	#hasBody(frame: Frame): boolean {
		const head = this.#headOf(frame);
		return !(head instanceof GatewayError) && hasContent(head.status);
	}

	/**
	 * Sends what is left when all steps have ended. Null, and nothing was sent, if the answer has no body. Throws the failure
	 * that the whole answer would fail with.
	 */
	rest(frame: Frame, marks: readonly StepMark[]): Merged | null {
		this.#fuel.begin();
		const head = this.#headOf(frame);
		if (head instanceof GatewayError) throw head;
		const { status, headers } = head;
		if (!hasContent(status)) return null;
		const lines = this.#parts.members.flatMap((_, index) => {
			const made = this.#made[index];
			if (made === true) return [];
			if (made !== undefined) throw made;
			return this.#lineOf(index, frame) ?? [];
		});
		if (this.#items?.failure) throw this.#items.failure;
		this.#marks = marks;
		this.#send(lines);
		return { response: { status, headers, body: null }, printed: null };
	}

	#headOf({ values, parent }: Frame): Head | GatewayError {
		this.#head ??= this.#makeHead({ values, parent, fuel: this.#fuel });
		return this.#head;
	}

	#makeHead(frame: Frame): Head | GatewayError {
		try {
			const status = this.#parts.status(frame);
			if (!isStatus(status)) return badStatus();
			const own = headersWithout(this.#parts.headers(frame), (name) =>
				ofWholeAnswers.has(name),
			);
			const { contentType } = this.#face;
			const headers = [...own, "content-type", contentType, ...neverKept];
			return { status, headers };
		} catch (error) {
			return asGatewayError(error);
		}
	}

	/** Null for a member that is left out, and for a list, which sends its own lines. */
	#lineOf(index: number, { values, parent }: Frame): string | null {
		const member = this.#parts.members[index] as PreparedMember;
		const value = member.evaluate({ values, parent, fuel: this.#fuel });
		if (this.#items !== null) {
			this.#items.close(value);
			return null;
		}
		if (value === null && member.optional) return null;
		return this.#print(member.place, value);
	}

	#print(place: Place, value: unknown): string {
		const { bound } = this.#parts;
		const json = printJson(value, this.#fuel, bound, this.#size);
		// The bracket at the end.
		if (this.#bytes === 0 && place.bytes > 0) this.#bytes++;
		this.#bytes += place.bytes + Buffer.byteLength(json);
		if (this.#bytes > bound.bytesMax) throw tooLong(bound);
		const line = `{${place.json}"value":${json}}`;
		// Throws if there is no room. The queue counts what waits, but refuses nothing.
		const { memory } = this.#input.request;
		memory.take(2 * line.length);
		memory.give(2 * line.length);
		return line;
	}

	#send(lines: readonly string[]): void {
		this.#push("part", lines);
		if (this.begun) return;
		this.begun = true;
		this.onBegin({ ...(this.#head as Head), body: this.#queue });
	}

	#push(kind: "part" | "end", lines: readonly string[]): void {
		const events = lines.map((json) =>
			this.#face.print(kind, json, ++this.#number),
		);
		this.#queue.push(Buffer.from(events.join("")));
		if (kind === "part") this.#heartbeat?.sent();
		else this.#heartbeat?.stop();
	}

	/** A slow reader has something to read already. */
	#beat(text: string): void {
		if (this.#queue.empty) this.#queue.push(Buffer.from(text));
	}

	/** Sends the last line of an answer that has all its parts. */
	end(): void {
		this.#push("end", [printEnd(this.#marks)]);
		this.#queue.end();
	}

	/** Sends the problem instead. */
	fail(error: GatewayError): void {
		const { body } = problemResponse(error, this.#input.request.id);
		this.#push("end", [`{"complete":false,"problem":${body}}`]);
		this.#queue.end();
	}
}

/** Fields that say how long a whole answer may be kept, and which it is. */
const ofWholeAnswers: ReadonlySet<string> = new Set([
	...["cache-control", "expires", "etag", "last-modified"],
]);

/** Proxies that hold an answer back until they have more of it read the second field. */
const neverKept = ["cache-control", "no-store", "x-accel-buffering", "no"];

function left(): GatewayError {
	return new GatewayError("client_closed", "the client left the answer");
}

/** What `Sluice-Complete` and `Sluice-Missing` say of a whole answer. */
export function printEnd(marks: readonly StepMark[]): string {
	const missing = marks.slice(0, missingNamedMax).map((mark) => ({
		step: mark.step,
		...(mark.index.length > 0 && { index: mark.index }),
		...(mark.stale && { stale: true }),
		...(mark.error && { error: mark.error.code }),
	}));
	const more = marks.length - missing.length;
	return JSON.stringify({
		complete: marks.every(({ error }) => error === null),
		...(missing.length > 0 && { missing }),
		...(more > 0 && { more }),
	});
}
