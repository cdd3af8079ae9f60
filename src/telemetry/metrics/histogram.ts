import type { MetricsOut } from "./exposition.ts";

/** Where durations are told apart. */
interface Bounds {
	readonly ms: readonly number[];
	/** As OpenMetrics writes floats. Both formats have the same, so that a scraper that changes between them finds its series. */
	readonly texts: readonly string[];
}

function boundsOf(ms: readonly number[]): Bounds {
	const texts = ms.map((one) => {
		const seconds = String(one / 1000);
		return seconds.includes(".") ? seconds : `${seconds}.0`;
	});
	return { ms, texts };
}

/** OpenTelemetry's bounds for durations of HTTP. */
const ofRequests = boundsOf([
	5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000,
]);

/** A store near by answers within a millisecond. The default timeout is a bound. */
export const ofStore = boundsOf([
	0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 250, 1000,
]);

/** How many durations fell between the bounds, and their sum. */
export class Histogram {
	readonly #labels: string;
	readonly #bounds: Bounds;
	/** The last has those beyond all bounds. */
	readonly #counts: number[];
	#sumMs = 0;

	constructor(labels: string, bounds = ofRequests) {
		this.#labels = labels;
		this.#bounds = bounds;
		this.#counts = new Array(bounds.ms.length + 1).fill(0);
	}

	record(ms: number): void {
		this.#sumMs += ms;
		const bounds = this.#bounds.ms;
		let at = 0;
		while (at < bounds.length && ms > (bounds[at] as number)) at++;
		this.#counts[at] = (this.#counts[at] as number) + 1;
	}

	write(name: string, out: MetricsOut): void {
		const labels = this.#labels;
		const before = labels === "" ? "" : `${labels},`;
		let count = 0;
		for (const [at, more] of this.#counts.entries()) {
			count += more;
			const bound = this.#bounds.texts[at] ?? "+Inf";
			out.sample(`${name}_bucket`, `${before}le="${bound}"`, count);
		}
		out.sample(`${name}_sum`, labels, this.#sumMs / 1000);
		out.sample(`${name}_count`, labels, count);
	}
}
