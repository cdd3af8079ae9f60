import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { ByteQueue } from "../../core/body/byte-queue.ts";
import { emptyStream } from "../../core/body/byte-stream.ts";
import { GatewayError } from "../../core/errors.ts";
import { eachHeader, type HeaderList } from "../../core/http/headers.ts";
import type {
	StreamHead,
	StreamRequest,
	UpgradeWish,
} from "../../core/http/messages.ts";
import type { SessionListener, Tunnel } from "../../core/http/session.ts";
import { hasFramedBody, statusMax } from "../../core/http/status.ts";
import {
	protocolOptions,
	type SessionOwner,
	SessionSocket,
	WebSocketSession,
} from "../../core/http/web-socket.ts";
import { Memory, RequestMemory } from "../../core/memory.ts";
import type { StreamEnd } from "../../policy/policy.ts";
import type { Clock, Timer } from "../../tasks/clock.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import { headBytesMax } from "./head.ts";
import type { Race } from "./race.ts";
import { isTarget } from "./request-writer.ts";
import { brokenOff, closed, invalid, wordsOf } from "./wire-errors.ts";

/** A request that asks for a WebSocket. */
export interface TunnelRequest extends StreamRequest {
	readonly upgrade: UpgradeWish;
}

/** An upstream is asked whether it is there as often as a client by default. What waits for it is bounded by its reader. */
const bounds = { heartbeatMs: 30_000, waitingBytesMax: 1024 * 1024 };

/** How often a WebSocket is looked at. */
const lookEveryMs = 5_000;

/**
 * Asks for a WebSocket on a connection of its own. `ws` speaks the protocol, on a socket that the wire has connected. Whatever
 * the upstream answers instead is the answer, as it comes.
 */
export class TunnelCall {
	readonly #pool: ConnectionPool;
	readonly #request: TunnelRequest;
	readonly #clock: Clock;
	readonly #ended: StreamEnd;
	readonly #leaveScope: () => void;
	readonly #race: Race;
	#socket: Socket | null = null;
	#ws: SessionSocket | null = null;
	#session: WebSocketSession | null = null;
	/** The body of another answer than 101. */
	#body: ByteQueue | null = null;
	#looking: Timer | null = null;
	#head: IncomingMessage | null = null;
	/** How it ended before somebody began it. */
	#closedBefore: readonly [code: number, reason: string] | null = null;
	/** What the one who begins it has thrown. */
	#bug: unknown = null;
	#over = false;

	/** The scope is open. */
	constructor(
		pool: ConnectionPool,
		host: string,
		request: TunnelRequest,
		{ clock, scope }: { readonly clock: Clock; readonly scope: Scope },
		ended: StreamEnd,
	) {
		this.#pool = pool;
		this.#request = request;
		this.#clock = clock;
		this.#ended = ended;
		pool.tunnels.add(this);
		this.#race = pool.connect(
			null,
			(socket) => this.#onConnected(socket, host, scope),
			(error) => this.fail(this.#translated(error, false)),
		);
		this.#leaveScope = scope.onCancel((reason) => this.fail(reason));
	}

