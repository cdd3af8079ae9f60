import { isHeaderValue, isToken } from "../../core/http/headers.ts";

/** Variables by name, as in process.env. An empty one counts as not set, as OpenTelemetry says. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** What is wrong with a variable, and what is done instead. The message goes on after its name, and never holds its value. */
export type Warn = (variable: string, message: string) => void;

const samplers = [
	"always_on",
	"always_off",
	"traceidratio",
	"parentbased_always_on",
	"parentbased_always_off",
	"parentbased_traceidratio",
] as const;

/** Where traces go and how, by OpenTelemetry's variables. */
export interface TraceSettings {
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	/** The bound of one batch, its retries included. */
	readonly timeoutMs: number;
	readonly gzip: boolean;
	/** Paths of PEM files; null if there is none. */
	readonly tls: Readonly<Record<"ca" | "cert" | "key", string | null>>;
	readonly resource: Readonly<Record<string, string>>;
	readonly sampler: (typeof samplers)[number];
	/** From 0 to 1, for the two samplers that take a share. */
	readonly ratio: number;
	/** How many spans may wait. */
	readonly waitingMax: number;
	readonly batchMax: number;
	/** How long a batch waits to become full. */
	readonly delayMs: number;
	/** After this time the next batch goes out, whatever became of the one before. */
	readonly exportMs: number;
}

/** Null if no traces are wanted, or if the variables say no way to send them. */
export function traceSettings(
	env: Variables,
	warn: Warn,
): TraceSettings | null {
	const read = new Reader(env, warn);
	const endpoint = endpointOf(read);
	if (read.flag("OTEL_SDK_DISABLED") || !isWanted(read, endpoint)) return null;
	const url = endpoint === null ? usualUrl : urlOf(endpoint);
	if (url === null) {
		const words = "is no URL of http or https, so no traces are sent";
		warn(endpoint?.variable ?? "", words);
		return null;
	}
	const headers = headersOf(read);
	if (headers === null) return null;
	read.exporter("PROTOCOL", protocolOf);
	const waitingMax = read.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1);
	const batchMax = read.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1);
	return {
		url,
		headers,
		timeoutMs: read.exporter("TIMEOUT", (variable) =>
			read.number(variable, usualTimeoutMs, 1),
		),
		gzip: read.exporter("COMPRESSION", gzipOf),
		tls: {
			ca: read.exporter("CERTIFICATE", textOf),
			cert: read.exporter("CLIENT_CERTIFICATE", textOf),
			key: read.exporter("CLIENT_KEY", textOf),
		},
		resource: resourceOf(read),
		sampler: samplerOf(read),
		ratio: ratioOf(read),
		waitingMax,
		batchMax: Math.min(batchMax, waitingMax),
		delayMs: read.number("OTEL_BSP_SCHEDULE_DELAY", 5_000, 0),
		exportMs: read.number("OTEL_BSP_EXPORT_TIMEOUT", 30_000, 1),
	};
}

const usualUrl = "http://localhost:4318/v1/traces";
const usualTimeoutMs = 10_000;

class Reader {
	readonly #env: Variables;
	readonly warn: Warn;

	constructor(env: Variables, warn: Warn) {
		this.#env = env;
		this.warn = warn;
	}

	/** Null if it is not set. */
	text(variable: string): string | null {
		return this.#env[variable]?.trim() || null;
	}

	/** What is said for traces counts more than what is said for everything that is exported. */
	exporter<T>(name: string, valueOf: (variable: string, read: Reader) => T): T {
		const own = `OTEL_EXPORTER_OTLP_TRACES_${name}`;
		const all = `OTEL_EXPORTER_OTLP_${name}`;
		return valueOf(this.text(own) === null ? all : own, this);
	}

	flag(variable: string): boolean {
		const text = this.text(variable)?.toLowerCase() ?? "false";
		if (text !== "true" && text !== "false") {
			this.warn(variable, "takes `true` or `false`, and counts as false");
		}
		return text === "true";
	}

	number(variable: string, usual: number, min: number): number {
		const text = this.text(variable);
		if (text === null) return usual;
		const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
		if (number >= min) return number;
		const words = `takes a whole number from ${min}, so ${usual} is used`;
		this.warn(variable, words);
		return usual;
	}
}

interface Endpoint {
	readonly variable: string;
	readonly text: string;
	/** What is added to its path. */
	readonly path: string;
}

