import { isDeepStrictEqual } from "node:util";

/** Who answers, and where. */
export interface Answering {
	readonly name: string;
	readonly url: string;
}

/** Asks all of them for the same; fails, and shows both answers, where one is not what the first gave, or is no 200. */
export async function checkSameAnswers(
	all: readonly Answering[],
	target: string,
): Promise<void> {
	const answers = await Promise.all(all.map(({ url }) => ask(url + target)));
	const [first] = answers;
	for (const [index, answer] of answers.entries()) {
		if (answer.status === 200 && isDeepStrictEqual(answer, first)) continue;
		throw new Error(
			`${target} is answered differently:\n${all[0]?.name}: ${JSON.stringify(first)}\n${all[index]?.name}: ${JSON.stringify(answer)}`,
		);
	}
}

async function ask(url: string): Promise<{ status: number; body: unknown }> {
	const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
	const text = await response.text();
	return { status: response.status, body: jsonOf(text) };
}

function jsonOf(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}
