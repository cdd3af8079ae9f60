import { createDecoded } from "../core/body/decoded.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import { type HeaderList, headerOf } from "../core/http/headers.ts";
import type {
	Freshness,
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { directivesOf, fieldsOf, secondsOf } from "./cache-control.ts";
import { CacheStore, type Kept, type KeyedRequest } from "./cache-store.ts";
import {
	ageMsOf,
	type FreshnessSettings,
	type Judged,
	type Judgement,
	judge,
} from "./freshness.ts";
import {
	type Call,
	createTeller,
	type Policy,
	type PolicyPlace,
	type TellDecision,
} from "./policy.ts";
import { askedHeaders } from "./same-request.ts";
import { codeVerdicts, verdictOfStatus } from "./verdict.ts";

export interface CacheSettings extends FreshnessSettings {
	/** Of all that is kept. */
	readonly bytesMax: number;
	readonly entriesMax: number;
	/** Of one answer's body: a longer one is not kept. */
	readonly answerBytesMax: number;
}

/** Where a cache stands. */
export interface CachePlace extends PolicyPlace {
	/** Where the upstream's addresses begin: a `Location` elsewhere is not its own. */
	readonly origins: readonly string[];
	/** The lifetime of refreshes: the upstream's. */
	readonly scope: Scope;
}

/** A refresh that takes longer than any attempt should is given up, and the next request begins another. */
const refreshMsMax = 60_000;

/**
 * Keeps answers to calls that only read, as a cache that many share (RFC 9111): fresh ones are given at once, stale ones
 * validated, or where that is allowed served while they are asked for anew (RFC 5861) or because asking failed. What is
 * served stale says so. A call that may change something drops what it changes.
 */
export function cache(settings: CacheSettings, place: CachePlace): Policy {
	return new Cache(settings, place).policy;
}

/** What an upstream keeps, of calls, and of streams by `cache-stream`. */
export class Cache {
	readonly place: CachePlace;
	readonly tell: TellDecision<"cache">;
	readonly #settings: CacheSettings;
	readonly #store: CacheStore;
	/** How often something was changed. */
	changes = 0;
	/** Calls under way, by address: what changes the address while they run makes their answers old. */
	readonly #underWay = new Map<string, Set<UnderWay>>();
	readonly #refreshes = new WeakMap<Kept, Refresh>();

	constructor(settings: CacheSettings, place: CachePlace) {
		this.#settings = settings;
		this.place = place;
		this.tell = createTeller("cache", place);
		this.#store = new CacheStore(settings);
	}

	get policy(): Policy {
		return (next) => (request, scope) => this.call(next, request, scope);
	}

	get answerBytesMax(): number {
		return this.#settings.answerBytesMax;
	}

	find(request: KeyedRequest): Kept | null {
		return this.#store.find(request);
	}

	drop(kept: Kept): void {
		this.#store.drop(kept);
	}

	async call(
		next: Call,
		request: UpstreamRequest,
		scope: Scope,
	): Promise<UpstreamResponse> {
		if (scope.cancelled) throw scope.reason;
		if (!request.safe) return this.#change(next, request, scope);
		const wish = wishOf(request.headers);
		if (wish === "none") return next(request, scope);
		const now = scope.clock.now();
		const kept = this.#store.find(request);
		if (kept !== null && serves(kept, wish, now)) {
			this.tell(request.requestId, "hit", null);
			return kept.response;
		}
		const whole =
			request.method === "HEAD" ? this.#store.find(request, "GET") : null;
		if (whole !== null && serves(whole, wish, now)) {
			this.tell(request.requestId, "hit", null);
			return headOf(whole.response);
		}
		if (
			kept !== null &&
			wish === "fresh" &&
			now < kept.whileRevalidateUntilMs
		) {
			const error = this.#refresh(next, request, kept);
			this.tell(request.requestId, "stale", error?.code ?? "refreshing");
			return staleOf(kept, error);
		}
		if (kept === null) this.tell(request.requestId, "miss", null);
		return this.#ask({ next, request, scope }, kept, wish);
	}

	/** Asks, whether it still holds where something is kept. Where that fails, what is kept may stand in. */
	async #ask(
		asking: Asking,
		kept: Kept | null,
		wish: Wish,
	): Promise<UpstreamResponse> {
		const standIn = (error: GatewayError) => {
			const late = asking.scope.clock.now() >= (kept?.ifErrorUntilMs ?? 0);
			if (kept === null || wish !== "fresh" || late) return null;
			this.tell(asking.request.requestId, "stale", error.code);
			return staleOf(kept, error);
		};
		try {
			const response = await this.#validate(asking, kept);
			const failure = failureOf(response, this.place.upstream);
			return (failure && standIn(failure)) ?? response;
		} catch (thrown) {
			const error = asGatewayError(thrown);
			const instead = codeVerdicts[error.code].stale ? standIn(error) : null;
			if (instead === null) throw thrown;
			return instead;
		}
	}

	/** Begins to ask anew in the upstream's own time, unless that is under way; gives why it failed the last time. */
	#refresh(
		next: Call,
		request: UpstreamRequest,
		kept: Kept,
	): GatewayError | null {
		const refresh = this.#refreshes.get(kept) ?? {
			running: false,
			error: null,
		};
		this.#refreshes.set(kept, refresh);
		if (refresh.running) return refresh.error;
		refresh.running = true;
		const { scope: parent, upstream } = this.place;
		const scope = openScope({
			parent,
			deadline: parent.clock.now() + refreshMsMax,
			deadlineReason: () =>
				new GatewayError("upstream_timeout", "the refresh was given up", {
					upstream,
				}),
		});
		const asking = { next, request: { ...request, onSent: null }, scope };
		void this.#validate(asking, kept)
			.then((response) => failureOf(response, upstream), asGatewayError)
			.then((error) => {
				scope.close();
				refresh.running = false;
				refresh.error = error;
				if (error) this.tell(request.requestId, "refresh_failed", error.code);
			});
		return refresh.error;
	}

	/** Keeps what comes; gives what is kept, newly dated, where it is confirmed. */
	async #validate(
		asking: Asking,
		kept: Kept | null,
	): Promise<UpstreamResponse> {
		const conditions = kept ? conditionsOf(kept.response.headers) : [];
		if (kept === null || conditions.length === 0) return this.#fetch(asking);
		const confirmed = await this.#fetch(asking, { kept, conditions });
		if (confirmed.status !== 304) return confirmed;
		// Said of another answer than ours.
		this.#store.drop(kept);
		return this.#fetch(asking);
	}

	async #fetch(
		{ next, request, scope }: Asking,
		doubt: Doubt | null = null,
	): Promise<UpstreamResponse> {
		const underWay = { askedMs: scope.clock.now(), changed: false };
		this.begin(request.target, underWay);
		try {
			const response = await next(
				doubt
					? { ...request, headers: [...request.headers, ...doubt.conditions] }
					: request,
				scope,
			);
			const kept = this.#store.find(request);
			if (kept?.origin === response) return kept.response;
			if (doubt === null || response.status !== 304) {
				return this.take(request, response, response, underWay);
			}
			if (!confirms(response.headers, doubt.kept.response.headers)) {
				return response;
			}
			this.tell(request.requestId, "revalidated", null);
			const confirmed = freshened(doubt.kept.response, response.headers);
			return this.take(request, confirmed, response, underWay, doubt.kept);
		} finally {
			this.end(request.target, underWay);
		}
	}

	/** Keeps an answer where it may; gives it with what is known of its freshness. `before` is the same answer, older. */
	take(
		request: KeyedRequest,
		response: UpstreamResponse,
		origin: UpstreamResponse,
		{ askedMs, changed }: UnderWay,
		before: Kept | null = null,
	): UpstreamResponse {
		const judgement = judge(request, response, this.#settings);
		const { known, sharing, vary } = judgement;
		const freshUntilMs = askedMs + (changed ? 0 : judgement.freshMs);
		const freshness = { untilMs: freshUntilMs, sharing, stale: null };
		const marked = known ? { ...response, freshness } : response;
		const old = this.#store.find(request);
		if (request.method === "HEAD") this.#compare(request, response);
		const tooLong = response.body.length > this.#settings.answerBytesMax;
		if (changed || tooLong || !isWorthKeeping(judgement, response.headers)) {
			if (old && failureOf(response, "") === null) this.#store.drop(old);
			return marked;
		}
		const memory = before?.memory ?? { decodedBytes: 0 };
		const kept: Kept = {
			request: keyedOf(request),
			asked: askedHeaders(request),
			vary,
			response: {
				...marked,
				body: compact(response.body),
				decoded:
					before?.response.decoded ??
					createDecoded((bytes) => {
						memory.decodedBytes += bytes;
						this.#store.weigh(request, memory);
					}),
			},
			origin,
			bornMs: askedMs - ageMsOf(response.headers),
			freshUntilMs,
			whileRevalidateUntilMs: freshUntilMs + judgement.whileRevalidateMs,
			ifErrorUntilMs: freshUntilMs + judgement.ifErrorMs,
			memory,
		};
		this.#store.keep(kept);
		return kept.response;
	}

	/** RFC 9111, 4.3.5: a head that differs from what is kept says that this is old. */
	#compare(request: KeyedRequest, { status, headers }: UpstreamResponse): void {
		const whole = status === 200 ? this.#store.find(request, "GET") : null;
		if (whole === null) return;
		const differs = ["etag", "last-modified", "content-length"].some((name) => {
			const [now, then] = [headers, whole.response.headers].map((list) =>
				headerOf(list, name),
			);
			return now !== null && then !== null && now !== then;
		});
		if (differs) this.#store.drop(whole);
	}

	/** RFC 9111, 4.4: what was done to an address makes old what was answered there, and where it says it has done more. */
	async #change(
		next: Call,
		request: UpstreamRequest,
		scope: Scope,
	): Promise<UpstreamResponse> {
		const response = await next(request, scope);
		this.change(request, response);
		return response;
	}

	/** What was done to an address makes old what is kept of it, unless it failed. */
	change(
		{ target, requestId }: Pick<UpstreamRequest, "target" | "requestId">,
		{ status, headers }: Judged,
	): void {
		if (status >= 400) return;
		this.changes++;
		for (const old of [target, ...this.#targetsIn(headers, target)]) {
			this.#store.invalidate(old);
			for (const one of this.#underWay.get(old) ?? []) one.changed = true;
		}
		this.tell(requestId, "invalidated", null);
	}

	/** Only of its own: nobody may make another's answers old. */
	#targetsIn(headers: HeaderList, target: string): string[] {
		const { origins } = this.place;
		const said = ["location", "content-location"].flatMap((name) =>
			fieldsOf(headers, name),
		);
		return said.flatMap((text) =>
			origins.flatMap((origin) => {
				const url = URL.parse(text, origin + target);
				return url && url.origin === origin ? [url.pathname + url.search] : [];
			}),
		);
	}

	begin(target: string, underWay: UnderWay): void {
		const others = this.#underWay.get(target);
		if (others) others.add(underWay);
		else this.#underWay.set(target, new Set([underWay]));
	}

	end(target: string, underWay: UnderWay): void {
		const others = this.#underWay.get(target);
		others?.delete(underWay);
		if (others?.size === 0) this.#underWay.delete(target);
	}
}

