import { compact } from "../../core/body/compact.ts";
import { createDecoded } from "../../core/body/decoded.ts";
import { allHeadersOf, type HeaderList } from "../../core/http/headers.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import { SharedMemory } from "../../core/memory.ts";
import type { Clock } from "../../tasks/clock.ts";
import type { ReportDecision } from "../policy.ts";
import { askedHeaders } from "../same-request.ts";
import { verdictOfStatus } from "../verdict.ts";
import type { Form, Keeper, Kept, Key } from "./keeper.ts";
import { joinParts, placeOf, wholeOf } from "./part.ts";
import {
	ageMsOf,
	type Judged,
	type Judgement,
	judge,
	type RuleOptions,
	withDate,
} from "./rules.ts";
import type { SecondLevel } from "./shared.ts";
import { AnswerTrial } from "./trial.ts";
import { areOfOthers, conditionsOf, freshened, outdates } from "./validate.ts";

export interface IntakeOptions extends RuleOptions {
	/** The longest body that is kept, in bytes. */
	readonly answerBytesMax: number;
	/** The origins of the upstream. A `Location` elsewhere is not its own. */
	readonly origins: readonly string[];
}

/** An answer on its way. If its address is changed meanwhile, it is old before it comes. */
export interface Flight {
	readonly target: string;
	/** Its freshness counts from here, so the time that it takes to come is lost. */
	readonly askedMs: number;
	changed: boolean;
	/** The count of changes when the upstream had sent all of it; null before. */
	endedAt: number | null;
}

/** Takes in what upstreams answer: judges answers, keeps what may be kept, and drops what has become old. */
export class Intake {
	readonly #options: IntakeOptions;
	readonly #keeper: Keeper;
	readonly #clock: Clock;
	readonly #report: ReportDecision<"cache">;
	readonly #second: SecondLevel | null;
	/** Flights by address: a change of the address makes their answers old. */
	readonly #flights = new Map<string, Set<Flight>>();
	/** How often anything was changed. */
	#changes = 0;

	constructor(
		options: IntakeOptions,
		keeper: Keeper,
		clock: Clock,
		report: ReportDecision<"cache">,
		second: SecondLevel | null,
	) {
		this.#second = second;
		this.#report = report;
		this.#options = options;
		this.#keeper = keeper;
		this.#clock = clock;
	}

	get answerBytesMax(): number {
		return this.#options.answerBytesMax;
	}

	/** An upstream is about to be asked. The caller must end the flight. */
	begin(target: string): Flight {
		const askedMs = this.#clock.now();
		const flight = { target, askedMs, changed: false, endedAt: null };
		const others = this.#flights.get(target);
		if (others) others.add(flight);
		else this.#flights.set(target, new Set([flight]));
		return flight;
	}

	/** The upstream has sent everything, or failed. A body that is still unread may be taken later. */
	end(flight: Flight): void {
		flight.endedAt = this.#changes;
		const others = this.#flights.get(flight.target);
		others?.delete(flight);
		if (others?.size === 0) this.#flights.delete(flight.target);
	}

	/** Whether an answer will be kept, and given to others at once, as far as its head tells. */
	foresee(
		form: Form,
		key: Key,
		head: Judged,
		length: number | null,
	): { readonly kept: boolean; readonly served: boolean } {
		const long = (length ?? 0) > this.#options.answerBytesMax;
		const judgement = this.#judge(form, key, head);
		if (long || !isWorthKeeping(judgement, head.headers)) {
			return { kept: false, served: false };
		}
		const { freshMs, whileRevalidateMs } = judgement;
		return {
			kept: !this.#isOutranked(head.status, this.#keeper.find(form, key)),
			served: Math.max(freshMs, whileRevalidateMs) > 0,
		};
	}

	/** Keeps an answer if it may be kept. Gives the answer with its freshness. */
	take(
		form: Form,
		key: Key,
		response: UpstreamResponse,
		flight: Flight,
	): UpstreamResponse {
		const dated = { ...response, headers: withDate(response.headers) };
		const olderMs = this.#second?.olderMs(response) ?? 0;
		const asked =
			olderMs === 0 ? flight : { ...flight, askedMs: flight.askedMs - olderMs };
		return this.#take(form, key, dated, asked, response, null);
	}

	/** Whether other gateways wait for what is sent to this request. */
	isAwaited(key: Key): boolean {
		return this.#second?.leads("sent", key) === true;
	}

