import type { MetricsOut } from "./exposition.ts";

/** OpenTelemetry's bounds for durations of HTTP, in milliseconds. */
const boundsMs = [
	5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000,
];

/** As OpenMetrics writes floats. Both formats have the same, so that a scraper that changes between them finds its series. */
const boundTexts = boundsMs.map((ms) => {
	const seconds = String(ms / 1000);
	return seconds.includes(".") ? seconds : `${seconds}.0`;
});

/** How many durations fell between the bounds, and their sum. */
export class Histogram {
	readonly #labels: string;
	/** The last has those beyond all bounds. */
	readonly #counts: number[] = new Array(boundsMs.length + 1).fill(0);
	#sumMs = 0;

	constructor(labels: string) {
		this.#labels = labels;
	}

	record(ms: number): void {
		this.#sumMs += ms;
		let at = 0;
		while (at < boundsMs.length && ms > (boundsMs[at] as number)) at++;
		this.#counts[at] = (this.#counts[at] as number) + 1;
	}

	write(name: string, out: MetricsOut): void {
		const labels = this.#labels;
		const before = labels === "" ? "" : `${labels},`;
		let count = 0;
		for (const [at, more] of this.#counts.entries()) {
			count += more;
			const bound = boundTexts[at] ?? "+Inf";
			out.sample(`${name}_bucket`, `${before}le="${bound}"`, count);
		}
		out.sample(`${name}_sum`, labels, this.#sumMs / 1000);
		out.sample(`${name}_count`, labels, count);
	}
}
