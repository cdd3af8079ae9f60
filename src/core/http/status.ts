/** No answer of HTTP has a higher status (RFC 9110, 15). HTTP/2 cannot even send one through Node. */
export const statusMax = 599;

/** Whether a value can be the status of a final answer. */
export function isStatus(value: unknown): value is number {
	return (
		typeof value === "number" &&
		Number.isInteger(value) &&
		value >= 200 &&
		value <= statusMax
	);
}

/** Whether an answer is interim: it only announces another (RFC 9110, 15.2). */
export function isInterim(status: number): boolean {
	return status < 200;
}

/**
 * Whether an answer of this status may have content (RFC 9110, 15.2, 15.3.5, 15.3.6 and 15.4.5). If not, none is sent.
 */
export function hasContent(status: number): boolean {
	return hasFramedBody(status) && status !== 205;
}

/**
 * Whether a body follows the head of this status on the wire (RFC 9112, 6.3). After 205 one does: it has no bytes but
 * is framed as any other. If an upstream sends bytes there all the same, they must be read to find the next answer.
 */
export function hasFramedBody(status: number): boolean {
	return !isInterim(status) && status !== 204 && status !== 304;
}
