import { type ByteStream, leave } from "../core/body/byte-stream.ts";
import { asGatewayError, GatewayError, withCallTime } from "../core/errors.ts";
import { raise, type StepMark } from "../core/events.ts";
import { fieldsOfNotModified } from "../core/http/fields.ts";
import {
	allHeadersOf,
	type HeaderList,
	headerOf,
	isFieldValue,
	membersOf,
	namesIn,
	onlyHeaderOf,
} from "../core/http/headers.ts";
import type {
	GatewayRequest,
	GatewayResponse,
	StreamHead,
	StreamRequest,
} from "../core/http/messages.ts";
import { isIdempotent } from "../core/http/method.ts";
import { hasContent } from "../core/http/status.ts";
import type { CallTrail, StepTrail, Trail } from "../core/trail.ts";
import type { Frame } from "../expression/evaluate.ts";
import type { StreamEnd } from "../policy/policy.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { headersByName } from "./answer.ts";
import { ComingUpload } from "./coming-upload.ts";
import { mark } from "./merge.ts";
import {
	type PreparedProxy,
	type PreparedTarget,
	type PreparedWebSocket,
	targetFor,
} from "./prepare-proxy.ts";
import { relayed } from "./proxy-session.ts";
import type { OwnFields } from "./proxy-target.ts";
import { noteRecord } from "./record.ts";
import { trailOf } from "./reporting.ts";
import {
	createFrame,
	deadlineExceeded,
	type RunInput,
	type RunRoute,
} from "./run.ts";
import { Trace } from "./trace.ts";

/** One request on its way. */
export interface Passage {
	readonly route: RunRoute;
	readonly input: RunInput;
	readonly body: ByteStream | null;
	/** With the values of the steps before. */
	readonly frame: Frame;
	readonly trace: Trace;
	/** What the steps before lack, in plan order; null if there are none. */
	readonly marks: readonly StepMark[] | null;
}

/**
 * Passes a request on, with this body, and answers as the upstream does, with any status, both bodies as they come. The deadline ends
 * when the head of the answer is there. Rejects if no head comes. A later break fails the body.
 */
export function proxy(
	route: RunRoute,
	prepared: PreparedProxy,
	input: RunInput,
	body: ByteStream | null,
): Promise<GatewayResponse> {
	const frame = createFrame(route, input);
	noteRecord(route, input, frame);
	refuseUpgrade(input.request, prepared);
	const trace = new Trace(input.request, input.via, input.ids);
	const passage = { route, input, body, frame, trace, marks: null };
	return frame.fuel.piece((one) => passOn(prepared, one), passage);
}

/** Passes a request on when its frame has all values. */
export function passOn(
	prepared: PreparedProxy,
	passage: Passage,
): Promise<GatewayResponse> {
	const { body, frame, trace } = passage;
	const { request } = passage.input;
	const target = targetFor(prepared.targets, frame);
	const call = {
		method: request.method,
		target: target.target(request, frame),
		headers: target.headers(request, frame),
		along: trace.linesOf(target.said),
		traced: trace.tracedBy(target.said),
		body,
		expects: body?.held === true,
		idempotent: isIdempotent(request.method),
		requestId: request.id,
		client: request.ip,
		memory: request.memory,
		timeoutMs: target.timeoutMs,
		cached: prepared.cached,
		identifying: target.identifying,
		idleMs: prepared.idleMs,
		untakenMs: request.paced ? null : prepared.idleMs,
		...(request.upgradable && upgradeOf(request.headers, prepared.websocket)),
	};
	return new Promise((answered, failed) => {
		new ProxyCall(prepared, target, passage, { answered, failed }).send(call);
	});
}

/**
 * Whoever asks for another protocol by name gets no answer of this one. A wish for HTTP/2 is not refused, because common
 * clients put it into every first request and go on without it. A WebSocket is passed on if the proxy passes some on, and
 * if the page may open one.
 */
