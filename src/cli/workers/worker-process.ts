/** The program of a worker. Nothing here is called by another file. */
import type { SendHandle } from "node:child_process";
import { inspect } from "node:util";
import {
	createWorkerAnswers,
	type WorkerAnswers,
} from "../../admin/worker-answers.ts";
import { GatewayError } from "../../core/errors.ts";
import type { RunningServer } from "../../server/serve.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import { drainWithJobs } from "../draining.ts";
import { exitCodes } from "../exit-codes.ts";
import { loadQuietly } from "../find-config.ts";
import { withFlags } from "../flags.ts";
import { hidden } from "../hidden.ts";
import { createServing, type Serving } from "../serving.ts";
import { ignoreSignals } from "../signals.ts";
import { guardProcess } from "../terminal.ts";
import { type Handed, HandOver } from "./handed.ts";
import {
	type FromWorker,
	firstSocket,
	type ToWorker,
	type WorkerStart,
} from "./messages.ts";

/** How long requests are still taken while the health check fails, and connections at rest stay open, at most. */
const usualDelayMs = 5_000;

async function run(given: WorkerStart): Promise<number> {
	const opened = await begin(given).catch(beginFailed);
	if (typeof opened === "number") return opened;
	const { serving, server, handOver } = opened;
	const finished = await serveUntilTold(serving, server, handOver);
	handOver.close();
	await serving.log.close();
	return finished ? exitCodes.ok : exitCodes.failed;
}

/** Serves from now on, or says to the primary why not and gives the exit code. */
async function begin(given: WorkerStart): Promise<
	| {
			readonly serving: Serving;
			readonly server: RunningServer;
			readonly handOver: HandOver;
	  }
	| number
> {
	const { file, host, port, number, count } = given;
	const { config, faults } = await loadQuietly(file);
	if (config === null) return await unfit(faults, exitCodes.configInvalid);
	const worker = { number, count };
	const inForce = withFlags(config, given.flags);
	const serving = await createServing(inForce, { host, port, worker });
	const sockets = Array.from(
		{ length: given.sockets + given.redirectSockets },
		(_, at) => firstSocket + at,
	);
	const redirectSockets = sockets.splice(given.sockets);
	const { gateway } = serving;
	const { connectionsMax } = gateway.server;
	// Connections come as soon as the first of its sockets listens.
	let server: RunningServer | null = null;
	const connections = () => server?.connections() ?? 0;
	const handOver = new HandOver({
		clock: gateway.clock,
		tell: send,
		isFull: (coming) =>
			gateway.isFull(coming) || connections() >= connectionsMax,
	});
	server = await serving.open({
		...{ sockets, redirectSockets },
		handOver: (socket) => handOver.offer(socket),
	});
	return { serving, server, handOver };
}

/** Its log is the primary's, which says it among its own lines. */
async function unfit(
	faults: readonly string[],
	exitCode: number,
): Promise<number> {
	await told({ kind: "unfit", faults: faults.map(hidden) });
	return exitCode;
}

/** Something failed before it could serve: a file that `auth` names is gone, or a bug. */
async function beginFailed(thrown: unknown): Promise<number> {
	const known =
		thrown instanceof GatewayError && thrown.code === "config_invalid";
	return await unfit(
		[known ? thrown.message : inspect(thrown)],
		known ? exitCodes.configInvalid : exitCodes.failed,
	);
}

