import type { Agent, IncomingHttpHeaders } from "node:http";
import type { Config } from "../../src/config/config.ts";
import { checkText, checkValue, configOrThrow } from "../../src/config/load.ts";
import type { RequestEnded } from "../../src/core/events.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { listen } from "../../src/server/server.ts";
import { type Clock, realClock } from "../../src/tasks/clock.ts";
import { request } from "./request.ts";
import { simpleHeads, transportTls } from "./transport.ts";

/** A gateway on a real port, asked over HTTP. */
export interface ServedGateway extends AsyncDisposable {
	readonly url: string;
	readonly gateway: Gateway;
	readonly ended: readonly RequestEnded[];
	get(path: string, options?: GetOptions): Promise<HttpAnswer>;
	/** Takes no more requests, and lets those that run finish. */
	drain(timeoutMs: number): Promise<boolean>;
}

export interface GetOptions {
	readonly method?: string;
	readonly headers?: Record<string, string>;
	readonly body?: string;
	/** Default: a connection of its own. */
	readonly agent?: Agent;
	/** Destroys the client's connection when it is aborted. */
	readonly signal?: AbortSignal;
}

export interface HttpAnswer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly text: string;
	/** The body as JSON; fails where it is none. */
	readonly json: unknown;
}

/** Takes a config as YAML, or as an object whose steps may run functions, or one that was loaded. */
export async function serve(
	source: string | object | Config,
	env: Record<string, string> = {},
	clock: Clock = realClock(),
): Promise<ServedGateway> {
	const config = checkedConfig(source, env);
	const gateway = createGateway(config, { env, clock });
	const ended: RequestEnded[] = [];
	gateway.events.requestEnded.push((event) => ended.push(event));
	const server = await listen({
		...config.server,
		// Most tests write whatever into `Host`.
		hosts: config.server.hosts ?? ["*"],
		tls: config.server.tls ?? transportTls,
		simpleHeads,
		host: "127.0.0.1",
		port: 0,
		clock: gateway.clock,
		memory: gateway.memory,
		handle: gateway.handle,
	});
	return {
		url: server.url,
		gateway,
		ended,
		get: (path, options) => ask(server.url + path, options),
		drain: (timeoutMs) => server.drain(timeoutMs),
		async [Symbol.asyncDispose]() {
			await server.close();
			await gateway.close();
		},
	};
}

function checkedConfig(
	source: string | object | Config,
	env: Record<string, string>,
): Config {
	if (typeof source === "object" && "functions" in source) return source;
	const isText = typeof source === "string";
	const config = configOrThrow(
		isText
			? checkText(source, "test.yaml", env)
			: checkValue(source, "test", env),
	);
	const speaksOfLoad = isText
		? /^overload:/m.test(source)
		: "overload" in source;
	return speaksOfLoad ? config : { ...config, overload: patient(config) };
}

/** The machine may be busy with other tests, and then every request is begun late. */
function patient({ overload }: Config): Config["overload"] {
	return overload && { ...overload, skipAtMs: 60_000, refuseAtMs: 60_000 };
}

/** One request, on a connection of its own unless an agent keeps some. */
export function ask(
	url: string,
	{ agent, body, ...options }: GetOptions = {},
): Promise<HttpAnswer> {
	return new Promise((resolve, reject) => {
		const asking = request(
			url,
			{ ...options, agent: agent ?? false },
			(answer) => {
				const chunks: Buffer[] = [];
				answer.on("data", (chunk: Buffer) => chunks.push(chunk));
				answer.on("error", reject);
				answer.on("end", () => {
					const text = Buffer.concat(chunks).toString();
					resolve({
						status: answer.statusCode ?? 0,
						headers: answer.headers,
						text,
						get json() {
							return JSON.parse(text);
						},
					});
				});
			},
		);
		asking.on("error", reject);
		asking.end(body);
	});
}
