import { GatewayError } from "../core/errors.ts";

/** Why the gateway ends calls itself. Only such a call fails with one of these, and its event tells listeners. */
export const aborted = {
	unread: because("nothing reads its step any more"),
	answered: because("the answer is there"),
	enough: because("enough items have succeeded"),
	besideFailed: because("another step or item has failed"),
	returned: because("its function has returned"),
} as const;

/** Made once, because calls are aborted when there may be no time to spare. */
function because(words: string): GatewayError {
	return new GatewayError("call_aborted", words);
}
