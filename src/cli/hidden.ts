import { addNamedSecrets } from "../config/secret-values.ts";
import { Secrets } from "../core/secrets.ts";

/** What no output of this process shows. A process has one config. */
let known = new Secrets();

/** From now on no output shows these. */
export function hideSecrets(secrets: Secrets): void {
	known = secrets;
}

/** The text with stars for the secrets in it. */
export function hidden(text: string): string {
	return known.hide(text);
}

/** The same of a value that prints as JSON. */
export function hiddenIn<Value>(value: Value): Value {
	return known.hideInValue(value);
}

/** What writes to a guarded stream as it is. */
const writers = new WeakMap<NodeJS.WriteStream, NodeJS.WriteStream["write"]>();

/** Hides secrets in all that is written to a stream, also by users' functions, their threads and libraries. */
function guard(stream: NodeJS.WriteStream): void {
	if (writers.has(stream)) return;
	const write = stream.write.bind(stream) as NodeJS.WriteStream["write"];
	writers.set(stream, write);
	stream.write = (chunk: string | Uint8Array, ...rest: never[]) => {
		if (typeof chunk !== "string") {
			return write(known.hideInBytes(chunk), ...rest);
		}
		const [coding, ...last] = rest;
		if (!isOfBytes(coding)) return write(hidden(chunk), ...rest);
		// In coded text nothing may be changed.
		return write(known.hideInBytes(Buffer.from(chunk, coding)), ...last);
	};
	const end = stream.end.bind(stream) as (...rest: never[]) => typeof stream;
	// Node's own goes past `write`.
	stream.end = (...rest: never[]) => {
		const [chunk, ...last] = rest as unknown[];
		if (chunk === undefined || chunk === null || typeof chunk === "function") {
			return end(...rest);
		}
		const coding = last.find((one) => typeof one === "string");
		stream.write(chunk as string, coding as BufferEncoding);
		const ended = last.find((one) => typeof one === "function");
		return end(...((ended === undefined ? [] : [ended]) as never[]));
	};
}

/** Whether a text written so stands for bytes. */
function isOfBytes(coding: unknown): coding is BufferEncoding {
	return (
		typeof coding === "string" && /^(?:base64|base64url|hex)$/i.test(coding)
	);
}

/** Writes data that somebody has asked for, byte for byte. */
export function writeData(
	stream: NodeJS.WriteStream,
	data: string | Uint8Array,
): void {
	const write = writers.get(stream);
	if (write === undefined) stream.write(data);
	else write(data);
}

/** Hides secrets in what this process writes from now on. Until there is a config, variables are known by their names. */
export function guardStreams(): void {
	addNamedSecrets(process.env, known);
	guard(process.stdout);
	guard(process.stderr);
}
