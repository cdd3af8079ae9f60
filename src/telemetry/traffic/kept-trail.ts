import { type GatewayError, lightened } from "../../core/errors.ts";
import type { TrailEnded } from "../../core/events.ts";
import { CallTrail, StepTrail, Trail } from "../../core/trail.ts";

/** What records take of the heap, in bytes: measured, and rounded up. */
const weights = {
	request: 1_000,
	step: 500,
	wait: 150,
	call: 500,
	attempt: 400,
	decision: 150,
	error: 500,
};

/** Roughly how many bytes the record of a request takes while it is kept. */
export function weightOf({
	trail,
	missing,
	writes,
	error,
}: TrailEnded): number {
	let bytes = weights.request + weights.error * missing.length;
	bytes += weights.wait * writes.length + weightOfError(error);
	for (const step of trail.steps) {
		bytes += weights.step + weights.wait * step.waits.length;
		if (step.error !== null) bytes += weightOfError(step.error);
		for (const call of step.calls) {
			bytes += weights.call + weights.decision * call.decisions.length;
			if (call.error !== null) bytes += weightOfError(call.error);
			for (const attempt of call.attempts) {
				bytes += weights.attempt;
				if (attempt.error !== null) bytes += weightOfError(attempt.error);
			}
		}
	}
	return bytes;
}

function weightOfError(error: GatewayError | null): number {
	return error === null ? 0 : weights.error + 2 * error.message.length;
}

/** A record that may be kept for long: its errors hold nothing else. Without errors it is the same one. */
export function keepable(end: TrailEnded): TrailEnded {
	const { error, missing, trail } = end;
	if (error === null && missing.length === 0 && !hasErrors(trail)) return end;
	return {
		...end,
		error: error && lightened(error),
		missing: missing.map((part) => ({ ...part, error: lightened(part.error) })),
		trail: copyOf(trail),
	};
}

function hasErrors({ steps }: Trail): boolean {
	return steps.some(
		(step) =>
			step.error !== null ||
			step.calls.some(
				(call) =>
					call.error !== null ||
					call.attempts.some((attempt) => attempt.error !== null),
			),
	);
}

function copyOf(trail: Trail): Trail {
	const copies = new Map<StepTrail, StepTrail>();
	const copyOrNull = (step: StepTrail | null) =>
		step === null ? null : (copies.get(step) ?? null);
	for (const step of trail.steps) {
		const after = copyOrNull(step.after);
		copies.set(step, copyOfStep(step, after));
	}
	return Object.assign(new Trail(still, trail), trail, {
		steps: [...copies.values()],
		last: copyOrNull(trail.last),
	});
}

/** The clock of what has ended. */
const still = { now: () => 0 };

function copyOfStep(step: StepTrail, after: StepTrail | null): StepTrail {
	return Object.assign(new StepTrail(still, step, 0, null), step, {
		after,
		error: step.error && lightened(step.error),
		calls: step.calls.map(copyOfCall),
	});
}

function copyOfCall(call: CallTrail): CallTrail {
	const copy = new CallTrail(still, call);
	return Object.assign(copy, call, {
		error: call.error && lightened(call.error),
		attempts: call.attempts.map((attempt) =>
			Object.assign(copy.attempt(), attempt, {
				error: attempt.error && lightened(attempt.error),
			}),
		),
	});
}
