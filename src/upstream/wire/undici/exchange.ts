import type { Dispatcher } from "undici";
import { GatewayError } from "../../../core/errors.ts";
import type { HeaderList } from "../../../core/http/headers.ts";
import type { Scope } from "../../../tasks/scope.ts";
import { closed, invalid, isStale, translate } from "../failure.ts";
import type { Receiver } from "../receiver.ts";
import {
	abandoned,
	type Connection,
	type Connections,
	type Dispatch,
} from "./connections.ts";
import type { Upload } from "./upload.ts";

/** Header fields by name, in lower case, as undici gives them. */
type Headers = Record<string, string | string[] | undefined>;

export interface Sending {
	readonly dispatch: Dispatch;
	/** Whether it may be sent again. */
	readonly repeatable: boolean;
	readonly onSent: (() => void) | null;
	/** The request's body where it is streamed. */
	readonly upload: Upload | null;
}

/** More interim answers than this are an attack on the caller that waits for the final one. */
const interimMax = 32;

/** One request on its way, and what undici tells of it. */
export class Exchange implements Dispatcher.DispatchHandler {
	readonly #connections: Connections;
	readonly #sending: Sending;
	readonly #receiver: Receiver;
	readonly #leaveScope: () => void;
	#connection: Connection;
	#over = false;
	#sent = false;
	#sentOnKept = false;
	#repeated = false;
	#answered = false;
	#interim = 0;

	constructor(
		connections: Connections,
		sending: Sending,
		scope: Scope,
		receiver: Receiver,
	) {
		this.#connections = connections;
		this.#connection = connections.take();
		this.#sending = sending;
		this.#receiver = receiver;
		this.#leaveScope = scope.onCancel((reason) => this.fail(reason));
	}

	begin(): void {
		this.#connection.send(this.#sending.dispatch, this);
	}

	/** The connection is there and the request is written next. Throwing keeps it from that. */
	onRequestStart(): void {
		// undici may begin a request anew that it holds for unsent. Whether to repeat it is for us to judge.
		if (this.#sent) throw abandoned;
		this.#sent = true;
		this.#sentOnKept = this.#connection.kept;
		if (!this.#repeated) this.#sending.onSent?.();
	}

	/** The first byte of an answer came. */
	onResponseStarted(): void {
		this.#answered = true;
	}

	onResponseStart(
		controller: Dispatcher.DispatchController,
		status: number,
		headers: Headers,
	): void {
		if (this.#over) return;
		if (status < 200) {
			this.#interim++;
			if (this.#interim > interimMax) this.#refuse("never a final status");
			return;
		}
		const bodiless =
			this.#sending.dispatch.method === "HEAD" ||
			status === 204 ||
			status === 304;
		const refusal =
			faultOfCoding(headers) ??
			this.#receiver.onHead(
				{
					status,
					headers: listOf(headers),
					contentCoding: String(headers["content-encoding"] ?? ""),
					length: lengthOf(headers),
				},
				!bodiless,
				controller,
			);
		if (refusal !== null) this.#refuse(refusal);
	}

	onResponseData(
		_controller: Dispatcher.DispatchController,
		chunk: Buffer,
	): void {
		if (this.#over) return;
		const refusal = this.#receiver.onData(chunk, 0, chunk.length);
		if (refusal !== null) this.#refuse(refusal);
	}

	onResponseEnd(): void {
		if (this.#over) return;
		if (this.#connection.broken) {
			this.#refuse("the answer broke off");
			return;
		}
		this.#end();
		this.#connections.rest(this.#connection);
		this.#receiver.onEnd();
	}

	onResponseError(
		_controller: Dispatcher.DispatchController,
		error: Error,
	): void {
		if (this.#over) return;
		if (this.#mayRepeat(error)) this.#repeat();
		else this.fail(this.#reasonOf(error));
	}

	/** The error of the request's own body is passed on as it is. */
	#reasonOf(error: Error): unknown {
		if (error instanceof GatewayError) return error;
		const { name } = this.#connections.settings;
		return translate(name, error, this.#answered);
	}

	/** The upstream closed a kept connection just as the request came. It probably never looked at the request. */
	#mayRepeat(error: Error): boolean {
		if (!this.#sending.repeatable || this.#repeated) return false;
		if (!this.#sentOnKept || this.#answered || this.#connections.closed) {
			return false;
		}
		return error === abandoned || isStale(error);
	}

	#repeat(): void {
		this.#repeated = true;
		this.#sent = false;
		this.#connections.discard(this.#connection);
		this.#connection = this.#connections.open();
		this.begin();
	}

	#refuse(why: string): void {
		this.fail(invalid(this.#connections.settings.name, why));
	}

	/** Ends the exchange on the wire, at once. Does nothing if it is over. */
	fail(reason: unknown): void {
		if (this.#over) return;
		this.#end();
		this.#connections.discard(this.#connection);
		this.#receiver.onFail(reason);
	}

	#end(): void {
		this.#over = true;
		this.#leaveScope();
		this.#sending.upload?.stop();
	}
}

/** The reason not to send; null if the request may be sent. */
export function refusalToSend(
	connections: Connections,
	scope: Scope,
): { readonly reason: unknown } | null {
	if (scope.cancelled) return { reason: scope.reason };
	if (connections.closed) return { reason: closed(connections.settings.name) };
	return null;
}

/** A coding of the transfer besides chunks would be taken off by nobody. */
function faultOfCoding(headers: Headers): string | null {
	const coding = headers["transfer-encoding"];
	if (coding === undefined) return null;
	return String(coding).trim().toLowerCase() === "chunked"
		? null
		: "the transfer-encoding is not understood";
}

function lengthOf(headers: Headers): number | null {
	if (headers["transfer-encoding"] !== undefined) return null;
	const length = headers["content-length"];
	if (typeof length !== "string" || !/^\d{1,15}$/.test(length)) return null;
	return Number(length);
}

/** The values of a repeated field follow its first value. */
function listOf(headers: Headers): HeaderList {
	const list: string[] = [];
	for (const name in headers) {
		const value = headers[name];
		if (typeof value === "string") list.push(name, trimEnd(value));
		else for (const each of value ?? []) list.push(name, trimEnd(each));
	}
	return list;
}

/** White space around a value is not part of it (RFC 9110, 5.5); undici takes off only what stands before. */
function trimEnd(value: string): string {
	let end = value.length;
	while (value[end - 1] === " " || value[end - 1] === "\t") end--;
	return value.slice(0, end);
}
