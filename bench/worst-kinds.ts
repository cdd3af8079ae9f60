import { gzipSync } from "node:zlib";
import {
	filled,
	filledUpTo,
	kinds as jsonKinds,
	mebi,
	short,
} from "../test/kit/costly-json.ts";

/** One request that is as costly as the default limits allow, or is refused by them. */
export interface WorstKind {
	readonly group: string;
	readonly title: string;
	/** The key of its route, and the route. */
	readonly key: string;
	readonly route: object;
	/** Settings of the upstream `service`. */
	readonly upstream?: object;
	/** What `service` answers. */
	readonly answer?: () => string;
	/** Whether the answer is compressed. */
	readonly gzip?: boolean;
	readonly target?: string;
	readonly headers?: readonly string[];
	readonly body?: () => string;
}

const list = (count: number, part: (index: number) => string) => () =>
	`[${Array.from({ length: count }, (_, index) => part(index)).join()}]`;

const people = (count: number) =>
	list(count, (id) =>
		JSON.stringify({ id, name: `n${id}`, tags: ["a", "b"], price: id / 3 }),
	);

/** A value that is made of one answer. */
function computing(
	title: string,
	expression: string,
	answer: () => string,
): WorstKind {
	return {
		group: "expressions",
		title,
		key: "GET /x",
		route: {
			steps: { a: { get: "service/", pick: expression } },
			respond: "${a === 1}",
		},
		answer,
	};
}

const expressions = [
	computing(
		"a million nodes over a list",
		"${answer.every(x => [x] !== x)}",
		list(180_000, () => "1"),
	),
	computing(
		"groups",
		"${Object.groupBy(answer, x => x)}",
		list(150_000, String),
	),
	computing(
		"a sort of maps by name",
		"${sortBy(answer, x => x.name)}",
		people(9000),
	),
	computing(
		"a text that grows and is compared",
		"${answer.reduce((line, w) => (line + w) > 'zz' ? '' : line + w, 'a')}",
		list(150_000, String),
	),
	computing(
		"JSON in and out",
		"${JSON.parse(JSON.stringify(answer))}",
		people(4000),
	),
	computing(
		"a text in its normal form",
		"${answer.normalize('NFD')}",
		() => `"${`a${"\u0301\u0316".repeat(7)}`.repeat(30_000)}"`,
	),
	computing(
		"parameters of a text",
		"${queryOf(answer)}",
		() => `"?${"a&".repeat(500_000)}"`,
	),
	{
		group: "expressions",
		title: "ten million nodes over the items of a list",
		key: "GET /x",
		route: {
			steps: {
				a: { get: "service/" },
				all: {
					each: "${a.slice(0, 100)}",
					value: "${a.every(x => [x] !== x)}",
				},
			},
			respond: "${all}",
		},
		answer: list(40_000, () => "1"),
	},
] satisfies WorstKind[];

const answers = jsonKinds.flatMap((kind): WorstKind[] => {
	const common = {
		group: "answers",
		key: "GET /x",
		route: { steps: { a: { get: "service/", pick: "${1}" } }, respond: "${a}" },
	};
	return [
		{
			...common,
			title: `as much as may be of ${kind.title}`,
			answer: () => filledUpTo(kind, 200_000, mebi),
		},
		{
			...common,
			title: `8 MiB of ${kind.title}, with \`maxBody: 8MiB\``,
			upstream: { maxBody: "8MiB" },
			answer: () => kind.make(8 * mebi),
		},
	];
});

const ids = Array.from({ length: 40 }, (_, index) => index);

/** Forty answers to one request, each as costly as it may be. */
function forty(title: string, more: object): WorstKind {
	return {
		group: "many answers",
		title,
		key: "GET /x",
		route: {
			steps: {
				ids: { value: ids },
				all: { each: "${ids}", get: "service/", pick: "${1}" },
			},
			respond: "${all}",
		},
		answer: () => filled(550_000, (index) => `{"${short(index)}":1}`),
		gzip: true,
		...more,
	};
}

const many = [
	forty("forty of many maps, compressed", {}),
	forty("forty of many maps, compressed, shared", {
		upstream: { coalesce: true },
	}),
	forty("forty that are no more than text", {
		answer: () => `"${"a".repeat(mebi - 2)}"`,
	}),
];

/** A body that is judged by a schema. */
function judging(
	group: string,
	title: string,
	schema: object,
	body: () => string,
): WorstKind {
	const route = { request: { body: schema }, respond: 1 };
	return { group, title, key: "POST /x", route, body };
}

const bodies = jsonKinds.map((kind) =>
	judging("bodies", `as much as may be of ${kind.title}`, {}, () =>
		filledUpTo(kind, 100_000, mebi),
	),
);

const name = { maxLength: 1000, pattern: "^[a-z0-9]{1,10}$" };
const node = { $ref: "#/$defs/node" };
const oneMap = () => filled(400_000, (index) => `"${short(index)}":1`, "{}");

