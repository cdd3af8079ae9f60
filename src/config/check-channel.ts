import { checkSchema, type RequestContext } from "./check-request.ts";
import type { ChannelConfig } from "./config.ts";
import { channelKeys } from "./keys/channel.ts";
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
