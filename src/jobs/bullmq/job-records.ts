import type { QueueClient } from "../../store/queue-client.ts";
import {
	endCodes,
	type Job,
	type JobKey,
	type NewJob,
	type RunOutcome,
	type StepProgress,
	type StoredAnswer,
	type TakenJob,
} from "../job.ts";
import type { DueHook, Found } from "../job-store.ts";
import {
	answerFields,
	answerOf,
	askedOf,
	jobFields,
	jobOf,
	type KnownJob,
	requestFields,
	requestOf,
} from "./job-hash.ts";
import {
	beginScript,
	cancelScript,
	createScript,
	endScript,
	type JobScript,
	keyScript,
	leaveScript,
	progressScript,
	surelyScript,
	takeHookScript,
} from "./job-scripts.ts";

/**
 * A lock runs out, too, while the store is away. So a run that has lost its lock has so long to show that it goes on: it tells how
 * it goes every two seconds at least, and tries to write its end as often.
 */
const silentMs = 3_000;

/** Whoever is to tell an end has so long for it. */
const tellingMs = 60_000;

/** For so long it is remembered that a job was there. */
const rememberedMs = 24 * 3_600_000;

/** The states in which a job is kept. */
export const endStates = [
	...(["done", "failed", "cancelled", "expired", "interrupted"] as const),
];

/**
 * What is known of jobs, in a hash for each. Only scripts change a hash: so a run that has lost its job can end nothing. From
 * the lists of ends to be told and of jobs that are kept, a plain command takes what is over. Each function makes a few calls
 * of a client, `kept` two for each state, and rejects with what the client rejects with.
 */
export class JobRecords {
	/** Every key begins with it. */
	readonly #prefix: string;

	constructor(prefix: string) {
		this.#prefix = prefix;
	}

	async find(client: QueueClient, id: string): Promise<Found> {
		const job = await this.known(client, id);
		if (job !== null) return { kind: "found", job };
		const [, , gone = ""] = this.#keysOf(id);
		const wasThere = await client.sendCommand(["EXISTS", gone]);
		if (Number(wasThere) === 0) return null;
		// Both are made at once, perhaps between the two looks.
		const now = await this.known(client, id);
		return now === null ? { kind: "gone" } : { kind: "found", job: now };
	}

