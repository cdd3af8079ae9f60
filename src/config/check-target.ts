import type { ChannelTarget } from "./config.ts";
import { unknownAmong, unknownUpstream } from "./names.ts";
import { readChannelTarget, readTarget, type Target } from "./read-target.ts";
import type { Reader } from "./read-template.ts";
import type { Source } from "./source.ts";
import type { RouteContext } from "./steps/common.ts";

/** Reads the target of a call, and notes that its upstream is used. Null if it could not be read. */
export function checkTarget(
	source: Source,
	reader: Reader,
	{ upstreams, used, problems, unread }: RouteContext,
): Target | null {
	const target = readTarget(source, reader);
	if (target === null) return null;
	used.add(target.upstream);
	if (!upstreams.has(target.upstream) && !unread.has("upstreams")) {
		problems.push({
			at: source.at,
			message: unknownUpstream(target.upstream, upstreams),
		});
	}
	return target;
}

/** Reads `<channel>/<instance>`, and notes that the channel is used. Null if it could not be read. */
export function checkChannelTarget(
	source: Source,
	reader: Reader,
	{ channels, usedChannels, problems, unread }: RouteContext,
): ChannelTarget | null {
	const target = readChannelTarget(source, reader);
	if (target === null) return null;
	const { channel } = target;
	usedChannels.add(channel);
	if (!channels.has(channel) && !unread.has("channels")) {
		const message =
			channels.size === 0
				? `there is no channel \`${channel}\`: write it under \`channels\``
				: unknownAmong("channel", channel, channels.keys());
		problems.push({ at: source.at, message });
	}
	return target;
}
