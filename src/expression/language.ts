/** How a method or function is called. */
export interface Signature {
	/** How many arguments it needs. */
	readonly least: number;
	/** How many arguments it takes. If infinite, a spread may stand among them. */
	readonly most: number;
	/** Which argument is an arrow function, and how many values the arrow is given. */
	readonly arrow?: { readonly at: number; readonly gives: number };
}

const takes = (least: number, most = least): Signature => ({ least, most });
const takesArrow = (at: number, gives: number, most = at + 1): Signature => ({
	least: at + 1,
	most,
	arrow: { at, gives },
});

export const textMethods = {
	at: takes(1),
	charAt: takes(0, 1),
	concat: takes(0, Infinity),
	endsWith: takes(1, 2),
	includes: takes(1, 2),
	indexOf: takes(1, 2),
	lastIndexOf: takes(1, 2),
	normalize: takes(0, 1),
	padEnd: takes(1, 2),
	padStart: takes(1, 2),
	repeat: takes(1),
	replace: takes(2),
	replaceAll: takes(2),
	slice: takes(0, 2),
	split: takes(0, 2),
	startsWith: takes(1, 2),
	substring: takes(1, 2),
	toLowerCase: takes(0),
	toUpperCase: takes(0),
	trim: takes(0),
	trimEnd: takes(0),
	trimStart: takes(0),
} as const satisfies Record<string, Signature>;

export const listMethods = {
	at: takes(1),
	concat: takes(0, Infinity),
	every: takesArrow(0, 3),
	filter: takesArrow(0, 3),
	find: takesArrow(0, 3),
	findIndex: takesArrow(0, 3),
	findLast: takesArrow(0, 3),
	flat: takes(0, 1),
	flatMap: takesArrow(0, 3),
	includes: takes(1, 2),
	indexOf: takes(1, 2),
	join: takes(0, 1),
	map: takesArrow(0, 3),
	reduce: takesArrow(0, 4, 2),
	slice: takes(0, 2),
	some: takesArrow(0, 3),
	toReversed: takes(0),
	toSorted: { least: 0, most: 1, arrow: { at: 0, gives: 2 } },
	with: takes(2),
} as const satisfies Record<string, Signature>;

export const numberMethods = {
	toFixed: takes(0, 1),
} as const satisfies Record<string, Signature>;

/** `Math`'s functions of numbers, as JavaScript has them, except `random`: equal data must give equal results. */
export const mathFunctions = {
	abs: takes(1),
	acos: takes(1),
	acosh: takes(1),
	asin: takes(1),
	asinh: takes(1),
	atan: takes(1),
	atan2: takes(2),
	atanh: takes(1),
	cbrt: takes(1),
	ceil: takes(1),
	clz32: takes(1),
	cos: takes(1),
	cosh: takes(1),
	exp: takes(1),
	expm1: takes(1),
	f16round: takes(1),
	floor: takes(1),
	fround: takes(1),
	hypot: takes(0, Infinity),
	imul: takes(2),
	log: takes(1),
	log10: takes(1),
	log1p: takes(1),
	log2: takes(1),
	max: takes(1, Infinity),
	min: takes(1, Infinity),
	pow: takes(2),
	round: takes(1),
	sign: takes(1),
	sin: takes(1),
	sinh: takes(1),
	sqrt: takes(1),
	tan: takes(1),
	tanh: takes(1),
	trunc: takes(1),
} as const satisfies Record<string, Signature>;

