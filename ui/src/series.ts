import type { Rate } from "../../src/telemetry/traffic/rate.ts";
import type { Rates } from "../../src/telemetry/traffic/rates.ts";

/** Whose numbers a chart shows. */
export type Subject =
	| { readonly of: "all" }
	| { readonly of: "route"; readonly name: string | null }
	| { readonly of: "upstream"; readonly name: string };

/** A chart's points: seconds since 1970, and a list of values for each line. Null is a gap. */
export type Points = [seconds: number[], ...lines: (number | null)[][]];

/** Five minutes, if each point is a second. */
export const pointsMax = 300;

/** With the new one; the oldest is dropped if there are too many. */
export function withRates(
	all: readonly Rates[],
	rates: Rates,
): readonly Rates[] {
	return [...all.slice(1 - pointsMax), rates];
}

/** Null if there was nothing in that time. */
function rateOf(rates: Rates, subject: Subject): Rate | null {
	switch (subject.of) {
		case "all":
			return rates.requests;
		case "route":
			return rates.routes.find(({ route }) => route === subject.name) ?? null;
		case "upstream":
			return (
				rates.upstreams.find(({ upstream }) => upstream === subject.name) ??
				null
			);
	}
}

/** So many of the subject a second, over the last of these. */
export function rateNow(all: readonly Rates[], subject: Subject): number {
	const last = all.slice(-10);
	const forMs = last.reduce((sum, one) => sum + one.forMs, 0);
	const count = last.reduce(
		(sum, one) => sum + (rateOf(one, subject)?.count ?? 0),
		0,
	);
	return forMs > 0 ? (1000 * count) / forMs : 0;
}

/** A second: what is counted in it, and what of it failed. */
export function countPoints(all: readonly Rates[], subject: Subject): Points {
	const perSecond = (pick: (rate: Rate) => number) =>
		all.map((rates) => {
			const rate = rateOf(rates, subject);
			return rate === null ? 0 : (1000 * pick(rate)) / rates.forMs;
		});
	return [
		secondsOf(all),
		perSecond(({ count }) => count),
		perSecond(({ errors }) => errors),
		...(subject.of === "upstream" ? [] : [perSecond(({ partial }) => partial)]),
	];
}

/** The median, the 95th and the 99th of a hundred, in milliseconds. */
export function latencyPoints(all: readonly Rates[], subject: Subject): Points {
	const pick = (key: "p50Ms" | "p95Ms" | "p99Ms") =>
		all.map((rates) => rateOf(rates, subject)?.[key] ?? null);
	return [secondsOf(all), pick("p50Ms"), pick("p95Ms"), pick("p99Ms")];
}

function secondsOf(all: readonly Rates[]): number[] {
	return all.map(({ at }) => Date.parse(at) / 1000);
}