	#onConnected(socket: Socket, host: string, scope: Scope): void {
		const { target, upgrade, attempt } = this.#request;
		const { headerBytesMax = headBytesMax } = this.#pool.settings;
		this.#socket = socket;
		socket
			.on("close", () => {
				this.#pool.tunnels.delete(this);
				this.#looking?.cancel();
			})
			// Whoever reads hears of it, too. Without a listener it would end the process.
			.on("error", () => {});
		attempt?.sent(false);
		try {
			if (!isTarget.test(target)) throw new TypeError("not a target");
			// The address only names the protocol. `createConnection` and `finishRequest` say where it goes.
			const ws = new SessionSocket("ws://upstream/", [], {
				...protocolOptions(upgrade.messageBytesMax),
				createConnection: () => socket,
				headers: fieldsOf(this.#request, host),
				maxHeaderSize: headerBytesMax,
				finishRequest(request: ClientRequest) {
					request.path = target;
					request.maxHeadersCount = 0;
					request.end();
				},
			});
			this.#ws = ws;
			ws.on("upgrade", (head) => this.#onAgreed(head))
				.on("open", () => this.#onOpen(ws, socket, scope))
				.on("unexpected-response", (_, answer) => this.#onAnswer(answer))
				.on("error", (error) => {
					if (this.#session === null) {
						this.fail(this.#translated(error, this.#body !== null));
					}
				});
		} catch (fault) {
			this.fail(fault);
		}
	}

	/** `ws` forbids a choice that was offered, because it did not make the offer. One that was not offered it forbids rightly. */
	#onAgreed(head: IncomingMessage): void {
		this.#head = head;
		const chosen = protocolIn(head);
		if (chosen === null || !this.#request.upgrade.protocols.includes(chosen)) {
			return;
		}
		delete head.headers["sec-websocket-protocol"];
	}

	#onOpen(ws: SessionSocket, socket: Socket, scope: Scope): void {
		const { requestId: id, client: ip, memory, attempt } = this.#request;
		const head = this.#head as IncomingMessage;
		const owner: SessionOwner = {
			sessions: this.#pool.sessions,
			turn: this.#clock.turn,
			onInternal: (thrown) => {
				this.#bug = thrown;
			},
		};
		const own = openScope({ parent: scope });
		this.#session = new WebSocketSession(ws, socket, owner, {
			...{ id, ip, bounds, scope: own, onEnd: () => own.close() },
			memory: memory ?? new RequestMemory(new Memory()),
		});
		ws.pause();
		// What comes before somebody listens is an end alone.
		this.#begin({
			onMessage() {},
			onClosed: (...end) => (this.#closedBefore = end),
		});
		this.#look();
		attempt?.head(101);
		this.#tell({
			status: 101,
			headers: namesInLowerCase(head.rawHeaders),
			body: emptyStream(0),
			tunnel: this.#tunnel(ws, protocolIn(head)),
		});
	}

	/** If whoever hears of it throws, the call fails with that. */
	#tell(head: StreamHead): void {
		try {
			this.#ended.head(head);
		} catch (fault) {
			this.fail(fault);
		}
	}

	#tunnel(ws: SessionSocket, protocol: string | null): Tunnel {
		return {
			protocol,
			open: (listener) => {
				const session = this.#session as WebSocketSession;
				if (this.#closedBefore !== null)
					listener.onClosed(...this.#closedBefore);
				else {
					this.#begin(listener);
					ws.resume();
				}
				return session;
			},
		};
	}

	#begin(listener: SessionListener): void {
		this.#session?.begin({
			protocol: null,
			messageBytesMax: 0,
			open: () => ({
				onMessage: (data, isText) => listener.onMessage(data, isText),
				onClosed: (code, reason) => {
					const faulty = this.#session?.faulty === true;
					// The other side of a proxy has done nothing wrong.
					if (faulty) listener.onClosed(1011, "the upstream broke a rule");
					else listener.onClosed(code, reason);
					this.#onClosed(code, faulty ? reason : null);
				},
			}),
		});
	}

	#onClosed(code: number, fault: string | null): void {
		if (this.#bug !== null) this.#end(() => this.#ended.failed(this.#bug));
		else if (fault !== null) {
			const { name } = this.#pool.settings;
			this.#end(() =>
				this.#ended.failed(invalid(name, `its WebSocket: ${fault}`)),
			);
		} else if (code === 1006) {
			this.#end(() => this.#ended.failed(this.#translated(null, true)));
		} else this.#end(() => this.#ended.done());
	}

	#look(): void {
		this.#looking = this.#clock.aside(lookEveryMs, () => {
			this.#look();
			this.#session?.look(lookEveryMs);
		});
	}

	/** The upstream does not agree. */
	#onAnswer(answer: IncomingMessage): void {
		const { memory, attempt } = this.#request;
		const status = answer.statusCode ?? 0;
		if (status < 200) {
			const { name } = this.#pool.settings;
			this.fail(invalid(name, "it switches protocols, and names none"));
			return;
		}
		if (status > statusMax) {
			const { name } = this.#pool.settings;
			this.fail(invalid(name, `a status above ${statusMax}`));
			return;
		}
		const announced = Number(answer.headers["content-length"] ?? Number.NaN);
		const length = Number.isNaN(announced) ? null : announced;
		attempt?.head(status);
		const body = new ByteQueue({
			length: hasFramedBody(status) ? length : null,
			...(memory && { memory }),
			onFull: () => answer.pause(),
			onWanted: () => answer.resume(),
			onLeft: () => this.fail(unread()),
		});
		this.#body = body;
		answer
			.on("data", (bytes: Uint8Array) => {
				if (attempt) attempt.bytes += bytes.length;
				body.push(bytes);
			})
			.on("end", () => {
				this.#end(() => {
					body.end();
					this.#socket?.destroy();
					this.#ended.done();
				});
			})
			.on("error", (error) => this.fail(this.#translated(error, true)));
		const headers = namesInLowerCase(answer.rawHeaders);
		this.#tell({ status, headers, body });
	}

	#translated(error: Error | null, answered: boolean): GatewayError {
		const { name, originFrom } = this.#pool.settings;
		if (error === null) {
			return brokenOff(name, "the upstream closed the connection", answered);
		}
		const { code = "" } = error as NodeJS.ErrnoException;
		// Node's parser has found bytes that are no answer, or `ws` an answer that is no agreement.
		const isAnswer = code.startsWith("HPE_") || (code === "" && this.#ws);
		return isAnswer
			? invalid(name, error.message)
			: brokenOff(name, wordsOf(error, originFrom), answered);
	}

	/** Ends it with the reason. A WebSocket is closed in order, which takes a moment after that. */
	fail(reason: unknown): void {
		// It was closed in order before its scope ended.
		if (this.#session?.closing === true) {
			this.#end(() => this.#ended.done());
			return;
		}
		this.#end(() => {
			this.#race.stop();
			if (this.#session !== null) {
				this.#session.close(1001, "the gateway needs it no longer");
			} else {
				this.#socket?.destroy();
				if (this.#socket === null) this.#pool.tunnels.delete(this);
			}
			this.#body?.fail(reason);
			this.#ended.failed(reason);
		});
	}

	#end(settle: () => void): void {
		if (this.#over) return;
		this.#over = true;
		this.#leaveScope();
		settle();
	}

	/** Ends it, and resolves when its connection is gone. */
	close(): Promise<void> {
		const socket = this.#socket;
		this.fail(closed(this.#pool.settings.name));
		if (socket === null || socket.closed) return Promise.resolve();
		return new Promise((resolve) => {
			socket.once("close", () => resolve());
			socket.destroySoon();
		});
	}
}

/** The fields of the handshake. Those of the protocol are its own. */
function fieldsOf(
	{ headers, along = "", traced, attempt, upgrade }: TunnelRequest,
	host: string,
): Record<string, string | string[]> {
	const fields: Record<string, string[]> = Object.create(null);
	const add = (name: string, value: string) => {
		if (name.toLowerCase().startsWith("sec-websocket-")) return;
		(fields[name.toLowerCase()] ??= []).push(value);
	};
	eachHeader(headers, add);
	const lines = traced ? along + traced.lineOf(attempt?.spanId ?? null) : along;
	for (const line of lines.split("\r\n")) {
		const colon = line.indexOf(":");
		if (colon > 0) add(line.slice(0, colon), line.slice(colon + 1).trim());
	}
	const { protocols } = upgrade;
	return {
		...fields,
		host,
		...(protocols.length > 0 && {
			"sec-websocket-protocol": protocols.join(", "),
		}),
	};
}

function protocolIn({ rawHeaders }: IncomingMessage): string | null {
	let chosen: string | null = null;
	eachHeader(rawHeaders, (name, value) => {
		if (name.toLowerCase() === "sec-websocket-protocol") chosen = value;
	});
	return chosen;
}

function namesInLowerCase(headers: HeaderList): string[] {
	return headers.map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text));
}

function unread(): GatewayError {
	const message = "the answer is read no further";
	return new GatewayError("client_closed", message);
}