export function refuseUpgrade(
	{ headers, upgradable }: GatewayRequest,
	{ websocket }: Pick<PreparedProxy, "websocket">,
): void {
	if (headerOf(headers, "upgrade") === null) return;
	if (upgradable && websocket !== null) {
		refuseOrigin(headers, websocket);
		return;
	}
	// Without it the field says nothing (RFC 9110, 7.8).
	if (!namesIn(headers, "connection").includes("upgrade")) return;
	const names = namesIn(headers, "upgrade");
	if (names.every((name) => name === "h2c")) return;
	if (websocket !== null && names.includes("websocket")) {
		throw improper(headers);
	}
	const message = "asks for a protocol to which this gateway does not change";
	throw new GatewayError("request_invalid", `\`Upgrade\` ${message}`, {
		status: 501,
		errors: [{ at: "headers.upgrade", message }],
	});
}

/** It asks for a WebSocket, but not as RFC 6455 says, or where there is none. */
function improper(headers: HeaderList): GatewayError {
	const version = "sec-websocket-version";
	if (headerOf(headers, version) !== "13") {
		const message = "is not 13";
		return new GatewayError("request_invalid", `the version ${message}`, {
			...{ status: 426, upgrade: "websocket" },
			errors: [{ at: `headers.${version}`, message }],
		});
	}
	const message = "asks for a WebSocket in another way than RFC 6455, 4.2.1";
	const errors = [{ at: "headers.upgrade", message }];
	return new GatewayError("request_invalid", message, { errors });
}

/** Browsers let any page open a WebSocket anywhere, with the user's cookies, and say only which page it is. */
function refuseOrigin(
	headers: HeaderList,
	{ admits }: PreparedWebSocket,
): void {
	if (headerOf(headers, "origin") === null) return;
	const origin = onlyHeaderOf(headers, "origin") ?? "";
	if (admits(origin, headerOf(headers, "host") ?? "")) return;
	const message = "a page of another origin asked for a WebSocket";
	throw new GatewayError("foreign_origin", message);
}

/** A kept answer is no WebSocket, and an open one is nobody's answer to read. */
function upgradeOf(
	headers: HeaderList,
	websocket: PreparedWebSocket | null,
): Pick<StreamRequest, "upgrade" | "cached" | "untakenMs"> | null {
	if (websocket === null) return null;
	const { messageBytesMax } = websocket;
	const protocols = allHeadersOf(headers, "sec-websocket-protocol").flatMap(
		membersOf,
	);
	const upgrade = { protocols, messageBytesMax };
	return { upgrade, cached: false, untakenMs: null };
}

/** Hears how a request is answered, by one of the two. */
interface PassageEnd {
	answered(response: GatewayResponse): void;
	failed(error: unknown): void;
}

/** A request that is passed on, until the whole answer has come. */
class ProxyCall implements StreamEnd {
	readonly #prepared: PreparedProxy;
	readonly #target: PreparedTarget;
	readonly #passage: Passage;
	readonly #end: PassageEnd;
	readonly #scope: Scope;
	readonly #startedMs: number;
	readonly #step: StepTrail | null;
	readonly #trail: CallTrail | null;
	/** Bounds the wait for the head; null if nothing has to. */
	#wait: Pick<ComingUpload, "close"> | null = null;
	/** The path and query of the call. */
	#sent = "";
	#body: ByteStream | null = null;
	#status: number | null = null;
	/** Whether the call has ended. Only the first end counts. */
	#told = false;
	/** Resolves when it is over; null if nobody asks. */
	#over: (() => void) | null = null;

