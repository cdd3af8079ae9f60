import { randomUUID } from "node:crypto";
import type { GatewayError } from "../core/errors.ts";
import { eachHeader } from "../core/http/headers.ts";
import { STATUS_CODES } from "../core/http/node-http.ts";
import { problemResponse } from "../core/http/problem.ts";
import type { AddFixed } from "./fixed-fields.ts";

/** A problem document as bytes, for requests for which Node has made no response object. It ends the connection. */
export function plainAnswer(
	error: GatewayError,
	{
		onRefused,
		addFixed,
	}: {
		readonly onRefused: (error: GatewayError, requestId: string) => void;
		readonly addFixed: AddFixed | null;
	},
): string {
	const id = randomUUID();
	onRefused(error, id);
	const { status, headers, body } = problemResponse(error, id);
	const fields = [
		...headers,
		...["date", new Date().toUTCString()],
		...["x-request-id", id],
		...["content-length", String(Buffer.byteLength(body))],
		...["connection", "close"],
	];
	addFixed?.(fields);
	let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
	eachHeader(fields, (name, value) => {
		text += `${name}: ${value}\r\n`;
	});
	return `${text}\r\n${body}`;
}