function endpointOf(read: Reader): Endpoint | null {
	for (const [variable, path] of [
		["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""],
		["OTEL_EXPORTER_OTLP_ENDPOINT", "v1/traces"],
	] as const) {
		const text = read.text(variable);
		if (text !== null) return { variable, text, path };
	}
	return null;
}

function urlOf({ text, path }: Endpoint): string | null {
	if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return null;
	const url = new URL(text);
	if (path === "") return url.href;
	url.pathname = `${url.pathname.replace(/\/$/, "")}/${path}`;
	return url.href;
}

/** Traces are sent where somebody said to where, or asked for them by name. */
function isWanted(read: Reader, endpoint: Endpoint | null): boolean {
	const variable = "OTEL_TRACES_EXPORTER";
	const text = read.text(variable);
	if (text === null) return endpoint !== null;
	const names = text.split(",").map((name) => name.trim());
	const others = names.filter((name) => name !== "otlp" && name !== "none");
	if (others.length > 0) {
		const words = names.includes("otlp")
			? "takes `otlp` or `none`, and all others are passed over"
			: "takes `otlp` or `none`, so no traces are sent";
		read.warn(variable, words);
	}
	return names.includes("otlp");
}

function protocolOf(variable: string, read: Reader): void {
	const text = read.text(variable) ?? "http/protobuf";
	if (text === "http/protobuf") return;
	read.warn(variable, "takes `http/protobuf` alone, so that is used");
}

function gzipOf(variable: string, read: Reader): boolean {
	const text = read.text(variable) ?? "none";
	if (text !== "none" && text !== "gzip") {
		read.warn(variable, "takes `gzip` or `none`, so nothing is compressed");
	}
	return text === "gzip";
}

function textOf(variable: string, read: Reader): string | null {
	return read.text(variable);
}

function samplerOf(read: Reader): TraceSettings["sampler"] {
	const variable = "OTEL_TRACES_SAMPLER";
	const usual = "parentbased_always_on";
	const text = read.text(variable) ?? usual;
	const found = samplers.find((name) => name === text);
	if (found !== undefined) return found;
	read.warn(variable, `takes ${samplers.join(", ")}, and ${usual} is used`);
	return usual;
}

function ratioOf(read: Reader): number {
	const variable = "OTEL_TRACES_SAMPLER_ARG";
	const text = read.text(variable);
	if (text === null) return 1;
	const ratio = /^\d*\.?\d+$|^\d+\.$/.test(text) ? Number(text) : 2;
	if (ratio <= 1) return ratio;
	read.warn(variable, "takes a number from 0 to 1, so 1 is used");
	return 1;
}

function resourceOf(read: Reader): Record<string, string> {
	const variable = "OTEL_RESOURCE_ATTRIBUTES";
	const given = Object.fromEntries(pairsOf(variable, read));
	const name = read.text("OTEL_SERVICE_NAME") ?? given["service.name"];
	return { ...given, "service.name": name ?? "sluice" };
}

/** Null if one of them cannot be sent. The exporter reads the variables once more, and would fail with each batch. */
function headersOf(read: Reader): Record<string, string> | null {
	const headers: Record<string, string> = {};
	for (const variable of [
		"OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS",
	]) {
		for (const [name, value] of pairsOf(variable, read)) {
			if (isToken(name) && isHeaderValue(value)) {
				headers[name.toLowerCase()] = value;
				continue;
			}
			const words = "has a part that is no header field, so no traces are sent";
			read.warn(variable, words);
			return null;
		}
	}
	return headers;
}

/** The parts of `key=value,key=value`, which are percent-encoded. */
function pairsOf(variable: string, read: Reader): [string, string][] {
	const parts = (read.text(variable) ?? "").split(",").map((one) => one.trim());
	const given = parts.filter((part) => part !== "");
	const pairs = given.flatMap((part): [string, string][] => {
		const at = part.indexOf("=");
		const name = decoded(part.slice(0, Math.max(0, at)).trim());
		const value = decoded(part.slice(at + 1).trim());
		return name && value !== null ? [[name, value]] : [];
	});
	if (pairs.length < given.length) {
		read.warn(
			variable,
			"has a part that is no `key=value`, which is passed over",
		);
	}
	return pairs;
}

function decoded(text: string): string | null {
	try {
		return decodeURIComponent(text);
	} catch {
		return null;
	}
}
