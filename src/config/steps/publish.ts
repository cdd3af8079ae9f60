import { printJson } from "../../core/json.ts";
import { printTemplate } from "../../expression/print.ts";
import { readsOf, type Template } from "../../expression/template.ts";
import { misfitOf } from "../body-schema.ts";
import { checkChannelTarget } from "../check-target.ts";
import type { ChannelConfig, PathSegment } from "../config.ts";
import { key } from "../keys/key.ts";
import { asSource } from "../keys/kind.ts";
import { section } from "../keys/section.ts";
import { template, textTemplate } from "../keys/templates.ts";
import type { Problem } from "../problem.ts";
import { entryOf, sourceAt } from "../shape.ts";
import type { Source } from "../source.ts";
import {
	commonKeys,
	commonOf,
	type StepCommon,
	type StepSource,
} from "./common.ts";
import { onlyCommonKeys, readsOfSegment, type StepKind } from "./kind.ts";
import { printChannelTarget } from "./sent.ts";

/** A message to everybody who listens to a channel. */
export type PublishConfig = StepCommon & {
	readonly kind: "publish";
	readonly channel: string;
	/** Null for a channel without instances. */
	readonly instance: PathSegment | null;
	readonly message: Template;
};

export const publishKeys = {
	publish: section({
		publish: key(asSource(textTemplate), {
			field: "target",
			required: true,
			description:
				"The channel to which a message goes: `<channel>`, or `<channel>/<instance>`. A `${…}` in the instance stays within it, encoded. The value of the step is `{ id, listeners }`, with a `store` also `shared`: whether all gateways hear of it.",
			example: "publish: room/${query.id}\nmessage: { text: hello }",
		}),
		message: key(template, {
			required: true,
			description: "The message: any value that fits the channel's schema.",
			example: "publish: room/${query.id}\nmessage: { text: hello }",
		}),
		...commonKeys,
	}),
};

/** Once it has started, it is done. What was heard cannot be taken back. */
export const publish: StepKind<PublishConfig> = {
	keys: publishKeys,
	check,
	readsFirst: ({ instance, message }) => [
		...(instance === null ? [] : readsOfSegment(instance)),
		...readsOf(message),
	],
	readsLater: () => [],
	writes: () => "surely",
	repeatable: () => false,
	longestMs: () => 0,
	free: false,
	pure: false,
	endsRun: false,
	print({ kind: _, channel, instance, message, ...ofEveryStep }) {
		onlyCommonKeys(ofEveryStep);
		return {
			publish: printChannelTarget({ channel, instance }),
			message: { value: printTemplate(message) },
		};
	},
};

function check(step: StepSource): PublishConfig | null {
	const { source, judged, reading, context } = step;
	const read = publishKeys.publish.read(source, judged, reading);
	if (read === undefined) return null;
	const { target: written, message, ...common } = read;
	const target = checkChannelTarget(written, reading.reader, context);
	const ofEveryStep = commonOf(common, step);
	if (target === null) return null;
	const channel = context.channels.get(target.channel);
	const place = entryOf(source, "message");
	if (channel !== undefined && place !== null && message.kind === "literal") {
		checkConstant(message.value, place, channel, context.problems);
	}
	return { ...ofEveryStep, kind: "publish", ...target, message };
}

/** A message without a hole fits always or never. */
function checkConstant(
	message: unknown,
	source: Source,
	{ name, schema, messageBytesMax }: ChannelConfig,
	problems: Problem[],
): void {
	const json = printJson(message);
	if (Buffer.byteLength(json) > messageBytesMax) {
		problems.push({
			at: source.at,
			message: `this message is longer than ${messageBytesMax} bytes, the \`maxMessage\` of the channel \`${name}\``,
		});
		return;
	}
	const path = schema && misfitOf(schema, JSON.parse(json));
	if (path === null) return;
	problems.push({
		at: sourceAt(source, path).source.at,
		message: `this message does not fit the channel \`${name}\`: see its \`message\`, at \`${["message", ...path].join("/")}\``,
	});
}