/** One who asks, and how. */
interface Asking {
	readonly next: Call;
	readonly request: UpstreamRequest;
	readonly scope: Scope;
}

/** What is to be confirmed, and the fields that ask it. */
interface Doubt {
	readonly kept: Kept;
	readonly conditions: readonly string[];
}

export interface UnderWay {
	readonly askedMs: number;
	/** Whether something was done to the address since. */
	changed: boolean;
}

interface Refresh {
	running: boolean;
	/** Why the last one failed; null where none has. */
	error: GatewayError | null;
}

/**
 * What a request wants of what is kept: anything fresh; nothing, nor to be kept itself; or, in milliseconds, nothing older
 * or less fresh than this.
 */
export type Wish =
	| "fresh"
	| "none"
	| { readonly ageMsMax: number; readonly freshMsMin: number };

/** RFC 9111, 5.2.1. What asks for a part or has conditions of its own passes by. `max-stale` is not heard. */
export function wishOf(headers: HeaderList): Wish {
	let wish: Wish = "fresh";
	for (let at = 0; at < headers.length; at += 2) {
		switch (headers[at]) {
			case "range":
			case "if-match":
			case "if-none-match":
			case "if-modified-since":
			case "if-unmodified-since":
			case "if-range":
				return "none";
			case "pragma":
			case "cache-control":
				wish = directedWish(headers);
				if (wish === "none") return wish;
		}
	}
	return wish;
}

