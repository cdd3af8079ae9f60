import type { GatewayRequest } from "../core/http/messages.ts";

/**
 * Who asks, as a text that tells clients apart. Only who has made a job may see it. Null if that is not known: then whoever
 * has the job's id may, which nobody can guess.
 */
export function ownerOf(_request: GatewayRequest): string | null {
	return null;
}
