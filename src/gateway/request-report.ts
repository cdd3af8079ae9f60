import type {
	ByteStream,
	PieceFlow,
	PieceTaker,
} from "../core/body/byte-stream.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import { type Events, type RequestEnded, raise } from "../core/events.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import type { Peer, Session, SessionListener } from "../core/http/session.ts";
import type { TraceIds } from "../core/trace-ids.ts";
import type { Trail } from "../core/trail.ts";
import type { Clock } from "../tasks/clock.ts";
import type { CancelTarget, Listening } from "../tasks/lifetime.ts";
import { listenTo, type Scope } from "../tasks/scope.ts";
import type { RequestEnd } from "./request-end.ts";

interface ReportContext {
	readonly clock: Clock;
	readonly events: Events;
}

// Objects and no closures, because each listener holds them as long as it listens: a closure holds its surroundings, too.

/** Tells of the end of one request, once it is known how it ended. */
export class RequestReport {
	readonly #end: RequestEnd;
	readonly #context: ReportContext;
	readonly #traced: TraceIds | null;
	/** Its record, if it has one. */
	readonly #request: Pick<Trail, "requestId" | "method" | "arrivedMs">;
	readonly #status: number;
	readonly #ongoing: Promise<void> | null;

	/** `traced` is null if nobody makes spans of it. */
	constructor(
		{ id: requestId, method, arrivedMs }: GatewayRequest,
		{ status, ongoing }: GatewayResponse,
		end: RequestEnd,
		context: ReportContext,
		traced: TraceIds | null,
	) {
		this.#end = end;
		this.#context = context;
		this.#traced = traced;
		this.#request = end.trail ?? { requestId, method, arrivedMs };
		this.#status = status;
		this.#ongoing = ongoing ?? null;
	}

	/** Nothing of the request goes on any more. `closeCode` is that of a session; null if there was none. */
	tell(error: unknown, closeCode: number | null = null): void {
		const { requestEnded, trailEnded } = this.#context.events;
		const end = this.#end;
		const { trail } = end;
		const traced = this.#traced;
		if (requestEnded.length > 0 || trail !== null) {
			const { route, missing, writes, outlived, parts, watch, isJob } = end;
			const { requestId, method, arrivedMs } = this.#request;
			// Spread only for the few: it copies name by name.
			let event: RequestEnded = {
				requestId,
				method,
				route,
				status: this.#status,
				durationMs: this.#context.clock.now() - arrivedMs,
				error: error === null ? null : asGatewayError(error),
				missing,
				outlived,
				writes,
				parts,
			};
			if (watch !== null) event = { ...event, watch };
			if (isJob) event = { ...event, job: true };
			if (closeCode !== null) event = { ...event, closeCode };
			if (traced !== null) event = { ...event, traceId: traced.traceId };
			raise(requestEnded, event);
			if (trail !== null) {
				trail.close();
				const trailed = { ...event, trail };
				raise(trailEnded, trailed);
				traced?.tracer.ended(trailed);
				trail.recorded = null;
			}
		}
		end.reported();
	}

	/** The body of its answer has ended. */
	bodyEnded(error: unknown): void {
		this.#tellAfter(this.#end.running, error);
	}

	/** The session that its answer was has ended, with this code; null if it was never open. */
	sessionEnded(error: unknown, closeCode: number | null): void {
		this.#tellAfter(this.#ongoing, error, closeCode);
	}

	#tellAfter(
		ongoing: Promise<void> | null,
		error: unknown,
		closeCode: number | null = null,
	): void {
		if (ongoing === null) this.#tellOf(error, closeCode);
		else void ongoing.then(() => this.#tellOf(error, closeCode));
	}

	#tellOf(error: unknown, closeCode: number | null): void {
		const end = this.#end;
		// A client that watches or listens leaves when it has seen enough.
		this.tell(end.error ?? (end.watch ? null : error), closeCode);
	}
}

/**
 * The body of an answer, whose end is the request's: it is read to its end, breaks off, or is left, perhaps before it was
 * begun.
 */
