import { isStream, leave } from "../core/body/byte-stream.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { problemResponse } from "../core/http/problem.ts";
import type { Peer, Session, SessionListener } from "../core/http/session.ts";
import { parseJson, printJson } from "../core/json.ts";
import { requestIdOf } from "../core/request-id.ts";
import type { CancelTarget, Listening } from "../tasks/lifetime.ts";
import { listenTo, type Scope } from "../tasks/scope.ts";
import type { Hearing, Listener } from "./channel-hearing.ts";
import type { MessageId } from "./channel-numbering.ts";
import type { Place } from "./channel-place.ts";
import { type EndReason, tellEnd } from "./channel-told.ts";

/** Sends what a client says in a frame to the route that takes it by POST. Never rejects. */
export interface Post {
	post(json: string, scope: Scope): Promise<GatewayResponse>;
}

/** While so much waits for the client, it is told nothing more. */
const waitingBytesMax = 16 * 1024;

/** A frame is so much longer than a message at most: its body may have members that the message leaves out. */
const frameBytesMore = 4 * 1024;

/** The longest id that a client gives a frame. */
const idLengthMax = 100;

interface SessionContext {
	readonly post: Post;
	readonly retryMs: () => number;
	readonly asking: Scope;
}

/** One client that listens over a WebSocket, and may say something in frames of its own. */
export class ChannelSession
	implements Session, SessionListener, Listener, CancelTarget
{
	readonly hearing: Hearing;
	readonly #place: Place;
	readonly #post: Post;
	readonly #retryMs: () => number;
	/** Null before it is open. */
	#peer: Peer | null = null;
	#scope: Scope | null = null;
	#over = false;
	/** How many frames have come. */
	#frames = 0;
	#listening: Listening | null = null;

	/**
	 * `retryMs` says when a client that is sent away should come back. `asking` is the scope of the request. Throws
	 * `channel_full` or `request_invalid`.
	 */
	constructor(
		place: Place,
		after: MessageId | "latest" | null,
		{ post, retryMs, asking }: SessionContext,
	) {
		this.#place = place;
		this.#post = post;
		this.#retryMs = retryMs;
		this.hearing = place.hear(after);
		place.join(this);
		place.begin(this.hearing);
		this.#listening = listenTo(asking, this);
	}

	// Not fields, because each listener would hold them.

	get protocol(): null {
		return null;
	}

	get wakeCost(): number {
		return 100;
	}

	get messageBytesMax(): number {
		return this.#place.messageBytesMax + frameBytesMore;
	}

	open(peer: Peer, scope: Scope): SessionListener {
		this.#peer = peer;
		this.#scope = scope;
		this.#listening?.stop();
		this.#listening = listenTo(scope, this);
		this.#send();
		return this;
	}

	/** The client is gone, or its server drains. Then it can still be told. */
	onCancelled(reason: unknown): void {
		const { code } = asGatewayError(reason);
		if (code === "gateway_draining") this.#tellEnd("draining");
		this.#leave();
	}

	wake(): void {
		this.#send();
	}

	#send(): void {
		const peer = this.#peer;
		if (peer === null || this.#over) return;
		while (peer.waitingBytes < waitingBytesMax) {
			const told = this.hearing.next();
			if (told === null) {
				// Not through the place: it is one thing less to look up for each of thousands.
				this.hearing.instance.rest(this);
				return;
			}
			peer.sendText(told.json);
			// It may have been closed for being slow.
			if (this.#over) return;
		}
		peer.whenTaken(() => this.#send());
	}

	end(reason: EndReason): void {
		if (this.#over) return;
		this.#tellEnd(reason);
		this.#leave();
		if (reason === "slow") {
			this.#peer?.close(1013, "too much waits for this listener");
		} else this.#peer?.close(1001, "the gateway ends");
	}

	#tellEnd(reason: EndReason): void {
		if (this.#over) return;
		const told = tellEnd(reason, this.hearing.after, this.#retryMs());
		this.#peer?.sendText(told.json);
	}

	#leave(): void {
		if (this.#over) return;
		this.#over = true;
		this.#listening?.stop();
		this.#place.leave(this);
	}

	onClosed(): void {
		this.#leave();
	}

	/** A frame is a POST of its `body`. Its answer is a frame with its id. */
	onMessage(data: Uint8Array, isText: boolean): void | Promise<void> {
		if (this.#over) return;
		if (!isText) {
			this.#peer?.close(1003, "a frame is a text of JSON");
			return;
		}
		this.#frames++;
		const read = readFrame(new TextDecoder().decode(data));
		if (typeof read === "string") {
			const errors = [{ at: "frame", message: read }];
			const error = new GatewayError("request_invalid", `a frame ${read}`, {
				errors,
			});
			const problem = problemResponse(error, requestIdOf(undefined));
			this.#reply(this.#frames, problem);
			return;
		}
		const { id = this.#frames, json } = read;
		return this.#post
			.post(json, this.#scope as Scope)
			.then((response) => this.#reply(id, response));
	}

	#reply(id: string | number, response: GatewayResponse): void {
		const { status, body } = response;
		if (isStream(body)) leave(body);
		const json = `{"event":"reply","id":${JSON.stringify(id)},"status":${status},"body":${bodyOf(response)}}`;
		if (!this.#over) this.#peer?.sendText(json);
	}
}

interface Frame {
	readonly id?: string | number;
	readonly json: string;
}

/** The frame, or what is wrong with it. */
function readFrame(text: string): Frame | string {
	let frame: unknown;
	try {
		frame = parseJson(text);
	} catch {
		return "is not JSON";
	}
	if (typeof frame !== "object" || frame === null || Array.isArray(frame)) {
		return "is not an object";
	}
	const { id, body } = frame as { readonly id?: unknown; body?: unknown };
	if (body === undefined) return "has no `body`";
	const json = printJson(body);
	if (id === undefined) return { json };
	const isId =
		typeof id === "string"
			? id.length <= idLengthMax
			: Number.isSafeInteger(id);
	return isId
		? { id: id as string | number, json }
		: `has an \`id\` that is no text of up to ${idLengthMax} characters and no whole number`;
}

/** The answer's body as JSON. A body that is no JSON becomes a text, and null if it is bytes or still comes. */
function bodyOf({ headers, body }: GatewayResponse): string {
	if (body === null || isStream(body)) return "null";
	const type = headerOf(headers, "content-type") ?? "";
	const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(type);
	if (typeof body === "string") return isJson ? body : JSON.stringify(body);
	return isJson ? new TextDecoder().decode(body) : "null";
}