	/** As `find`, for whoever does not have to know whether it was there. */
	async known(client: QueueClient, id: string): Promise<KnownJob | null> {
		return jobOf(id, await this.#read(client, id, jobFields));
	}

	async answer(client: QueueClient, id: string): Promise<StoredAnswer | null> {
		return answerOf(await this.#read(client, id, answerFields));
	}

	/** A job that this run has begun; null if it is there no more. */
	async taken(
		client: QueueClient,
		id: string,
		run: string,
	): Promise<TakenJob | null> {
		const job = await this.known(client, id);
		const request = requestOf(await this.#read(client, id, requestFields));
		return job && request && { job, request, run };
	}

	/** The job of a key, and what it was asked for with. It is this one unless there is another. */
	async claim(
		client: QueueClient,
		{ id, acceptedAt, expiresAt, keptMs }: NewJob,
		{ text, fingerprint }: JobKey,
	): Promise<readonly [id: string, fingerprint: string]> {
		const at = `${this.#prefix}job:key:${text}`;
		const forMs = expiresAt - acceptedAt + keptMs + rememberedMs;
		const args = [`${id} ${fingerprint}`, String(forMs)];
		const found = String(await run(client, keyScript, [at], args));
		const [other = "", said = ""] = found.split(" ");
		return [other, said];
	}

	/** Nobody begins it before it is surely in the queue, which it must be within so long. */
	async create(
		client: QueueClient,
		id: string,
		job: NewJob,
		sureMs: number,
	): Promise<void> {
		const { body, ...request } = job.request;
		const waitsMs = job.expiresAt - job.acceptedAt + job.keptMs;
		await run(client, createScript, this.#keysOf(id), [
			...[String(waitsMs), String(rememberedMs)],
			...[JSON.stringify(askedOf(job)), JSON.stringify(request)],
			...[Buffer.from(body), job.hook ? "1" : "0", String(sureMs)],
		]);
	}

	/** It is in the queue. False if that was too late: then it is no job. */
	async surely(client: QueueClient, id: string): Promise<boolean> {
		return (await run(client, surelyScript, this.#keysOf(id), [])) === 1;
	}

	/** `begun`, `unsure` if nobody knows yet whether it is one, `silent` if its last run may go on, or else why not. */
	async begin(
		client: QueueClient,
		{ id, keptMs, attempts, expiresAt }: KnownJob,
		by: string,
	): Promise<string> {
		const said = await run(client, beginScript, this.#keysOf(id), [
			...[by, String(Date.now()), String(keptMs), String(rememberedMs)],
			...[String(attempts), String(expiresAt), endCodes.interrupted],
			...[endCodes.expired, String(silentMs)],
		]);
		return String(said);
	}

	/** False if the run has lost its job. The same holds for `leave` and `end`. */
	async progress(
		client: QueueClient,
		id: string,
		by: string,
		steps: readonly StepProgress[],
	): Promise<boolean> {
		const args = [by, JSON.stringify(steps)];
		const said = await run(client, progressScript, this.#keysOf(id), args);
		return said === 1;
	}

	async leave(
		client: QueueClient,
		id: string,
		by: string,
		wrote: boolean,
	): Promise<boolean> {
		const args = [by, wrote ? "1" : "0"];
		return (await run(client, leaveScript, this.#keysOf(id), args)) === 1;
	}

	async end(
		client: QueueClient,
		{ id, keptMs }: Job,
		by: string,
		{ state, code, answer }: Exclude<RunOutcome, { readonly state: "left" }>,
		steps: readonly StepProgress[],
	): Promise<boolean> {
		const said = await run(client, endScript, this.#keysOf(id), [
			...[by, String(Date.now()), String(keptMs), String(rememberedMs)],
			...[state, code ?? "", String(answer.status)],
			...[JSON.stringify(answer.headers), bodyWord(answer.body)],
			JSON.stringify(steps),
		]);
		return said === 1;
	}

	async cancel(client: QueueClient, { id, keptMs }: Job): Promise<void> {
		await run(client, cancelScript, this.#keysOf(id), [
			...[String(Date.now()), String(keptMs)],
			...[String(rememberedMs), endCodes.cancelled],
		]);
	}

	/** An end that is to be told now. Nobody else gets it for a minute. */
	async takeHook(client: QueueClient): Promise<DueHook | null> {
		const now = Date.now();
		const args = [String(now), String(now + tellingMs)];
		const said = await run(client, takeHookScript, [this.#hooks], args);
		if (!Array.isArray(said)) return null;
		const [key, tries] = said as [unknown, unknown];
		const id = String(key).slice(`${this.#prefix}job:`.length);
		const found = await this.find(client, id);
		if (found?.kind !== "found") return null;
		return { job: found.job, tries: Number(tries) };
	}

	/** It is told, or to be told again at an instant. */
	async hookEnded(
		client: QueueClient,
		id: string,
		nextAt: number | null,
	): Promise<void> {
		const [key = ""] = this.#keysOf(id);
		await client.sendCommand(
			nextAt === null
				? ["ZREM", this.#hooks, key]
				: ["ZADD", this.#hooks, "XX", String(nextAt), key],
		);
	}

	/** How many are kept, for each of `endStates`. */
	kept(client: QueueClient): Promise<readonly number[]> {
		return Promise.all(endStates.map((state) => this.#keptIn(client, state)));
	}

	async #keptIn(client: QueueClient, state: string): Promise<number> {
		const key = `${this.#prefix}job:kept:${state}`;
		const now = String(Date.now());
		await client.sendCommand(["ZREMRANGEBYSCORE", key, "-inf", now]);
		return Number(await client.sendCommand(["ZCARD", key]));
	}

	async #read(
		client: QueueClient,
		id: string,
		fields: readonly string[],
	): Promise<readonly (Buffer | null)[]> {
		const [key = ""] = this.#keysOf(id);
		return await client.sendCommand(["HMGET", key, ...fields], asBytes);
	}

	/** The job, those of one state that are kept, and that it was there. */
	#keysOf(id: string): readonly string[] {
		const prefix = this.#prefix;
		return [
			...[`${prefix}job:${id}`, `${prefix}job:kept:`, `${prefix}job:was:${id}`],
			this.#hooks,
		];
	}

	get #hooks(): string {
		return `${this.#prefix}job:hooks`;
	}
}

async function run(
	client: QueueClient,
	{ text, sha1 }: JobScript,
	keys: readonly string[],
	args: readonly (string | Buffer)[],
): Promise<unknown> {
	const rest = [String(keys.length), ...keys, ...args];
	try {
		return await client.sendCommand(["EVALSHA", sha1, ...rest]);
	} catch (error) {
		if (!String(error).includes("NOSCRIPT")) throw error;
		return await client.sendCommand(["EVAL", text, ...rest]);
	}
}

const asBytes = { typeMapping: { 36: Buffer } } as const;

function bodyWord(body: Uint8Array | null): string | Buffer {
	return body === null ? "none" : Buffer.concat([Buffer.from("="), body]);
}
