import type { OpenedRequest, SessionBounds } from "../core/http/web-socket.ts";
import type { RequestMemory } from "../core/memory.ts";
import type { Scope } from "../tasks/scope.ts";

/** What is held of a request that has become a session. The exchange itself holds its header fields and its answer. */
export class SessionRequest implements OpenedRequest {
	readonly id: string;
	readonly ip: string;
	readonly memory: RequestMemory;
	readonly scope: Scope;
	readonly bounds: SessionBounds;
	readonly #ongoing: Promise<void> | null;
	readonly #owner: { onOver(): void };

	constructor(
		held: Omit<OpenedRequest, "onEnd">,
		ongoing: Promise<void> | null,
		owner: { onOver(): void },
	) {
		this.id = held.id;
		this.ip = held.ip;
		this.memory = held.memory;
		this.scope = held.scope;
		this.bounds = held.bounds;
		this.#ongoing = ongoing;
		this.#owner = owner;
	}

	onEnd(): void {
		const end = () => {
			this.memory.end();
			this.#owner.onOver();
		};
		void (this.#ongoing ?? Promise.resolve()).then(end);
	}
}
