/**
 * Programs of the expression language, made from a sequence of bytes: each byte decides one thing, and a sequence that
 * ends goes on as zeros, which always choose the simplest. So a shorter sequence is a simpler program, and fast-check
 * can shrink a failing one.
 */
export interface Program {
	readonly source: string;
	readonly data: Readonly<Record<string, unknown>>;
}

type Kind =
	| "number"
	| "text"
	| "boolean"
	| "numbers"
	| "texts"
	| "maps"
	| "lists"
	| "map"
	| "any";

interface Bound {
	readonly name: string;
	readonly kind: Kind;
}

/** A program over data of every kind. */
export function makeProgram(bytes: Uint8Array): Program {
	const maker = new Maker(bytes);
	const data = maker.data();
	return { source: maker.program(), data };
}

/** The free names of all programs, and what they mostly hold. */
const free: readonly Bound[] = [
	{ name: "n", kind: "number" },
	{ name: "k", kind: "number" },
	{ name: "t", kind: "text" },
	{ name: "u", kind: "text" },
	{ name: "b", kind: "boolean" },
	{ name: "z", kind: "any" },
	{ name: "ns", kind: "numbers" },
	{ name: "ts", kind: "texts" },
	{ name: "ms", kind: "maps" },
	{ name: "ls", kind: "lists" },
	{ name: "m", kind: "map" },
];

const parameterNames = ["x", "y", "v", "w", "n", "t", "ms", "m"];
const fieldKinds = {
	id: "number",
	name: "text",
	price: "number",
	tags: "texts",
	sub: "map",
} as const;
type FieldName = keyof typeof fieldKinds;
const fieldNames = Object.keys(fieldKinds) as FieldName[];

const texts = [
	"",
	"a",
	"ab",
	"abcabc",
	"aaaa",
	"Москва",
	"a,b,,c",
	" x ",
	"$&-$$",
	"12",
	"-0.5",
	"x=1&x=2&y=%20",
	"ß𝒳é",
	"9223372036854775807",
	"__proto__",
	"0JzQvtGB0LrQstCw",
	"_-8=",
	"2024-02-29",
	"2026-11-29T23:30:00.5-03:30",
];
const numbers = [
	"0",
	"1",
	"2",
	"3",
	"10",
	"0.5",
	"1.25",
	"100",
	"1e3",
	"0x1f",
	"7",
];

