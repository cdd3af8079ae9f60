import { request as send } from "./request.ts";

/** One server-sent event. */
export interface SentEvent {
	readonly name: string;
	readonly id: string | null;
	readonly data: Record<string, unknown>;
}

export interface EventReader {
	/** The media type of the answer. */
	readonly type: string;
	/** All that have come. */
	readonly seen: readonly SentEvent[];
	/** Resolves when the server has ended the answer in an orderly way. */
	readonly ended: Promise<void>;
	/** Resolves when its connection is gone, however it ended. */
	readonly cut: Promise<void>;
	/** The next event of this name that was not yet taken. */
	next(name: string): Promise<SentEvent>;
	leave(): void;
}

/** Listens to server-sent events. Fails if there is another answer. */
export function readEvents(
	url: string,
	headers: Record<string, string> = {},
): Promise<EventReader> {
	return new Promise((resolve, reject) => {
		const given = { accept: "text/event-stream", ...headers };
		const request = send(url, { headers: given, agent: false }, (response) => {
			if (response.statusCode !== 200) {
				reject(new Error(`answered ${response.statusCode}`));
				request.destroy();
				return;
			}
			const seen: SentEvent[] = [];
			const taken = new Set<SentEvent>();
			const ended = Promise.withResolvers<void>();
			const cut = Promise.withResolvers<void>();
			let wake = () => {};
			let text = "";
			response.setEncoding("utf8");
			response.on("data", (piece: string) => {
				const blocks = (text + piece).split("\n\n");
				text = blocks.pop() ?? "";
				seen.push(...blocks.map(eventOf));
				wake();
			});
			response.on("end", ended.resolve);
			response.on("close", cut.resolve);
			// The reader itself leaves like this.
			response.on("error", () => {});
			resolve({
				type: `${response.headers["content-type"]}`,
				seen,
				ended: ended.promise,
				cut: cut.promise,
				async next(name) {
					for (;;) {
						const found = seen.find(
							(event) => event.name === name && !taken.has(event),
						);
						if (found !== undefined) {
							taken.add(found);
							return found;
						}
						await new Promise<void>((resolveWake) => {
							wake = resolveWake;
						});
					}
				},
				leave: () => request.destroy(),
			});
		});
		request.on("error", reject);
		request.end();
	});
}

function eventOf(block: string): SentEvent {
	const fields = new Map(
		block.split("\n").map((line) => {
			const colon = line.indexOf(": ");
			return [line.slice(0, colon), line.slice(colon + 2)];
		}),
	);
	return {
		name: fields.get("event") ?? "message",
		id: fields.get("id") ?? null,
		data: JSON.parse(fields.get("data") ?? "null"),
	};
}
