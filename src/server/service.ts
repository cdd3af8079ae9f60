import type { GatewayError } from "../core/errors.ts";
import { SharedFrame } from "../core/http/shared-frame.ts";
import {
	frameOf,
	type SessionCounts,
	type WebSocketSession,
} from "../core/http/web-socket.ts";
import type { Memory } from "../core/memory.ts";
import type { Clock } from "../tasks/clock.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Carrier } from "./carrier.ts";
import type { ClientAddress, ClientScheme } from "./client-address.ts";
import type { ClientExchange, Handle, Owner } from "./client-exchange.ts";
import type { Cors } from "./cors.ts";
import { draining } from "./drain.ts";
import type { AddFixed } from "./fixed-fields.ts";
import type { AnswersFor } from "./hosts.ts";
import { type HeadLimits, isAboutServer } from "./refuse.ts";
import {
	answerHealth,
	isAt,
	itsOptions,
	unknownHost,
} from "./server-answers.ts";

/** What all requests of a server need. */
export interface ServiceOptions {
	readonly clock: Clock;
	readonly handle: Handle;
	readonly memory: Memory;
	readonly onInternal: (error: unknown, requestId: string) => void;
	readonly onRefused: (error: GatewayError, requestId: string) => void;
	readonly scope: Scope;
	readonly accepting: Scope;
	readonly limits: HeadLimits;
	/** Null for no health check. */
	readonly healthPath: string | null;
	readonly cors: Cors | null;
	/** Null if no field stands in every answer. */
	readonly addFixed: AddFixed | null;
	/** Null: for any host. */
	readonly answersFor: AnswersFor | null;
	readonly clientAddress: ClientAddress;
	readonly clientScheme: ClientScheme;
	/** How far the server is on its way to its end. */
	readonly ending: { readonly draining: boolean; readonly refusing: boolean };
	/** Called when no request is running any more. */
	readonly onIdle: () => void;
}

/** What a server does with each request, on whatever connection it came. */
export class Service implements Owner {
	readonly #options: ServiceOptions;
	readonly scope: Scope;
	readonly accepting: Scope;
	readonly cors: Cors | null;
	readonly addFixed: AddFixed | null;
	readonly clientAddress: ClientAddress;
	readonly clientScheme: ClientScheme;
	readonly limits: HeadLimits;
	readonly memory: Memory;
	readonly sessions: SessionCounts = {
		...{ open: 0, received: 0, sent: 0 },
		closed: new Map(),
	};
	readonly shared = new SharedFrame(frameOf);
	/** Requests whose answer is not yet out. */
	running = 0;

	constructor(options: ServiceOptions) {
		this.#options = options;
		this.scope = options.scope;
		this.accepting = options.accepting;
		this.cors = options.cors;
		this.addFixed = options.addFixed;
		this.clientAddress = options.clientAddress;
		this.clientScheme = options.clientScheme;
		this.limits = options.limits;
		this.memory = options.memory;
	}

	get turn(): LoopTurn {
		return this.#options.clock.turn;
	}

	/** A request has come. `url` is its target as it came, and `refusal` the reason not to look at it. */
	receive(
		exchange: ClientExchange,
		carrier: Carrier,
		url: string,
		refusal: GatewayError | null,
	): void {
		this.running++;
		// Nothing after such a request is looked at from now on, whenever its answer has its turn.
		if (refusal !== null) carrier.finish();
		const answer = this.#answerTo(exchange, url, refusal);
		carrier.inTurn(exchange, answer);
	}

	/** What answers a request when it has its turn. */
	#answerTo(
		exchange: ClientExchange,
		url: string,
		refusal: GatewayError | null,
	): (short: boolean) => void {
		const { healthPath, handle, answersFor, ending } = this.#options;
		const preflight = this.cors?.preflight(exchange) ?? null;
		// Load balancers ask for health by address, and the answer tells nothing.
		const misdirected =
			answersFor !== null &&
			!answersFor(url, exchange.headers) &&
			!isAt(exchange.target, healthPath);
		if (refusal !== null) return () => exchange.fail(refusal);
		if (ending.refusing) return () => exchange.fail(draining());
		if (misdirected) return () => exchange.fail(unknownHost());
		if (preflight !== null) return () => exchange.answer(preflight);
		if (isAboutServer(exchange.method, url)) {
			return () => exchange.answer(itsOptions);
		}
		if (isAt(exchange.target, healthPath)) {
			return () => this.#answerHealth(exchange);
		}
		return (short) => {
			if (short) exchange.fail(this.memory.usedUp);
			else void exchange.run(handle);
		};
	}

	#answerHealth(exchange: ClientExchange): void {
		if (this.#options.ending.draining) exchange.fail(draining());
		else answerHealth(exchange);
	}

	onSession(session: WebSocketSession): void {
		if (this.#options.ending.refusing) session.drain(draining());
	}

	onOver(): void {
		this.running--;
		if (this.running === 0) this.#options.onIdle();
	}

	onInternal(thrown: unknown, requestId: string): void {
		this.#options.onInternal(thrown, requestId);
	}

	onRefused(error: GatewayError, requestId: string): void {
		this.#options.onRefused(error, requestId);
	}
}
