import { unknownUpstream } from "./names.ts";
import { type Reader, readTarget, type Target } from "./read-template.ts";
import type { Source } from "./source.ts";
import type { RouteContext } from "./steps/common.ts";

/** Reads the target of a call, and notes that its upstream is used. Null if it could not be read. */
export function checkTarget(
	source: Source,
	reader: Reader,
	{ upstreams, used, problems }: RouteContext,
): Target | null {
	const target = readTarget(source, reader);
	if (target === null) return null;
	used.add(target.upstream);
	if (!upstreams.has(target.upstream)) {
		problems.push({
			at: source.at,
			message: unknownUpstream(target.upstream, upstreams),
		});
	}
	return target;
}
