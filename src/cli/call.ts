import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import { buffer } from "node:stream/consumers";
import { isStream, streamOf } from "../core/body/byte-stream.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { TrailEnded } from "../core/events.ts";
import { eachHeader, headerOf } from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { RequestMemory } from "../core/memory.ts";
import { createGateway, type Gateway } from "../gateway/gateway.ts";
import { openScope } from "../tasks/scope.ts";
import { detailOf } from "../telemetry/trail/shown-request.ts";
import { printChart } from "./chart.ts";
import { usualColumns } from "./columns.ts";
import { exitCodes } from "./exit-codes.ts";
import { findConfig, loadAndReport } from "./find-config.ts";
import {
	type AskedRequest,
	type RequestOptions,
	readRequest,
} from "./request.ts";
import {
	indentJson,
	print,
	printBody,
	printColoured,
	printError,
} from "./terminal.ts";

export interface CallOptions extends RequestOptions {
	/** Prints the head of the answer to stdout, before the body, instead of to stderr. */
	readonly include?: boolean;
}

/** `sluice call`: one request through a gateway without a port. Exits with 0 for an answer below 400. */
export async function callCommand(
	words: readonly string[],
	options: CallOptions,
): Promise<number> {
	const { file, ...asked } = readRequest(words, options);
	const { config } = await loadAndReport(findConfig(file));
	if (config === null) return exitCodes.configInvalid;
	const gateway = createGateway(config);
	try {
		const seen = await ask(gateway, asked);
		printAnswer(seen.response, asked.method, options);
		printCalls(seen);
		// To close the gateway would cut writes that go on.
		await seen.response.ongoing;
		return seen.response.status < 400 ? exitCodes.ok : exitCodes.failed;
	} finally {
		await gateway.close();
	}
}

/* Asking */

interface Seen {
	/** Reads the whole body, because a command shows no half of one. */
	readonly response: GatewayResponse & {
		readonly body: string | Uint8Array | null;
	};
	readonly end: TrailEnded | null;
}

/** Ctrl-C counts as a client that leaves. */
async function ask(
	gateway: Gateway,
	{ body, ...head }: Omit<AskedRequest, "file">,
): Promise<Seen> {
	const { clock, events } = gateway;
	let end: TrailEnded | null = null;
	events.trailEnded.push((event) => {
		end = event;
	});
	const scope = openScope({ clock });
	const leave = () =>
		scope.cancel(new GatewayError("client_closed", "interrupted"));
	process.once("SIGINT", leave);
	try {
		const request = {
			...head,
			id: randomUUID(),
			ip: "127.0.0.1",
			arrivedMs: clock.now(),
			memory: new RequestMemory(gateway.memory),
			readBody: async (bytesMax: number) => bounded(body, bytesMax),
			streamBody: () => streamOf(body),
		};
		const { body: answered, ...response } = await gateway.handle(
			request,
			scope,
		);
		const whole = isStream(answered) ? await buffer(answered) : answered;
		return { response: { ...response, body: whole }, end };
	} finally {
		process.off("SIGINT", leave);
		scope.close();
	}
}

function bounded(body: Uint8Array, bytesMax: number): Uint8Array {
	if (body.length <= bytesMax) return body;
	const message = `the body is longer than ${bytesMax} bytes`;
	throw new GatewayError("request_too_large", message);
}

/* What came of it */

function printAnswer(
	{ status, headers, body }: Seen["response"],
	method: string,
	{ include = false }: CallOptions,
): void {
	let head = `${`${status} ${STATUS_CODES[status] ?? ""}`.trimEnd()}\n`;
	eachHeader(headers, (name, value) => {
		head += `${name}: ${value}\n`;
	});
	if (include) print(head);
	else printError(head);
	if (body === null || method === "HEAD") return;
	const type = headerOf(headers, "content-type") ?? "";
	printBody(body, () => forPeople(body, type));
}

function forPeople(body: string | Uint8Array, type: string): string {
	if (typeof body !== "string") {
		return `(${body.length} bytes of ${type}: send them to a file with > file)`;
	}
	const isJson = /^application\/([\w.+-]+\+)?json\b/.test(type);
	const text = isJson ? indentJson(body) : body;
	return text.replace(/\r?\n$/, "");
}

/** Says why parts are missing, for the author of the config. A terminal also shows the steps on one time axis. */
function printCalls({ end }: Seen): void {
	const { stderr, stdout } = process;
	if (stdout.isTTY && stderr.isTTY) printError("");
	if (stderr.isTTY && end !== null && end.trail.steps.length > 0) {
		const chart = printChart(detailOf(end, Date.now()), {
			// A terminal that does not know its size gives 0.
			columns: stderr.columns || usualColumns,
			colour: !process.env.NO_COLOR,
		});
		printColoured(chart);
	}
	for (const line of reasons(end)) printError(line);
}

function reasons(end: TrailEnded | null): string[] {
	if (end === null) return [];
	const missing = end.missing.map(({ step, index, error }) => {
		const name = index.length > 0 ? `${step}[${index.join(".")}]` : step;
		return `${name}: ${error.code}: ${error.message}`;
	});
	if (end.error === null) return missing;
	const { code, message, facts } = asGatewayError(end.error);
	return [...missing, `${facts.step ?? "the request"}: ${code}: ${message}`];
}
