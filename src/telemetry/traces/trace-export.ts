import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
	defaultResource,
	resourceFromAttributes,
} from "@opentelemetry/resources";
import {
	AlwaysOffSampler,
	AlwaysOnSampler,
	BatchSpanProcessor,
	ParentBasedSampler,
	type Sampler,
	SamplingDecision,
	TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import type { TrailEnded } from "../../core/events.ts";
import type { TraceParent } from "../../core/http/trace-context.ts";
import type { Secrets } from "../../core/secrets.ts";
import type { Tracer, TracerState } from "../../core/trace-ids.ts";
import { packageVersion } from "../../core/version.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import type { Timer } from "../../tasks/clock.ts";
import { CountingExporter } from "./counting-exporter.ts";
import { type Dependencies, dependenciesOf } from "./dependencies.ts";
import { FinishedSpan, type SpanSource } from "./span.ts";
import { spansOf } from "./spans.ts";
import type { TraceSettings } from "./trace-settings.ts";

/** This module loads the SDK of OpenTelemetry, so it is itself loaded only where traces are wanted. */

/** The most spans of one request, its own not counted. */
const spansMax = 1_000;

/** Spans are made some time after the requests have ended, in turns of the event loop that answer nobody. */
const gatheredMs = 20;

/** So many spans are made in one turn of the event loop, or those of one request. */
const turnMax = 256;

/** Told when spans were lost, with what is to be said of the reason. */
export type OnLost = (spans: number, why: string) => void;

/** Makes spans of the trails of requests, and sends them. It keeps no request waiting, and none fails with it. */
export class TraceExport implements Tracer {
	readonly spansMax: number;
	readonly #gateway: Pick<Gateway, "clock">;
	readonly #settings: TraceSettings;
	readonly #onLost: OnLost;
	readonly #dependencies: ReadonlyMap<string, Dependencies>;
	readonly #source: SpanSource;
	readonly #sampler: Sampler;
	readonly #exporter: CountingExporter;
	readonly #processor: BatchSpanProcessor;
	/** Requests whose spans are not made yet, in the order in which they ended. */
	readonly #ended: TrailEnded[] = [];
	#due: Timer | null = null;
	#closed = false;
	readonly #counts = { sent: 0, failed: 0, dropped: 0, leftOut: 0 };
	/** Spans that wait to be sent, made or not. */
	#waiting = 0;

	/** Throws if a file of the settings cannot be read. */
	constructor(
		gateway: Pick<Gateway, "plan" | "clock" | "secrets">,
		settings: TraceSettings,
		onLost: OnLost,
	) {
		this.#gateway = gateway;
		this.#settings = settings;
		this.#onLost = onLost;
		// A request that has more spans than may wait would never be shown.
		this.spansMax = Math.min(spansMax, settings.waitingMax - 1);
		this.#dependencies = dependenciesOf(gateway.plan);
		this.#source = sourceOf(settings, gateway.secrets);
		this.#sampler = samplerOf(settings);
		this.#exporter = new CountingExporter(
			exporterOf(settings),
			(spans) => {
				this.#waiting -= spans;
			},
			(spans, why) => this.#exported(spans, why),
		);
		const { waitingMax, batchMax, delayMs, exportMs } = settings;
		this.#processor = new BatchSpanProcessor({
			exporter: this.#exporter,
			maxQueueSize: waitingMax,
			maxExportBatchSize: batchMax,
			scheduledDelayMillis: delayMs,
			exportTimeoutMillis: exportMs,
		});
	}

	samples(traceId: string, parent: TraceParent | null): boolean {
		const context =
			parent === null
				? ROOT_CONTEXT
				: trace.setSpanContext(ROOT_CONTEXT, {
						traceId,
						spanId: parent.spanId,
						traceFlags: Number(parent.flags),
						isRemote: true,
					});
		const kind = SpanKind.SERVER;
		const { decision } = this.#sampler.shouldSample(
			context,
			traceId,
			"",
			kind,
			{},
			[],
		);
		return decision === SamplingDecision.RECORD_AND_SAMPLED;
	}

	ended(end: TrailEnded): void {
		const { trail } = end;
		const count = countOf(end);
		this.#counts.leftOut += leftOutOf(end);
		if (this.#closed || this.#waiting + count > this.#settings.waitingMax) {
			this.#counts.dropped += count;
			this.#onLost(count, "too many wait to be sent");
			return;
		}
		if (trail.ids === null) return;
		this.#waiting += count;
		this.#ended.push(end);
		this.#due ??= this.#gateway.clock.aside(gatheredMs, () => this.#make());
	}

	state(): TracerState {
		return { ...this.#counts, waiting: this.#waiting };
	}

	/** Sends what waits. Resolves when that has ended, or after this time with false. */
	async close(timeoutMs: number): Promise<boolean> {
		this.#closed = true;
		this.#due?.cancel();
		while (this.#ended.length > 0) this.#makeSome();
		const { promise: late, resolve } = Promise.withResolvers<false>();
		const timer = this.#gateway.clock.after(timeoutMs, () => resolve(false));
		// A batch that fails is counted, and its error was told.
		const over = this.#processor.shutdown().catch(() => {});
		const sent = over.then(() => this.#exporter.idle()).then(() => true);
		const inTime = await Promise.race([sent, late]);
		timer.cancel();
		if (inTime) return true;
		const left = this.#waiting + this.#exporter.underWay;
		this.#onLost(left, "the collector had not taken them at the end");
		return false;
	}

	#make(): void {
		this.#due = null;
		this.#makeSome();
		if (this.#ended.length === 0) return;
		this.#due = this.#gateway.clock.aside(0, () => this.#make());
	}

	#makeSome(): void {
		const { clock } = this.#gateway;
		const wallMs = Date.now() - clock.now();
		let made = 0;
		let taken = 0;
		while (made < turnMax && taken < this.#ended.length) {
			const end = this.#ended[taken++] as TrailEnded;
			const count = countOf(end);
			made += count;
			this.#waiting -= count;
			try {
				this.#queue(end, wallMs);
			} catch {
				// A bug of ours costs this trace, and not the process.
				this.#counts.dropped += count;
				this.#onLost(count, "they could not be made");
			}
		}
		this.#ended.splice(0, taken);
	}

	#queue(end: TrailEnded, wallMs: number): void {
		const { ids } = end.trail;
		if (ids === null) return;
		const dependencies = this.#dependencies.get(end.route ?? "");
		for (const facts of spansOf(end, ids, dependencies, wallMs)) {
			this.#waiting++;
			this.#processor.onEnd(new FinishedSpan(facts, this.#source));
		}
	}

	#exported(spans: number, why: string | null): void {
		if (why === null) {
			this.#counts.sent += spans;
			return;
		}
		this.#counts.failed += spans;
		this.#onLost(spans, why);
	}
}