	constructor(
		prepared: PreparedProxy,
		target: PreparedTarget,
		passage: Passage,
		end: PassageEnd,
	) {
		this.#prepared = prepared;
		this.#target = target;
		this.#passage = passage;
		this.#end = end;
		const { scope, trail, events } = passage.input;
		this.#scope = openScope({ parent: scope });
		this.#startedMs = scope.clock.now();
		this.#step = trail && beginStep(trail);
		const { upstream, template } = target;
		const { method } = passage.input.request;
		const caller = { upstream, method, template, trail: this.#step };
		this.#trail = trailOf(caller, events, scope.clock);
	}

	send(given: StreamRequest): void {
		this.#sent = given.target;
		this.#body = given.body;
		const { upstream } = this.#target;
		const body = this.#waitForHead(given);
		const { inform } = this.#passage.input.request;
		const request: StreamRequest = {
			...given,
			trail: this.#trail,
			body,
			onInterim: inform ? this.#onInterim : null,
			onBroken: this.#timed,
		};
		try {
			upstream.stream(request, this.#scope, this);
		} catch (thrown) {
			this.failed(thrown);
		}
	}

	/**
	 * Cancels the scope at the deadline, unless the wait is closed before. It counts from the end of a body that still comes.
	 * Gives the body.
	 */
	#waitForHead({ body, idleMs }: StreamRequest): ByteStream | null {
		const { route, input } = this.#passage;
		const { arrivedMs, paced } = input.request;
		const { deadlineMs } = route.plan;
		const { clock } = this.#scope;
		if (body !== null && body.arrived !== true) {
			const end = (reason: unknown) => this.#scope.cancel(reason);
			const stillMs = paced ? null : idleMs;
			const coming = new ComingUpload(body, {
				...{ clock, deadlineMs, stillMs, end },
			});
			this.#wait = coming;
			return coming.body;
		}
		const expire = () => this.#scope.cancel(deadlineExceeded());
		const leftMs = arrivedMs + deadlineMs - this.#startedMs;
		if (leftMs <= 0) expire();
		else {
			const timer = clock.after(leftMs, expire);
			this.#wait = { close: () => timer.cancel() };
		}
		return body;
	}

	readonly #onInterim = (status: number, headers: HeaderList): void => {
		const fields = this.#fieldsFor(headers);
		this.#passage.input.request.inform?.(status, fields);
	};

