import type { Peer, Session, SessionListener } from "../core/http/session.ts";
import type { Scope } from "../tasks/scope.ts";
import type { EndReason, Watch, Watcher } from "./watch.ts";
import { WatchCursor } from "./watch-cursor.ts";

/** Nobody sends anything to what is only watched. */
const messageBytesMax = 1024;

/** A client that watches over WebSocket, from its request on. */
export class WatchSession implements Session, SessionListener, Watcher {
	readonly protocol = null;
	readonly messageBytesMax = messageBytesMax;
	readonly streams = true;
	readonly ip: string;
	readonly #cursor: WatchCursor;
	readonly #onLeft: () => void;
	/** Called when the conversation begins. */
	onBegin: () => void = () => {};
	/** Null until then, and after its end. */
	#peer: Peer | null = null;
	/** The code of its end: 1001 if the gateway ends. */
	#code = 1000;
	/** Whether it hears when the client has taken what was sent. */
	#waits = false;

	/** `onLeft` is called when nobody watches any more. It may be called twice. */
	constructor(watch: Watch, ip: string, onLeft: () => void) {
		this.ip = ip;
		this.#cursor = new WatchCursor(watch, "frames", null);
		this.#onLeft = onLeft;
	}

	open(peer: Peer, scope: Scope): SessionListener {
		this.onBegin();
		this.#peer = peer;
		// Whoever cancels it closes the connection next.
		scope.onCancel(() => this.#end("draining"));
		this.wake();
		return this;
	}

	/** While bytes wait for the client, it is sent no more. Then it gets the newest. */
	wake(): void {
		const peer = this.#peer;
		if (peer === null || this.#waits || this.#cursor.isOver) return;
		if (peer.waitingBytes > 0) {
			this.#waits = true;
			peer.whenTaken(() => {
				this.#waits = false;
				this.wake();
			});
			return;
		}
		this.#send(peer);
	}

	#send(peer: Peer): void {
		for (const piece of this.#cursor.next() ?? []) peer.sendText(piece);
		if (this.#cursor.isOver) peer.close(this.#code, "nothing follows");
	}

	#end(reason: EndReason): void {
		if (this.#peer === null || this.#cursor.isOver) return;
		this.#cursor.end(reason);
		this.#code = 1001;
		this.#send(this.#peer);
	}

	/** To take a message silently would leave its sender waiting. */
	onMessage(): void {
		this.#peer?.close(1008, "this is only watched: send nothing");
	}

	onClosed(): void {
		this.#peer = null;
		this.#onLeft();
	}
}
