import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../src/core/errors.ts";
import { createEvents } from "../../src/core/events.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../src/core/http/messages.ts";
import { Memory } from "../../src/core/memory.ts";
import type { CallEnd, Send, SentCall } from "../../src/policy/policy.ts";
import {
	openScope,
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import {
	createUpstream,
	type Upstream,
	type UpstreamSettings,
} from "../../src/upstream/upstream.ts";
import { requestOf } from "../kit/policy.ts";
import { repeatableRandom } from "../kit/random.ts";

/**
 * Calls tell their ends by functions. So an end may come before the call has returned, in the middle of another end, as late
 * as one likes, or twice from an upstream with a fault. And whoever hears may ask again, leave, or send others away, before the
 * teller has gone on. Whatever policies stand together: each call hears of one end, and nothing is left.
 */

/** When the upstream does something. `"at once"` is before the attempt has been sent, as its sender sees it. */
type When = "at once" | "after promises" | "in the next turn" | "later";

const whens: fc.Arbitrary<When> = fc.constantFrom(
	"at once",
	"at once",
	"after promises",
	"in the next turn",
	"later",
);

/** What the upstream does with an attempt. */
interface Behaviour {
	readonly ends:
		| "kept"
		| "validated"
		| "200"
		| "401"
		| "429"
		| "503"
		| "reset"
		| "lies"
		| "throws"
		| "never";
	readonly when: When;
	/** Whether it says that the attempt was sent, and whether it does so before its end. */
	readonly sent: boolean;
	/** Whether it tells another end, and when. */
	readonly again: When | null;
	/** When an attempt that is ended hears of it. */
	readonly cut: "at once" | "after promises";
}

const behaviours: fc.Arbitrary<Behaviour> = fc.record({
	ends: fc.constantFrom<Behaviour["ends"]>(
		"kept",
		"kept",
		"validated",
		"200",
		"401",
		"429",
		"503",
		"reset",
		"lies",
		"throws",
		"never",
	),
	when: whens,
	sent: fc.boolean(),
	again: fc.option(whens, { freq: 1 }),
	cut: fc.constantFrom("at once", "at once", "after promises"),
});

/** What a caller does in the middle of a word that it hears. */
interface Reaction {
	readonly does: "nothing" | "asks again" | "leaves" | "sends away";
	/** Another caller, counted from the newest one. */
	readonly other: number;
	readonly trial: "accepts" | "refuses" | "neither";
}

const reactions: fc.Arbitrary<Reaction> = fc.record({
	does: fc.constantFrom(
		...(["nothing", "asks again", "asks again", "sends away"] as const),
	),
	other: fc.integer({ min: 0, max: 3 }),
	trial: fc.constantFrom("accepts", "accepts", "refuses", "neither"),
});

interface Asking {
	readonly afterMs: number;
	readonly leavesMs: number | null;
	readonly safe: boolean;
	readonly target: string;
	readonly headers: readonly string[];
	readonly atEnd: Reaction;
	readonly whenSent: Reaction;
}

const askings: fc.Arbitrary<Asking> = fc.record({
	afterMs: fc.constantFrom(0, 0, 0, 1, 40, 300),
	leavesMs: fc.option(fc.constantFrom(0, 1, 20, 60, 200), { freq: 1 }),
	safe: fc.constantFrom(true, true, true, false),
	target: fc.constantFrom("/a", "/a", "/b"),
	headers: fc.constantFrom<string[][]>(
		[],
		[],
		[],
		["cache-control", "no-cache"],
	),
	atEnd: reactions,
	whenSent: fc.record({
		does: fc.constantFrom<Reaction["does"]>(
			"nothing",
			"nothing",
			"leaves",
			"sends away",
			"asks again",
		),
		other: fc.integer({ min: 0, max: 3 }),
		trial: fc.constant<Reaction["trial"]>("neither"),
	}),
});

const mixes: fc.Arbitrary<Partial<UpstreamSettings>> = fc
	.record({
		again: fc.constantFrom("no", "retry", "hedge"),
		coalesce: fc.boolean(),
		cache: fc.boolean(),
		token: fc.boolean(),
		breaker: fc.boolean(),
		adaptive: fc.boolean(),
		urls: fc.integer({ min: 1, max: 3 }),
		connections: fc.integer({ min: 1, max: 3 }),
	})
	.map(({ again, cache, token, breaker, urls, adaptive, ...rest }) => ({
		...rest,
		origins: Array.from({ length: urls }, (_, at) => `http://u${at}.test`),
		cache: cache
			? {
					forMs: 50,
					staleMs: 100,
					ifErrorMs: 300,
					bytesMax: 10_000,
					entriesMax: 10,
					answerBytesMax: 1000,
				}
			: null,
		auth: token
			? {
					kind: "oauth2",
					token: "http://tokens.test/token",
					tokenFrom: "",
					client: "client",
					secret: "secret",
					scope: null,
					audience: null,
					post: false,
					timeoutMs: 100,
				}
			: null,
		retry:
			again === "retry" ? { attempts: 3, waitMs: 50, waitMsMax: 1000 } : null,
		hedge: again === "hedge" ? { percentile: 50, calls: 2 } : null,
		budget: again === "no" ? null : { ratio: 1, perSecond: 10 },
		breaker: breaker
			? { errorRate: 0.5, windowMs: 1000, calls: 2, probeEveryMs: 100 }
			: null,
		limiter: { concurrent: null, waiting: 3, adaptive },
	}));

/** How long after it was asked the upstream is `"later"`. */
const laterMs = 35;

/** An upstream that does one thing after another. Whatever it does, an attempt is over when its end was told. */
class Playing {
	readonly #clock: VirtualClock;
	readonly #script: readonly Behaviour[];
	/** From when on it does all that is asked, well and at once. */
	well = false;
	attempts = 0;
	running = 0;

	constructor(clock: VirtualClock, script: readonly Behaviour[]) {
		this.#clock = clock;
		this.#script = script;
	}

	readonly send: Send = (request, ended) => {
		const drawn = this.#script[this.attempts % this.#script.length];
		this.attempts++;
		if (this.well || drawn === undefined) {
			ended.answered(answerTo(request, "200", this.attempts));
			return { end() {} };
		}
		if (drawn.ends === "throws") throw new Error("it throws");
		return this.#play(drawn, request, ended);
	};

	#play(
		{ ends, when, sent, again, cut }: Behaviour,
		request: UpstreamRequest,
		ended: CallEnd,
	): SentCall {
		let over = false;
		this.running++;
		const tell = (told: (end: CallEnd) => void) => {
			if (over) return;
			over = true;
			this.running--;
			told(ended);
		};
		const number = this.attempts;
		const end = (to: CallEnd) => {
			if (ends === "reset") to.failed(faultOf("upstream_unreachable"));
			else if (ends === "lies") to.failed(faultOf("upstream_invalid"));
			else to.answered(answerTo(request, ends, number));
		};
		if (sent) request.onSent?.();
		if (ends !== "never") this.#at(when, () => tell(end));
		// A second end, also of one that was ended, comes to nobody.
		if (again !== null) this.#at(again, () => over && end(ended));
		return {
			end: (reason) => {
				const fail = () => tell((to) => to.failed(reason));
				if (cut === "at once") fail();
				else this.#at(cut, fail);
			},
		};
	}

	#at(when: When, fn: () => void): void {
		switch (when) {
			case "at once":
				return fn();
			case "after promises":
				return void Promise.resolve().then(() => Promise.resolve().then(fn));
			case "in the next turn":
				return void setImmediate(fn);
			case "later":
				return void this.#clock.after(laterMs, fn);
		}
	}
}

