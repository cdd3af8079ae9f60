import { type ByteStream, isStream, leave } from "../core/body/byte-stream.ts";
import { asGatewayError, type GatewayError } from "../core/errors.ts";
import { serverFields } from "../core/http/fields.ts";
import {
	type HeaderList,
	headersWithout,
	onlyHeaderOf,
} from "../core/http/headers.ts";
import type {
	ClientCertificate,
	GatewayRequest,
	GatewayResponse,
} from "../core/http/messages.ts";
import { problemResponse } from "../core/http/problem.ts";
import type { Session } from "../core/http/session.ts";
import { hasContent, hasFramedBody } from "../core/http/status.ts";
import {
	type SessionOwner,
	WebSocketSession,
} from "../core/http/web-socket.ts";
import { type Memory, RequestMemory } from "../core/memory.ts";
import { requestIdOf } from "../core/request-id.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { type AnswerOwner, writeAsItComes } from "./answer-stream.ts";
import type { AnswerWriter, Carrier, Unanswered } from "./carrier.ts";
import type { ClientAddress, ClientScheme } from "./client-address.ts";
import { clientClosed, lingerMs } from "./client-connection.ts";
import type { Cors } from "./cors.ts";
import type { AddFixed } from "./fixed-fields.ts";
import { type HeadLimits, originForm } from "./refuse.ts";
import { type BodySource, RequestBody, type Unread } from "./request-body.ts";
import { SessionRequest } from "./session-request.ts";
import type { Upgrade } from "./upgrade.ts";

/**
 * Answers a request. The scope is cancelled with `client_closed` if the client leaves before its answer is complete. The
 * request lasts until the promise has settled, even if its client has left. A thrown error becomes a problem document.
 */
export type Handle = (
	request: GatewayRequest,
	scope: Scope,
) => Promise<GatewayResponse>;

/** How much of a body that nobody reads may come while the client reads its answer. */
const lingerBytesMax = 256 * 1024;

const noBytes = new Uint8Array(0);

function nothing(): void {}

/** The server an exchange belongs to. */
export interface Owner extends SessionOwner {
	/** The server's own lifetime. */
	readonly scope: Scope;
	/** Cancelled when the server takes no more requests. */
	readonly accepting: Scope;
	/** Null: pages of other origins read no answer. */
	readonly cors: Cors | null;
	/** Null if no field stands in every answer. */
	readonly addFixed: AddFixed | null;
	readonly clientAddress: ClientAddress;
	readonly clientScheme: ClientScheme;
	readonly limits: HeadLimits;
	readonly memory: Memory;
	/** Called with each session that has begun. */
	onSession(session: WebSocketSession): void;
	/** Called once, when the answer is out or the client is gone, and nothing of the request goes on any more. */
	onOver(): void;
	/** Called with requests that `handle` never saw. */
	onRefused(error: GatewayError, requestId: string): void;
}

/** A request whose head has come, in whatever version of HTTP. */
export interface IncomingHead {
	readonly method?: string | undefined;
	/** A path, or an address with a scheme. */
	readonly url?: string | undefined;
	readonly rawHeaders: string[];
}

/** What an exchange is made of. */
interface Parts {
	readonly head: IncomingHead;
	/** Its body; null if it has none. */
	readonly body: BodySource | null;
	/** The length of its body; Infinity if only the body's end says it, and 0 if it has none. */
	readonly bodyBytes: number;
	readonly answer: AnswerWriter;
	readonly carrier: Carrier;
	readonly owner: Owner;
	/** Null if it cannot become a WebSocket. */
	readonly upgrade: Upgrade | null;
}

/** One request and its answer. */
export class ClientExchange implements GatewayRequest, Unanswered, AnswerOwner {
	readonly id: string;
	readonly method: string;
	readonly target: string;
	readonly headers: HeaderList;
	readonly ip: string;
	readonly arrivedMs: number;
	readonly memory: RequestMemory;
	/** The bytes of an answer that was handed to the connection whole. */
	answerBytes = 0;
	unframed = false;
	/** Null if the request announces none. Most requests do not, and pay nothing for a body. */
	readonly #body: RequestBody | null;
	readonly #answer: AnswerWriter;
	readonly #carrier: Carrier;
	readonly #owner: Owner;
	readonly #scope: Scope;
	readonly paced = true;
	/** Only such a request has the property, because the others need not pay for it. */
	declare readonly upgradable?: true;
	readonly #upgrade: Upgrade | null;
	#over = false;
	#handling = false;
	/** Resolves when what goes on after the answer has ended; null if nothing does. */
	#ongoing: Promise<void> | null = null;
	#bodyAsked = false;
	#stopLingering: () => void = nothing;

