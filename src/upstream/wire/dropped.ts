import type { Carried } from "./connection.ts";

/** More of an answer that nobody wants is not read. */
const droppedBytesMax = 64 * 1024;

/** Stands for an exchange that is over, until its answer has come. */
export class Dropped implements Carried {
	awaited = false;
	readonly toHead = false;
	readonly sent = true;
	readonly allSent = true;
	readonly timeoutMs = Number.POSITIVE_INFINITY;
	#bytes = 0;

	onHead(): null {
		return null;
	}

	onData(_memory: Buffer, from: number, to: number): string | null {
		this.#bytes += to - from;
		return this.#bytes > droppedBytesMax ? "nobody wants it" : null;
	}

	moveOn(): void {}
	send(): void {}
	afterRead(): void {}
	complete(): void {}
	refuse(): void {}
	lost(): void {}
	fail(): void {}
}

/** Whether somebody still waits for the exchange. */
export function isWanted(one: Carried): boolean {
	return !(one instanceof Dropped);
}