function faultOf(code: "upstream_unreachable" | "upstream_invalid") {
	return new GatewayError(code, code, { upstream: "up" });
}

function answerTo(
	{ headers, target }: UpstreamRequest,
	ends: Behaviour["ends"],
	number: number,
): UpstreamResponse {
	if (target === "/token") {
		return answerWith(
			200,
			[],
			`{"access_token":"t${number}","token_type":"Bearer","expires_in":1}`,
		);
	}
	const text = `${number}`;
	if (ends === "validated" && headers.includes("if-none-match")) {
		return answerWith(304, ["etag", '"one"'], "");
	}
	if (ends === "validated") return answerWith(200, ["etag", '"one"'], text);
	if (ends === "kept") {
		return answerWith(200, ["cache-control", "max-age=1"], text);
	}
	const status = Number(ends);
	const wait = status === 429 ? ["retry-after", "1"] : [];
	return answerWith(status, ["cache-control", "no-store", ...wait], text);
}

function answerWith(
	status: number,
	headers: readonly string[],
	text: string,
): UpstreamResponse {
	return { status, headers, body: Buffer.from(text) };
}

/** All callers of an upstream, those that ask again in the middle of an end with them. */
class Crowd {
	readonly callers: Caller[] = [];
	/** What callers have heard that they should not have: thrown, it would be one more failure of the upstream. */
	readonly faults: string[] = [];
	readonly upstream: Upstream;
	readonly clock: VirtualClock;
	/** Those that ask again are as many as that at most, so that an end comes. */
	again = 30;

	constructor(upstream: Upstream, clock: VirtualClock) {
		this.upstream = upstream;
		this.clock = clock;
	}

	ask(asking: Asking): void {
		const caller = new Caller(this, asking);
		this.callers.push(caller);
		caller.begin();
	}

	sendAway(other: number): void {
		this.callers.at(-1 - other)?.leave();
	}
}

const left = new GatewayError("client_closed", "left");

class Caller implements CallEnd {
	readonly scope: Scope;
	readonly heard: string[] = [];
	readonly #crowd: Crowd;
	readonly #asking: Asking;
	#leaving = () => {};
	#leftMs: number | null = null;

	constructor(crowd: Crowd, asking: Asking) {
		this.#crowd = crowd;
		this.#asking = asking;
		const { clock } = crowd;
		this.scope = openScope({
			clock,
			deadline: clock.now() + 400,
			deadlineReason: () => new GatewayError("deadline_exceeded", "late"),
		});
	}

