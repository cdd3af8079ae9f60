import { GatewayError } from "../core/errors.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { unsniffed } from "../core/http/problem.ts";
import type { ClientExchange } from "./client-exchange.ts";

/** What the server as a whole can do is the same for everybody, and there is nothing to say about it. */
export const itsOptions: GatewayResponse = {
	status: 204,
	headers: [],
	body: null,
};

const health: GatewayResponse = {
	status: 200,
	headers: [
		...["content-type", "application/json", "cache-control", "no-store"],
		...unsniffed,
	],
	body: '{"status":"ok"}',
};

export function answerHealth(exchange: ClientExchange): void {
	if (exchange.method === "GET" || exchange.method === "HEAD") {
		exchange.answer(health);
		return;
	}
	const allow = ["GET", "HEAD"];
	exchange.fail(
		new GatewayError("method_not_allowed", "health is read", { allow }),
	);
}

export function unknownHost(): GatewayError {
	const message = "names a host that this server's `hosts` does not have";
	const errors = [{ at: "headers.host", message }];
	return new GatewayError("misdirected", message, { errors });
}

export function connectRefused(): GatewayError {
	// No resource has it, so none of them is named (RFC 9110, 10.2.1).
	const facts = { allow: [] };
	return new GatewayError(
		"method_not_allowed",
		"CONNECT is for proxies",
		facts,
	);
}

export function isAt(target: string, path: string | null): boolean {
	if (path === null || !target.startsWith(path)) return false;
	return target.length === path.length || target[path.length] === "?";
}
