import { type ByteStream, isStream, leave } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import { eachHeader, type HeaderList } from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { hasContent } from "../core/http/status.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { jsonAnswer, type Page } from "./handle.ts";
import { readTriedRequest, type TriedRequest } from "./tried-request.ts";

/** The most of a request to try, as JSON. */
export const requestBytesMax = 256 * 1024;

/** The most of an answer's body that is shown. */
const shownBytesMax = 256 * 1024;

/** So much more is read, so that a secret that is cut in two is known before. */
const beyondBytes = 16 * 1024;

/** How long the body of a proxied answer is read. Its route bounds only the head. */
const readingMs = 10_000;

/** Makes one request to the gateway, as a client of this machine would. */
export function tryPage(gateway: Gateway): Page {
	const { clock, secrets } = gateway;
	return {
		method: "POST",
		async answer(asked, scope) {
			const request = readTriedRequest(await asked.readBody(requestBytesMax));
			// One of its own, because a body that does not end is left although the asker stays.
			const own = openScope({ clock, parent: scope });
			const startedMs = clock.now();
			try {
				const response = await gateway.handle(request, own);
				const shown = await shownBody(bodyOf(request, response), own, secrets);
				const durationMs = clock.now() - startedMs;
				return jsonAnswer({
					id: request.id,
					status: response.status,
					headers: pairsOf(response.headers),
					...shown,
					durationMs: Math.round(100 * durationMs) / 100,
				});
			} finally {
				own.close();
			}
		},
	};
}

/** The server leaves out what an answer to HEAD, or with such a status, cannot have. */
function bodyOf(
	{ method }: TriedRequest,
	{ body, status }: GatewayResponse,
): GatewayResponse["body"] {
	if (method !== "HEAD" && hasContent(status)) return body;
	if (isStream(body)) leave(body);
	return null;
}

function pairsOf(headers: HeaderList): [name: string, value: string][] {
	const pairs: [string, string][] = [];
	eachHeader(headers, (name, value) => pairs.push([name.toLowerCase(), value]));
	return pairs;
}

interface ShownBody {
	readonly body: string;
	/** Whether there is more of it. */
	readonly cut: boolean;
}

async function shownBody(
	body: GatewayResponse["body"],
	scope: Scope,
	secrets: Secrets,
): Promise<ShownBody> {
	if (isStream(body)) return beginningOf(body, scope, secrets);
	const bytes = typeof body === "string" ? Buffer.from(body) : body;
	return asText(bytes ?? new Uint8Array(), false, secrets);
}

/** It is cut where it breaks off, too. */
async function beginningOf(
	body: ByteStream,
	scope: Scope,
	secrets: Secrets,
): Promise<ShownBody> {
	const chunks: Uint8Array[] = [];
	let length = 0;
	const timer = scope.clock.after(readingMs, () => scope.cancel(left()));
	try {
		for await (const chunk of body) {
			chunks.push(chunk);
			length += chunk.length;
			if (length > shownBytesMax + beyondBytes) break;
		}
		return asText(Buffer.concat(chunks), false, secrets);
	} catch {
		return asText(Buffer.concat(chunks), true, secrets);
	} finally {
		timer.cancel();
	}
}

function left(): GatewayError {
	return new GatewayError("client_closed", "enough of the answer has come");
}

/** A character that is cut in two is left out. */
function asText(
	bytes: Uint8Array,
	brokenOff: boolean,
	secrets: Secrets,
): ShownBody {
	const cut = brokenOff || bytes.length > shownBytesMax;
	const shown = secrets.hideInBytes(bytes).subarray(0, shownBytesMax);
	return { body: new TextDecoder().decode(shown, { stream: cut }), cut };
}
