import type { EndReason, Watch, WatchProblem } from "./watch.ts";
import { type Form, type Pieces, printPieces } from "./watch-form.ts";

/**
 * What one client has been told. It holds no answer, only the tag of one: who reads slowly gets the newest as soon as it
 * reads on, and nothing waits for it.
 */
export class WatchCursor {
	readonly #watch: Watch;
	readonly #form: Form;
	/** The ETag of the answer that the client has; null if it has none. */
	#etag: string | null;
	/** Whether that answer came on this connection, so that it can be patched. */
	#isSent = false;
	#problem: WatchProblem | null = null;
	#isCurrent = true;
	/** Null while it goes on. */
	#reason: EndReason | null = null;
	isOver = false;

	/** `etag` is what a client has that comes back. */
	constructor(watch: Watch, form: Form, etag: string | null) {
		this.#watch = watch;
		this.#form = form;
		this.#etag = etag;
	}

	/** Nothing but the end is told from now on. */
	end(reason: EndReason): void {
		this.#reason ??= reason;
	}

	/** What is to be sent now, in order; null if the client knows everything. */
	next(): Pieces | null {
		if (this.isOver) return null;
		if (this.#reason !== null) return this.#end(this.#reason, null);
		const { state, problem } = this.#watch;
		if (state === null) return null;
		const form = this.#form;
		const told: Uint8Array[] = [];
		if (state.etag !== this.#etag) {
			if (!state.isGood) return this.#end("status", state.response.status);
			told.push(...state.pieces(form, this.#isSent ? this.#etag : null));
			this.#etag = state.etag;
			this.#isSent = true;
			this.#isCurrent = true;
		}
		if (problem === null && !this.#isCurrent) {
			told.push(...current[form]);
			this.#isCurrent = true;
		}
		if (problem !== null && problem !== this.#problem) {
			told.push(...problem.pieces(form));
			this.#isCurrent = false;
		}
		this.#problem = problem;
		return told.length === 0 ? null : told;
	}

	#end(reason: EndReason, status: number | null): Pieces {
		this.isOver = true;
		return printPieces(this.#form, [
			{
				event: "end",
				id: null,
				json: JSON.stringify({ reason, ...(status !== null && { status }) }),
				...(reason !== "status" && { retryMs: comeBackMs() }),
			},
		]);
	}
}

const current: Readonly<Record<Form, Pieces>> = {
	events: printPieces("events", [
		{ event: "current", id: null, json: '{"stale":false}' },
	]),
	frames: printPieces("frames", [
		{ event: "current", id: null, json: '{"stale":false}' },
	]),
};

/** All who watch are told to come back, and should not come at once. */
function comeBackMs(): number {
	return 1_000 + Math.floor(9_000 * Math.random());
}
