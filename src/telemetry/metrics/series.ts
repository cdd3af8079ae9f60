import { labels, type Metric, type MetricsOut } from "./exposition.ts";
import { Histogram } from "./histogram.ts";

/** The methods that may stand as labels. Clients choose methods, so all others are one. */
const knownMethods: ReadonlySet<string> = new Set([
	...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
	...["OPTIONS", "QUERY", "TRACE", "CONNECT"],
]);

/** Statuses are known to the hundreds alone if no standard has them, because upstreams choose them. */
const knownStatuses: ReadonlySet<number> = new Set([
	...[101, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226],
	...[300, 301, 302, 303, 304, 307, 308],
	...[400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413],
	...[414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451],
	...[499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511],
]);

/** One that a client made up is `_OTHER`. */
export function knownMethod(method: string): string {
	return knownMethods.has(method) ? method : "_OTHER";
}

function statusLabel(status: number): string {
	if (knownStatuses.has(status)) return String(status);
	return status >= 100 && status < 600
		? `${Math.floor(status / 100)}xx`
		: "_OTHER";
}

/** Durations that differ in method, status and error. One after the other is mostly of the same series. */
export class Durations {
	readonly #labels: Readonly<Record<string, string>>;
	readonly #all = new Map<string, Histogram>();
	#method = "";
	#status: number | null = null;
	#errorType = "";
	#last: Histogram | null = null;

	constructor(labels: Readonly<Record<string, string>>) {
		this.#labels = labels;
	}

	record(
		method: string,
		status: number | null,
		errorType: string,
		ms: number,
	): void {
		if (
			this.#last === null ||
			method !== this.#method ||
			status !== this.#status ||
			errorType !== this.#errorType
		) {
			this.#last = this.#find(method, status, errorType);
			this.#method = method;
			this.#status = status;
			this.#errorType = errorType;
		}
		this.#last.record(ms);
	}

	#find(method: string, status: number | null, errorType: string): Histogram {
		const text = labels({
			...this.#labels,
			http_request_method: knownMethod(method),
			http_response_status_code: status === null ? "" : statusLabel(status),
			error_type: errorType,
		});
		let found = this.#all.get(text);
		if (found === undefined) {
			found = new Histogram(text);
			this.#all.set(text, found);
		}
		return found;
	}

	write(name: string, out: MetricsOut): void {
		for (const one of this.#all.values()) one.write(name, out);
	}
}

/** Counts by labels. For events that are rare or whose labels are few. */
export class Counts {
	readonly #counts = new Map<string, number>();

	/** Begins at 0, so that the first event is an increase. */
	begin(text: string): void {
		this.#counts.set(text, 0);
	}

	add(text: string): void {
		this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1);
	}

	write(metric: Metric, out: MetricsOut): void {
		out.metric(metric);
		for (const [text, count] of this.#counts) {
			out.sample(metric.name, text, count);
		}
	}
}