	constructor(parts: Parts) {
		const { head, body, bodyBytes, answer, carrier, owner, upgrade } = parts;
		const { rawHeaders } = head;
		this.id = requestIdOf(onlyHeaderOf(rawHeaders, "x-request-id"));
		this.method = head.method ?? "GET";
		this.target = originForm(head.url ?? "/");
		this.headers = rawHeaders;
		this.ip = owner.clientAddress(carrier.peer, rawHeaders);
		this.arrivedMs = owner.scope.clock.now();
		this.#answer = answer;
		this.#carrier = carrier;
		this.#owner = owner;
		this.#upgrade = upgrade;
		if (upgrade !== null) this.upgradable = true;
		this.#scope = openScope({ parent: owner.scope });
		this.memory = new RequestMemory(owner.memory, carrier.client);
		this.#body =
			body === null || bodyBytes === 0
				? null
				: new RequestBody(
						...([body, bodyBytes, this.#scope] as const),
						...([this.memory, owner.limits] as const),
					);
	}

	get certificate(): ClientCertificate | null {
		return this.#carrier.certificate;
	}

	get scheme(): "http" | "https" | null {
		return this.#owner.clientScheme(this.#carrier.peer, this.headers);
	}

	/** Counts its head, which is held while it waits for the requests before it. */
	holdHead(): void {
		let bytes = 0;
		for (const text of this.headers) bytes += text.length;
		this.memory.hold(bytes);
	}

	async run(handle: Handle): Promise<void> {
		this.#handling = true;
		try {
			const response = await handle(this, this.#scope);
			this.#handled(response.ongoing ?? null);
			this.answer(response);
		} catch (thrown) {
			this.#handled(null);
			this.fail(thrown);
		}
	}

	#handled(ongoing: Promise<void> | null): void {
		if (!this.#handling) return;
		this.#handling = false;
		this.#ongoing = ongoing;
		if (this.#over) this.#release();
	}

	/** The answer is out, or the client is gone. The request may go on. */
	#release(): void {
		if (this.#handling) return;
		const end = () => {
			this.memory.end();
			this.#owner.onOver();
		};
		if (this.#ongoing === null) end();
		else void this.#ongoing.then(end);
	}

	/** Answers with a problem document. */
	fail(thrown: unknown): void {
		const error = asGatewayError(thrown);
		if (error.code === "internal") this.#owner.onInternal(thrown, this.id);
		else this.#owner.onRefused(error, this.id);
		// The answer failed in the middle of being written, so it can only be cut.
		if (this.#answer.begun) {
			this.#carrier.cut();
			return;
		}
		this.answer(problemResponse(error, this.id));
	}

	/** Throws if a header cannot be written. Then nothing was written. */
	answer({ status, headers, body, session }: GatewayResponse): void {
		if (this.#over) {
			if (isStream(body)) leave(body);
			return;
		}
		if (session !== undefined) {
			this.#open(session, headers);
			return;
		}
		const rest = this.#unread();
		// A body that is being passed on may or may not have come by the end of the answer, which is not known yet.
		const streamed = rest !== "nothing" && this.#body?.streamed === true;
		if (rest === "much" || rest === "broken" || streamed) {
			this.#carrier.closing = true;
		}
		const fields = this.#fieldsOf(status, headers);
		const content = hasContent(status) ? body : null;
		const length = lengthOf(content);
		if (hasFramedBody(status) && length !== null) {
			fields.push("content-length", String(length));
		}
		this.#answer.begin(status, fields);
		const sent = this.method === "HEAD" ? null : content;
		if (isStream(sent)) {
			this.#begin(sent);
			return;
		}
		if (isStream(body)) leave(body);
		else if (sent !== null) this.answerBytes = length ?? 0;
		if (rest === "much" && this.#carrier.lingers) this.#answerLingering(sent);
		else this.#end(sent);
		if (rest === "little") this.#body?.letIn();
	}

	/** From here on the connection belongs to the session, and so does what the request holds. */
	#open(session: Session, headers: HeaderList): void {
		const { id, ip, memory } = this;
		const scope = this.#scope;
		const owner = this.#owner;
		const fields = [...this.#sayable(headers), "x-request-id", id];
		owner.addFixed?.(fields);
		const upgrade = this.#upgrade;
		if (upgrade === null) throw new TypeError("a session without an upgrade");
		const { bounds, socket } = upgrade;
		const ws = upgrade.open(session, fields);
		if (ws === null) return;
		const held = { id, ip, memory, scope, bounds };
		const opened = new SessionRequest(held, this.#ongoing, owner);
		const one = new WebSocketSession(ws, socket, owner, opened);
		this.#over = true;
		upgrade.become(one);
		memory.keepAnswer(0);
		one.begin(session);
		owner.onSession(one);
	}

	#begin(body: ByteStream): void {
		const answer = this.#answer;
		answer.flush();
		this.unframed = body.length === null && !answer.framed;
		writeAsItComes(body, this, answer, this.#scope);
	}

	get over(): boolean {
		return this.#over;
	}

	cut(): void {
		this.#carrier.cut();
	}

	streamed(): void {
		const rest = this.#unread();
		const remains = rest === "much" || rest === "little";
		if (remains && this.#carrier.lingers) this.#answerLingering(null);
		else this.#end(null);
	}

	#fieldsOf(status: number, headers: HeaderList): string[] {
		const { cors, addFixed } = this.#owner;
		const fields = this.#sayable(headers);
		addFixed?.(fields);
		fields.push("x-request-id", this.id);
		if (cors !== null) fields.push(...cors.fieldsFor(this));
		fields.push(...this.#carrier.fieldsFor(this, status, headers));
		return fields;
	}

	#end(body: string | Uint8Array | null): void {
		this.#answer.end(body, this.#onEnd);
		this.#carrier.answered(this);
	}

	#unread(): Unread {
		return this.#body === null ? "nothing" : this.#body.unread;
	}

	/**
	 * The whole answer goes out at once. The response ends, and the connection with it, when the client had time for it.
	 */
	#answerLingering(sent: string | Uint8Array | null): void {
		const stop = () => {
			timer.cancel();
			stopDiscarding();
			this.#end(null);
		};
		const timer = this.#owner.scope.clock.after(lingerMs, stop);
		this.#stopLingering = stop;
		this.#answer.flush();
		if (sent !== null) this.#answer.write(sent);
		// From here on a client that leaves has been answered.
		this.#scope.close();
		const body = this.#body as RequestBody;
		const stopDiscarding = body.discard(lingerBytesMax, stop);
	}

	readBody(bytesMax: number): Promise<Uint8Array> {
		if (this.#bodyAsked) return Promise.reject(new TypeError("read before"));
		this.#bodyAsked = true;
		if (this.#scope.cancelled) return Promise.reject(this.#scope.reason);
		return this.#body === null
			? Promise.resolve(noBytes)
			: this.#body.read(bytesMax);
	}

	streamBody(): ByteStream | null {
		if (this.#bodyAsked) throw new TypeError("read before");
		this.#bodyAsked = true;
		return this.#body === null ? null : this.#body.stream();
	}

	inform(status: number, headers: HeaderList): void {
		if (this.#over || this.#answer.begun) return;
		this.#answer.inform(status, this.#sayable(headers));
	}

	onDrain(callback: () => void): () => void {
		return this.#owner.accepting.onCancel(callback);
	}

	/** Without the fields that the server sets itself. */
	#sayable(headers: HeaderList): string[] {
		const { cors } = this.#owner;
		return headersWithout(
			headers,
			(name) => serverFields.has(name) || cors?.owns(name) === true,
		);
	}

	onFault(fault: GatewayError): void {
		if (this.#body?.onFault(fault)) this.#stopLingering();
	}

	/** The client sends its body when it hears that it is wanted. */
	holdBody(): void {
		this.#body?.hold(() => this.#answer.proceed());
	}

	get awaitsBody(): boolean {
		return this.#body?.awaited === true;
	}

	get lacksBody(): boolean {
		return this.#body?.outstanding === true;
	}

	/** The client is gone before its answer was out. */
	leave(reason: GatewayError): void {
		if (this.#over) return;
		this.#over = true;
		this.#stopLingering();
		this.#scope.cancel(reason);
		this.#release();
	}

	/** All was written, or cannot be written: Node raises the same event for both. */
	readonly #onEnd = (error?: Error | null): void => {
		if (error || this.#carrier.destroyed) this.leave(clientClosed());
		if (this.#over) return;
		this.#over = true;
		this.#scope.close();
		// The next request on the connection begins at once, and needs memory.
		if (this.#ongoing === null) this.memory.end();
		this.#carrier.end(this);
		this.#release();
	};
}

/** Null if it is not known before the end. */
function lengthOf(body: GatewayResponse["body"]): number | null {
	if (body === null) return 0;
	if (isStream(body)) return body.length;
	return typeof body === "string" ? Buffer.byteLength(body) : body.length;
}
