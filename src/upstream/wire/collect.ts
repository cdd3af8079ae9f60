import { type Collector, createCollector } from "../../core/collector.ts";
import type { UpstreamResponse } from "../../core/messages.ts";
import type { Scope } from "../../tasks/scope.ts";
import { type Coding, decode, parseCoding } from "./decode.ts";
import {
	type AnswerHead,
	type Headers,
	listOf,
	type Receiver,
} from "./exchange.ts";
import type { WireSettings } from "./wire.ts";

type Resolve = (answer: UpstreamResponse | Promise<UpstreamResponse>) => void;

/** Collects an answer whole, within the upstream's bound, and takes its coding off. */
export function collecting(
	settings: WireSettings,
	scope: Scope,
	resolve: Resolve,
	reject: (reason: unknown) => void,
): Receiver {
	return new Collecting(settings, scope, resolve, reject);
}

class Collecting implements Receiver {
	readonly #settings: WireSettings;
	readonly #scope: Scope;
	readonly #resolve: Resolve;
	readonly onFail: (reason: unknown) => void;
	#status = 0;
	#headers: Headers = {};
	#coding: Coding | null = null;
	#body: Collector | null = null;

	constructor(
		settings: WireSettings,
		scope: Scope,
		resolve: Resolve,
		reject: (reason: unknown) => void,
	) {
		this.#settings = settings;
		this.#scope = scope;
		this.#resolve = resolve;
		this.onFail = reject;
	}

	onHead({ status, headers, hasBody, length }: AnswerHead): string | null {
		this.#status = status;
		this.#headers = headers;
		if (!hasBody) return null;
		const { bodyBytesMax } = this.#settings;
		const announced = length ?? 0;
		if (announced > bodyBytesMax) {
			return `announces ${announced} bytes, over ${bodyBytesMax}`;
		}
		const coding = parseCoding(String(headers["content-encoding"] ?? ""));
		if (coding === undefined) return "the content-encoding is not understood";
		this.#coding = coding;
		this.#body = createCollector(bodyBytesMax, announced);
		return null;
	}

	onData(chunk: Uint8Array): string | null {
		if (this.#body === null || this.#body.add(chunk)) return null;
		return `longer than ${this.#settings.bodyBytesMax}`;
	}

	onEnd(): void {
		this.#resolve(this.#answer());
	}

	#answer(): UpstreamResponse | Promise<UpstreamResponse> {
		const status = this.#status;
		const body = this.#body?.bytes() ?? noBytes;
		// Servers that name a coding and send no bytes at all are common.
		if (this.#coding === null || body.length === 0) {
			return { status, headers: listOf(this.#headers), body };
		}
		return this.#decoded(this.#coding, body);
	}

	/** The headers lose what was true of the coded body only. */
	async #decoded(coding: Coding, coded: Uint8Array): Promise<UpstreamResponse> {
		const { bodyBytesMax, name } = this.#settings;
		const body = await decode(coding, coded, bodyBytesMax, name, this.#scope);
		const headers = { ...this.#headers };
		delete headers["content-encoding"];
		delete headers["content-length"];
		return { status: this.#status, headers: listOf(headers), body };
	}
}

const noBytes = new Uint8Array(0);
