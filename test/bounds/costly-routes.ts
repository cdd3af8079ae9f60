import type { UserContext } from "../../src/config/config.ts";
import { printJson, surveyJson } from "../../src/core/json.ts";
import { makeProgram } from "../expression/generator.ts";
import { hostileValues } from "../expression/hostile-data.ts";
import { filledUpTo, kinds, mebi } from "../kit/costly-json.ts";

/** Routes that compute, and answers and bodies for them, as costly as the default limits allow. */
export interface CostlyRoute {
	readonly route: object;
	/** How many requests come together. */
	readonly atOnce: number;
	/** Settings of the upstream `users`. */
	readonly upstream: object;
	/** The bodies of answers by path. */
	readonly answers: Readonly<Record<string, string>>;
	readonly body: string;
}

type Random = () => number;

const same = ({ value }: { value: unknown }) => value;
const asking = async (_: unknown, { call }: UserContext) => {
	const answers = await Promise.all([
		call("users/ms"),
		call("users/ls"),
		call("search/"),
	]);
	return answers.map(({ body }) => body);
};

const names = ["n", "k", "t", "u", "b", "z", "ns", "ts", "ms", "ls", "m"];

/** What an upstream may answer at most, and a client may send. */
const answerValues = 200_000;
const bodyValues = 100_000;

/** The value as JSON, or the part of it that may be sent. */
function fitted(value: unknown, valuesMax: number): string {
	let part = value;
	for (;;) {
		const text = printJson(part);
		const { values } = surveyJson(Buffer.from(text));
		const share = Math.min(
			1,
			mebi / Buffer.byteLength(text),
			valuesMax / values,
		);
		if (share === 1) return text;
		part = cut(part, 0.9 * share);
	}
}

function cut(value: unknown, share: number): unknown {
	if (typeof value === "string") return value.slice(0, share * value.length);
	if (Array.isArray(value)) return value.slice(0, share * value.length);
	const entries = Object.entries(value as object);
	return Object.fromEntries(entries.slice(0, share * entries.length));
}

const dataSets = hostileValues.map((values) => {
	const texts = new Map(
		Object.entries(values).map(([name, value]) => [
			name,
			fitted(value, answerValues),
		]),
	);
	return (name: string) => texts.get(name) ?? "null";
});

const costly = kinds.map((kind) => filledUpTo(kind, answerValues, mebi));
const costlyBodies = [
	...kinds.map((kind) => filledUpTo(kind, bodyValues, mebi)),
	...hostileValues.flatMap((values) =>
		Object.values(values).map((value) => fitted(value, bodyValues)),
	),
];

/** Templates that take all of their data. */
const plain = [
	"${[ns, ts, ms, ls, m, t, z]}",
	"${body}",
	"${[body, body, ms]}",
	"${{ ...m, more: ls, other: { ...z } }}",
	"${ms.map(x => ({ ...x, more: 1 }))}",
	"${ns.reduce((line, x) => line + x, '')}",
	"${ts.reduce((line, x) => line + x + t, '')}",
	"${ts.map(x => t)}",
	"${ns.map(x => ms)}",
	"${JSON.stringify([ns, ms, ls])}",
	"${JSON.parse(JSON.stringify(ms))}",
	"${JSON.parse(JSON.stringify(body))}",
	"${Object.fromEntries(ns.map(x => ['k' + x, x]))}",
	"${Object.entries(body)}",
	"${Object.groupBy(ns, x => x)}",
	"${sortBy(ms, x => x.id)}",
	"${uniqueBy(ls, x => JSON.stringify(x))}",
	"${compact(m)}",
];

/** Makes one by chance. */
export function costlyRoute(random: Random): CostlyRoute {
	const chosen = <T>(list: readonly T[]): T =>
		list[Math.floor(random() * list.length)] as T;
	const program = () => {
		const byte = () => Math.floor(random() * 256);
		const length = 20 + byte();
		return `\${${makeProgram(Uint8Array.from({ length }, byte)).source}}`;
	};
	const dataOf = chosen(dataSets);
	const answers: Record<string, string> = {};
	const steps: Record<string, object> = {};
	for (const name of names) {
		answers[`/${name}`] = random() < 0.1 ? chosen(costly) : dataOf(name);
		steps[name] = { get: `users/${name}` };
	}
	const makers: readonly (() => object)[] = [
		() => ({ value: program() }),
		() => ({ value: chosen(plain) }),
		() => ({ get: "users/ms", pick: program() }),
		() => ({ get: "users/ns", expect: program(), pick: chosen(plain) }),
		() => ({ each: "${ns.slice(0, 100)}", as: "one", value: program() }),
		() => ({ each: "${ms.slice(0, 40)}", get: "users/ms", pick: program() }),
		() => ({ get: "users/t", decode: "text", pick: program() }),
		() => ({ run: same, args: { value: chosen(plain) } }),
		() => ({ run: asking, args: { value: "${u}" } }),
		() => ({ post: "search/", body: program() }),
		() => ({ post: "search/", body: chosen(plain) }),
		() => ({ get: "users/u", when: program(), query: { "q?": program() } }),
		() => ({
			steps: {
				own: { value: program() },
				other: { value: chosen(plain), after: ["own"] },
			},
			value: { own: "${own}", other: "${other}" },
		}),
	];
	const made = Array.from({ length: 4 }, (_, index) => `s${index}`);
	for (const name of made) {
		steps[name] = { ...chosen(makers)(), optional: true };
	}
	const respond = {
		// Every step must be read.
		all: `\${[${names.join(", ")}].length}`,
		plain: chosen(plain),
		...Object.fromEntries(made.map((name) => [name, `\${${name}}`])),
	};
	return {
		route: { request: { body: {} }, steps, respond },
		atOnce: chosen([1, 1, 4]),
		upstream: chosen([{}, {}, { coalesce: true }, { cache: { for: "1m" } }]),
		answers: { ...answers, "/": chosen(costly) },
		body: chosen(costlyBodies),
	};
}
