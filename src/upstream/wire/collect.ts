import { type Collector, createCollector } from "../../core/body/collector.ts";
import { codedFields } from "../../core/http/fields.ts";
import { type HeaderList, headersWithout } from "../../core/http/headers.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import type { Scope } from "../../tasks/scope.ts";
import { type Coding, decode, parseCoding } from "./decode.ts";
import type { AnswerHead, Receiver } from "./receiver.ts";
import type { WireSettings } from "./wire.ts";

type Resolve = (answer: UpstreamResponse | Promise<UpstreamResponse>) => void;

/** Collects a whole answer, within the upstream's bound, and decodes its body. */
export class Collecting implements Receiver {
	readonly #settings: WireSettings;
	readonly #scope: Scope;
	readonly #resolve: Resolve;
	readonly onFail: (reason: unknown) => void;
	#head: AnswerHead | null = null;
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

	onHead(head: AnswerHead, hasBody: boolean): string | null {
		this.#head = head;
		if (!hasBody) return null;
		const { bodyBytesMax } = this.#settings;
		const announced = head.length ?? 0;
		if (announced > bodyBytesMax) {
			return `announces ${announced} bytes, more than ${bodyBytesMax} (\`maxBody\`)`;
		}
		const coding = parseCoding(head.contentCoding);
		if (coding === undefined) return "the content-encoding is not understood";
		this.#coding = coding;
		this.#body = createCollector(bodyBytesMax, announced);
		return null;
	}

	onData(memory: Buffer, from: number, to: number): string | null {
		if (this.#body === null || this.#body.copy(memory, from, to)) return null;
		return `longer than ${this.#settings.bodyBytesMax} bytes (\`maxBody\`)`;
	}

	onEnd(): void {
		this.#resolve(this.#answer());
	}

	#answer(): UpstreamResponse | Promise<UpstreamResponse> {
		const { status, headers } = this.#head as AnswerHead;
		const body = this.#body?.bytes() ?? noBytes;
		// Servers that name a coding and send no bytes at all are common.
		if (this.#coding === null || body.length === 0) {
			return { status, headers, body };
		}
		return this.#decoded(status, headers, this.#coding, body);
	}

	/** The headers lose the fields that were true only of the coded body. */
	async #decoded(
		status: number,
		headers: HeaderList,
		coding: Coding,
		coded: Uint8Array,
	): Promise<UpstreamResponse> {
		const { bodyBytesMax, name } = this.#settings;
		const body = await decode(coding, coded, bodyBytesMax, name, this.#scope);
		const uncoded = headersWithout(headers, (field) => codedFields.has(field));
		return { status, headers: uncoded, body };
	}
}

const noBytes = new Uint8Array(0);
