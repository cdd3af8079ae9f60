import type { ByteStream } from "../core/body/byte-stream.ts";
import type { Events } from "../core/events.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import type { TraceIds } from "../core/trace-ids.ts";
import type { Trail } from "../core/trail.ts";
import type { RequestValues } from "../run/request.ts";
import type { Load, RunInput } from "../run/run.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Found } from "./find.ts";
import type { Handling } from "./handling.ts";
import type { RequestEnd } from "./request-end.ts";

/** A request that was let in, found its route and has been read. */
export class Asked implements RunInput {
	readonly request: GatewayRequest;
	readonly values: RequestValues;
	readonly events: Events;
	readonly trail: Trail | null;
	readonly ids: TraceIds | null;
	readonly scope: Scope;
	readonly load: Load;
	readonly via: string;
	readonly beyond: RequestEnd;
	readonly route: Found["route"];
	/** The body that a proxied route passes on; null if there is none. */
	readonly upload: ByteStream | null;
	/** The body as it was read, if the request may become a job; else null. */
	readonly body: Uint8Array | null;
	readonly handling: Handling;
	#hasPlace = false;

	constructor(
		{ route, via }: Found,
		{ request, scope, values, upload, body }: Readout,
		handling: Handling,
		end: RequestEnd,
	) {
		this.request = request;
		this.values = values;
		this.events = handling.events;
		this.trail = end.trail;
		this.ids = end.ids;
		this.scope = scope;
		this.load = handling.load;
		this.via = via;
		this.beyond = end;
		this.route = route;
		this.upload = upload;
		this.body = body;
		this.handling = handling;
	}

	/** Takes a place among the requests in progress. Null if there is one at once, else resolves when it has one. */
	enter(): Promise<void> | null {
		const { request, route, scope } = this;
		const { overload } = this.handling;
		if (overload === null) return null;
		const deadline = request.arrivedMs + route.plan.deadlineMs;
		const turn = overload.enter(request.ip, deadline, scope);
		if (turn === null) this.#hasPlace = true;
		return turn && turn.then(() => void (this.#hasPlace = true));
	}

	/** Gives its place back, if it has one, as soon as nothing of it goes on. */
	leave(): void {
		const { ongoing } = this.beyond;
		if (ongoing === null) this.leaveNow();
		else if (this.#hasPlace) void ongoing.then(() => this.leaveNow());
	}

	leaveNow(): void {
		if (!this.#hasPlace) return;
		this.#hasPlace = false;
		this.handling.overload?.leave();
	}
}

/** What a request says. */
export interface Readout {
	readonly request: GatewayRequest;
	/** Cancelled when the client leaves. */
	readonly scope: Scope;
	readonly values: RequestValues;
	readonly upload: ByteStream | null;
	readonly body: Uint8Array | null;
}
