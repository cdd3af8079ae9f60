import type { ByteStream } from "../core/body/byte-stream.ts";
import { emptyStream } from "../core/body/byte-stream.ts";
import { createCollector } from "../core/body/collector.ts";
import {
	asGatewayError,
	type ErrorCode,
	GatewayError,
} from "../core/errors.ts";
import { namesEtag } from "../core/http/etag.ts";
import { type HeaderList, headerOf } from "../core/http/headers.ts";
import type {
	StreamHead,
	StreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import {
	type Cache,
	conditionsOf,
	confirms,
	freshened,
	serves,
	type UnderWay,
	type Wish,
	wishOf,
} from "./cache.ts";
import { fieldsOf } from "./cache-control.ts";
import { type Kept, type KeyedRequest, streamed } from "./cache-store.ts";
import type { StreamCall, StreamPolicy } from "./policy.ts";
import { codeVerdicts, verdictOfStatus } from "./verdict.ts";

/**
 * Keeps answers to GET while they are passed on: nothing waits for the cache, and what breaks off, is left or grows too
 * long is not kept. Each client has a stream of its own, so that none that leaves ends another's.
 */
export function cacheStreams(cache: Cache): StreamPolicy {
	return (next) => async (request, scope) => {
		if (scope.cancelled) throw scope.reason;
		if (!reading.has(request.method))
			return change(cache, next, request, scope);
		if (!request.cached || request.body !== null) return next(request, scope);
		const passage = new Passage(cache, next, request);
		return passage.pass(scope);
	};
}

/** RFC 9110, 9.2.1. */
const reading: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

function change(
	cache: Cache,
	next: StreamCall,
	request: StreamRequest,
	scope: Scope,
): Promise<void> {
	const { target, requestId } = request;
	const onHead = (head: StreamHead) => {
		cache.change({ target, requestId }, head);
		request.onHead(head);
	};
	return next({ ...request, onHead }, scope);
}

/** Why a failed answer is read no further for which a stale one stands in. Seen by nobody. */
const stoodIn = new GatewayError("internal", "a stale answer stands in");

/** What is asked for anew already. */
const refreshing = new WeakSet<Kept>();

/** One request on its way through the cache. */
class Passage {
	readonly #cache: Cache;
	readonly #next: StreamCall;
	readonly #request: StreamRequest;
	/** The request without its condition. */
	readonly #key: KeyedRequest;
	/** The client's own `If-None-Match`, or null. */
	readonly #known: string | null;
	readonly #wish: Wish;

	constructor(cache: Cache, next: StreamCall, request: StreamRequest) {
		const { headers, target } = request;
		const asked = headers.filter((_, at) => {
			return headers[at - (at % 2)] !== "if-none-match";
		});
		this.#cache = cache;
		this.#next = next;
		this.#request = request;
		this.#key = { method: streamed, target, headers: asked, body: null };
		this.#known =
			asked.length < headers.length
				? fieldsOf(headers, "if-none-match").join(",")
				: null;
		this.#wish = request.method === "OPTIONS" ? "none" : wishOf(asked);
	}

	async pass(scope: Scope): Promise<void> {
		const { requestId, method } = this.#request;
		if (this.#wish === "none") return this.#next(this.#request, scope);
		const now = scope.clock.now();
		const kept = this.#cache.find(this.#key);
		if (kept !== null && serves(kept, this.#wish, now)) {
			this.#cache.tell(requestId, "hit", null);
			return this.#give(kept.response, now - kept.bornMs);
		}
		if (method === "HEAD") return this.#next(this.#request, scope);
		const asksAnew = this.#wish === "fresh" && this.#known === null;
		if (kept && asksAnew && now < kept.whileRevalidateUntilMs) {
			this.#cache.tell(requestId, "stale", "refreshing");
			this.#refresh(kept);
			return this.#give(kept.response, now - kept.bornMs);
		}
		if (kept === null) this.#cache.tell(requestId, "miss", null);
		return this.#fetch(scope, asksAnew ? kept : null);
	}

	/** Answers with what is kept, or 304 where the client has it. */
	#give({ status, headers, body }: UpstreamResponse, ageMs: number): void {
		const dated = [
			...headers.filter((_, at) => nameAt(headers, at) !== "age"),
			...["age", String(Math.max(0, Math.floor(ageMs / 1000)))],
		];
		const etag = headerOf(headers, "etag");
		if (this.#known !== null && etag !== null && namesEtag(this.#known, etag)) {
			const short = dated.filter((_, at) => {
				return !nameAt(dated, at).startsWith("content-");
			});
			const nothing = emptyStream(null);
			return this.#request.onHead({
				status: 304,
				headers: short,
				body: nothing,
			});
		}
		const whole =
			this.#request.method === "HEAD"
				? emptyStream(body.length)
				: wholeStream(body);
		this.#request.onHead({ status, headers: dated, body: whole });
	}

	/** In the upstream's own time: its reader is nobody but the cache. */
	#refresh(kept: Kept): void {
		if (refreshing.has(kept)) return;
		refreshing.add(kept);
		const { scope: parent } = this.#cache.place;
		const scope = openScope({
			parent,
			deadline: parent.clock.now() + refreshMsMax,
			deadlineReason: () =>
				new GatewayError("upstream_timeout", "the refresh was given up"),
		});
		const onHead = ({ body }: StreamHead) => void drain(body);
		const request = { ...this.#request, onHead };
		new Passage(this.#cache, this.#next, request)
			.#fetch(scope, kept)
			.catch(() => {})
			.finally(() => {
				refreshing.delete(kept);
				scope.close();
			});
	}

	async #fetch(outer: Scope, kept: Kept | null): Promise<void> {
		const { clock } = outer;
		const { target } = this.#request;
		const conditions = kept ? conditionsOf(kept.response.headers) : [];
		const scope = openScope({ parent: outer });
		const underWay = { askedMs: clock.now(), changed: false };
		const flight = { underWay, endedAt: Number.NaN };
		let answered = false;
		let disavowed = false;
		const onHead = (head: StreamHead) => {
			if (kept && head.status === 304 && conditions.length > 0) {
				disavowed = !confirms(head.headers, kept.response.headers);
				answered = !disavowed;
				if (answered) this.#confirm(kept, head, underWay);
				return;
			}
			answered = true;
			if (
				kept &&
				verdictOfStatus(head.status).stale &&
				this.#standIn(kept, scope, "upstream_status")
			) {
				return scope.cancel(stoodIn);
			}
			this.#request.onHead({ ...head, body: this.#keeping(head, flight) });
		};
		this.#cache.begin(target, underWay);
		try {
			const headers = [...this.#request.headers, ...conditions];
			await this.#next({ ...this.#request, headers, onHead }, scope);
		} catch (thrown) {
			if (thrown === stoodIn) return;
			const { code } = asGatewayError(thrown);
			const late = answered || kept === null || !codeVerdicts[code].stale;
			if (late || !this.#standIn(kept, scope, code)) throw thrown;
		} finally {
			scope.close();
			this.#cache.end(target, underWay);
			flight.endedAt = this.#cache.changes;
		}
		if (!disavowed || kept === null) return;
		this.#cache.drop(kept);
		return this.#fetch(outer, null);
	}

	#confirm(kept: Kept, { headers }: StreamHead, underWay: UnderWay): void {
		this.#cache.tell(this.#request.requestId, "revalidated", null);
		const response = freshened(kept.response, headers);
		this.#cache.take(this.#key, response, response, underWay, kept);
		this.#give(response, 0);
	}

	#standIn(kept: Kept, { clock }: Scope, code: ErrorCode): boolean {
		const now = clock.now();
		if (now >= kept.ifErrorUntilMs) return false;
		this.#cache.tell(this.#request.requestId, "stale", code);
		this.#give(kept.response, now - kept.bornMs);
		return true;
	}

	/** The same body; once the last byte of it has been read it is kept, unless it had grown too long by then. */
	#keeping({ status, headers, body }: StreamHead, flight: Flight): ByteStream {
		// Without a length and without chunks nobody can tell the end from a connection that broke.
		if (body.length === null && !isChunked(headers)) return body;
		const keep = (bytes: Uint8Array) => {
			const { askedMs, changed } = flight.underWay;
			// What changed between the last byte's arrival and its reading may have been this.
			const since =
				!Number.isNaN(flight.endedAt) && flight.endedAt !== this.#cache.changes;
			const response = { status, headers, body: bytes };
			const underWay = { askedMs, changed: changed || since };
			this.#cache.take(this.#key, response, response, underWay);
		};
		return teed(body, this.#cache.answerBytesMax, keep);
	}
}

