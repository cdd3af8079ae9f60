import type { ServerResponse } from "node:http";
import {
	allHeadersOf,
	eachHeader,
	type HeaderList,
	membersOf,
} from "../core/http/headers.ts";

/**
 * Sends an interim answer. Node 24 has no `writeInformation`. Of the answers with fields it can send 103 alone, and only
 * with links of a simple form. What it cannot send is dropped, because it is only a hint.
 */
export function sendInterim(
	response: ServerResponse,
	status: number,
	headers: HeaderList,
): void {
	if (response.writeInformation !== undefined) {
		response.writeInformation(status, [...headers]);
	} else if (status === 103) sendEarlyHints(response, headers);
}

function sendEarlyHints(response: ServerResponse, headers: HeaderList): void {
	const link = allHeadersOf(headers, "link").flatMap(membersOf);
	if (link.length === 0) return;
	const hints: Record<string, string | string[]> = Object.create(null);
	hints["link"] = link;
	eachHeader(headers, (name, value) => {
		const field = name.toLowerCase();
		if (field === "link") return;
		const before = hints[field];
		hints[field] = before === undefined ? value : `${before}, ${value}`;
	});
	try {
		response.writeEarlyHints(hints);
	} catch {
		// One of its links has another form, such as a title with a space in it.
	}
}
