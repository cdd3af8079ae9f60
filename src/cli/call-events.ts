import type { ByteStream } from "../core/body/byte-stream.ts";
import type { Scope } from "../tasks/scope.ts";
import { printBody } from "./terminal.ts";

/** Prints each event of a stream as it comes. A stream that goes on ends with Ctrl-C, which is its ordinary end. */
export async function printEvents(
	body: ByteStream,
	scope: Scope,
): Promise<void> {
	const decoder = new TextDecoder();
	let rest = "";
	try {
		for await (const piece of body) {
			const text = rest + decoder.decode(piece, { stream: true });
			const events = text.split("\n\n");
			rest = events.pop() ?? "";
			// A terminal gets the empty line, too.
			for (const event of events) {
				printBody(`${event}\n\n`, () => `${event}\n`);
			}
		}
	} catch (error) {
		if (!scope.cancelled) throw error;
	}
	if (rest !== "") printBody(rest, () => rest);
}
