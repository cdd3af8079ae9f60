import {
	createServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** A real HTTP server on loopback that notes what it sees. */
export interface RealUpstream extends AsyncDisposable {
	readonly url: string;
	readonly seen: readonly SeenRequest[];
	/** Resolves when so many requests have arrived in all. */
	arrived(count: number): Promise<void>;
	/** Resolves when so many have ended without being answered, because whoever asked went away. */
	aborted(count: number): Promise<void>;
}

export interface SeenRequest {
	readonly method: string;
	/** The path and query exactly as sent. */
	readonly target: string;
	readonly rawHeaders: readonly string[];
	readonly body: string;
	aborted: boolean;
}

export type Answering = (
	request: SeenRequest,
	response: ServerResponse,
) => void;

/** Starts one; `answer` writes the response, or leaves the request hanging. */
export async function startUpstream(answer: Answering): Promise<RealUpstream> {
	const seen: SeenRequest[] = [];
	const waiting: { done: () => boolean; resolve: () => void }[] = [];
	const settle = () => {
		for (const entry of waiting.splice(0)) {
			if (entry.done()) entry.resolve();
			else waiting.push(entry);
		}
	};
	const until = (done: () => boolean) =>
		new Promise<void>((resolve) => {
			waiting.push({ done, resolve });
			settle();
		});
	const server = createServer(async (request, response) => {
		const body = await bodyOf(request).catch(() => null);
		// It broke off in the middle, so there was no request.
		if (body === null) return;
		const entry: SeenRequest = {
			method: request.method ?? "",
			target: request.url ?? "",
			rawHeaders: request.rawHeaders,
			body,
			aborted: false,
		};
		seen.push(entry);
		response.on("close", () => {
			entry.aborted = !response.writableFinished;
			settle();
		});
		settle();
		answer(entry, response);
	});
	await new Promise<void>((resolve) =>
		server.listen(0, "127.0.0.1", () => resolve()),
	);
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${port}`,
		seen,
		arrived: (count) => until(() => seen.length >= count),
		aborted: (count) =>
			until(() => seen.filter(({ aborted }) => aborted).length >= count),
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

async function bodyOf(request: IncomingMessage): Promise<string> {
	let text = "";
	for await (const chunk of request) text += chunk;
	return text;
}

/** Answers JSON. */
export function json(
	response: ServerResponse,
	value: unknown,
	status = 200,
): void {
	response.writeHead(status, { "content-type": "application/json" });
	response.end(JSON.stringify(value));
}
