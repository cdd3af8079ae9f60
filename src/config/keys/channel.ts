import { key, part } from "./key.ts";
import { named } from "./kind.ts";
import { count, flag, keeping, size } from "./kinds.ts";
import { mapOfDefaults, section } from "./section.ts";

const keepKeys = section({
	last: part(count(10_000, 0), { field: "last", default: 100 }),
	for: part(keeping, { field: "forMs", default: "1h" }),
});

const waitingKeys = section({
	messages: part(count(100_000), { field: "messagesMax", default: 1000 }),
	bytes: part(size, { field: "bytesMax", default: "256KiB" }),
});

export const channelKeys = section({
	message: key(named<object>("a JSON Schema"), {
		description:
			"The JSON Schema (2020-12) of a message. A message that does not fit is answered 400 if only the request makes it, and else fails the step that would publish it. Without it any JSON is a message.",
		example:
			"message:\n  type: object\n  required: [text]\n  properties:\n    text: { type: string, maxLength: 2000 }",
	}),
	keep: key(mapOfDefaults(keepKeys), {
		description:
			"The messages that clients may still get later: so many of the `last` (default {last}) in each instance, `for` so long (default {for}). If `server.memory` is short, fewer are kept.",
		example: "keep: { last: 100, for: 1h }",
	}),
	presence: key(flag, {
		description:
			"`true`: listeners hear who is there, and who comes and goes. Who somebody is says `member` of the route that listens.",
		example: "presence: true",
		default: false,
	}),
	maxMessage: key(size, {
		field: "messageBytesMax",
		description:
			"The longest message, as JSON. Beyond it the step that would publish it fails with `limit_exceeded`, a 400 if only the request makes the message.",
		example: "maxMessage: 4KiB",
		default: "16KiB",
	}),
	instances: key(count(100_000), {
		field: "instancesMax",
		description:
			"How many instances there may be at once. If it is one more, the one that nobody has used for longest and to which nobody listens gives way, with the messages that it keeps. If somebody listens to each, `channel_full`.",
		example: "instances: 500",
		default: 10_000,
	}),
	listeners: key(count(1_000_000), {
		field: "listenersMax",
		description:
			"How many clients may listen at once, to all instances together. Beyond it `channel_full`.",
		example: "listeners: 2000",
		default: 10_000,
	}),
	waiting: key(mapOfDefaults(waitingKeys), {
		description:
			"How much may wait for one listener that reads too slowly: so many `messages` (default {messages}) and `bytes` (default {bytes}). Beyond it the listener is told so, and let go.",
		example: "waiting: { messages: 200, bytes: 64KiB }",
	}),
});
