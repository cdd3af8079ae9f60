import type { Epoch, Read } from "../store/channel-replies.ts";
import type { Instance } from "./channel-instance.ts";
import { readMessageId } from "./channel-numbering.ts";
import { tellGap, tellUnknownGap } from "./channel-told.ts";

/**
 * Takes into an instance what the store has of it: everything after the last message that both have. Each listener hears what it lacks, once and in
 * order, and where nobody knows what that is, that something is lost. Returns whether that is any news.
 */
export function takeIn(
	instance: Instance,
	{ epochs, lastOffset, messages }: Omit<Read, "isAll">,
): boolean {
	const { numbering, audience } = instance;
	const { position } = audience.last;
	const before = numbering.newest;
	const hasHeard = before.name !== "" || numbering.saidApart;
	const common = numbering.commonWith(epochs, lastOffset);
	const elsewhere = audience.all.filter(({ hearing }) => hearing.isElsewhere);
	if (common === null || common < numbering.last) instance.cut(common ?? 0);
	const first = messages[0]?.offset ?? lastOffset + 1;
	const from = common ?? first - 1;
	numbering.adopt(epochs, from);
	if (instance.isShort) instance.restock(messages, from);
	// Those who are there have heard of others, which nobody knows any more.
	if (common === null && hasHeard)
		audience.append(tellUnknownGap(numbering.placeOf(from)));
	let known = common === null ? numbering.epochAt(from + 1) : before;
	for (const { offset, json, ageMs } of messages) {
		if (offset <= numbering.last) continue;
		known = crossTo(instance, known, offset);
		tellMissing(instance, offset - 1);
		instance.add(numbering.next(), json, ageMs);
	}
	tellMissing(instance, lastOffset);
	crossTo(instance, known, numbering.last + 1);
	instance.isSettled = true;
	for (const { hearing } of elsewhere) {
		const after = readMessageId(hearing.after, "after");
		hearing.becomes(hearAgain(instance, after));
	}
	audience.wakeAll();
	for (const listener of elsewhere) audience.wakeOne(listener);
	return audience.last.position > position || common === null;
}

/** An id that was never given, while nobody could know that. */
function hearAgain(
	instance: Instance,
	after: ReturnType<typeof readMessageId>,
): ReturnType<Instance["hear"]> {
	try {
		return instance.hear(after);
	} catch {
		return instance.hear("latest");
	}
}

/** Between two epochs something may be lost. Returns the epoch of the message of this offset. */
function crossTo(
	{ numbering, audience }: Instance,
	known: Epoch,
	offset: number,
): Epoch {
	const begun = numbering
		.epochsAfter(known.name)
		.filter(({ from }) => from <= offset);
	const newest = begun.at(-1);
	if (newest === undefined) return known;
	const id = `${newest.name}-${Math.max(newest.from - 1, numbering.last)}`;
	audience.append(tellUnknownGap(id));
	return newest;
}

/** The messages up to this offset are not kept any more. */
function tellMissing({ numbering, audience }: Instance, offset: number): void {
	const { last } = numbering;
	if (offset <= last) return;
	const [from, to] = [numbering.idOf(last + 1), numbering.idOf(offset)];
	audience.append(tellGap(from, to, offset - last));
	numbering.skipTo(offset);
}
