import assert from "node:assert/strict";
import { createReader, type Outcome, type Reader } from "./one-reader.ts";

const together = 256;

/** Reads the same twice: as a server does, and by node:http alone. */
export class TwoReaders {
	readonly #own: Reader = createReader(true);
	readonly #node: Reader = createReader(false);
	/** How many were read without node:http, and how many requests were handled. */
	readonly seen = { clients: 0, ownAlone: 0, handled: 0, refused: 0 };

	/** Fails if a client could tell the two apart, or if they handle other requests. `cuts` says where the pieces end. */
	async compare(
		texts: readonly (readonly [text: string, cuts: readonly number[]])[],
	): Promise<void> {
		// Half of the time would go into the stacks of refusals.
		Error.stackTraceLimit = 0;
		for (let at = 0; at < texts.length; at += together) {
			const some = texts.slice(at, at + together);
			const clients = some.map(([text, cuts]) => piecesOf(text, cuts));
			const [own, node] = await Promise.all([
				this.#own.read(clients),
				this.#node.read(clients),
			]);
			for (const [which, outcome] of own.entries()) {
				const [text = "", cuts = []] = some[which] ?? [];
				const words = `${JSON.stringify(text)} cut at ${cuts.join()}`;
				this.#judge(outcome, node[which] as Outcome, words);
			}
		}
	}

	#judge({ byNode, ...own }: Outcome, reference: Outcome, words: string) {
		const { byNode: _, ...node } = reference;
		assert.deepEqual(own, node, words);
		this.seen.clients++;
		this.seen.handled += own.handled.length;
		if (!byNode) this.seen.ownAlone++;
		if (/http\/1\.1 [45]/.test(own.answers)) this.seen.refused++;
	}
}

function piecesOf(text: string, cuts: readonly number[]): Buffer[] {
	const bytes = Buffer.from(text, "latin1");
	const ends = [...cuts, bytes.length];
	return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
}