	/** Nothing of what was sent to this request was kept, unless it is by now. The next one asks at once if it `failed`. */
	notKept(key: Key, failed: boolean): void {
		this.#second?.release("sent", key, failed);
	}

	/** What is kept of an address is old: an answer came that is not kept. A failure says nothing about it. */
	outdate(key: Key, { status }: Judged): void {
		// Nor does a 304, which is a word about an answer of the client's.
		if (status === 304 || verdictOfStatus(status).stale) return;
		const old = this.#keeper.find("sent", key);
		if (old !== null) this.#keeper.drop(old);
		this.#dropPart(key);
	}

	/** Keeps a part of what was sent, as one with the part that is kept if they fit (RFC 9111, 3.3 and 3.4). */
	takePart(key: Key, part: UpstreamResponse, flight: Flight): void {
		const place = placeOf(part.headers);
		if (place === null || place.end - place.first !== part.body.length) return;
		const whole = this.#keeper.find("sent", key);
		if (whole && areOfOthers(part.headers, whole.response.headers)) {
			this.#keeper.drop(whole);
		}
		const old = this.#keeper.find("part", key)?.response ?? null;
		const { answerBytesMax } = this.#options;
		const joined = (old && joinParts(old, part, answerBytesMax)) ?? part;
		const complete = wholeOf(joined);
		if (complete !== null) this.take("sent", key, complete, flight);
		else this.#take("part", key, joined, flight, part, null);
	}

	/** Keeps an answer anew that a 304 to this request confirms, with the fields of the 304, and gives it. */
	confirm(
		key: Key,
		kept: Kept,
		confirmation: Judged,
		flight: Flight,
	): UpstreamResponse {
		const newer = freshened(kept.response, withDate(confirmation.headers));
		return this.#take(kept.form, key, newer, flight, confirmation, kept);
	}

