/** A fault in a source text, with what to write instead. `offset` counts characters from the start of the text. */
export interface Fault {
	readonly offset: number;
	readonly message: string;
}

/**
 * A free name that an expression reads, with its static member path: `query.city.x` is `query` with `city`, `x`.
 * `['city']` counts as `.city`. An index or a computed member ends the path, and a method's name is not part of it.
 */
export interface Read {
	readonly name: string;
	readonly path: readonly string[];
	readonly offset: number;
}

/** Where a node stands: characters from the start of the text that was parsed, `end` excluded. */
export interface Span {
	readonly at: number;
	readonly end: number;
}

export type UnaryOperator = "!" | "-" | "+";
export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%" | "**";
export type OrderOperator = "<" | ">" | "<=" | ">=";
export type EqualityOperator = "===" | "!==";
export type BinaryOperator =
	| ArithmeticOperator
	| OrderOperator
	| EqualityOperator;
export type LogicalOperator = "&&" | "||" | "??";

export interface Literal extends Span {
	readonly kind: "literal";
	readonly value: string | number | boolean | null;
}

/** A name from outside the expression. */
export interface Name extends Span {
	readonly kind: "name";
	readonly name: string;
}

/** A name bound by an arrow function; `slot` is its own within the whole expression, shadowed or not. */
export interface LocalName extends Span, Local {
	readonly kind: "local";
}

export interface Member extends Span {
	readonly kind: "member";
	readonly of: Ast;
	readonly key: string;
}

export interface Index extends Span {
	readonly kind: "index";
	readonly of: Ast;
	readonly key: Ast;
}

export interface Unary extends Span {
	readonly kind: "unary";
	readonly operator: UnaryOperator;
	readonly operand: Ast;
}

export interface Binary extends Span {
	readonly kind: "binary";
	readonly operator: BinaryOperator;
	readonly left: Ast;
	readonly right: Ast;
}

export interface Logical extends Span {
	readonly kind: "logical";
	readonly operator: LogicalOperator;
	readonly left: Ast;
	readonly right: Ast;
}

export interface Choice extends Span {
	readonly kind: "choice";
	readonly test: Ast;
	readonly yes: Ast;
	readonly no: Ast;
}

/** A template literal: its texts and its holes in turn. Escapes in the texts are resolved. */
export interface Text extends Span {
	readonly kind: "text";
	readonly parts: readonly (string | Ast)[];
}

export interface List extends Span {
	readonly kind: "list";
	readonly items: readonly (Ast | Spread)[];
}

export interface MapLiteral extends Span {
	readonly kind: "map";
	readonly entries: readonly (MapEntry | Spread)[];
}

/** A key that is an expression was written in brackets: `[key]: value`. */
export interface MapEntry extends Span {
	readonly kind: "entry";
	readonly key: string | Ast;
	readonly value: Ast;
}

export interface Spread extends Span {
	readonly kind: "spread";
	readonly of: Ast;
}

/** A method by its name. The value decides at run time which type's method it is. */
export interface MethodCall extends Span {
	readonly kind: "method";
	readonly of: Ast;
	readonly name: string;
	readonly args: readonly Argument[];
}

/** A function of the language by its full name, `Object.keys`. */
export interface FunctionCall extends Span {
	readonly kind: "call";
	readonly name: string;
	readonly args: readonly Argument[];
}

export type Argument = Ast | Spread | Arrow;

/** An arrow stands only as an argument, and only the function that takes it calls it. So it is never a value. */
export interface Arrow extends Span {
	readonly kind: "arrow";
	readonly parameters: readonly PatternPart[];
	readonly rest: Pattern | null;
	readonly body: Ast;
}

/** What a parameter, or a part of one, is bound to, with its default for null. */
export interface PatternPart {
	readonly pattern: Pattern;
	readonly otherwise: Ast | null;
}

export type Pattern =
	| ({ readonly kind: "bind" } & Local)
	| ({
			readonly kind: "fields";
			readonly fields: readonly Field[];
			readonly rest: Local | null;
	  } & Span)
	| ({
			readonly kind: "items";
			readonly items: readonly (PatternPart | null)[];
			readonly rest: Pattern | null;
	  } & Span);

export interface Field {
	readonly key: string | Ast;
	readonly target: PatternPart;
}

export interface Local {
	readonly name: string;
	readonly slot: number;
}

/** A checked expression: plain data, frozen to its leaves, printable as JSON. */
export type Ast =
	| Literal
	| Name
	| LocalName
	| Member
	| Index
	| Unary
	| Binary
	| Logical
	| Choice
	| Text
	| List
	| MapLiteral
	| MethodCall
	| FunctionCall;

/**
 * An expression that may be evaluated. Everything in it is checked except its free names. `source` is the text of
 * `ast`.
 */
export interface Expression {
	readonly source: string;
	readonly ast: Ast;
	/** In the order they stand in the source. */
	readonly reads: readonly Read[];
}
