import { type AnswerStream, type RequestOptions, request } from "./request.ts";

/** A request of which the test sees what has come so far. */
export interface OpenRequest extends Disposable {
	/** What has come of the answer's body, each byte one character. */
	text(): string;
	/** The answer, when its head is there. */
	readonly answer: Promise<AnswerStream>;
	/** Resolves when the body has this part. Fails if the answer ends before. */
	until(part: string): Promise<void>;
	write(piece: string): void;
	end(): void;
	/** The client goes away. */
	leave(): void;
	/** Resolves when nothing more comes: with null after a whole answer. */
	readonly gone: Promise<Error | null>;
}

/** Sends the head of a request. Its body, if its method has one, follows piece by piece. */
export function openRequest(
	url: string,
	options: RequestOptions = {},
): OpenRequest {
	const answer = Promise.withResolvers<AnswerStream>();
	const gone = Promise.withResolvers<Error | null>();
	answer.promise.catch(() => {});
	let text = "";
	let over = false;
	let look = () => {};
	const finish = (error: Error | null) => {
		over = true;
		gone.resolve(error);
		answer.reject(error);
		look();
	};
	const asking = request(url, { agent: false, ...options }, (stream) => {
		stream.on("data", (chunk: Buffer) => {
			text += chunk.toString("latin1");
			look();
		});
		stream.on("error", finish);
		stream.on("close", () => {
			finish(stream.complete ? null : new Error("the answer was cut"));
		});
		answer.resolve(stream);
	});
	asking.on("error", finish);
	const hasBody = !["GET", "HEAD"].includes(options.method ?? "GET");
	if (hasBody) asking.flushHeaders();
	else asking.end();
	return {
		text: () => text,
		answer: answer.promise,
		until: (part) =>
			new Promise((resolve, reject) => {
				look = () => {
					if (text.includes(part)) resolve();
					else if (over) reject(new Error(`ended: ${text}`));
				};
				look();
			}),
		write: (piece) => void asking.write(piece),
		end: () => void asking.end(),
		leave: () => void asking.destroy(),
		gone: gone.promise,
		[Symbol.dispose]: () => void asking.destroy(),
	};
}