	/** Whoever reads the body may tell of its end before this call hears of it. */
	readonly #timed = (reason: unknown): unknown =>
		withCallTime(reason, this.#scope.clock.now() - this.#startedMs);

	/** The header fields of an answer that the client gets. */
	#fieldsFor(headers: HeaderList): HeaderList {
		const { answerHeaders, upstream } = this.#target;
		const { target: asked } = this.#passage.input.request;
		return answerHeaders(headers, upstream.name, { asked, sent: this.#sent });
	}

	head(head: StreamHead): void {
		this.#wait?.close();
		const { status } = head;
		this.#status = status;
		const { upstream } = this.#target;
		const { input, frame } = this.#passage;
		if (status >= 500) {
			const failure = statusFailure(upstream.name, status);
			this.#timed(failure);
			input.beyond.failed(failure);
		}
		try {
			const fields = this.#fieldsFor(head.headers);
			const { own } = this.#prepared;
			const set = own === null ? none : ownFieldsOf(own, head, frame);
			if (!(set instanceof Promise)) this.#answer(head, fields, set);
			else {
				set
					.then((set) => this.#answer(head, fields, set))
					.catch((refusal: unknown) => this.#refuse(refusal));
			}
		} catch (refusal) {
			this.#refuse(refusal);
		}
		// The one status after which bytes may come that are not its content. The rest of the connection is not read.
		if (status === 205 && head.body.length !== 0) {
			this.#scope.cancel(contentOfReset(upstream.name));
		}
	}

	#answer(head: StreamHead, fields: HeaderList, set: HeaderList): void {
		const { marks } = this.#passage;
		const all = fieldsOf(
			head,
			set === none ? fields : [...fields, ...set],
			marks,
		);
		const response = responseOf(head, all);
		const { tunnel } = head;
		const { websocket } = this.#prepared;
		if (tunnel === undefined || websocket === null) {
			this.#end.answered(response);
			return;
		}
		const session = relayed(tunnel, websocket, this.#scope.clock);
		// Its call goes on as long as the session.
		const ongoing = new Promise<void>((resolve) => {
			this.#over = resolve;
		});
		this.#end.answered({ ...response, body: null, session, ongoing });
	}

	#refuse(refusal: unknown): void {
		this.#end.failed(refusal);
		this.#scope.cancel(refusal);
	}

	done(): void {
		if (this.#told) return;
		this.#told = true;
		this.#ended(null);
	}

	failed(thrown: unknown): void {
		if (this.#told) return;
		this.#told = true;
		const error = asGatewayError(this.#timed(thrown));
		// If the request was never sent, its body has not been released yet.
		if (this.#body !== null) leave(this.#body);
		const { input } = this.#passage;
		// Whoever has got the session is told by its end, and the record by its error.
		if (this.#status === 101 && !input.scope.cancelled) {
			input.beyond.failed(error);
		}
		this.#end.failed(error);
		this.#ended(error);
	}

	#ended(error: GatewayError | null): void {
		this.#wait?.close();
		this.#scope.close();
		this.#step?.ended(error === null ? "ok" : "failed", error);
		const { route, input } = this.#passage;
		const trail = this.#trail;
		try {
			if (trail !== null) {
				tellOf(route, this.#target.upstream, input, trail, this.#status, error);
			}
		} finally {
			this.#over?.();
		}
	}
}

/** To pass a request on is the last step of its route. */
function beginStep(trail: Trail): StepTrail | null {
	const step = trail.step("proxy", [], trail.last);
	step?.started();
	trail.last = step;
	return step;
}

const none: HeaderList = [];

/** What the config sets. A 304 describes no content (RFC 9110, 15.4.5). */
function ownFieldsOf(
	{ of, responseSlot }: OwnFields,
	head: StreamHead,
	frame: Frame,
): HeaderList | Promise<HeaderList> {
	const { status } = head;
	if (responseSlot !== null) {
		frame.values[responseSlot] = { status, headers: headersByName(head) };
	}
	const set = (one: Frame) =>
		status === 304 ? fieldsOfNotModified(of(one)) : of(one);
	return frame.fuel.lastPiece(set, frame);
}

function fieldsOf(
	{ status, headers }: StreamHead,
	fields: HeaderList,
	marks: Passage["marks"],
): HeaderList {
	const marked = marks === null ? fields : mark(fields, marks);
	return status === 426 ? [...marked, ...demandsOf(headers)] : marked;
}

/** The protocols that 426 asks for. It is of no use without them, although `Upgrade` ends with a connection. */
function demandsOf(headers: HeaderList): HeaderList {
	return allHeadersOf(headers, "upgrade").flatMap((value) =>
		isFieldValue(value) ? ["upgrade", value] : [],
	);
}

/** Why a request has failed whose client gets the upstream's own answer. */
function statusFailure(upstream: string, upstreamStatus: number): GatewayError {
	const message = `${upstream} answered ${upstreamStatus}`;
	return new GatewayError("upstream_status", message, {
		...{ upstream, upstreamStatus },
	});
}

function contentOfReset(upstream: string): GatewayError {
	const message = `${upstream} answered 205 with content`;
	return new GatewayError("upstream_invalid", message, { upstream });
}

function responseOf(
	{ status, body, codings }: StreamHead,
	headers: HeaderList,
): GatewayResponse {
	if (!hasContent(status)) return { status, headers, body: null };
	const whole = body.whole?.() ?? body;
	return { status, headers, body: whole, ...(codings && { codings }) };
}

function tellOf(
	route: RunRoute,
	upstream: Upstream,
	{ request, events }: RunInput,
	trail: CallTrail,
	status: number | null,
	error: GatewayError | null,
): void {
	if (status !== null) trail.answered(status);
	trail.ended(error);
	const { startedMs, endedMs } = trail;
	raise(events.callEnded, {
		requestId: request.id,
		route: route.plan.key,
		step: "proxy",
		index: [],
		upstream: upstream.name,
		startedMs: startedMs - request.arrivedMs,
		durationMs: (endedMs as number) - startedMs,
		status,
		error,
		trail,
	});
}
