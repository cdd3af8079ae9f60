/**
 * What compressed answers cost: CPU time of the process, all threads, for an answer of the gateway in each coding, beside the
 * plain one, and how much shorter it is. Without a port: the server's part is the same for all. Run with
 * `npm run bench:compress [-- <rounds>]`.
 */
import type { AnswerCoding } from "../src/core/http/accept-encoding.ts";
import { answerCodings } from "../src/core/http/accept-encoding.ts";
import { createGateway } from "../src/gateway/gateway.ts";
import { markdownTable } from "./report.ts";
import { interleave } from "./rounds.ts";
import { quartilesOf } from "./statistics.ts";

const rounds = Number(process.argv[2] ?? 9);

/** About so many bytes of plain answers are made in a slice. */
const sliceBytes = 4_000_000;
const inFlight = 4;

/** How many users an answer lists: 2, 16 and 128 KiB. */
const counts = { "2 KiB": 20, "16 KiB": 160, "128 KiB": 1280 } as const;
type Size = keyof typeof counts;
const sizes = Object.keys(counts) as Size[];

/** Users that differ as those of a service do: a name from a few, numbers and instants from many. */
function users(count: number): readonly object[] {
	const names = ["Ada", "Grace", "Edsger", "Barbara", "Tony", "Frances"];
	return Array.from({ length: count }, (_, id) => ({
		id: (id * 7919) % 100_003,
		name: names[(id * id) % names.length],
		score: Math.round(1e6 * Math.abs(Math.sin(id))) / 1e3,
		at: new Date(1.79e12 + 86_413_000 * id).toISOString(),
	}));
}

interface Contender {
	readonly size: Size;
	readonly coding: AnswerCoding | null;
}

const contenders: readonly Contender[] = sizes.flatMap((size) =>
	[null, ...answerCodings].map((coding) => ({ size, coding })),
);

const gateway = createGateway({
	overload: false,
	upstreams: {},
	routes: Object.fromEntries(
		sizes.map((size) => [
			`GET /${counts[size]}`,
			{ respond: users(counts[size]) as never },
		]),
	),
});

async function lengthOf({ size, coding }: Contender): Promise<number> {
	const headers = coding === null ? [] : ["accept-encoding", coding];
	const target = `/${counts[size]}`;
	const { body } = await gateway.handle({ method: "GET", target, headers });
	return (body as string | Uint8Array).length;
}

const lengths = new Map<Contender, number>();
for (const one of contenders) lengths.set(one, await lengthOf(one));

function plainOf({ size }: Contender): Contender {
	return contenders.find(
		(one) => one.size === size && one.coding === null,
	) as Contender;
}

/** CPU microseconds for an answer. */
async function measure(one: Contender): Promise<number> {
	const length = lengths.get(plainOf(one)) as number;
	const each = Math.ceil(sliceBytes / length / inFlight);
	const before = process.cpuUsage();
	await Promise.all(
		Array.from({ length: inFlight }, async () => {
			for (let at = 0; at < each; at++) await lengthOf(one);
		}),
	);
	const { user, system } = process.cpuUsage(before);
	return (user + system) / each / inFlight;
}

for (const one of contenders) await measure(one);
const samples = await interleave(contenders, rounds, measure);
const rows = contenders.map((one) => {
	const [low, middle, high] = quartilesOf(samples.get(one) ?? []);
	const length = lengths.get(one) as number;
	const ratio = (lengths.get(plainOf(one)) as number) / length;
	return [
		one.size,
		one.coding ?? "plain",
		String(length),
		one.coding === null ? "" : ratio.toFixed(1),
		`${middle.toFixed(0)} (${low.toFixed(0)}–${high.toFixed(0)})`,
	];
});
const head = ["", "coding", "bytes", "times shorter", "CPU µs an answer"];
console.log(`${rounds} rounds; medians, in parentheses the quartiles\n`);
console.log(markdownTable(head, rows));
await gateway.close();