const otherFunctions = {
	"Array.isArray": takes(1),
	Boolean: takes(1),
	"JSON.parse": takes(1),
	"JSON.stringify": takes(1),
	Number: takes(1),
	"Object.entries": takes(1),
	"Object.fromEntries": takes(1),
	"Object.groupBy": takesArrow(1, 2),
	"Object.keys": takes(1),
	"Object.values": takes(1),
	String: takes(1),
	base64: takes(1, 2),
	compact: takes(1),
	decodeURIComponent: takes(1),
	encodeURIComponent: takes(1),
	escapeXml: takes(1),
	formatTime: takes(2, 3),
	fromBase64: takes(1, 2),
	isoDate: takes(1, 2),
	isoTime: takes(1),
	mergeDeep: takes(2, Infinity),
	omit: takes(1, Infinity),
	parseTime: takes(1),
	printXml: takes(1),
	queryOf: takes(1),
	sha256: takes(1),
	sortBy: takesArrow(1, 2, 3),
	uniqueBy: takesArrow(1, 2),
	uuid: takes(1),
} as const satisfies Record<string, Signature>;

export type TextMethod = keyof typeof textMethods;
export type ListMethod = keyof typeof listMethods;
export type NumberMethod = keyof typeof numberMethods;
export type MathFunction = keyof typeof mathFunctions;
export type OtherFunction = keyof typeof otherFunctions;

/**
 * Every method by its name. A name that texts and lists share takes the same arguments on both. So a call can be
 * checked before the value's type is known.
 */
export const methods: ReadonlyMap<string, Signature> = new Map<
	string,
	Signature
>([
	...Object.entries(textMethods),
	...Object.entries(listMethods),
	...Object.entries(numberMethods),
]);

/** Every function by the name it is called by: `Math.max`, `String`, `sortBy`. */
export const functions: ReadonlyMap<string, Signature> = new Map<
	string,
	Signature
>([
	...Object.entries(mathFunctions).map(
		([name, signature]): [string, Signature] => [`Math.${name}`, signature],
	),
	...Object.entries(otherFunctions),
]);

/** Numbers by their names. */
export const constants: ReadonlyMap<string, number> = new Map(
	(
		["E", "LN10", "LN2", "LOG10E", "LOG2E", "PI", "SQRT1_2", "SQRT2"] as const
	).map((name) => [`Math.${name}`, Math[name]]),
);

/** Names that only stand before a dot. */
export const namespaces: ReadonlySet<string> = new Set(
	[...functions.keys()]
		.filter((name) => name.includes("."))
		.map((name) => name.slice(0, name.indexOf("."))),
);

/** JavaScript's own words, and the names it gives a meaning of its own. */
const reservedWords = `
	arguments await break case catch class const continue debugger default delete do else enum eval export extends
	false finally for function if implements import in instanceof interface let new null package private protected
	public return static super switch this throw true try typeof var void while with yield
	undefined NaN Infinity`;

/** Every word that means something in an expression by itself. No step, `as` or parameter may have such a name. */
export const languageWords: ReadonlySet<string> = new Set([
	...reservedWords.trim().split(/\s+/),
	...namespaces,
	...[...functions.keys()].filter((name) => !name.includes(".")),
]);