const validation = [
	judging("validation", "unique items", { uniqueItems: true }, () =>
		filled(320_000, (index) => `{"${short(index)}":1}`),
	),
	judging(
		"validation",
		"a pattern for each name",
		{ propertyNames: name },
		() => filled(400_000, (index) => `"${short(index)}":1`, "{}"),
	),
	judging(
		"validation",
		"a schema that refers to itself in two branches",
		{
			...node,
			$defs: {
				node: {
					anyOf: [
						{ type: "object", additionalProperties: node },
						{ type: "object", properties: { a: node } },
						{ type: ["number", "string"] },
					],
				},
			},
		},
		() => `${'{"a":'.repeat(50)}1${"}".repeat(50)}`,
	),
	judging(
		"validation",
		"items that each lack twenty members",
		{
			items: { required: Array.from({ length: 20 }, (_, at) => `name${at}`) },
		},
		list(45_000, () => "{}"),
	),
] satisfies WorstKind[];

const text = (pattern: string) => ({
	type: "string",
	maxLength: 2_000_000,
	pattern,
});

const patterns = [
	["^(a|b|ab)*c$", "ab"],
	["^(\\w|\\d)*$", "a1"],
	[".*a.*b.*c.*d", "abc"],
	["(x+x+)+y", "x"],
].map(([pattern = "", unit = ""]) =>
	judging("patterns", `\`${pattern}\` over 1 MiB`, text(pattern), () =>
		JSON.stringify(unit.repeat((mebi - 10) / unit.length)),
	),
);

/** Nearly as long as all header fields and the target may be. */
const sixteenKibi = 15_000;

/** A request without a body. */
function asking(group: string, title: string, more: object): WorstKind {
	return {
		group,
		title,
		key: "GET /u/{id}",
		route: { steps: { a: { get: "service/u/${params.id}" } } },
		answer: () => "1",
		...more,
	};
}

const paths = [
	asking("paths", "escapes of escapes", {
		target: `/u/%${"25".repeat(sixteenKibi / 2)}41`,
	}),
	asking("paths", "many encoded slashes", {
		target: `/u/${"%2f".repeat(sixteenKibi / 3)}`,
	}),
	asking("paths", "many segments of a proxied path", {
		key: "GET /files/{rest*}",
		route: { proxy: "service/files/{rest*}" },
		target: `/files/${"a/".repeat(sixteenKibi / 2)}`,
	}),
	asking("paths", "many parameters", {
		key: "GET /x",
		route: { request: { query: { "a?": { type: "string" } } }, respond: 1 },
		target: `/x?${"b&".repeat(sixteenKibi / 2)}`,
	}),
];

const headers = [
	asking("headers", "a hundred fields of a proxied request", {
		key: "GET /files/{rest*}",
		route: { proxy: "service/files/{rest*}" },
		target: "/files/x",
		headers: Array.from({ length: 95 }, (_, at) => [
			`x-${at}`,
			"a".repeat(140),
		]).flat(),
	}),
	asking("headers", "thousands of cookies", {
		key: "GET /x",
		route: { request: { cookies: { "z?": { type: "string" } } }, respond: 1 },
		target: "/x",
		headers: ["cookie", "a=1;".repeat(sixteenKibi / 4)],
	}),
	asking("headers", "thousands of addresses", {
		target: "/u/7",
		headers: ["x-forwarded-for", "1.1.1.1,".repeat(sixteenKibi / 8)],
	}),
];

/** An answer that is made of one answer. */
function printing(
	title: string,
	respond: string,
	answer: () => string,
): WorstKind {
	const route = { steps: { a: { get: "service/" } }, respond };
	return { group: "printing", title, key: "GET /x", route, answer };
}

const prints = [
	printing("records, seven times", "${[a, a, a, a, a, a, a]}", people(15_000)),
	printing("a text, seven times", "${[a, a, a, a, a, a, a]}", () =>
		JSON.stringify("a".repeat(mebi - 2)),
	),
	printing(
		"halves of characters",
		"${[a, a, a]}",
		() => `"${"\\ud800".repeat(mebi / 6 - 2)}"`,
	),
	printing("one map of many keys", "${[a, a]}", oneMap),
	printing(
		"maps whose keys are numbers",
		"${a.slice(0, 20).map(x => a)}",
		list(20_000, () => '{"1022":1}'),
	),
	printing(
		"integers of 1,000 digits",
		"${[a, a, a, a, a, a, a]}",
		list(1000, () => "9".repeat(1000)),
	),
];

export const worstKinds: readonly WorstKind[] = [
	...expressions,
	...answers,
	...many,
	...bodies,
	...validation,
	...patterns,
	...paths,
	...headers,
	...prints,
];

/** The bytes that `service` answers, for a kind. */
export function answerOf({ answer, gzip }: WorstKind): Uint8Array {
	const bytes = Buffer.from(answer?.() ?? "null");
	return gzip ? gzipSync(bytes) : bytes;
}

/** The config of a kind, whose upstream is at this URL. `POST /warm` is there to begin with. */
export function configOf(
	{ key, route, upstream = {} }: WorstKind,
	url: string,
): object {
	return {
		upstreams: { service: { url, timeout: "30s", ...upstream } },
		routes: {
			[key]: { deadline: "30s", ...route },
			"POST /warm": {
				request: { body: {} },
				steps: { a: { get: "service/" } },
				respond: "${[body, a === 1]}",
			},
		},
	};
}
