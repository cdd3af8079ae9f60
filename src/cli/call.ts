import { randomUUID } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { isStream, streamOf } from "../core/body/byte-stream.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import type { TrailEnded } from "../core/events.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import { eachHeader, headerOf } from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { STATUS_CODES } from "../core/http/node-http.ts";
import { RequestMemory } from "../core/memory.ts";
import { createGateway, type Gateway } from "../gateway/gateway.ts";
import { openScope } from "../tasks/scope.ts";
import { detailOf } from "../telemetry/trail/shown-request.ts";
import { printEvents } from "./call-events.ts";
import { partsType, printParts } from "./call-parts.ts";
import { printChart } from "./chart.ts";
import { usualColumns } from "./columns.ts";
import { exitCodes } from "./exit-codes.ts";
import { findConfig, loadAndReport } from "./find-config.ts";
import { hiddenIn, hideSecrets } from "./hidden.ts";
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
	/** Asks for the answer in parts, and prints each as it comes. */
	readonly parts?: boolean;
}

/** `sluice call`: one request through a gateway without a port. Exits with 0 for an answer below 400. */
export async function callCommand(
	words: readonly string[],
	options: CallOptions,
): Promise<number> {
	const { file, ...read } = readRequest(words, options);
	const asked = options.parts ? inParts(read) : read;
	const { config } = await loadAndReport(findConfig(file));
	if (config === null) return exitCodes.configInvalid;
	const gateway = createGateway(config);
	hideSecrets(gateway.secrets);
	try {
		const seen = await ask(gateway, asked, options);
		const { response, wentWell } = seen;
		if (wentWell === null) {
			printAnswer(response, asked.method, options);
			if (options.parts && response.status < 400) printError(cameWhole);
		}
		printCalls(seen);
		// To close the gateway would cut writes that go on.
		await response.ongoing;
		const well = wentWell ?? response.status < 400;
		return well ? exitCodes.ok : exitCodes.failed;
	} finally {
		await gateway.close();
	}
}

const cameWhole =
	"The answer came whole. docs/live.md says which routes answer in parts.";

/* Asking */

function inParts({ headers, ...asked }: Omit<AskedRequest, "file">) {
	if (headerOf(headers, "accept") === null) {
		return { ...asked, headers: [...headers, "accept", partsType] };
	}
	const message = "--parts asks by the header `accept`: leave one of them out";
	throw new GatewayError("request_invalid", message);
}

interface Seen {
	/** Reads the whole body, because a command shows no half of one. */
	readonly response: GatewayResponse & {
		readonly body: string | Uint8Array | null;
	};
	readonly end: TrailEnded | null;
	/** Whether an answer in parts, which was printed as it came, did not fail. Null if it did not come in parts. */
	readonly wentWell: boolean | null;
}

/** Ctrl-C counts as a client that leaves. */
async function ask(
	gateway: Gateway,
	{ body, ...head }: Omit<AskedRequest, "file">,
	options: CallOptions,
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
		if (isStream(answered) && isInParts(response)) {
			printHead(response, options);
			const elapsedMs = () => clock.now() - request.arrivedMs;
			const wentWell = await printParts(answered, elapsedMs);
			return { response: { ...response, body: null }, end, wentWell };
		}
		if (isStream(answered) && isOfEvents(response)) {
			printHead(response, options);
			await printEvents(answered, scope);
			return { response: { ...response, body: null }, end, wentWell: true };
		}
		const whole = isStream(answered) ? await buffer(answered) : answered;
		return { response: { ...response, body: whole }, end, wentWell: null };
	} finally {
		process.off("SIGINT", leave);
		scope.close();
	}
}

function isInParts({ headers }: Pick<GatewayResponse, "headers">): boolean {
	return headerOf(headers, "content-type") === partsType;
}

function isOfEvents({ headers }: Pick<GatewayResponse, "headers">): boolean {
	return headerOf(headers, "content-type") === eventStreamType;
}

function bounded(body: Uint8Array, bytesMax: number): Uint8Array {
	if (body.length <= bytesMax) return body;
	const message = `the body is longer than ${bytesMax} bytes`;
	throw new GatewayError("request_too_large", message);
}

/* What came of it */

function printAnswer(
	{ body, ...head }: Seen["response"],
	method: string,
	options: CallOptions,
): void {
	printHead(head, options);
	if (body === null || method === "HEAD") return;
	const type = headerOf(head.headers, "content-type") ?? "";
	printBody(body, () => forPeople(body, type));
}

function printHead(
	{ status, headers }: Pick<GatewayResponse, "headers" | "status">,
	{ include = false }: CallOptions,
): void {
	let head = `${`${status} ${STATUS_CODES[status] ?? ""}`.trimEnd()}\n`;
	eachHeader(headers, (name, value) => {
		head += `${name}: ${value}\n`;
	});
	if (include) print(head);
	else printError(head);
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
		const chart = printChart(hiddenIn(detailOf(end, Date.now())), {
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
