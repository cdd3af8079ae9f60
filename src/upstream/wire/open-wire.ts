import type { UpstreamRequest } from "../../core/http/messages.ts";
import { Memory } from "../../core/memory.ts";
import type { Clock } from "../../tasks/clock.ts";
import { Collecting } from "./collect.ts";
import { ConnectionPool } from "./connection-pool.ts";
import { UpstreamExchange } from "./exchange.ts";
import { Relay } from "./relay.ts";
import { RequestWriter } from "./request-writer.ts";
import { TunnelCall } from "./tunnel.ts";
import { Upload } from "./upload.ts";
import type { Wire, WireSettings } from "./wire.ts";
import { closed } from "./wire-errors.ts";

/**
 * Opens HTTP/1.1 on sockets of our own. A request is one write, and all answers are read into one memory. A call has no
 * stream, signal or timer of its own.
 */
export function openWire(
	settings: WireSettings,
	clock: Clock,
	memory = new Memory(),
): Wire {
	const pool = new ConnectionPool(settings, clock);
	const host = settings.host ?? new URL(settings.origin).host;
	const writer = new RequestWriter(settings.name, host);
	return {
		send(request, ended) {
			if (pool.closed) throw closed(settings.name);
			const { method, target, headers, body, safe, idempotent } = request;
			const { onSent, onAgain, timeoutMs, attempt = null } = request;
			const along = linesOf(request);
			const message = writer.message(
				method,
				target,
				headers,
				along,
				body,
				request.binary,
			);
			const collecting = new Collecting(settings, memory, clock, ended);
			const repeatable = idempotent;
			const shares = safe && idempotent && body === null && method !== "HEAD";
			const told = { timeoutMs, onSent, onAgain, attempt };
			const sending = { method, message, repeatable, shares, ...told };
			const exchange = new UpstreamExchange(pool, sending, collecting);
			collecting.exchange = exchange;
			exchange.begin();
			return collecting;
		},
		stream(request, scope, ended) {
			if (scope.cancelled) throw scope.reason;
			if (pool.closed) throw closed(settings.name);
			const { upgrade } = request;
			if (upgrade !== undefined) {
				const asked = { ...request, upgrade };
				new TunnelCall(pool, host, asked, { clock, scope }, ended);
				return;
			}
			const { method, target, headers, body, idempotent } = request;
			const { expects = false, timeoutMs, attempt = null } = request;
			const along = linesOf(request);
			const expecting = expects ? `${along}${expectation}` : along;
			const message =
				body === null
					? writer.message(method, target, headers, along, null)
					: new Upload(
							writer.streamHead(
								method,
								target,
								headers,
								expecting,
								body.length,
							),
							body,
							expects
								? { clock, ms: Math.min(wordWithinMs, timeoutMs / 2) }
								: null,
						);
			const relay = new Relay(request, scope, ended);
			// A body that was read cannot be sent again.
			const repeatable = idempotent && body === null;
			const untold = { timeoutMs, onSent: null, onAgain: null, attempt };
			const shares = false;
			const sending = { method, message, repeatable, shares, ...untold };
			relay.begin(new UpstreamExchange(pool, sending, relay));
		},
		state: () => pool.state(),
		close: () => pool.close(),
	};
}

/** A call that is traced names the span of this attempt alone. */
function linesOf({
	along = "",
	traced,
	attempt,
}: Pick<UpstreamRequest, "along" | "traced" | "attempt">): string {
	return traced ? along + traced.lineOf(attempt?.spanId ?? null) : along;
}

const expectation = "expect: 100-continue\r\n";

/** As long as clients wait for a gateway's word, by habit. */
const wordWithinMs = 1_000;