function directedWish(headers: HeaderList): Wish {
	const directives = directivesOf(headers);
	if (directives.has("no-store")) return "none";
	const pragma = fieldsOf(headers, "pragma").some((text) =>
		/no-cache/i.test(text),
	);
	const anew = directives.has("no-cache") || (directives.size === 0 && pragma);
	const age = secondsOf(directives, "max-age");
	const fresh = secondsOf(directives, "min-fresh");
	if (!anew && age === null && fresh === null) return "fresh";
	return {
		ageMsMax: anew ? -1 : 1000 * (age ?? Number.POSITIVE_INFINITY),
		freshMsMin: 1000 * (fresh ?? 0),
	};
}

export function serves(kept: Kept, wish: Wish, now: number): boolean {
	if (wish === "fresh") return now < kept.freshUntilMs;
	if (wish === "none") return false;
	const { ageMsMax, freshMsMin } = wish;
	return now + freshMsMin < kept.freshUntilMs && now - kept.bornMs <= ageMsMax;
}

function failureOf(
	{ status }: UpstreamResponse,
	upstream: string,
): GatewayError | null {
	if (!verdictOfStatus(status).stale) return null;
	const facts = { upstream, upstreamStatus: status };
	const words = `${upstream} answered ${status}`;
	return new GatewayError("upstream_status", words, facts);
}

