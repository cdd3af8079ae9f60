import { checkSchema, type RequestContext } from "./check-request.ts";
import type { ChannelConfig } from "./config.ts";
import { channelKeys } from "./keys/channel.ts";
import type { Problem } from "./problem.ts";
import type { MapSource } from "./source.ts";

/** Of use only if no problem was added. */
export function checkChannels(
	source: MapSource | null,
	context: RequestContext,
): ChannelConfig[] {
	const { problems } = context;
	return (source?.entries ?? []).map(({ key: name, at, value }) => {
		if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) {
			problems.push({
				at,
				message: `\`${name}\` cannot name a channel: a letter first, then letters, digits, \`_\` and \`-\``,
			});
		}
		const read = channelKeys.read(value, { what: "a channel", problems }, {});
		const { message, ...others } = read;
		return {
			name,
			...others,
			schema: message && checkSchema(message, context),
		};
	});
}

/** A channel that no step publishes to, or that no route listens to, is likely misspelt, but may be meant. */
export function warnOfUnusedChannels(
	source: MapSource | null,
	used: ReadonlySet<string>,
	problems: Problem[],
): void {
	for (const { key, at } of source?.entries ?? []) {
		if (used.has(key)) continue;
		problems.push({
			at,
			warning: true,
			follows: true,
			message: `no step publishes to \`${key}\`, and no route listens to it: use it, or remove it`,
		});
	}
}
