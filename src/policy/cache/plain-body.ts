import { decodeCodings, parseCodings } from "../../core/body/codings.ts";
import { allHeadersOf } from "../../core/http/headers.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import type { Clock } from "../../tasks/clock.ts";
import { openScope } from "../../tasks/scope.ts";

/** A body that becomes longer than this is not decoded. */
const plainBytesMax = 2 * 1024 ** 2;

/** A body as it is without its codings, for whoever looks through it. Null if these are not known, or if it is broken or too long. */
export async function plainBody(
	{ headers, body }: Pick<UpstreamResponse, "headers" | "body">,
	clock: Clock,
): Promise<Uint8Array | null> {
	const written = allHeadersOf(headers, "content-encoding").join();
	const codings = parseCodings(written);
	if (typeof codings === "string") return null;
	if (codings.length === 0) return body;
	const refuse = (words: string) => new Error(words);
	const memory = { take: () => true, give() {}, usedUp: new Error() };
	const bounds = { bytesMax: plainBytesMax, memory, refuse };
	const scope = openScope({ clock });
	try {
		return await decodeCodings(codings, body, bounds, scope);
	} catch {
		return null;
	} finally {
		scope.close();
	}
}