/** What to write instead of a method that JavaScript or another language has, and this one does not. */
export const insteadOfMethod: ReadonlyMap<string, string> = new Map([
	["charCodeAt", "texts are compared with `<` and `===`"],
	["codePointAt", "texts are compared with `<` and `===`"],
	["contains", "write `.includes(…)`"],
	["entries", "write `Object.entries(…)`"],
	["exec", "there are no regular expressions: use `.includes`, `.split`, …"],
	["fill", "write `.map(() => …)`"],
	["findLastIndex", "write `.findLast(…)`"],
	["forEach", "write `.map(…)`"],
	["groupBy", "write `Object.groupBy(list, x => …)`"],
	["hasOwnProperty", "write `.name !== null`"],
	["keys", "write `Object.keys(…)`"],
	["lastIndexOf", "write `.findLast(…)`"],
	["length", "`length` is not called: write `.length`"],
	["localeCompare", "write `sortBy(list, x => …)`, or compare with `<`"],
	["match", "there are no regular expressions: use `.includes`, `.split`, …"],
	["matchAll", "there are no regular expressions: use `.split`"],
	["now", "the time of the request is `request.time`"],
	["pop", "write `.slice(0, -1)`, or `.at(-1)` for the last item"],
	["push", "nothing can be changed: write `[...list, item]`"],
	["reduceRight", "write `.toReversed().reduce(…)`"],
	["reverse", "nothing can be changed: write `.toReversed()`"],
	["search", "there are no regular expressions: use `.indexOf`"],
	["shift", "write `.slice(1)`, or `[0]` for the first item"],
	["sort", "nothing can be changed: write `.toSorted(…)` or `sortBy`"],
	["sortBy", "write `sortBy(list, x => …)`"],
	["splice", "nothing can be changed: write `.slice` and spread"],
	["substr", "write `.slice(from, to)`"],
	["test", "there are no regular expressions: use `.includes`, `.split`, …"],
	["toISOString", "write `isoTime(…)`"],
	["toLocaleDateString", "write `formatTime(…)`"],
	["toLocaleLowerCase", "write `.toLowerCase()`"],
	["toLocaleString", "write `.toFixed(…)` or `String(…)`"],
	["toLocaleTimeString", "write `formatTime(…)`"],
	["toLocaleUpperCase", "write `.toUpperCase()`"],
	["toSpliced", "write `.slice` and spread"],
	["toString", "write `String(…)`"],
	["trimLeft", "write `.trimStart()`"],
	["trimRight", "write `.trimEnd()`"],
	["uniqueBy", "write `uniqueBy(list, x => …)`"],
	["unshift", "nothing can be changed: write `[item, ...list]`"],
	["values", "write `Object.values(…)`"],
]);

/** What to write instead of an object that JavaScript has around it, and an expression has not. */
export const insteadOfGlobal: ReadonlyMap<string, string> = new Map([
	["Buffer", "code of your own is a step with `run`"],
	[
		"Date",
		"the time of the request is `request.time`, and `isoTime`, `isoDate`, `formatTime` and `parseTime` write and read times",
	],
	["Error", "a step fails by `expect`, an answer has a `status`"],
	["Intl", "write `formatTime(…)` for times"],
	["Map", "write an object, `{ name: value }`"],
	["Promise", "a step that is named is waited for"],
	["RegExp", "use `.includes`, `.startsWith`, `.split`, …"],
	["Set", "write a list, and `uniqueBy(list, x => x)`"],
	["URL", "code of your own is a step with `run`"],
	["URLSearchParams", "write `queryOf(…)`"],
	["console", "an expression only computes"],
	["crypto", "write `uuid('name')` or `sha256(…)`, or read `request.id`"],
	["globalThis", "an expression only computes"],
	["window", "an expression only computes"],
]);

/** What to write instead of a function that JavaScript or another language has, and this one does not. */
export const insteadOfFunction: ReadonlyMap<string, string> = new Map([
	["Array.from", "write `[...list]` or `.map(…)`"],
	["Array.of", "write `[a, b]`"],
	["BigInt", "integers too large for a number keep their digits by themselves"],
	["Date", "the time of the request is `request.time`"],
	["Date.parse", "write `parseTime(…)`"],
	["Math.random", "equal data must give equal results"],
	["Number.parseFloat", "write `Number(…)`"],
	["Number.parseInt", "write `Number(…)`, with `Math.trunc` for integers"],
	["Object.assign", "nothing can be changed: write `{ ...a, ...b }`"],
	["Object.hasOwn", "write `o.name !== null`"],
	["Object.is", "write `===`"],
	["atob", "write `fromBase64(…)`"],
	["btoa", "write `base64(…)`"],
	["encodeURI", "write `encodeURIComponent(…)`"],
	["eval", "an expression only computes"],
	["fetch", "an expression only computes: calls are steps"],
	["isNaN", "a computation never gives NaN: it fails with `step_failed`"],
	["isFinite", "a computation never gives infinity: it fails"],
	["parseFloat", "write `Number(…)`"],
	["parseInt", "write `Number(…)`, with `Math.trunc` for integers"],
	["require", "an expression only computes"],
	["structuredClone", "nothing can be changed, so nothing needs a copy"],
]);
