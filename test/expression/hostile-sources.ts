import {
	functions,
	methods,
	textMethods,
} from "../../src/expression/language.ts";
import { hostileData } from "./hostile-data.ts";

/** Expressions of one operation each over hostile data: every construct, method and function with every value. */
export function hostileSources(): string[] {
	const sources = new Set<string>();
	for (const name of Object.keys(hostileData)) {
		for (const source of [
			...constructs(name),
			...methodCalls(name),
			...functionCalls(name),
		]) {
			sources.add(source);
		}
	}
	for (const source of [...operations(), ...ofItems()]) sources.add(source);
	return [...sources];
}

const arrows = [
	"x => x",
	"x => 1",
	"(x, y) => 0",
	"x => 'a' + x",
	"x => long + x",
	"x => x.id",
	"x => x[0]",
	"x => -x",
];

const anyArguments = ["'a'", "''", "long", "few + i", "0", "100", "i", "1e6"];
const textArguments = [
	"'aaaaaaaaaaaab'",
	"few",
	"as",
	"asb",
	"dollars",
	"String(i)",
	"'NFKD'",
	"'NFC'",
];

function methodCalls(of: string): string[] {
	const calls: string[] = [];
	for (const [name, { least, most, arrow }] of methods) {
		const call = (...given: string[]) =>
			calls.push(`${of}.${name}(${given.join(", ")})`);
		if (arrow) {
			for (const f of arrows) call(f, ...(name === "reduce" ? ["0"] : []));
			if (name !== "toSorted") continue;
		}
		if (least === 0) call();
		if (arrow || most === 0) continue;
		const first = [
			...anyArguments,
			...(name in textMethods ? textArguments : []),
		];
		for (const a of first) {
			if (least <= 1) call(a);
			if (most < 2) continue;
			const second =
				least === 2 ? [...anyArguments, "dollars"] : ["1", "5000", "i"];
			for (const b of second) call(a, b);
		}
		if (most === Infinity) call(`...${of}`, of);
	}
	return calls;
}

function functionCalls(of: string): string[] {
	const calls: string[] = [];
	for (const [name, { least, most, arrow }] of functions) {
		const call = (...given: string[]) =>
			calls.push(`${name}(${given.join(", ")})`);
		if (arrow) {
			for (const f of arrows) call(of, f);
			continue;
		}
		if (least <= 1) call(of);
		if (most === 2) for (const b of ["1", "i", "smallest"]) call(of, b);
		if (most === Infinity) {
			call(`...${of}`);
			call(of, "'a'", "long");
			call(of, "...texts");
			call(of, of);
		}
	}
	return calls;
}

function constructs(x: string): string[] {
	return [
		`-${x}`,
		`!${x}`,
		`[...${x}]`,
		`({ ...${x} })`,
		`({ ...${x}, ...mapOfIndexes })`,
		`({ [${x}]: 1 })`,
		`({ [${x} + i]: 1 })`,
		`\`\${${x}}\${i}\``,
		`${x}[i]`,
		`${x}.length`,
		`${x}[${x}]`,
		`mapNone[${x}]`,
		`mapLarge[${x}]`,
		`mapLarge[${x} + i]`,
		`[${x}].map(({ a, ...rest }) => rest)`,
		`[${x}].map(([a, ...rest]) => rest)`,
		`[${x}].map(([a, b, c]) => a)`,
		`(${x} + i)[0]`,
		`(${x} + i) > 'zz'`,
		`${x} + i === ${x} + 1`,
		`n.reduce((line, y) => (line + y) > 'zz' ? 1 : line + y, ${x})`,
		`n.reduce((line, y) => [line + y, line.at(0)][0], ${x})`,
	];
}

function operations(): string[] {
	const numbers = ["one", "largest", "smallest", "tenth", "integer", "half"];
	const operands = [...numbers, "third", "i", "numbers[i]", "integers[i]"];
	const texts = ["as", "few", "long", "cyrillic", "long + i", "texts[i]"];
	return [
		...pairsOf(operands, ["+", "-", "*", "/", "%", "**", "<", "==="]),
		...pairsOf([...texts, "longTexts[i % 60]"], ["+", "<", ">=", "==="]),
	];
}

function pairsOf(
	operands: readonly string[],
	operators: readonly string[],
): string[] {
	return operands.flatMap((a) =>
		operands.flatMap((b) => operators.map((op) => `(${a}) ${op} (${b})`)),
	);
}

/** Operations on one small value, another one each time. */
function ofItems(): string[] {
	const items = [
		"texts[i]",
		"numbers[i]",
		"numberTexts[i]",
		"integers[i]",
		"integersLong[i % 3000]",
		"longTexts[i % 60]",
		"maps[i]",
		"indexed[i % 20000]",
		"entries[i]",
		"indexes[i % 20000]",
		"hex",
		"fraction",
		"decimal",
		"deep",
		"integer",
	];
	return items.flatMap((x) => [
		...[...functions].flatMap(([name, { least, arrow }]) =>
			least === 1 && !arrow ? [`${name}(${x})`] : [],
		),
		`JSON.parse(String(${x}))`,
		`${x}.toFixed(100)`,
		`({ [${x}]: i })`,
		`({ ...${x} })`,
		`({ ...mapOfIndexes, [${x}]: 1 })`,
		`Object.fromEntries([[${x}, 1]])`,
		`omit(${x}, 'a')`,
		`\`\${${x}}\``,
		`${x} + ''`,
		`${x}.toUpperCase()`,
		`${x}.normalize('NFD')`,
		`${x}.split('')`,
		`[...${x}]`,
		`${x}.trim()`,
		`${x}.replaceAll('k', 'yy')`,
		`${x}.padEnd(200)`,
		`${x}.repeat(9)`,
		`${x}.slice(1)`,
		`${x}.indexOf('9')`,
		`${x} ** 0.37`,
		`${x} % 0.1`,
		`mapLarge[${x}]`,
	]);
}
