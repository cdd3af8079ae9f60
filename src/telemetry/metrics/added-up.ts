import type { FamilySamples, Metric, MetricsOut } from "./exposition.ts";
import { metricOf } from "./families.ts";

/** The values of one metric, by name and labels. */
type Values = Map<string, Value>;

interface Value {
	readonly name: string;
	readonly labels: string;
	value: number;
}

/**
 * Adds up the metrics of several processes. A counter never falls: what a process counted stays when it is gone, and
 * when it does not answer.
 */
export class AddedUp {
	/** Counters of processes that are gone. */
	readonly #gone = new Map<string, Values>();
	/** What each process said last. A process is any object that stands for it. */
	readonly #last = new Map<object, readonly FamilySamples[]>();

	/** What a process says now. */
	take(process: object, said: readonly FamilySamples[]): void {
		this.#last.set(process, said);
	}

	/** It has ended, and what it said last stays. */
	leave(process: object): void {
		const said = this.#last.get(process) ?? [];
		this.#last.delete(process);
		for (const { metric, samples } of known(said)) {
			if (isLasting(metric)) add(this.#gone, metric, samples, "");
		}
	}

	/** Writes all of it. `processes` are those that are there, by their number, and whether each has answered. */
	write(
		processes: readonly {
			readonly process: object;
			readonly worker: number;
			readonly answers: boolean;
		}[],
		out: MetricsOut,
	): void {
		const sums = new Map<string, Values>();
		for (const { process, worker, answers } of processes) {
			for (const { metric, samples } of known(this.#last.get(process) ?? [])) {
				if (!answers && !isLasting(metric)) continue;
				const label = metric.across === "worker" ? `worker="${worker}"` : "";
				add(sums, metric, samples, label);
			}
		}
		for (const [name, values] of this.#gone) {
			const metric = metricOf(name);
			if (metric === null) continue;
			const samples = [...values.values()].map(
				({ name, labels, value }) => [name, labels, value] as const,
			);
			add(sums, metric, samples, "");
		}
		for (const [name, values] of sums) {
			out.metric(metricOf(name) as Metric);
			for (const one of values.values()) {
				out.sample(one.name, one.labels, one.value);
			}
		}
	}
}

/** Whether it is a sum that only grows. Those of one process alone begin anew with the next. */
function isLasting({ type, across }: Metric): boolean {
	return (type === "counter" || type === "histogram") && across !== "worker";
}

function* known(said: readonly FamilySamples[]) {
	for (const { name, samples } of said) {
		const metric = metricOf(name);
		if (metric !== null) yield { metric, samples };
	}
}

function add(
	sums: Map<string, Values>,
	{ name: family, across = "sum" }: Metric,
	samples: FamilySamples["samples"],
	label: string,
): void {
	let values = sums.get(family);
	if (values === undefined) {
		values = new Map();
		sums.set(family, values);
	}
	for (const [name, own, value] of samples) {
		const labels = label === "" || own === "" ? label + own : `${label},${own}`;
		const key = `${name}{${labels}`;
		const found = values.get(key);
		if (found === undefined) values.set(key, { name, labels, value });
		else if (across === "most") found.value = Math.max(found.value, value);
		else if (across === "least") found.value = Math.min(found.value, value);
		else found.value += value;
	}
}
