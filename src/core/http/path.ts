/** Whether a path segment is `.` or `..`, also percent-encoded, which servers take as a step upwards. */
export function isDots(segment: string): boolean {
	return /^(?:\.|%2e){1,2}$/i.test(segment);
}
