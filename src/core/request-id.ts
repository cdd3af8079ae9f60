import { randomUUID } from "node:crypto";

/** The client's own id if it can safely be written into a log and a header, else a new one. */
export function requestIdOf(given: unknown): string {
	if (typeof given === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(given)) {
		return given;
	}
	return randomUUID();
}