class Maker {
	readonly #bytes: Uint8Array;
	#at = 0;
	#scope: readonly Bound[] = free;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	#choose(count: number): number {
		const byte = this.#bytes[this.#at++] ?? 0;
		return byte % count;
	}

	#pick<Item>(items: readonly Item[]): Item {
		return items[this.#choose(items.length)] as Item;
	}

	#often(): boolean {
		return this.#choose(4) !== 0;
	}

	#seldom(): boolean {
		return this.#choose(8) === 7;
	}

	/* Data */

	data(): Record<string, unknown> {
		const made: Record<string, unknown> = {};
		for (const { name, kind } of free) made[name] = this.#value(kind, 2);
		made["request"] = { id: this.#pick(["r1", "r-2"]) };
		return made;
	}

	#value(kind: Kind, depth: number): unknown {
		if (this.#choose(12) === 11) return null;
		switch (kind) {
			case "number":
				return this.#choose(16) === 15
					? this.#pick([9223372036854775807n, -12345678901234567890n])
					: this.#pick([1, 0, 2, 3, -1, -0, 0.5, 1e21, 42, 9007199254740991]);
			case "text":
				return this.#pick(texts);
			case "boolean":
				return this.#choose(2) === 1;
			case "numbers":
				return this.#values("number", depth);
			case "texts":
				return this.#values("text", depth);
			case "maps":
				return this.#values("map", depth);
			case "lists":
				return this.#values(this.#pick(["numbers", "texts", "lists"]), depth);
			case "map":
				return this.#record(depth);
			case "any":
				return depth <= 0
					? null
					: this.#value(
							this.#pick(["number", "text", "map", "maps"]),
							depth - 1,
						);
		}
	}

	#values(kind: Kind, depth: number): unknown[] {
		if (depth <= 0) return [];
		const count = this.#choose(5);
		return Array.from({ length: count }, () => this.#value(kind, depth - 1));
	}

	#record(depth: number): Record<string, unknown> {
		const made: Record<string, unknown> = {};
		for (const name of fieldNames) {
			if (this.#choose(6) !== 5 && depth > 0) {
				made[name] = this.#value(fieldKinds[name], depth - 1);
			}
		}
		if (this.#choose(12) === 11) {
			return Object.assign(JSON.parse('{"__proto__": {"id": 7}}'), made);
		}
		return made;
	}

	/* Expressions */

	kind(): Kind {
		return this.#pick([
			"text",
			"number",
			"boolean",
			"numbers",
			"texts",
			"maps",
			"lists",
			"map",
		]);
	}

	/** Small ones reach what is seldom chosen, deep ones how things go together. */
	program(): string {
		return this.#composed(this.kind(), 1 + this.#choose(4));
	}

	expression(wanted: Kind, depth: number): string {
		const kind =
			wanted === "any" || this.#choose(24) === 23 ? this.kind() : wanted;
		if (depth <= 0 || this.#choose(6) === 0) return this.#simple(kind);
		return this.#composed(kind, depth);
	}

	#composed(kind: Kind, depth: number): string {
		if (this.#choose(8) === 1) return this.#choice(kind, depth - 1);
		switch (kind) {
			case "number":
				return this.#number(depth - 1);
			case "text":
				return this.#text(depth - 1);
			case "boolean":
				return this.#boolean(depth - 1);
			case "map":
				return this.#map(depth - 1);
			case "numbers":
			case "texts":
			case "maps":
			case "lists":
			case "any":
				return this.#list(kind, depth - 1);
		}
	}

	/** In parentheses, or seldom without: whatever the precedence then makes of it is a program too. */
	#operand(kind: Kind, depth: number): string {
		const made = this.expression(kind, depth);
		const binds =
			/^[\w'"`[(]/.test(made) && !/\?\?|[|&]{2}|\?|:|^\d|\d$|\*\*/.test(made);
		return binds && this.#seldom() ? made : `(${made})`;
	}

	#simple(kind: Kind): string {
		const names = this.#scope.filter((bound) => bound.kind === kind);
		if (names.length > 0 && this.#often()) return this.#pick(names).name;
		switch (kind) {
			case "number":
				return this.#pick(numbers);
			case "text":
				return this.#quoted(this.#pick(texts));
			case "boolean":
				return this.#pick(["true", "false"]);
			case "map":
				return this.#pick(["ms[0]", "m.sub", "{}", "{ id: 1, name: 'a' }"]);
			case "numbers":
				return this.#pick(["[]", "[3, 1, 2]", "[1, null, 2, 1]"]);
			case "texts":
				return this.#pick(["[]", "['b', 'a', 'B']", "m.tags", "['a', null]"]);
			case "maps":
				return this.#pick(["[]", "[{ id: 2 }, { id: 1, price: null }, m]"]);
			case "lists":
				return this.#pick([
					"[]",
					"[[1, [2, [3]]], ['a', 1]]",
					"[['a', 1], ['b', null]]",
				]);
			case "any":
				return "null";
		}
	}

	#quoted(text: string): string {
		return this.#choose(2) === 0
			? `'${text}'`
			: `\`${text.replaceAll("$", "\\$")}\``;
	}

	#choice(kind: Kind, depth: number): string {
		const first = this.#operand(kind, depth);
		const second = this.#operand(kind, depth);
		switch (this.#choose(5)) {
			case 0:
				return `${first} ?? ${second}`;
			case 1:
				return `(${first} || ${second})`;
			case 2:
				return `(${first} && ${second})`;
			case 3:
				return `${this.#operand("map", depth)}${this.#member(kind)}`;
			default:
				return `${this.#operand("boolean", depth)} ? ${first} : ${second}`;
		}
	}

	/** A member that mostly is of the kind. */
	#member(kind: Kind): string {
		const fitting = fieldNames.filter((name) => fieldKinds[name] === kind);
		const name =
			fitting.length > 0 ? this.#pick(fitting) : this.#pick(fieldNames);
		switch (this.#choose(6)) {
			case 0:
				return `?.${name}`;
			case 1:
				return `['${name}']`;
			case 2:
				return `[${this.expression("text", 0)}]`;
			case 3:
				return this.#pick([
					".constructor",
					".__proto__",
					".toString",
					".length",
				]);
			default:
				return `.${name}`;
		}
	}

	#number(depth: number): string {
		const number = () => this.#operand("number", depth);
		const text = () => this.#operand("text", depth);
		switch (this.#choose(21)) {
			case 0:
				return `${number()} ${this.#pick(["+", "-", "*", "/", "%", "+"])} ${number()}`;
			case 1:
				return `(${number()}) ** ${this.#pick(["2", "0.5", "3", "k"])}`;
			case 2:
				return `-(${number()})`;
			case 3:
				return `+(${number()})`;
			case 4:
				return `${text()}.length`;
			case 5:
				return `${this.#operand(this.#listKind(), depth)}.length`;
			case 6:
				return `${text()}.${this.#pick(["indexOf", "lastIndexOf"])}(${this.#some([text(), number()], 1)})`;
			case 7:
				return `${this.#operand("numbers", depth)}.indexOf(${this.#some([number(), number()], 1)})`;
			case 8: {
				const kind = this.#listKind();
				return `${this.#operand(kind, depth)}.findIndex(${this.#arrow([itemOf(kind), "number"], "boolean", depth)})`;
			}
			case 9:
				return `Number(${this.#operand(this.#pick(["text", "number", "boolean"]), depth)})`;
			case 10:
			case 17:
			case 18:
				return `Math.${this.#pick(["round", "floor", "ceil", "trunc", "abs", "sign", "sqrt", "log2", "cbrt", "exp", "fround", "clz32", "sin", "log", "tanh", "acos", "asin", "atan", "acosh", "asinh", "atanh", "cos", "cosh", "expm1", "f16round", "log10", "log1p", "sinh", "tan"])}(${number()})`;
			case 11:
				return `Math.${this.#pick(["max", "min", "hypot"])}(${number()}, ...${this.#operand("numbers", depth)})`;
			case 12:
				return `Math.${this.#pick(["pow", "atan2", "imul"])}(${number()}, ${number()})`;
			case 13:
				return `${this.#operand("numbers", depth)}${this.#pick(["[0]", ".at(-1)", "[n]", "['0']", "[k]"])}`;
			case 14:
				return `${this.#operand("numbers", depth)}.${this.#pick(["find", "findLast"])}(${this.#arrow(["number", "number"], "boolean", depth)})`;
			case 15:
				return `${this.#operand("numbers", depth)}.reduce(${this.#arrow(["number", "number", "number"], "number", depth)}${this.#pick(["", ", 0", ", z"])})`;
			case 16:
				return `Math.${this.#pick(["PI", "E", "SQRT2", "LN2", "LN10", "LOG2E", "LOG10E", "SQRT1_2"])}`;
			case 19:
				return `parseTime(${this.#pick([text(), `isoTime(${this.#time(depth)})`, `isoDate(${this.#time(depth)}, ${this.#zone()})`])})`;
			default:
				return `${this.#operand("map", depth)}${this.#member("number")}`;
		}
	}

	#time(depth: number): string {
		const number = this.#operand("number", depth);
		return this.#pick([number, `${number} * 1e11`, `-(${number}) * 3e12`]);
	}

	#zone(): string {
		return this.#pick([
			"'Europe/Berlin'",
			"'America/St_Johns'",
			"'Pacific/Kiritimati'",
			"'-09:30'",
			"'UTC'",
			"t",
		]);
	}

	#timeOptions(): string {
		return this.#pick([
			"{}",
			`{ dateStyle: 'full', timeZone: ${this.#zone()} }`,
			"{ weekday: 'long', hour: 'numeric', hour12: true }",
			"{ timeStyle: 'short' }",
			"m",
		]);
	}

	#text(depth: number): string {
		const text = () => this.#operand("text", depth);
		const number = () => this.#operand("number", depth);
		switch (this.#choose(24)) {
			case 0:
				return `${text()} + ${this.#operand(this.#pick(["text", "number", "boolean"]), depth)}`;
			case 1:
				return `\`<\${${this.expression("text", depth)}}-\${${this.expression(this.#pick(["number", "boolean", "text"]), depth)}}>\``;
			case 2:
				return `${text()}.${this.#pick(["trim", "trimStart", "trimEnd", "toLowerCase", "toUpperCase", "normalize"])}()`;
			case 3:
				return `${text()}.${this.#pick(["slice", "substring"])}(${this.#some([number(), number()], 1)})`;
			case 4:
				return `${text()}.${this.#pick(["replace", "replaceAll"])}(${text()}, ${text()})`;
			case 5:
				return `${text()}.${this.#pick(["padStart", "padEnd"])}(${this.#some([number(), text()], 1)})`;
			case 6:
				return `${text()}.${this.#pick(["at", "charAt", "repeat"])}(${number()})`;
			case 7:
				return `${text()}.concat(${this.#some([text(), text()], 0)})`;
			case 8:
				return `${this.#operand(this.#pick(["texts", "numbers"]), depth)}.join(${this.#some([text()], 0)})`;
			case 9:
				return `String(${this.#operand(this.#pick(["text", "number", "boolean"]), depth)})`;
			case 10:
				return `JSON.stringify(${this.expression("any", depth)})`;
			case 11:
				return `${this.#pick(["encodeURIComponent", "decodeURIComponent", "escapeXml"])}(${text()})`;
			case 12:
				return `${number()}.toFixed(${this.#some([number()], 0)})`;
			case 13:
				return `${this.#operand("texts", depth)}${this.#pick(["[0]", ".at(-1)", "[1]"])}`;
			case 14:
				return `${text()}${this.#pick(["[0]", "[n]", "['1']"])}`;
			case 22:
				return `printXml(${this.#pick([this.#operand("map", depth), `{ a: ${this.expression("any", depth)}, b: ${text()} }`])})`;
			case 16:
				return `isoTime(${this.#time(depth)})`;
			case 17:
				return `isoDate(${this.#some([this.#time(depth), this.#zone()], 1)})`;
			case 18:
				return `formatTime(${this.#some([this.#time(depth), this.#pick(["'de'", "'en-GB'", "'ru'", "t"]), this.#timeOptions()], 2)})`;
			case 19:
				return `base64(${this.#some([text(), "'url'"], 1)})`;
			case 20:
				return `fromBase64(${this.#pick([text(), `base64(${text()})`, `base64(${text()}, 'url')`])})`;
			case 21:
				return `${this.#pick(["sha256", "uuid"])}(${text()})`;
			default:
				return `${this.#operand("map", depth)}${this.#member("text")}`;
		}
	}

	#boolean(depth: number): string {
		const text = () => this.#operand("text", depth);
		switch (this.#choose(10)) {
			case 0: {
				const kind = this.#pick(["number", "text"] as const);
				return `${this.#operand(kind, depth)} ${this.#pick(["<", ">", "<=", ">="])} ${this.#operand(kind, depth)}`;
			}
			case 1: {
				const kind = this.kind();
				return `${this.#operand(kind, depth)} ${this.#pick(["===", "!=="])} ${this.#operand(kind, depth)}`;
			}
			case 2:
				return `${this.#operand("any", depth)} ${this.#pick(["===", "!=="])} null`;
			case 3:
				return `!${this.#operand("any", depth)}`;
			case 4:
				return `${text()}.${this.#pick(["includes", "startsWith", "endsWith"])}(${this.#some([text(), this.#operand("number", depth)], 1)})`;
			case 5:
				return `${this.#operand("texts", depth)}.includes(${this.#some([text(), this.#operand("number", depth)], 1)})`;
			case 6: {
				const kind = this.#listKind();
				return `${this.#operand(kind, depth)}.${this.#pick(["every", "some"])}(${this.#arrow([itemOf(kind), "number", kind], "boolean", depth)})`;
			}
			case 7:
				return `Array.isArray(${this.expression("any", depth)})`;
			case 8:
				return `Boolean(${this.expression("any", depth)})`;
			default:
				return (
					`${this.#operand("boolean", depth)} ${this.#pick(["&&", "||"])} (${this.expression("boolean", depth)})`.replace(
						/^/,
						"(",
					) + ")"
				);
		}
	}

	#listKind(): "numbers" | "texts" | "maps" | "lists" {
		return this.#pick(["maps", "numbers", "texts", "lists"]);
	}

	#list(kind: Kind, depth: number): string {
		const list = () => this.#operand(kind, depth);
		const item = itemOf(kind);
		switch (this.#choose(17)) {
			case 0: {
				const from = this.#listKind();
				const method = this.#choose(4) === 3 ? "flatMap" : "map";
				return `${this.#operand(from, depth)}.${method}(${this.#arrow([itemOf(from), "number", from], item, depth)})`;
			}
			case 1:
				return `${list()}.filter(${this.#arrow([item, "number", kind], "boolean", depth)})`;
			case 2:
				return `[${this.expression(item, depth)}, ...${list()}, ${this.expression(item, depth)}]`;
			case 3:
				return `[...${list()}, ...${this.#operand("any", depth)}]`;
			case 4:
				return `${list()}.slice(${this.#some([this.#operand("number", depth), this.#operand("number", depth)], 0)})`;
			case 5:
				return `${list()}.concat(${list()}, ${this.expression(item, depth)})`;
			case 6:
				return `${list()}.toReversed()`;
			case 7:
				return `${this.#operand("lists", depth)}.flat(${this.#some([this.#operand("number", 0)], 0)})`;
			case 8:
				return `${list()}.with(${this.#operand("number", 0)}, ${this.expression(item, depth)})`;
			case 9:
				return `sortBy(${list()}, ${this.#arrow([item, "number"], this.#pick(["number", "text"]), depth)}${this.#pick(["", ", 'desc'", ", 'asc'"])})`;
			case 10:
				return `uniqueBy(${list()}, ${this.#arrow([item, "number"], this.#pick(["number", "text"]), depth)})`;
			case 11:
				return `compact(${list()})`;
			case 12:
				return `${this.#operand("text", depth)}.split(${this.#some([this.#operand("text", 0), this.#operand("number", 0)], 0)})`;
			case 13:
				return `Object.${this.#pick(["keys", "values", "entries"])}(${this.#operand(this.#pick(["map", "map", "texts"]), depth)})`;
			case 14:
				return `${list()}.toSorted(${this.#choose(2) === 0 ? "" : this.#arrow([item, item], "number", depth)})`;
			case 15:
				return `${this.#operand("texts", depth)}.${this.#pick(["map(String)", "filter(Boolean)", "map(escapeXml)", "map(Number)", "map(uuid)", "map(sha256)"])}`;
			default:
				return `${this.#operand("map", depth)}${this.#member(kind)}`;
		}
	}

	#map(depth: number): string {
		const map = () => this.#operand("map", depth);
		switch (this.#choose(12)) {
			case 0:
				return `{ id: ${this.expression("number", depth)}, name: ${this.expression("text", depth)}, ...${map()} }`;
			case 1:
				return `{ ...${map()}, 'price': ${this.expression("number", depth)}, 7: 1 }`;
			case 2:
				return `{ [${this.expression("text", depth)}]: ${this.expression("any", depth)}, n, t, ...${this.#operand("any", depth)} }`;
			case 3:
				return `{ id: ${this.expression("any", depth)}, tags: ${this.expression("texts", depth)}, sub: ${map()} }`;
			case 4: {
				const kind = this.#listKind();
				return `Object.groupBy(${this.#operand(kind, depth)}, ${this.#arrow([itemOf(kind), "number"], this.#pick(["text", "number", "boolean"]), depth)})`;
			}
			case 5:
				return `Object.fromEntries(${this.#pick([`Object.entries(${map()})`, this.#operand("lists", depth), `${this.#operand("texts", depth)}.map((x, y) => [x, y])`])})`;
			case 6:
				return `omit(${map()}, ${this.#quoted(this.#pick(fieldNames))}, ...${this.#operand("texts", depth)})`;
			case 7:
				return `compact(${map()})`;
			case 8:
				return `JSON.parse(JSON.stringify(${map()}))`;
			case 9:
				return `queryOf('/p?' + ${this.#operand("text", depth)})`;
			case 10:
				return `mergeDeep(${this.#some([map(), map(), map()], 2)})`;
			default:
				return `${this.#operand("maps", depth)}.${this.#pick(["find", "findLast"])}(${this.#arrow(["map", "number"], "boolean", depth)})`;
		}
	}

	/** As many of the arguments as it may take, at least so many. */
	#some(given: readonly string[], least: number): string {
		return given
			.slice(0, least + this.#choose(given.length - least + 1))
			.join(", ");
	}

	/* Arrows */

	#arrow(kinds: readonly Kind[], result: Kind, depth: number): string {
		const outer = this.#scope;
		const count = 1 + this.#choose(kinds.length);
		const bound: Bound[] = [];
		const parameters: string[] = [];
		for (const kind of kinds.slice(0, count)) {
			parameters.push(this.#parameter(kind, bound));
		}
		if (this.#choose(12) === 11) {
			parameters.push(`...${this.#bind("lists", bound)}`);
		}
		const names = new Set(bound.map(({ name }) => name));
		this.#scope = [...outer.filter(({ name }) => !names.has(name)), ...bound];
		// Now and then everything that was bound is seen in the result.
		const body =
			this.#choose(6) === 5
				? `[${[...names].join(", ")}]`
				: this.expression(result, depth);
		this.#scope = outer;
		const [only] = parameters;
		const head =
			parameters.length === 1 && /^\w+$/.test(only ?? "")
				? only
				: `(${parameters.join(", ")})`;
		return `${head} => ${body.startsWith("{") ? `(${body})` : body}`;
	}

	#bind(kind: Kind, bound: Bound[]): string {
		const taken = new Set(bound.map(({ name }) => name));
		const wished = this.#pick(parameterNames);
		let name = wished;
		for (let index = 1; taken.has(name); index++) name = `${wished}${index}`;
		bound.push({ name, kind });
		return name;
	}

	#parameter(kind: Kind, bound: Bound[]): string {
		const form = this.#choose(4);
		if (kind === "map" && form >= 2) return this.#fields(bound);
		if (kind !== "number" && kind !== "boolean" && form === 3) {
			return this.#items(itemOf(kind), bound);
		}
		const made = this.#bind(kind, bound);
		return this.#seldom() ? `${made} = ${this.#otherwise(kind, bound)}` : made;
	}

	/** A default can only be made of literals and of what is bound before it. */
	#otherwise(kind: Kind, bound: readonly Bound[]): string {
		const outer = this.#scope;
		this.#scope = bound.slice(0, -1).filter(({ name }) => name.length === 1);
		const made = this.#simple(kind);
		this.#scope = outer;
		return /\b(?:ms|m|n|t)\b/.test(made) ? "null" : made;
	}

	#fields(bound: Bound[]): string {
		const fields = fieldNames
			.filter(() => this.#choose(2) === 1)
			.map((name) => this.#field(name, bound));
		const rest =
			this.#choose(4) === 3 ? [`...${this.#bind("map", bound)}`] : [];
		return `{ ${[...fields, ...rest].join(", ")} }`;
	}

	#field(name: FieldName, bound: Bound[]): string {
		const kind = fieldKinds[name];
		const key = this.#pick([name, name, `'${name}'`, `['${name}']`]);
		switch (this.#choose(4)) {
			case 0:
				return `${key}: ${this.#bind(kind, bound)}`;
			case 1: {
				const made = this.#bind(kind, bound);
				return `${key}: ${made} = ${this.#otherwise(kind, bound)}`;
			}
			case 2:
				return kind === "map"
					? `${key}: { id: ${this.#bind("number", bound)} }`
					: `${key}: ${this.#bind(kind, bound)}`;
			default:
				if (bound.some((other) => other.name === name)) {
					return `${key}: ${this.#bind(kind, bound)}`;
				}
				bound.push({ name, kind });
				return name;
		}
	}

	#items(kind: Kind, bound: Bound[]): string {
		const first = this.#bind(kind, bound);
		switch (this.#choose(3)) {
			case 0:
				return `[${first}]`;
			case 1: {
				const second = this.#bind(kind, bound);
				return `[${first}, ${second} = ${this.#otherwise(kind, bound)}]`;
			}
			default:
				return `[, ${first}, ...${this.#bind("lists", bound)}]`;
		}
	}
}

function itemOf(kind: Kind): Kind {
	switch (kind) {
		case "numbers":
			return "number";
		case "texts":
		case "text":
			return "text";
		case "maps":
			return "map";
		case "lists":
			return "texts";
		default:
			return "any";
	}
}
