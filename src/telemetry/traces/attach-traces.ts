import type { Gateway } from "../../gateway/gateway.ts";
import type { Log } from "../log/log.ts";
// Types only: it loads the SDK of OpenTelemetry.
import type { TraceExport } from "./trace-export.ts";
import {
	type TraceSettings,
	traceSettings,
	type Variables,
} from "./trace-settings.ts";

export interface TracesOptions {
	/** The variables `OTEL_…`. Default: those of the process, whose `OTEL_EXPORTER_OTLP_HEADERS` are sent in any case. */
	readonly env?: Variables;
	/** Hears of variables that are wrong, and of spans that were lost. Default: nobody does. */
	readonly log?: Pick<Log, "warn">;
}

/** The traces of one gateway. */
export interface GatewayTraces {
	/**
	 * Traces no more requests, and sends what waits. Resolves with true when that is done. After this time, by default three
	 * seconds, it resolves with false. Then the SDK may keep the process alive for as long as one batch may take.
	 */
	close(timeoutMs?: number): Promise<boolean>;
}

/** How long a collector that is slow or gone may hold up the end of the process. */
const flushMs = 3_000;

/** A collector that is gone is told once in this time. */
const tellEveryMs = 60_000;

/**
 * Sends traces of a gateway's requests by OTLP, as the variables of OpenTelemetry say. Null if they ask for none. Never
 * rejects: what is wrong is told, and costs traces and no request.
 */
export async function attachTraces(
	gateway: Pick<Gateway, "plan" | "clock" | "events" | "secrets">,
	{ env = process.env, log }: TracesOptions = {},
): Promise<GatewayTraces | null> {
	const settings = traceSettings(env, (variable, message) =>
		log?.warn({}, `${variable} ${message}`),
	);
	if (settings === null) return null;
	const losses = new Losses(gateway, log);
	const opened = await openExport(gateway, settings, losses, log);
	if (opened === null) return null;
	const { tracers } = gateway.events;
	tracers.push(opened);
	return {
		async close(timeoutMs = flushMs) {
			tracers.length = 0;
			const done = await opened.close(timeoutMs);
			losses.close();
			return done;
		},
	};
}

async function openExport(
	gateway: Pick<Gateway, "plan" | "clock" | "secrets">,
	settings: TraceSettings,
	losses: Losses,
	log: TracesOptions["log"],
): Promise<TraceExport | null> {
	try {
		const { TraceExport } = await import("./trace-export.ts");
		return new TraceExport(gateway, settings, (spans, why) =>
			losses.add(spans, why),
		);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		const lacking = code === "ERR_MODULE_NOT_FOUND";
		log?.warn({ code }, `no traces are sent: ${lacking ? install : unread}`);
		return null;
	}
}

const install =
	"install @opentelemetry/api, @opentelemetry/resources, @opentelemetry/sdk-trace and @opentelemetry/exporter-trace-otlp-proto beside sluice";
const unread =
	"a file that OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE or _CLIENT_KEY names cannot be used";

/** Tells of lost spans at once, and then once a minute. */
class Losses {
	readonly #gateway: Pick<Gateway, "clock">;
	readonly #log: TracesOptions["log"];
	#spans = 0;
	#why = "";
	#toldMs = Number.NEGATIVE_INFINITY;

	constructor(gateway: Pick<Gateway, "clock">, log: TracesOptions["log"]) {
		this.#gateway = gateway;
		this.#log = log;
	}

	add(spans: number, why: string): void {
		this.#spans += spans;
		this.#why = why;
		if (this.#gateway.clock.now() - this.#toldMs >= tellEveryMs) this.#tell();
	}

	/** Tells of what was not told yet. */
	close(): void {
		if (this.#spans > 0) this.#tell();
	}

	#tell(): void {
		this.#log?.warn(
			{ spans: this.#spans, why: this.#why },
			"spans of traces were lost",
		);
		this.#spans = 0;
		this.#toldMs = this.#gateway.clock.now();
	}
}
