import { createEventReader, type SentEvent } from "./event-stream.ts";

/** An answer that is no success. */
export class Refused extends Error {
	readonly status: number;
	/** What is wrong with the request, by its places. */
	readonly faults: readonly string[];

	constructor(status: number, title: string, faults: readonly string[]) {
		super(title);
		this.status = status;
		this.faults = faults;
	}
}

interface Problem {
	readonly title?: string;
	readonly errors?: readonly {
		readonly at: string;
		readonly message: string;
	}[];
}

export interface AskOptions {
	readonly method?: "POST";
	/** Sent as JSON. */
	readonly body?: unknown;
	readonly headers?: Readonly<Record<string, string>>;
	readonly signal?: AbortSignal;
}

/**
 * Only in memory: whatever keeps it longer, other pages of this browser or its next user could find. So the page asks for it
 * again when it is loaded again.
 */
let token: string | null = null;
let onDenied: () => void = () => {};

/** From now on sent with each request. */
export function setToken(given: string): void {
	token = given;
}

export function hasToken(): boolean {
	return token !== null;
}

/** Called with each answer that says that the token is missing or wrong. */
export function whenDenied(listener: () => void): void {
	onDenied = listener;
}

/** Asks the admin server for JSON. Fails with `Refused` if it refuses, with another error if it cannot be reached. */
export async function ask<T>(path: string, options?: AskOptions): Promise<T> {
	const response = await send(path, options);
	return (await response.json()) as T;
}

async function send(
	path: string,
	{ method, body, headers = {}, signal }: AskOptions = {},
): Promise<Response> {
	// Relative, because the page may stand below a path of a proxy.
	const response = await fetch(path, {
		method: method ?? "GET",
		cache: "no-store",
		credentials: "omit",
		headers: {
			...headers,
			...(token === null ? {} : { authorization: `Bearer ${token}` }),
			...(body === undefined ? {} : { "content-type": "application/json" }),
		},
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
		...(signal ? { signal } : {}),
	});
	if (response.ok) return response;
	if (response.status === 401) onDenied();
	throw await refusalOf(response);
}

async function refusalOf(response: Response): Promise<Refused> {
	const { status, statusText } = response;
	const problem = (await response.json().catch(() => ({}))) as Problem;
	const faults = problem.errors?.map(({ at, message }) => `${at} ${message}`);
	const title = problem.title ?? (statusText || `status ${status}`);
	return new Refused(status, title, faults ?? []);
}

/** Hands each event of a stream on, until it ends or `signal` aborts. Fails as `ask` does. */
export async function readEvents(
	path: string,
	onEvent: (event: SentEvent) => void,
	options: Pick<AskOptions, "headers" | "signal">,
): Promise<void> {
	const headers = { ...options.headers, accept: "text/event-stream" };
	const { body } = await send(path, { ...options, headers });
	if (body === null) return;
	const read = createEventReader();
	const decoder = new TextDecoder();
	const reader = body.getReader();
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return;
		const events = read(decoder.decode(value, { stream: true }));
		for (const event of events) onEvent(event);
	}
}
