import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";

type Result = Parameters<Parameters<SpanExporter["export"]>[1]>[0];

/** Hears what has become of spans. `why` is null if the collector took them. */
export type OnExported = (spans: number, why: string | null) => void;

/** An exporter that tells how many spans come out of the queue, and what becomes of them. */
export class CountingExporter implements SpanExporter {
	readonly #exporter: SpanExporter;
	readonly #onTaken: (spans: number) => void;
	readonly #onExported: OnExported;
	/** Spans of batches that the collector has not answered yet. */
	underWay = 0;
	#onIdle: (() => void) | null = null;

	constructor(
		exporter: SpanExporter,
		onTaken: (spans: number) => void,
		onExported: OnExported,
	) {
		this.#exporter = exporter;
		this.#onTaken = onTaken;
		this.#onExported = onExported;
	}

	export(spans: ReadableSpan[], done: (result: Result) => void): void {
		this.#onTaken(spans.length);
		this.underWay += spans.length;
		let over = false;
		const end = (result: Result) => {
			if (over) return;
			over = true;
			this.#onExported(spans.length, result.code === 0 ? null : whyOf(result));
			done(result);
			this.underWay -= spans.length;
			if (this.underWay === 0) this.#onIdle?.();
		};
		try {
			this.#exporter.export(spans, end);
		} catch (error) {
			end({ code: 1, error: error as Error });
		}
	}

	/** Resolves when no batch is under way any more. */
	idle(): Promise<void> {
		if (this.underWay === 0) return Promise.resolve();
		return new Promise((resolve) => {
			this.#onIdle = resolve;
		});
	}

	forceFlush(): Promise<void> {
		return this.#exporter.forceFlush?.() ?? Promise.resolve();
	}

	shutdown(): Promise<void> {
		return this.#exporter.shutdown();
	}
}

/** The status of the collector's answer, or the system's code. Its own words may hold anything. */
function whyOf({ error }: Result): string {
	const code = (error as { code?: unknown } | undefined)?.code;
	if (typeof code === "number") return `the collector answered ${code}`;
	if (typeof code === "string" && /^[A-Z_]+$/.test(code)) {
		return `the collector could not be reached: ${code}`;
	}
	return known[error?.message ?? ""] ?? "the collector did not take them";
}

/** The exporter's own words for errors without a code. */
const known: Readonly<Record<string, string>> = {
	"Request timed out": "the collector did not answer in time",
	"Export failed with retryable status":
		"the collector answered 429, 502, 503 or 504 each time",
};
