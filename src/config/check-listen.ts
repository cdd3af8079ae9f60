import { checkChannelTarget } from "./check-target.ts";
import type { ListenConfig } from "./config.ts";
import { type Reader, readTemplate } from "./read-template.ts";
import { entryOf } from "./shape.ts";
import type { Source } from "./source.ts";
import type { RouteContext } from "./steps/common.ts";

interface ListenContext extends RouteContext {
	readonly reader: Reader;
}

/** Null for a route without `listen`, or if it was refused. */
export function checkListen(
	listen: Source | null,
	member: Source | null,
	route: Source,
	context: ListenContext,
): ListenConfig | null {
	const { reader, problems, channels } = context;
	const at = (entryOf(route, "member") ?? route).at;
	if (listen === null) {
		if (member === null) return null;
		const message = "`member` does nothing without `listen`";
		problems.push({ at, message });
		return null;
	}
	const target = checkChannelTarget(listen, reader, context);
	if (target === null) return null;
	const { channel } = target;
	if (member !== null && channels.get(channel)?.presence === false) {
		const message = `nobody is told of \`member\`: write \`presence: true\` in the channel \`${channel}\``;
		problems.push({ at, message });
	}
	return { ...target, member: member && readTemplate(member, reader) };
}
