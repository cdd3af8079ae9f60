/** The two text formats that Prometheus reads. */
export type MetricsFormat = "prometheus" | "openmetrics";

export const contentTypes: Readonly<Record<MetricsFormat, string>> = {
	prometheus: "text/plain; version=0.0.4; charset=utf-8",
	openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** What kind of number a metric is. An `info` is always 1 and says something by its labels. */
export type MetricType = "counter" | "gauge" | "histogram" | "info";

export interface Metric {
	readonly name: string;
	readonly type: MetricType;
	/** The help line. It ends without a dot. */
	readonly help: string;
	/**
	 * What the numbers of several processes are together: their sum, the most of them, or each with the label `worker` because
	 * neither says anything. Default: the sum.
	 */
	readonly across?: "sum" | "most" | "least" | "worker";
}

/** Takes metrics, one after the other. */
export interface MetricsOut {
	/** The head of a metric, whose samples follow. */
	metric(metric: Metric): void;
	sample(name: string, labels: string, value: number): void;
}

/** Labels as they are printed: `route="GET /x",step="now"`; empty if there are none. */
export function labels(values: Readonly<Record<string, string>>): string {
	return Object.entries(values)
		.filter(([, value]) => value !== "")
		.map(([name, value]) => `${name}="${escaped(value)}"`)
		.join(",");
}

function escaped(value: string): string {
	return value
		.replaceAll("\\", "\\\\")
		.replaceAll('"', '\\"')
		.replaceAll("\n", "\\n");
}

/** The samples of one metric: name, labels and value of each. */
export interface FamilySamples {
	readonly name: string;
	readonly samples: (readonly [name: string, labels: string, value: number])[];
}

/** Holds metrics as numbers, for another process. */
export class Samples implements MetricsOut {
	readonly families: FamilySamples[] = [];

	metric({ name }: Metric): void {
		this.families.push({ name, samples: [] });
	}

	sample(name: string, labels: string, value: number): void {
		this.families.at(-1)?.samples.push([name, labels, value]);
	}
}

/** Writes metrics as text. The two formats differ in the names of counters and in the end. */
export class Exposition implements MetricsOut {
	readonly #format: MetricsFormat;
	readonly #lines: string[] = [];

	constructor(format: MetricsFormat) {
		this.#format = format;
	}

	metric({ name, type, help }: Metric): void {
		const open = this.#format === "openmetrics";
		const family = open ? name.replace(/_(?:total|info)$/, "") : name;
		const kind = type === "info" && !open ? "gauge" : type;
		this.#lines.push(`# HELP ${family} ${help}`, `# TYPE ${family} ${kind}`);
	}

	sample(name: string, labels: string, value: number): void {
		const at = labels === "" ? name : `${name}{${labels}}`;
		this.#lines.push(`${at} ${value}`);
	}

	text(): string {
		if (this.#format === "openmetrics") this.#lines.push("# EOF");
		return `${this.#lines.join("\n")}\n`;
	}
}