	begin(): void {
		const crowd = this.#crowd;
		const { clock, upstream } = crowd;
		const { leavesMs, safe, target, headers, whenSent } = this.#asking;
		if (leavesMs !== null) {
			const timer = clock.after(leavesMs, () => this.leave());
			this.#leaving = () => timer.cancel();
		}
		const request = requestOf({
			...{ method: safe ? "GET" : "POST", target, headers },
			...{ safe, idempotent: true, timeoutMs: 100, client: `${target}` },
			onSent: () => {
				if (this.heard.length > 0) crowd.faults.push("was sent after its end");
				this.#react(whenSent, null);
			},
		});
		try {
			upstream.call(request, this.scope, this);
		} catch (thrown) {
			this.failed(thrown);
		}
	}

	leave(): void {
		if (this.heard.length > 0) return;
		this.#leftMs ??= this.#crowd.clock.now();
		this.scope.cancel(left);
	}

	answered(response: UpstreamResponse): void {
		this.#end(`${response.status}`, response);
	}

	failed(error: unknown): void {
		this.#end((error as Error).message, null);
	}

	#end(what: string, response: UpstreamResponse | null): void {
		this.heard.push(what);
		this.#leaving();
		const { clock, faults } = this.#crowd;
		const { scope } = this;
		if (this.#leftMs !== null && clock.now() > this.#leftMs) {
			faults.push("heard late that it has left");
		}
		scope.close();
		this.#react(this.#asking.atEnd, response);
	}

	#react(
		{ does, other, trial }: Reaction,
		response: UpstreamResponse | null,
	): void {
		const crowd = this.#crowd;
		if (trial === "accepts") response?.trial?.accept();
		if (trial === "refuses" && response !== null) {
			const asker = requestOf();
			crowd.upstream.blame(response, asker);
			response.trial?.refuse(faultOf("upstream_invalid"), asker);
		}
		if (does === "leaves") this.leave();
		if (does === "sends away") crowd.sendAway(other);
		if (does === "asks again" && crowd.again-- > 0) crowd.ask(this.#asking);
	}
}

test("whatever ends at once, twice or never, and whoever asks again or leaves in the middle: one end per call, and nothing is left", async () => {
	await fc.assert(
		fc.asyncProperty(
			mixes,
			fc.array(behaviours, { minLength: 1, maxLength: 12 }),
			fc.array(behaviours, { minLength: 1, maxLength: 3 }),
			fc.array(askings, { minLength: 1, maxLength: 12 }),
			async (mix, script, tokens, all) => {
				const clock = virtualClock();
				const memory = new Memory();
				const playing = new Playing(clock, script);
				const endpoint = new Playing(clock, tokens);
				const upstream = createUpstream(
					{
						name: "up",
						origins: ["http://up.test"],
						connections: 2,
						streams: 2,
						bodyBytesMax: 1000,
						tls: null,
						coalesce: false,
						...mix,
					},
					{ clock, events: createEvents(), random: repeatableRandom(), memory },
					({ name }) => ({
						send: name === "up" ? playing.send : endpoint.send,
						stream: () => Promise.reject(new Error("no streams here")),
						state: () => ({ connections: 0, idle: 0 }),
						close: async () => {},
					}),
				);
				const crowd = new Crowd(upstream, clock);
				for (const asking of all) {
					await clock.advance(asking.afterMs);
					crowd.ask(asking);
				}
				await clock.settle();
				assert.deepEqual(crowd.faults, []);
				for (const { heard, scope } of crowd.callers) {
					assert.equal(heard.length, 1, `heard ${heard.join(", ")}`);
					assert.equal(scope.listeners, 0, "a listener is left");
				}
				assertQuiet(upstream, playing, clock);
				playing.well = true;
				endpoint.well = true;
				await assertGivenBack(crowd, mix.connections ?? 2);
				assertQuiet(upstream, playing, clock);
				assert.equal(memory.held, 0, "memory is held");
				assert.equal(memory.kept, upstream.state().cache?.bytes ?? 0);
			},
		),
		{ numRuns: 400 },
	);
});

function assertQuiet(
	upstream: Upstream,
	{ running }: Playing,
	clock: VirtualClock,
): void {
	const state = upstream.state();
	assert.equal(running, 0, "an attempt still runs");
	assert.equal(state.running, 0, "a slot is taken");
	assert.equal(state.waiting, 0, "a call waits");
	assert.equal(clock.pending, 0, "a timer is left");
	assert.equal(upstream.scope.listeners, 0, "a shared call is left");
}

/** The breaker's probe may be made, every slot is free, and nobody waits for a call that is over. */
async function assertGivenBack(
	crowd: Crowd,
	connections: number,
): Promise<void> {
	const { clock, callers } = crowd;
	await clock.advance(1000);
	for (const target of ["/a", "/b", "/c"]) {
		for (let count = 0; count <= connections; count++) {
			const react = { does: "nothing", other: 0, trial: "accepts" } as const;
			crowd.ask({
				...{ afterMs: 0, leavesMs: null, headers: [], target },
				...{ safe: count > 0, atEnd: react, whenSent: react },
			});
			await clock.settle();
			assert.deepEqual(callers.at(-1)?.heard, ["200"]);
		}
	}
}
