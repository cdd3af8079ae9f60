import { allRead } from "../../core/all-read.ts";
import { answerFieldsRefused } from "../../core/http/fields.ts";
import { printEntries, printTemplate } from "../../expression/print.ts";
import type { Template, TemplateEntry } from "../../expression/template.ts";
import { key, part } from "../keys/key.ts";
import { flag } from "../keys/kinds.ts";
import { map, section } from "../keys/section.ts";
import { headerFields, status, template } from "../keys/templates.ts";
import { nothing, refuseTwo } from "../read-template.ts";
import { entryOf } from "../shape.ts";
import { type StepCommon, type StepSource, waitKeys } from "./common.ts";
import { onlyCommonKeys, readsOfAll, type StepKind, valuesOf } from "./kind.ts";

/** An answer that ends the run. */
export type ReplyConfig = StepCommon & {
	readonly kind: "reply";
	readonly status: Template;
	readonly headers: readonly TemplateEntry[];
	readonly body: Template;
	/** Written `body?`: the answer has no body if the value is null. */
	readonly mayBeEmpty: boolean;
	/** Whether the run counts as failed, so that its writes are undone. */
	readonly undo: boolean;
};

const answerKeys = section({
	status: part(status, { default: 200 }),
	headers: part(headerFields<unknown>(answerFieldsRefused), {}),
	body: part(template, {}),
	"body?": part(template, {}),
	undo: part(flag, { default: false }),
});

/** Its keys are those of a route, which docs describe there. */
const answer = { ...map(answerKeys), keys: {} };

export const replyKeys = {
	reply: section({
		reply: key(answer, {
			required: true,
			description:
				"Ends the run with this answer as soon as `when` holds. Steps that still run are aborted. With `undo: true` in it, writes that have an `undo` are undone. It stands at route level. The route's `headers` do not apply.",
			example:
				"when: ${first === null}\nreply: { status: 404, body: { error: no such user } }",
		}),
		...waitKeys,
	}),
};

export const reply: StepKind<ReplyConfig> = {
	keys: replyKeys,
	check,
	readsFirst: ({ status, body, headers }) =>
		readsOfAll([status, body, ...valuesOf(headers)]),
	readsLater: () => [],
	writes: () => "never",
	repeatable: () => true,
	longestMs: () => 0,
	free: false,
	pure: true,
	endsRun: true,
	print({ kind: _, status, headers, body, mayBeEmpty, undo, ...ofEveryStep }) {
		onlyCommonKeys(ofEveryStep);
		return {
			status: printTemplate(status),
			headers: printEntries(headers),
			[mayBeEmpty ? "body?" : "body"]: { value: printTemplate(body) },
			undo: undo || null,
		};
	},
};

function check(step: StepSource): ReplyConfig | null {
	const { name, at, source, judged, reading, context } = step;
	const read = replyKeys.reply.read(source, judged, reading);
	if (read === undefined) return null;
	if (context.depth > 0) {
		const message = "a `reply` stands at route level, in no group";
		context.problems.push({ at, message });
	}
	const { reply, ...waits } = read;
	const { status, headers, undo, ...bodies } = reply;
	const { body, "body?": bodyOrNull, ...unread } = bodies;
	allRead(unread);
	refuseTwo(entryOf(source, "reply"), "body", context.problems);
	return {
		...{ name, ...waits },
		...{
			each: null,
			repeat: null,
			withinMs: null,
			fallback: null,
			optional: false,
		},
		...{ kind: "reply", status, headers, undo },
		body: body ?? bodyOrNull ?? nothing,
		mayBeEmpty: bodyOrNull !== null,
	};
}
