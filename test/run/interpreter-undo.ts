import type { ExpectedCall } from "./interpreter.ts";
import {
	type Block,
	hasEnded,
	indexAt,
	made,
	type Turn,
	valueOf,
	type Written,
} from "./interpreter-state.ts";
import {
	delayOf,
	endingOf,
	listedFor,
	type RandomRoute,
	type RandomStep,
	type Read,
	type Scenario,
} from "./random-routes.ts";

/* What is undone, and when, by docs/language.md alone */

const never = Number.POSITIVE_INFINITY;

/** What a step's call sends that reads these steps, as in a query. */
export function sentBy(
	{ sending }: RandomStep,
	reads: readonly Read[],
	block: Block,
): string[] {
	return reads.flatMap((read, at) => {
		const value = valueOf(read, block);
		if (value === null && sending.loose) return [];
		return [`r${at}=${value ?? "none"}`];
	});
}

/** The write that a turn sends now; null if it cannot be undone. */
export function writtenBy(
	turn: Turn,
	call: ExpectedCall,
	timesOut: boolean,
	{ deadlineMs }: RandomRoute,
): Written | null {
	const { step, block } = turn.of;
	const { undo } = step;
	if (undo === null) return null;
	const index = indexAt(turn);
	const ending = endingOf(step, index);
	const cut = timesOut || call.endMs > deadlineMs;
	const known =
		ending === "ok" || ending === "pick" || listedFor(step, ending) !== null;
	const answer = ending === "status" ? "no" : "yes";
	return {
		turn,
		call,
		target: `/${[`undo-${step.name}`, ...index].join("/")}`,
		sends: [
			...sentBy(step, undo.reads, block),
			...(undo.answer ? [`answer=${answer}`] : []),
		],
		waited: false,
		leftMs: never,
		own: null,
		ends: cut
			? "unknown"
			: ending === "listed"
				? "refused"
				: known
					? "known"
					: "unknown",
		index,
		kept: false,
		claimedMs: never,
	};
}

/** The value that a step would have made of an answer for which it no longer waits, at this instant. */
export function madeLate({ turn, index, ends }: Written): unknown {
	const { step, block } = turn.of;
	const ending = endingOf(step, index);
	const listed = listedFor(step, ending);
	const reads = listed === null ? (step.pick ?? []) : step.answers;
	const all = [...reads, ...(step.repeat?.reads ?? [])];
	if (ends !== "known" || !all.every((one) => hasEnded(one.step, block))) {
		return null;
	}
	if (listed !== null) return made(listed, reads, block);
	return ending === "pick" ? null : made("picked", reads, block);
}

function askedBy({ turn, target, sends, own }: Written): string {
	const all = turn.of.step.undo?.own
		? [...sends, `own=${JSON.stringify(own).length}`]
		: sends;
	return all.length === 0 ? target : `${target}?${all.join("&")}`;
}

/** Whether a turn is this one, or stands inside. */
export function isWithin(inner: Turn, outer: Turn): boolean {
	for (
		let turn: Turn | null = inner;
		turn !== null;
		turn = turn.of.block.around
	) {
		if (turn === outer) return true;
	}
	return false;
}

/** The calls that undo, and how each write ended: `s1 0 undone`. */
export interface Undone {
	readonly undos: readonly ExpectedCall[];
	readonly told: readonly string[];
}

/** Undoes the writes that are to be undone: each when all have been undone that were sent when it had ended. */
export function undo(
	written: readonly Written[],
	scenario: Scenario,
	deadlineMs: number,
): Undone {
	const undos: ExpectedCall[] = [];
	const told: string[] = [];
	const endOf = ({ call }: Written) => Math.min(call.endMs, deadlineMs);
	const left = new Set(written.filter(({ claimedMs }) => claimedMs < never));
	const running = new Map<Written, number>();
	for (let nowMs = 0; left.size > 0; ) {
		const claimed = () =>
			[...left].filter(({ claimedMs }) => claimedMs <= nowMs);
		for (const [write, endMs] of running) {
			if (endMs > nowMs) continue;
			running.delete(write);
			left.delete(write);
		}
		let changes = true;
		while (changes) {
			changes = false;
			for (const write of claimed()) {
				if (running.has(write) || endOf(write) > nowMs) continue;
				const waits = claimed().some(
					(other) => other !== write && other.call.startMs >= endOf(write),
				);
				if (waits) continue;
				changes = true;
				const { step, path } = write.turn.of;
				const tell = (how: string) =>
					told.push([path, ...write.index, how].join(" "));
				if (write.ends === "refused") left.delete(write);
				else if (
					write.ends === "unknown" &&
					(step.undo?.answer || step.undo?.own)
				) {
					tell("reference_missing");
					left.delete(write);
				} else {
					const name = `undo-${step.name}`;
					const tookMs = delayOf(scenario, name, write.index);
					const endMs = nowMs + Math.min(600, tookMs);
					const target = askedBy(write);
					undos.push({ method: "DELETE", target, startMs: nowMs, endMs });
					running.set(write, endMs);
					const failed = step.undo?.fails ? "upstream_status" : "undone";
					tell(tookMs > 600 ? "upstream_timeout" : failed);
				}
			}
		}
		const next = Math.min(
			...running.values(),
			...[...left]
				.flatMap((write) => [write.claimedMs, endOf(write)])
				.filter((ms) => ms > nowMs),
		);
		if (next === never) break;
		nowMs = next;
	}
	return { undos, told };
}