function staleOf(kept: Kept, error: GatewayError | null): UpstreamResponse {
	const sharing = kept.response.freshness?.sharing ?? "all";
	const freshness: Freshness = {
		untilMs: kept.freshUntilMs,
		sharing,
		stale: { error },
	};
	return { ...kept.response, freshness };
}

const noBody = new Uint8Array();

/** RFC 9110, 9.3.2: what GET would be answered, without its body. */
function headOf({
	status,
	headers,
	freshness,
}: UpstreamResponse): UpstreamResponse {
	const head = { status, headers, body: noBody };
	return freshness ? { ...head, freshness } : head;
}

function isWorthKeeping(judgement: Judgement, headers: HeaderList): boolean {
	const { storable, freshMs, whileRevalidateMs, ifErrorMs } = judgement;
	if (!storable) return false;
	const served = Math.max(freshMs, whileRevalidateMs, ifErrorMs) > 0;
	return served || conditionsOf(headers).length > 0;
}

/** RFC 9111, 4.3.1. */
export function conditionsOf(headers: HeaderList): string[] {
	const etag = headerOf(headers, "etag");
	if (etag !== null) return ["if-none-match", etag];
	const modified = headerOf(headers, "last-modified");
	return modified === null ? [] : ["if-modified-since", modified];
}

/** RFC 9111, 4.3.4: whether a 304 is about the answer that was asked about. */
export function confirms(headers: HeaderList, kept: HeaderList): boolean {
	const etag = headerOf(headers, "etag");
	if (etag !== null) {
		const ours = headerOf(kept, "etag");
		return etag.startsWith("W/")
			? weak(etag) === weak(ours ?? "")
			: etag === ours;
	}
	const modified = headerOf(headers, "last-modified");
	return modified === null || modified === headerOf(kept, "last-modified");
}

function weak(etag: string): string {
	return etag.replace(/^W\//, "");
}

/** About the body, which is the old one, or about the one connection (RFC 9111, 3.2). */
const notFreshened: ReadonlySet<string> = new Set([
	"connection",
	"content-encoding",
	"content-length",
	"content-range",
	"content-type",
	"keep-alive",
	"proxy-authenticate",
	"trailer",
	"transfer-encoding",
	"upgrade",
]);

/** RFC 9111, 4.3.4: the answer with the newer fields. How old it was is of its own time. */
export function freshened(
	{ status, headers, body }: UpstreamResponse,
	newer: HeaderList,
): UpstreamResponse {
	const news: string[] = [];
	const replaced = new Set(["age"]);
	for (let at = 0; at < newer.length; at += 2) {
		const name = (newer[at] ?? "").toLowerCase();
		if (notFreshened.has(name)) continue;
		replaced.add(name);
		news.push(name, newer[at + 1] ?? "");
	}
	const old: string[] = [];
	for (let at = 0; at < headers.length; at += 2) {
		const name = headers[at] ?? "";
		if (!replaced.has(name.toLowerCase()))
			old.push(name, headers[at + 1] ?? "");
	}
	return { status, headers: [...old, ...news], body };
}

function keyedOf({
	method,
	target,
	headers,
	body,
}: KeyedRequest): KeyedRequest {
	return { method, target, headers, body };
}

/** A short answer must not keep the buffer alive that it came in. */
function compact(body: Uint8Array): Uint8Array {
	return body.buffer.byteLength === body.length
		? body
		: Uint8Array.prototype.slice.call(body);
}
