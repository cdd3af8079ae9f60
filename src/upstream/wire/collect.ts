import {
	type Coding,
	decodeCodings,
	parseCodings,
} from "../../core/body/codings.ts";
import { type Collector, createCollector } from "../../core/body/collector.ts";
import { codedFields } from "../../core/http/fields.ts";
import { type HeaderList, headersWithout } from "../../core/http/headers.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import type { Memory } from "../../core/memory.ts";
import type { CallEnd, SentCall } from "../../policy/policy.ts";
import { tellEnd } from "../../policy/promised.ts";
import type { Clock } from "../../tasks/clock.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import type { UpstreamExchange } from "./exchange.ts";
import type { AnswerHead, Receiver } from "./receiver.ts";
import type { WireSettings } from "./wire.ts";
import { invalid } from "./wire-errors.ts";

/** Collects a whole answer, within the upstream's bound, and decodes its body. */
export class Collecting implements Receiver, SentCall {
	readonly #settings: WireSettings;
	readonly #memory: Memory;
	readonly #clock: Clock;
	readonly #ended: CallEnd;
	/** Brings the answer. Set before it begins. */
	exchange: UpstreamExchange | null = null;
	/** The lifetime of decoding the whole body. */
	#decoding: Scope | null = null;
	#head: AnswerHead | null = null;
	#codings: readonly Coding[] = noCodings;
	#body: Collector | null = null;
	/** What was taken of the memory. It is given back as soon as the answer is somebody's. */
	#taken = 0;

	constructor(
		settings: WireSettings,
		memory: Memory,
		clock: Clock,
		ended: CallEnd,
	) {
		this.#settings = settings;
		this.#memory = memory;
		this.#clock = clock;
		this.#ended = ended;
	}

	onHead(head: AnswerHead, hasBody: boolean): string | null {
		this.#head = head;
		if (!hasBody) return null;
		const { bodyBytesMax } = this.#settings;
		const announced = head.length ?? 0;
		if (announced > bodyBytesMax) {
			return `announces ${announced} bytes, more than ${bodyBytesMax} (\`maxBody\`)`;
		}
		if (head.contentCoding !== "") {
			const codings = parseCodings(head.contentCoding);
			if (typeof codings === "string") return codings;
			this.#codings = codings;
		}
		this.#body = createCollector(bodyBytesMax, announced);
		return null;
	}

	onData(memory: Buffer, from: number, to: number): string | null {
		if (this.#body === null) return null;
		const growth = this.#body.growth(to - from);
		if (growth > 0) {
			if (!this.#memory.take(growth)) {
				this.end(this.#memory.usedUp);
				return null;
			}
			this.#taken += growth;
		}
		if (this.#body.copy(memory, from, to)) return null;
		return `longer than ${this.#settings.bodyBytesMax} bytes (\`maxBody\`)`;
	}

	onEnd(): void {
		const { status, headers } = this.#head as AnswerHead;
		const body = this.#body?.bytes() ?? noBytes;
		// Servers that name a coding and send no bytes at all are common.
		if (this.#codings.length > 0 && body.length > 0) {
			tellEnd(this.#decoded(status, headers, body), this.#ended);
			return;
		}
		this.#giveBack();
		this.#ended.answered(this.#whole(status, headers, body));
	}

	end(reason: unknown): void {
		if (this.#decoding === null) this.exchange?.fail(reason);
		else this.#decoding.cancel(reason);
	}

	onFail(reason: unknown): void {
		this.#giveBack();
		this.#ended.failed(reason);
	}

	#giveBack(): void {
		this.#memory.give(this.#taken);
		this.#taken = 0;
	}

	#whole(
		status: number,
		headers: HeaderList,
		body: Uint8Array,
	): UpstreamResponse {
		const { url } = this.#settings;
		return url === undefined
			? { status, headers, body }
			: { status, headers, body, url };
	}

	/** The headers lose the fields that were true only of the coded body. */
	async #decoded(
		status: number,
		headers: HeaderList,
		coded: Uint8Array,
	): Promise<UpstreamResponse> {
		const { bodyBytesMax: bytesMax, name } = this.#settings;
		const refuse = (words: string) => invalid(name, words);
		const bounds = { bytesMax, memory: this.#memory, refuse };
		const decoding = openScope({ clock: this.#clock });
		this.#decoding = decoding;
		try {
			const body = await decodeCodings(this.#codings, coded, bounds, decoding);
			const uncoded = headersWithout(headers, (name) => codedFields.has(name));
			return this.#whole(status, uncoded, body);
		} finally {
			decoding.close();
			this.#giveBack();
		}
	}
}

const noBytes = new Uint8Array(0);
const noCodings: readonly Coding[] = [];
