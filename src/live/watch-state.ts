import type { StepFailure } from "../core/events.ts";
import { etagOf, knowsEtag } from "../core/http/etag.ts";
import { fieldsOfNotModified } from "../core/http/fields.ts";
import {
	type HeaderList,
	headerOf,
	headersWithout,
} from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { costOfAnswer } from "../run/merge.ts";
import { printEnd } from "../run/parts.ts";
import { isFailure, type Made } from "../run/run.ts";
import {
	type Form,
	type Pieces,
	printPieces,
	type Told,
} from "./watch-form.ts";

/** The newest good answer of a watch. What is sent of it is made once for all who watch. */
export class WatchState {
	/** Tells it from other answers, whole or partial. */
	readonly etag: string;
	readonly response: GatewayResponse;
	readonly made: Made;
	/** The ETag of the answer before it, and what makes this one of that; null if only the whole can say it. */
	readonly #patch: Patch | null;
	readonly #whole = new Map<Form, Pieces>();
	readonly #patched = new Map<Form, Pieces>();

	constructor(response: GatewayResponse, made: Made, patch: Patch | null) {
		this.etag = tagOf(response);
		this.response = response;
		this.made = made;
		this.#patch = patch;
	}

	/** Whether it is the answer that clients ask for, and not one that says why there is none. */
	get isGood(): boolean {
		const { status } = this.response;
		return status >= 200 && status < 300;
	}

	/** The parts that it lacks. */
	get missing(): readonly StepFailure[] {
		return this.made.marks.filter(isFailure);
	}

	/** The answer as JSON. An answer without a body is null. */
	get json(): string {
		return jsonOf(this.response);
	}

	/** The pieces for a client that has the answer with this ETag; null if it has none. */
	pieces(form: Form, has: string | null): Pieces {
		const patch = this.#patch;
		const [kept, told] =
			patch !== null && has === patch.from
				? [this.#patched, { event: "patch", json: patch.json } as const]
				: [this.#whole, { event: "answer", json: this.json } as const];
		let pieces = kept.get(form);
		if (pieces === undefined) {
			pieces = printPieces(form, [
				{ ...told, id: this.etag },
				...this.#missing(),
			]);
			kept.set(form, pieces);
		}
		return pieces;
	}

	/** What the header fields of an answer say of its missing and stale parts. */
	#missing(): Told[] {
		const { marks } = this.made;
		if (marks.length === 0) return [];
		return [{ event: "missing", id: null, json: printEnd(marks) }];
	}
}

/** What makes an answer of the one before it. */
export interface Patch {
	/** The ETag of the one before. */
	readonly from: string;
	/** A JSON Merge Patch. */
	readonly json: string;
}

export function jsonOf({ body }: GatewayResponse): string {
	return typeof body === "string" && body !== "" ? body : "null";
}

/** The bytes that a watch holds for an answer: the text, what is sent of it in each form, and to compare it the value. */
export function costOfState(response: GatewayResponse, diff: boolean): number {
	const body = response.body as string | null;
	return (diff ? 6 : 2) * costOfAnswer(body);
}

/** Another tag if parts are missing, because the same texts then do not say the same. */
function tagOf({ status, headers, body }: GatewayResponse): string {
	const missing = headerOf(headers, "sluice-missing");
	const whole = headerOf(headers, "sluice-complete") !== "?0";
	const own = whole && status === 200 ? headerOf(headers, "etag") : null;
	if (own !== null) return own;
	const text = typeof body === "string" ? body : "";
	const said = whole ? "" : `\n${missing}`;
	const failed = status === 200 ? "" : `\n${status}`;
	return etagOf(`${text}${said}${failed}`);
}

/** An answer of a live route that is asked for once, with the ETag by which it can be watched. */
export function taggedAnswer(
	response: GatewayResponse,
	request: GatewayRequest,
): GatewayResponse {
	const { status, body } = response;
	if (status !== 200 || typeof body !== "string") return response;
	const etag = tagOf(response);
	const headers = withTag(response.headers, etag);
	return knowsEtag(request.headers, etag)
		? { status: 304, headers: fieldsOfNotModified(headers), body: null }
		: { ...response, headers };
}

export function withTag(headers: HeaderList, etag: string): HeaderList {
	return [...headersWithout(headers, (name) => name === "etag"), "etag", etag];
}
