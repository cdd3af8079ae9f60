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

/** What writes to a guarded stream as it is. */
const writers = new WeakMap<NodeJS.WriteStream, NodeJS.WriteStream["write"]>();

/** Hides secrets in all that is written to a stream, also by users' functions, their threads and libraries. */
function guard(stream: NodeJS.WriteStream): void {
	if (writers.has(stream)) return;
	const write = stream.write.bind(stream) as NodeJS.WriteStream["write"];
	writers.set(stream, write);
	stream.write = (chunk: string | Uint8Array, ...rest: never[]) => {
		const isText = typeof chunk === "string";
		return write(isText ? hidden(chunk) : known.hideInBytes(chunk), ...rest);
	};
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
