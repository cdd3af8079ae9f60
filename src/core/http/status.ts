/** Whether a value can be the status of a final answer. */
export function isStatus(value: unknown): value is number {
	return (
		typeof value === "number" &&
		Number.isInteger(value) &&
		value >= 200 &&
		value <= 599
	);
}
