import { decodeCodings, parseCodings } from "../../core/body/codings.ts";
import { allHeadersOf } from "../../core/http/headers.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import type { Memory } from "../../core/memory.ts";
import type { Clock } from "../../tasks/clock.ts";
import { openScope } from "../../tasks/scope.ts";
import { createSemaphore } from "../../tasks/semaphore.ts";

/** A body that becomes longer than this is not decoded. */
const plainBytesMax = 2 * 1024 ** 2;

/** So many are decoded at once: a body of 2 kB may become one of 2 MiB, and threads are left for what clients wait for. */
const decodingMax = 2;

/** Looks through bodies as they are without their codings. What is decoded for it counts in the memory. */
export class PlainBodies {
	readonly #clock: Clock;
	readonly #memory: Memory;
	readonly #slots = createSemaphore(decodingMax);

	constructor(clock: Clock, memory: Memory) {
		this.#clock = clock;
		this.#memory = memory;
	}

	/** Whether it holds of the body. False, too, if its codings are not known, or if it is broken, too long or more than the memory has room for. */
	async allow(
		{ headers, body }: Pick<UpstreamResponse, "headers" | "body">,
		holds: (plain: Uint8Array) => boolean,
	): Promise<boolean> {
		const written = allHeadersOf(headers, "content-encoding").join();
		const codings = parseCodings(written);
		if (typeof codings === "string") return false;
		if (codings.length === 0) return holds(body);
		const memory = this.#memory;
		const { usedUp } = memory;
		const bounds = {
			bytesMax: plainBytesMax,
			memory: {
				// No client waits for it, so it leaves what requests need to end.
				take: (bytes: number) => memory.takeNew(bytes),
				give: (bytes: number) => memory.give(bytes),
				usedUp,
			},
			refuse: (words: string) => new Error(words),
		};
		const scope = openScope({ clock: this.#clock });
		try {
			return await this.#slots.run(
				async () => holds(await decodeCodings(codings, body, bounds, scope)),
				scope,
			);
		} catch {
			return false;
		} finally {
			scope.close();
		}
	}
}
