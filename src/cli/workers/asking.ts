import type {
	AskedWorker,
	AskedWorkers,
	Heard,
	Listening,
	Question,
	Said,
} from "../../admin/questions.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Clock } from "../../tasks/clock.ts";
import type { FamilySamples } from "../../telemetry/metrics/exposition.ts";
import type { Saying } from "./messages.ts";
import type { Supervisor, Worker } from "./supervisor.ts";

type Value = Said[Question["kind"]];

/** Somebody who waits for a worker's answer. */
interface Waiting {
	answer(value: Value | null): void;
	refuse(error: GatewayError): void;
}

type Listener = Parameters<AskedWorkers["onEnd"]>[0];

/** Asks workers over their channels. Who asks is answered in any case: in time, or with null. */
export class Asking implements AskedWorkers {
	readonly #clock: Clock;
	readonly #supervisor: () => Supervisor;
	readonly #workers = new Map<Worker, AskedOne>();
	readonly #listeners: Listener[] = [];
	readonly #began = Date.now().toString(36);
	#ids = 0;

	constructor(clock: Clock, supervisor: () => Supervisor) {
		this.#clock = clock;
		this.#supervisor = supervisor;
	}

	all(): readonly AskedWorker[] {
		return this.#supervisor()
			.all()
			.filter(({ state }) => state !== "starting")
			.map((worker) => this.#of(worker));
	}

	restarts(): number {
		return this.#supervisor().restarts;
	}

	draining(): boolean {
		return this.#supervisor().ending;
	}

	onEnd(listener: Listener): void {
		this.#listeners.push(listener);
	}

	hear(worker: Worker, message: Saying): void {
		this.#of(worker).hear(message);
	}

	ended(worker: Worker): void {
		const one = this.#of(worker);
		this.#workers.delete(worker);
		one.end();
		for (const listener of this.#listeners) listener(one, one.counted);
	}

	/** Ids of another primary are others. */
	#nextId(): string {
		return this.#began + (++this.#ids).toString(36);
	}

	#of(worker: Worker): AskedOne {
		let one = this.#workers.get(worker);
		if (one === undefined) {
			one = new AskedOne(worker, this.#nextId(), this.#clock);
			this.#workers.set(worker, one);
		}
		return one;
	}
}

class AskedOne implements AskedWorker {
	readonly id: string;
	readonly #worker: Worker;
	readonly #clock: Clock;
	readonly #waiting = new Map<number, Waiting>();
	/** Those who listen, by their calls. */
	readonly #hearing = new Map<number, (heard: Heard) => void>();
	#calls = 0;
	/** What it has counted in all, if it could still say so. */
	counted: readonly FamilySamples[] | null = null;

	constructor(worker: Worker, id: string, clock: Clock) {
		this.id = id;
		this.#worker = worker;
		this.#clock = clock;
	}

	listen(listening: Listening, hear: (heard: Heard) => void): () => void {
		const call = ++this.#calls;
		const { process } = this.#worker;
		this.#hearing.set(call, hear);
		process.send({ kind: "listen", call, listening });
		return () => {
			if (this.#hearing.delete(call)) process.send({ kind: "leave", call });
		};
	}

	get number(): number {
		return this.#worker.number;
	}

	get leaves(): boolean {
		return this.#worker.state === "leaving";
	}

	async ask<Kind extends Question["kind"]>(
		question: Extract<Question, { readonly kind: Kind }>,
		{ timeoutMs, scope }: Parameters<AskedWorker["ask"]>[1],
	): Promise<Said[Kind] | null> {
		const call = ++this.#calls;
		const { process } = this.#worker;
		const { promise, resolve, reject } = Promise.withResolvers<Value | null>();
		this.#waiting.set(call, { answer: resolve, refuse: reject });
		const leave = () => {
			process.send({ kind: "leave", call });
			resolve(null);
		};
		const timer =
			timeoutMs === null ? null : this.#clock.after(timeoutMs, leave);
		const stopListening = scope.onCancel(leave);
		process.send({ kind: "ask", call, question });
		try {
			return (await promise) as Said[Kind] | null;
		} finally {
			timer?.cancel();
			stopListening();
			this.#waiting.delete(call);
		}
	}

	hear(message: Saying): void {
		switch (message.kind) {
			case "answered":
				this.#waiting.get(message.call)?.answer(message.value);
				return;
			case "refused": {
				const { call, code, message: words, facts } = message;
				const error = new GatewayError(code, words, facts);
				this.#waiting.get(call)?.refuse(error);
				return;
			}
			case "heard":
				this.#hearing.get(message.call)?.(message.heard);
				return;
			case "counted":
				this.counted = message.metrics;
		}
	}

	end(): void {
		for (const { answer } of this.#waiting.values()) answer(null);
	}
}