/** How many spans a request has. */
function countOf({ trail }: TrailEnded): number {
	let count = 1;
	for (const step of trail.steps) {
		if (step.spanId === null) continue;
		count++;
		for (const call of step.calls) {
			for (const { spanId } of call.attempts) if (spanId !== null) count++;
		}
	}
	return count;
}

function leftOutOf({ trail }: TrailEnded): number {
	return trail.more + (trail.ids?.more ?? 0);
}

function sourceOf({ resource }: TraceSettings, secrets: Secrets): SpanSource {
	const given = secrets.hideInValue(resource);
	const own = { "service.instance.id": randomUUID(), ...given };
	return {
		secrets,
		resource: defaultResource().merge(resourceFromAttributes(own)),
		instrumentationScope: { name: "sluice", version: packageVersion() },
	};
}

function samplerOf({ sampler, ratio }: TraceSettings): Sampler {
	const root = new TraceIdRatioBasedSampler(ratio);
	const on = new AlwaysOnSampler();
	const off = new AlwaysOffSampler();
	return {
		always_on: on,
		always_off: off,
		traceidratio: root,
		parentbased_always_on: new ParentBasedSampler({ root: on }),
		parentbased_always_off: new ParentBasedSampler({ root: off }),
		parentbased_traceidratio: new ParentBasedSampler({ root }),
	}[sampler];
}

type ExporterOptions = NonNullable<
	ConstructorParameters<typeof OTLPTraceExporter>[0]
>;
type Compression = NonNullable<ExporterOptions["compression"]>;

function exporterOf({ url, headers, timeoutMs, gzip, tls }: TraceSettings) {
	const read = (path: string | null) => path && readFileSync(path);
	const { ca, cert, key } = tls;
	const files = { ca: read(ca), cert: read(cert), key: read(key) };
	const given = Object.entries(files).filter(([, file]) => file);
	return new OTLPTraceExporter({
		url,
		headers,
		timeoutMillis: timeoutMs,
		...(gzip && { compression: "gzip" as Compression }),
		httpAgentOptions: { keepAlive: true, ...Object.fromEntries(given) },
		userAgent: `sluice/${packageVersion()}`,
	});
}