	#take(
		form: Form,
		key: Key,
		response: UpstreamResponse,
		flight: Flight,
		origin: object,
		before: Kept | null,
	): UpstreamResponse {
		const judgement = this.#judge(form, key, response);
		const { known, sharing } = judgement;
		const changed = this.#isChanged(flight);
		const untilMs = flight.askedMs + (changed ? 0 : judgement.freshMs);
		const freshness = { untilMs, sharing, stale: null };
		const marked = known ? { ...response, freshness } : response;
		const old = this.#keeper.find(form, key);
		if (key.method === "HEAD") this.#compare(form, key, response);
		const tooLong = response.body.length > this.#options.answerBytesMax;
		const fails = verdictOfStatus(response.status).stale;
		if (this.#isOutranked(response.status, old)) return marked;
		if (form === "sent" && !fails) this.#dropPart(key);
		if (changed || tooLong || !isWorthKeeping(judgement, response.headers)) {
			this.#second?.refuse({ form, key });
			// A failure says nothing about the kept answer. Any other answer replaces it.
			return old && !fails ? this.#outdate(old, marked) : marked;
		}
		const trial =
			before?.trial?.confirmed() ??
			(form === "decoded" ? this.#trial(old?.trial?.lastGood() ?? null) : null);
		const body = before?.response.body ?? compact(response.body);
		const memory =
			before?.memory ?? new SharedMemory(this.#keeper.memory, body.length);
		const decoded =
			before?.response.decoded ??
			createDecoded(memory, this.#keeper.holderOf({ form, key }, memory));
		const kept: Kept = {
			form,
			key: keyOf(key),
			asked: askedHeaders(key),
			vary: judgement.vary,
			response: { ...marked, body, decoded, ...(trial && { trial }) },
			origin,
			bornMs: flight.askedMs - ageMsOf(response.headers),
			freshUntilMs: untilMs,
			whileRevalidateUntilMs: untilMs + judgement.whileRevalidateMs,
			ifErrorUntilMs: untilMs + judgement.ifErrorMs,
			mayBeStale: judgement.mayBeStale,
			memory,
			trial,
		};
		if (trial) trial.kept = kept;
		this.#keeper.keep(kept);
		// A 304 has confirmed an answer that a step has used before. What was sent is of use as it is.
		if (trial?.passed || form === "sent") this.#second?.keep(kept);
		return kept.response;
	}

	/** A part is judged as its whole would be (RFC 9111, 3.3). */
	#judge(form: Form, key: Key, answer: Judged): Judgement {
		const whole = form === "part" ? { ...answer, status: 200 } : answer;
		return judge(key, whole, this.#options);
	}

	/** A failure may say how long it is fresh. It does not replace an answer that may stand in for it. */
	#isOutranked(status: number, old: Kept | null): boolean {
		const late = this.#clock.now() >= (old?.ifErrorUntilMs ?? 0);
		return !late && verdictOfStatus(status).stale;
	}

	/** A part is older than the whole that came now, or is in it. */
	#dropPart(key: Key): void {
		const part = this.#keeper.find("part", key);
		if (part !== null) this.#keeper.drop(part);
	}

	#trial(good: Kept | null): AnswerTrial {
		const keeper = this.#keeper;
		const [clock, report] = [this.#clock, this.#report];
		const second = this.#second;
		return new AnswerTrial({ keeper, clock, report, second }, good);
	}

	/** A kept answer is old: `newer` came, and is not kept. Until a step has used it, the old one may stand in for it. */
	#outdate(old: Kept, newer: UpstreamResponse): UpstreamResponse {
		const good = old.trial?.lastGood() ?? null;
		if (good === null || newer.status > 299) {
			this.#keeper.drop(old);
			return newer;
		}
		const instead = asksFirst(good);
		this.#keeper.replace(old, instead);
		return { ...newer, trial: this.#trial(instead) };
	}

	#isChanged({ changed, endedAt }: Flight): boolean {
		// Between the arrival of the last byte and its reading the flight heard of no change, so any change may have been
		// of its address.
		return changed || (endedAt !== null && endedAt !== this.#changes);
	}

	#compare(form: Form, key: Key, head: UpstreamResponse): void {
		const whole = this.#keeper.find(form, key, "GET");
		if (whole && outdates(head, whole.response.headers)) {
			this.#keeper.drop(whole);
		}
	}

	/**
	 * A call that may change its address was answered. Unless that failed, answers of the address are old, and those of
	 * other addresses that the answer names (RFC 9111, 4.4). False: nothing was changed.
	 */
	change(target: string, { status, headers }: Judged): boolean {
		if (status >= 400) return false;
		const old = [target, ...this.#targetsIn(headers, target)];
		this.#makeOld(old);
		this.#second?.changed(old);
		return true;
	}

	/** Another gateway has changed what is at this address; at any, if it is null. */
	changedElsewhere(target: string | null): void {
		if (target !== null) return this.#makeOld([target]);
		this.#makeOld([...this.#flights.keys()]);
		this.#keeper.yield(this.#keeper.bytes);
	}

	#makeOld(targets: readonly string[]): void {
		this.#changes++;
		for (const old of targets) {
			this.#keeper.invalidate(old);
			for (const flight of this.#flights.get(old) ?? []) flight.changed = true;
		}
	}

	/** Only addresses of the upstream itself: it must not make another's answers old. */
	#targetsIn(headers: HeaderList, target: string): string[] {
		const { origins } = this.#options;
		const said = ["location", "content-location"].flatMap((name) =>
			allHeadersOf(headers, name),
		);
		return said.flatMap((text) =>
			origins.flatMap((origin) => {
				const url = URL.parse(text, origin + target);
				return url && url.origin === origin ? [url.pathname + url.search] : [];
			}),
		);
	}
}

/** An answer that would be neither served nor confirmed is not kept. */
function isWorthKeeping(judgement: Judgement, headers: HeaderList): boolean {
	const { storable, freshMs, whileRevalidateMs, ifErrorMs } = judgement;
	if (!storable) return false;
	const served = Math.max(freshMs, whileRevalidateMs, ifErrorMs) > 0;
	return served || conditionsOf(headers).length > 0;
}

/** The same answer, given only if asking anew fails. Those who asked at once for it share one. */
function asksFirst(kept: Kept): Kept {
	if (kept.whileRevalidateUntilMs === 0) return kept;
	const trial = kept.trial?.confirmed() ?? null;
	const response = { ...kept.response, ...(trial && { trial }) };
	const never = {
		freshUntilMs: 0,
		whileRevalidateUntilMs: 0,
		mayBeStale: false,
	};
	const same = { ...kept, ...never, response, trial };
	if (trial) trial.kept = same;
	return same;
}

/** Without the rest of the request, which would keep its run alive. */
function keyOf({ method, target, headers, body, binary = false }: Key): Key {
	return { method, target, headers, body, binary };
}