/** True if nothing had to be cut. */
async function serveUntilTold(
	serving: Serving,
	server: RunningServer,
	handOver: HandOver,
): Promise<boolean> {
	const { gateway, metrics, history } = serving;
	const answers =
		metrics && createWorkerAnswers(gateway, { server, metrics, history });
	const drained = Promise.withResolvers<boolean>();
	const cut = Promise.withResolvers<void>();
	const calls = answers && new Calls(answers, serving);
	const busy = busyShare();
	const drain = (draining: Promise<boolean>) =>
		drained.resolve(drainWithJobs(gateway, draining));
	const load = () => ({
		connections: server.connections(),
		busy: Math.max(busy(), Number(gateway.isFull(0))),
	});
	process.on("message", (message: ToWorker, handed: unknown) => {
		switch (message.kind) {
			case "ping":
				return tell({ kind: "pong", load: load() });
			case "let go":
				return server.letGo(message.connections);
			case "others":
				return handOver.hear(message.rest);
			case "take":
				if (handed) server.take(handOver.take(handed as Handed));
				return;
			case "ticket keys":
				return server.useTicketKeys(Buffer.from(message.keys));
			case "drain":
				return drain(server.drain(undefined, message.delayMs));
			case "retire":
				return drain(server.retire());
			case "cut":
				return cut.resolve();
			case "ask":
				return void calls?.answer(message);
			case "listen":
				return calls?.listen(message);
			case "leave":
				calls?.leave(message.call);
		}
	});
	// Without the primary nobody would start or end workers, or show what they do.
	void left.promise.then(() => {
		handOver.hear(false);
		drain(server.drain());
	});
	const { drainMs, drainDelayMs } = gateway.server;
	tell({
		kind: "ready",
		routes: gateway.plan.routes.length,
		traces: serving.traces,
		endingMs: drainMs + (drainDelayMs ?? usualDelayMs),
	});
	const finished = await Promise.race([
		drained.promise,
		cut.promise.then(() => false),
	]);
	if (!finished) await server.close();
	await serving.close(cut.promise);
	calls?.close();
	if (metrics) {
		const counted = metrics.samples(server, history);
		await told({ kind: "counted", metrics: counted });
	}
	return finished;
}

/** The busy share of the event loop since it was asked for last. */
function busyShare(): () => number {
	let before = performance.eventLoopUtilization();
	return () => {
		const now = performance.eventLoopUtilization();
		const { utilization } = performance.eventLoopUtilization(now, before);
		before = now;
		return utilization;
	};
}

/** What the primary asks, until it is answered. */
class Calls {
	readonly #answers: WorkerAnswers;
	readonly #serving: Serving;
	readonly #scopes = new Map<number, Scope>();
	/** Ends of listening. */
	readonly #stops = new Map<number, () => void>();

	constructor(answers: WorkerAnswers, serving: Serving) {
		this.#answers = answers;
		this.#serving = serving;
	}

	async answer({
		call,
		question,
	}: Extract<ToWorker, { readonly kind: "ask" }>): Promise<void> {
		const { clock } = this.#serving.gateway;
		const scope = openScope({ clock });
		this.#scopes.set(call, scope);
		try {
			const value = await this.#answers.answer(question, scope);
			tell({ kind: "answered", call, value });
		} catch (thrown) {
			tell({ kind: "refused", call, ...this.#refusal(thrown) });
		} finally {
			this.#scopes.delete(call);
			scope.close();
		}
	}

	#refusal(
		thrown: unknown,
	): Pick<
		Extract<FromWorker, { readonly kind: "refused" }>,
		"code" | "message" | "facts"
	> {
		if (thrown instanceof GatewayError) {
			const { cause: _, ...facts } = thrown.facts;
			return { code: thrown.code, message: thrown.message, facts };
		}
		this.#serving.log.onInternal(thrown, "");
		return { code: "internal", message: "a worker failed", facts: {} };
	}

	listen({
		call,
		listening,
	}: Extract<ToWorker, { readonly kind: "listen" }>): void {
		const stop = this.#answers.listen(listening, (heard) =>
			tell({ kind: "heard", call, heard }),
		);
		this.#stops.set(call, stop);
	}

	leave(call: number): void {
		this.#stops.get(call)?.();
		this.#stops.delete(call);
		const reason = new GatewayError("client_closed", "the asker left");
		this.#scopes.get(call)?.cancel(reason);
	}

	close(): void {
		const all = [...this.#scopes.keys(), ...this.#stops.keys()];
		for (const call of all) this.leave(call);
		this.#answers.close();
	}
}

/** The primary may be gone, and then nobody hears it. */
function tell(message: FromWorker): void {
	void told(message);
}

/** Resolves when it is on its way. */
function told(message: FromWorker): Promise<void> {
	return new Promise((resolve) => send(message, undefined, resolve));
}

function send(message: FromWorker, handed?: Handed, sent = () => {}): void {
	if (process.send === undefined || !process.connected) {
		// Then it is served here.
		if (handed) throw new Error("the primary is gone");
		return sent();
	}
	process.send(message, handed as SendHandle, {}, () => sent());
}

// Nobody can be told.
process.stderr.on("error", () => {});
guardProcess();
// Of the console or of its group. The primary gets them too, and says what is to be done.
ignoreSignals();
const left = Promise.withResolvers<void>();
process.once("disconnect", left.resolve);
const start = JSON.parse(process.argv[2] ?? "") as WorkerStart;
process.exit(await run(start));