export class ReportedStream
	implements ByteStream, AsyncIterator<Uint8Array, undefined>, CancelTarget
{
	readonly length: number | null;
	protected readonly body: ByteStream;
	readonly #report: RequestReport;
	/** Null if it was cancelled before. */
	readonly #listening: Listening | null = null;
	#pieces: AsyncIterator<Uint8Array> | null = null;
	#over = false;

	constructor(body: ByteStream, scope: Scope, report: RequestReport) {
		this.length = body.length;
		this.body = body;
		this.#report = report;
		this.#listening = listenTo(scope, this);
	}

	onCancelled(reason: unknown): void {
		this.end(reason);
	}

	protected end(error: unknown): void {
		if (this.#over) return;
		this.#over = true;
		this.#listening?.stop();
		this.#report.bodyEnded(error);
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
		this.#pieces = this.body[Symbol.asyncIterator]();
		return this;
	}

	/** No `async` function: that would hold its registers for as long as a listener waits. */
	next(): Promise<IteratorResult<Uint8Array, undefined>> {
		const pieces = this.#pieces as AsyncIterator<Uint8Array, undefined>;
		return pieces.next().then(this.#onPiece, this.#onFailed);
	}

	readonly #onPiece = (piece: IteratorResult<Uint8Array, undefined>) => {
		if (piece.done) this.end(null);
		return piece;
	};

	readonly #onFailed = (error: unknown): never => {
		this.end(error);
		throw error;
	};

	async return(): Promise<IteratorResult<Uint8Array, undefined>> {
		this.end(left());
		await this.#pieces?.return?.();
		return { done: true, value: undefined };
	}
}

/** The same of a body that hands its pieces over. */
export class ReportedFlow
	extends ReportedStream
	implements PieceTaker, PieceFlow
{
	readonly #scope: Scope;
	#taker: PieceTaker | null = null;
	#flow: PieceFlow | null = null;

	constructor(body: ByteStream, scope: Scope, report: RequestReport) {
		super(body, scope, report);
		this.#scope = scope;
	}

	flowTo(taker: PieceTaker): PieceFlow {
		this.#taker = taker;
		this.#flow = this.body.flowTo?.(this) ?? null;
		return this;
	}

	take(piece: Uint8Array): boolean {
		return this.#taker?.take(piece) === true;
	}

	/** The body may hear of a cancellation before this does. */
	ended(): void {
		this.end(this.#scope.cancelled ? this.#scope.reason : null);
		this.#taker?.ended();
	}

	goOn(): void {
		this.#flow?.goOn();
	}

	leave(): void {
		this.end(this.#scope.cancelled ? this.#scope.reason : left());
		this.#flow?.leave();
	}
}

function left(): GatewayError {
	return new GatewayError("client_closed", "the client left the answer");
}

/**
 * A session that tells of its end, once: when it was closed, when its request is cancelled before it has begun, or when it
 * could not begin. It ends when the gateway closes. A client that leaves is no failure, also if its connection is cut: many
 * never close a session otherwise.
 */
export class ReportedSession implements Session, SessionListener, CancelTarget {
	readonly #session: Session;
	readonly #closing: Scope;
	readonly #report: RequestReport;
	/** First it would hear that the request is cancelled, and later that the gateway closes. */
	#listening: Listening;
	#listener: SessionListener | null = null;
	/** Null before it is open. */
	#peer: Peer | null = null;
	#scope: Scope | null = null;

	constructor(
		session: Session,
		asking: Scope,
		closing: Scope,
		report: RequestReport,
	) {
		this.#session = session;
		this.#closing = closing;
		this.#report = report;
		this.#listening = listenTo(asking, this);
	}

	get protocol(): string | null {
		return this.#session.protocol;
	}

	get messageBytesMax(): number {
		return this.#session.messageBytesMax;
	}

	onCancelled(reason: unknown): void {
		if (this.#peer === null) this.#report.sessionEnded(reason, null);
		else {
			this.#scope?.cancel(reason);
			this.#peer.close(1001, "the gateway was closed");
		}
	}

	open(peer: Peer, scope: Scope): SessionListener {
		this.#listening.stop();
		this.#peer = peer;
		this.#scope = scope;
		this.#listening = listenTo(this.#closing, this);
		try {
			this.#listener = this.#session.open(peer, scope);
			return this;
		} catch (thrown) {
			this.#listening.stop();
			this.#report.sessionEnded(thrown, null);
			throw thrown;
		}
	}

	onMessage(data: Uint8Array, isText: boolean): void | Promise<void> {
		return this.#listener?.onMessage(data, isText);
	}

	onClosed(code: number, reason: string): void {
		this.#listening.stop();
		try {
			this.#listener?.onClosed(code, reason);
		} finally {
			const failure = code === 1006 ? this.#failure() : null;
			this.#report.sessionEnded(failure, code);
		}
	}

	/** Why its connection was cut; null if its client has left. */
	#failure(): GatewayError | null {
		const scope = this.#scope;
		if (!scope?.cancelled) return null;
		const error = asGatewayError(scope.reason);
		return error.code === "client_closed" ? null : error;
	}
}
