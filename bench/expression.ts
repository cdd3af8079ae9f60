/**
 * What an expression costs beside the same thing written by hand: nanoseconds per evaluation, median of rounds in which
 * every contender runs in turn. Run with `node bench/expression.ts`.
 */
import {
	type Evaluate,
	type Frame,
	prepareExpression,
} from "../src/expression/evaluate.ts";
import { Fuel } from "../src/expression/fuel.ts";
import { parseExpression, parseText } from "../src/expression/parse.ts";
import { prepareTemplate } from "../src/expression/template.ts";

const answer = {
	coord: { lon: 37.6, lat: 55.75 },
	weather: [{ id: 804, main: "Clouds", description: "overcast clouds" }],
	main: { temp: 11.4, pressure: 1012, humidity: 70 },
	name: "Moscow",
};
const products = Array.from({ length: 40 }, (_, index) => ({
	id: index,
	title: `Product ${index}`,
	price: (index * 37) % 101,
	stock: index % 3,
	tags: ["a", "b"],
}));

const names = ["query", "answer", "products"];
const frame: Frame = {
	values: [{ city: "Москва", page: 3 }, answer, products],
	parent: null,
	fuel: new Fuel(),
};
const slotOf = (name: string) => ({ up: 0, slot: names.indexOf(name) });

/** Evaluates with as much fuel as a piece of computing has. */
function fuelled(evaluate: Evaluate): () => unknown {
	const { fuel } = frame;
	const { left } = fuel;
	return () => {
		fuel.left = left;
		return evaluate(frame);
	};
}

function expression(source: string): () => unknown {
	const { expression: parsed, faults } = parseExpression(source);
	if (!parsed) throw new Error(JSON.stringify(faults));
	return fuelled(prepareExpression(parsed, { slotOf }));
}

function text(source: string): () => unknown {
	const { template, faults } = parseText(source);
	if (template?.kind !== "mixed") throw new Error(JSON.stringify(faults));
	return fuelled(prepareTemplate(template, { slotOf }));
}

const [query] = frame.values as [{ city: string; page: number }];

const contenders: Record<string, () => unknown> = {
	"plain path": expression("answer.weather[0].main"),
	"plain path, by hand": () => answer.weather[0]?.main,
	"mixed text": text("city=${query.city}&page=${query.page}"),
	"mixed text, by hand": () => `city=${query.city}&page=${query.page}`,
	"filter and reshape 40": expression(
		"products.filter(p => p.stock > 0).map(({ id, title, price }) => ({ id, title, price: price * 1.2 }))",
	),
	"filter and reshape 40, by hand": () =>
		products
			.filter((p) => p.stock > 0)
			.map(({ id, title, price }) => ({ id, title, price: price * 1.2 })),
	"sort 40 by price": expression("sortBy(products, p => p.price, 'desc')"),
	"sort 40 by price, by hand": () =>
		products.toSorted((a, b) => b.price - a.price),
};

/** Other expressions first: in a gateway the closures are shared by many, and never as fast as when alone. */
const others = [
	"products.map(p => p.title.toUpperCase())",
	"products.filter(({ tags }) => tags.includes('a')).map(p => ({ ...p, big: p.price > 50 }))",
	"products.reduce((sum, p) => sum + p.price, 0) / products.length",
	"query.page * 2 - 1 >= 5 ? answer.name : query.city",
	"{ temp: answer.main.temp, at: answer.coord, sky: answer.weather.map(w => w.main).join() }",
	"Object.entries(answer.main).map(([key, value]) => `${key}: ${value}`)",
].map(expression);
for (let round = 0; round < 20_000; round++) for (const run of others) run();

const rounds = 15;
const samples = new Map(Object.keys(contenders).map((name) => [name, [0]]));
let sink: unknown;
for (let round = 0; round < rounds; round++) {
	for (const [name, run] of Object.entries(contenders)) {
		const times = /40/.test(name) ? 5_000 : 300_000;
		const start = performance.now();
		for (let time = 0; time < times; time++) sink = run();
		const nanoseconds = ((performance.now() - start) * 1e6) / times;
		samples.get(name)?.push(nanoseconds);
	}
}
if (sink === undefined) throw new Error("nothing was computed");

for (const [name, [, ...times]] of samples) {
	const median = times.toSorted((a, b) => a - b)[rounds >> 1] ?? 0;
	console.log(`${name.padEnd(34)}${median.toFixed(0).padStart(8)} ns`);
}
