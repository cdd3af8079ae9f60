import type { RepeatConfig } from "../config/steps/repeat.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { StepMark } from "../core/events.ts";
import type { StepTrail } from "../core/trail.ts";
import { sleep } from "../tasks/sleep.ts";
import { type Later, roundFrameSize, roundSlots } from "./layout.ts";
import { isSkip, type Spot, type Work } from "./spot.ts";

/**
 * Carries out a work round after round, as long as its condition holds. Gives the values of all rounds. If the condition
 * still holds after the last round that is allowed, it fails: half a list must not be taken for the whole.
 */
export function prepareRepeat(
	{ max, waitMs }: Pick<RepeatConfig, "max" | "waitMs">,
	work: Work,
): Work {
	return async (spot) => {
		const { fuel } = spot.frame;
		const values: unknown[] = [];
		const marks: StepMark[] = [];
		for (;;) {
			fuel.hold(roundBytes);
			fuel.turn.spent += roundCost;
			const round = values.length;
			const own = new Array(roundFrameSize).fill(null);
			own[roundSlots.round] = round;
			if (round > 0) own[roundSlots.last] = values[round - 1];
			const frame = { values: own, parent: spot.frame, fuel };
			const inRound = spot.inRound(round, frame, marks);
			// The first round belongs to the piece that has begun.
			const carryOut = () =>
				round === 0 ? work(inRound) : fuel.piece(work, inRound);
			const { trail } = inRound;
			values.push(await (trail ? ending(carryOut, trail) : carryOut()));
			if (isSkip(own[roundSlots.again])) break;
			if (values.length === max) throw stillHolds(max);
			await pause(waitMs, spot);
		}
		// Of a repeat that has failed nothing is in the answer, so its rounds lack nothing there.
		spot.note(marks);
		return values;
	};
}

/** Notes how the round ends. */
async function ending(
	carryOut: () => unknown,
	trail: StepTrail,
): Promise<unknown> {
	try {
		const made = await carryOut();
		trail.ended("ok");
		return made;
	} catch (error) {
		trail.ended("failed", asGatewayError(error));
		throw error;
	}
}

/** Evaluates the condition of the round when its value is there. */
export function thenAsking(
	value: unknown,
	condition: Later,
	spot: Spot,
): unknown {
	const { values } = spot.frame;
	const ask = (made: unknown) => {
		const holds = spot.evaluate(condition);
		if (holds instanceof Promise) {
			return holds.then((held) => {
				values[roundSlots.again] = held;
				return made;
			});
		}
		values[roundSlots.again] = holds;
		return made;
	};
	return value instanceof Promise ? value.then(ask) : ask(value);
}

/** A wait that would last until the step's time is over is not begun. */
async function pause(waitMs: number | null, spot: Spot): Promise<void> {
	const { scope, run } = spot;
	if (scope.cancelled) throw scope.reason;
	if (waitMs === null) return;
	if (scope.clock.now() + waitMs < scope.deadline) {
		const ended = spot.trail?.waitFor([]);
		return sleep(waitMs, scope).finally(ended);
	}
	const code =
		scope.deadline < run.deadline ? "upstream_timeout" : "deadline_exceeded";
	throw new GatewayError(
		code,
		`no time is left for another round after ${waitMs} ms`,
	);
}

function stillHolds(max: number): GatewayError {
	const rounds = max === 1 ? "one round" : `${max} rounds`;
	return new GatewayError(
		"limit_exceeded",
		`\`while\` still holds after ${rounds} (\`repeat.max\`)`,
	);
}

/** The memory that a round takes besides its work, until the request ends. */
const roundBytes = 256;

/** The time that a round takes besides its work, in units of 100 ns. */
const roundCost = 20;