interface Flight {
	readonly underWay: UnderWay;
	/** The count of changes when all had come; NaN before. */
	endedAt: number;
}

const refreshMsMax = 60_000;

function teed(
	body: ByteStream,
	bytesMax: number,
	keep: (bytes: Uint8Array) => void,
): ByteStream {
	return {
		length: body.length,
		whole() {
			const bytes = body.whole?.() ?? null;
			if (bytes) keep(bytes);
			return bytes;
		},
		async *[Symbol.asyncIterator]() {
			let collector = createCollector(bytesMax);
			let fits = true;
			for await (const piece of body) {
				if (fits && !collector.add(piece)) {
					fits = false;
					collector = createCollector(0);
				}
				yield piece;
			}
			if (fits) keep(collector.bytes());
		},
	};
}

function wholeStream(bytes: Uint8Array): ByteStream {
	return {
		length: bytes.length,
		whole: () => bytes,
		async *[Symbol.asyncIterator]() {
			if (bytes.length > 0) yield bytes;
		},
	};
}

async function drain(body: ByteStream): Promise<void> {
	try {
		for await (const _ of body);
	} catch {
		// The refresh that failed says so itself.
	}
}

function isChunked(headers: HeaderList): boolean {
	return headerOf(headers, "transfer-encoding") !== null;
}

function nameAt(headers: HeaderList, at: number): string {
	return (headers[at - (at % 2)] ?? "").toLowerCase();
}
