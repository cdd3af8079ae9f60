import type { UserContext } from "./config.ts";
import type { defaultsKeys } from "./keys/defaults.ts";
import type { Data, DataMap, Duration, Size, Written } from "./keys/input.ts";
import type { AnyKeys } from "./keys/key.ts";
import type { overloadKeys } from "./keys/overload.ts";
import type { poolKeys } from "./keys/pool.ts";
import type { rateLimitKeys } from "./keys/rate-limit.ts";
import type { InputOf, InputOfKey } from "./keys/section.ts";
import type { corsKeys, serverKeys } from "./keys/server.ts";
import type { upstreamKeys } from "./keys/upstream.ts";
import type { bodyKeys, sentKeys } from "./steps/call.ts";
import type { commonKeys, waitKeys } from "./steps/common.ts";
import type { StepKey } from "./steps/kinds.ts";

/**
 * A config as written, not yet checked. `defineGateway` returns it, `createGateway` takes it, and the file of a
 * TypeScript config exports it.
 */
export interface GatewayConfig {
	readonly upstreams?: Readonly<Record<string, UpstreamInput>>;
	readonly routes: Readonly<Record<string, unknown>>;
	readonly server?: ServerInput;
	readonly pool?: PoolInput;
	readonly defaults?: DefaultsInput;
	readonly rateLimit?: RateLimitInput | readonly RateLimitInput[];
	readonly overload?: OverloadInput | false;
}

export type { Duration, Size };

/** Where the gateway listens, and its limits: docs/config.md has each key. */
export type ServerInput = InputOf<typeof serverKeys>;

/** Which pages of other origins may read answers, and what they may send. */
export type CorsInput = InputOf<typeof corsKeys>;

/** The threads of \`worker\` steps: docs/config.md has each key. */
export type PoolInput = InputOf<typeof poolKeys>;

/** The defaults of upstreams, routes and steps. */
export type DefaultsInput = InputOf<typeof defaultsKeys>;

/** How often clients may ask. `by` is a text with holes. It is read before the body and before any step. */
export type RateLimitInput = InputOf<typeof rateLimitKeys>;

/** The bounds beyond which requests are refused. */
export type OverloadInput = InputOf<typeof overloadKeys>;

/** A service that is asked: by `url` or by `urls`. Its texts may hold `${env.NAME}`. */
export type UpstreamInput = InputOf<typeof upstreamKeys>;

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
type RouteKeyInput = `${Method | "ANY"} /${string}`;
type WrongRouteKey = "a route's key is a method and a path";

interface ScalarField {
	readonly description?: string;
	readonly default?: string | number | boolean | null;
	readonly enum?: readonly (string | number | boolean)[];
}
interface TextField extends ScalarField {
	readonly type: "string";
	readonly minLength?: number;
	readonly maxLength?: number;
	readonly pattern?: string;
}
interface NumberField extends ScalarField {
	readonly type: "integer" | "number";
	readonly minimum?: number;
	readonly maximum?: number;
	readonly exclusiveMinimum?: number;
	readonly exclusiveMaximum?: number;
	readonly multipleOf?: number;
}
interface FlagField extends ScalarField {
	readonly type: "boolean";
}
interface ListField {
	readonly type: "array";
	readonly description?: string;
	readonly default?: readonly unknown[];
	readonly items: TextField | NumberField | FlagField;
	readonly minItems?: number;
	readonly maxItems?: number;
	readonly uniqueItems?: boolean;
}
/** A parameter a client may send: a JSON Schema of a scalar or a list. */
export type FieldInput = TextField | NumberField | FlagField | ListField;

/** A name, and any member of it. */
type Path<Name extends string> =
	| Name
	| `${Name}.${string}`
	| `${Name}[${string}`;

/** A declared name as it is read: without its `?`. */
type Declared<Key> = Key extends `${infer Name}?` ? Name : Key & string;

type RequestNames<Query> =
	| Path<"params" | "headers" | "cookies" | "body">
	| "query"
	| Path<`query.${Declared<keyof Query>}`>
	| "request"
	| `request.${"id" | "ip" | "method" | "path" | "time"}`;

type StepNames<Name extends string> = Path<Name> | `missing.${Name}`;

/** The declared input of a client. Every `from` of the route knows the keys of `query`. */
export interface RequestInput<Query> {
	readonly params?: Readonly<Record<string, FieldInput>>;
	readonly query?: { readonly [Name in keyof Query]: FieldInput };
	readonly headers?: Readonly<Record<string, FieldInput>>;
	readonly cookies?: Readonly<Record<string, FieldInput>>;
	readonly body?: Readonly<Record<string, unknown>>;
	readonly "body?"?: Readonly<Record<string, unknown>>;
}

/**
 * The names to which a step may refer: `upstream`s, `step`s of its own block or around it, and the names that a `from`
 * may read.
 */
interface Names {
	readonly upstream: string;
	readonly step: string;
	readonly input: string;
}

type ItemNames = Path<"item"> | "index";
type AnswerNames = Path<"answer" | "response">;

/** The inputs of these keys, with the names that can be read there filled in. */
type Inputs<Keys extends AnyKeys, S extends Names, Input extends string> = {
	readonly [Name in keyof Keys]?: Filled<InputOfKey<Keys[Name]>, S, Input>;
};

type Filled<T, S extends Names, Input extends string> =
	T extends Written<infer What>
		? {
				readonly answer: Data<Input | AnswerNames>;
				readonly answers:
					| { readonly [Status in number]: Data<Input | AnswerNames> }
					| readonly number[];
				readonly data: Data<Input>;
				readonly map: DataMap<Input>;
				readonly steps: readonly S["step"][];
			}[What]
		: T;

interface Waits<S extends Names, Input extends string>
	extends Inputs<typeof waitKeys, S, Input> {}

interface Common<S extends Names, Input extends string>
	extends Inputs<Omit<typeof commonKeys, "as">, S, Input> {}

type Kind = Exclude<StepKey, "value">;
/** A step has only one kind. */
type Only<K extends Kind | "value"> = {
	readonly [Other in Exclude<Kind, K>]?: never;
};

type TargetText<S extends Names> = S["upstream"] | `${S["upstream"]}/${string}`;

interface CallKeys<S extends Names, Input extends string>
	extends Common<S, Input>,
		Inputs<typeof sentKeys, S, Input> {}

type ReadStep<S extends Names, Input extends string, K extends Kind> = {
	readonly [Key in K]: TargetText<S>;
} & Only<K> &
	CallKeys<S, Input>;

type WriteStep<
	S extends Names,
	Input extends string,
	K extends Kind,
> = ReadStep<S, Input, K> & Inputs<typeof bodyKeys, S, Input>;

type CallStep<S extends Names, Input extends string> =
	| ReadStep<S, Input, "get">
	| ReadStep<S, Input, "head">
	| WriteStep<S, Input, "post">
	| WriteStep<S, Input, "put">
	| WriteStep<S, Input, "patch">
	| WriteStep<S, Input, "delete">;

interface ValueStep<S extends Names, Input extends string>
	extends Common<S, Input>,
		Only<"value"> {
	readonly value: Data<Input>;
}

/** A function of the author's own: the function itself, or a file's by name. */
interface RunStep<S extends Names, Input extends string>
	extends Common<S, Input>,
		Only<"run"> {
	readonly run:
		| `${string}#${string}`
		// biome-ignore lint/suspicious/noExplicitAny: arguments are data, whose type only the function's author knows.
		| ((args: any, context: UserContext) => unknown);
	readonly args?: Data<Input>;
	/** Only for a function of a file, which is given by name. */
	readonly worker?: boolean;
}

interface ReplyStep<S extends Names, Input extends string>
	extends Waits<S, Input>,
		Only<"reply"> {
	readonly reply: {
		readonly status?: Data<Input>;
		readonly headers?: DataMap<Input>;
		readonly body?: Data<Input>;
	};
}

/** `Inner` are the steps of a group. */
interface GroupStep<S extends Names, Input extends string, Inner>
	extends Common<S, Input>,
		Only<"steps"> {
	readonly steps: Steps<
		{
			upstream: S["upstream"];
			step: S["step"] | (keyof Inner & string);
			input: Input | StepNames<keyof Inner & string>;
		},
		Inner
	>;
	readonly value?: Data<Input | StepNames<keyof Inner & string>>;
}

type StepOf<S extends Names, Input extends string, Inner> =
	| CallStep<S, Input>
	| ValueStep<S, Input>
	| RunStep<S, Input>
	| GroupStep<S, Input, Inner>;

/** If `as` names the item, the names that a `from` reads are only judged when the config loads. */
type StepInput<S extends Names, Inner> =
	| ReplyStep<S, S["input"]>
	| (StepOf<S, S["input"] | ItemNames, Inner> & { readonly as?: never })
	| (StepOf<S, string, Inner> & {
			readonly each: Data;
			readonly as: string;
	  });

type Steps<S extends Names, All> = {
	readonly [Name in keyof All]: StepInput<S, All[Name]>;
};

/** The target of a proxied route. */
export interface ProxyInput<Upstream extends string, Input extends string> {
	readonly to: TargetText<{ upstream: Upstream; step: never; input: never }>;
	readonly pass?: readonly string[] | "all";
	readonly drop?: readonly string[];
	readonly query?: DataMap<Input>;
	readonly headers?: DataMap<Input>;
	readonly cache?: boolean;
	readonly maxBody?: Size;
	readonly idle?: Duration;
}

/** A route without its `request`. */
export interface RouteInput<Upstream extends string, StepsOf, Query> {
	readonly summary?: string;
	readonly deadline?: Duration;
	readonly calls?: number;
	readonly maxRead?: Size;
	readonly rateLimit?: RateLimitInput | readonly RateLimitInput[];
	/** Instead of steps. Requests are passed on. */
	readonly proxy?:
		| TargetText<{ upstream: Upstream; step: never; input: never }>
		| ProxyInput<Upstream, RequestNames<Query>>;
	readonly steps?: Steps<
		{
			upstream: Upstream;
			step: keyof StepsOf & string;
			input: RequestNames<Query> | StepNames<keyof StepsOf & string>;
		},
		StepsOf
	>;
	readonly respond?: Data<
		RequestNames<Query> | StepNames<keyof StepsOf & string>
	>;
	readonly status?: Data<
		RequestNames<Query> | StepNames<keyof StepsOf & string>
	>;
	readonly headers?: DataMap<
		RequestNames<Query> | StepNames<keyof StepsOf & string>
	>;
}

/** The keys of a kind of step. */
export type StepKeys<K extends Kind | "value"> = Exclude<
	KeysOfUnion<Extract<StepInput<Names, unknown>, Readonly<Record<K, unknown>>>>,
	Exclude<Kind, K>
>;
type KeysOfUnion<T> = T extends unknown ? keyof T : never;

/**
 * A config in TypeScript, of the same shape as in YAML. An editor completes its names and marks wrong ones. Returns its
 * argument. Everything else is checked when the config is loaded.
 */
export function defineGateway<Upstreams, StepsOf, QueryOf>(config: {
	readonly upstreams?: { readonly [Name in keyof Upstreams]: UpstreamInput };
	readonly routes: {
		readonly [Key in keyof StepsOf]: RouteInput<
			keyof Upstreams & string,
			StepsOf[Key],
			QueryOf[Key & keyof QueryOf]
		> &
			(Key extends RouteKeyInput ? unknown : WrongRouteKey);
	} & {
		readonly [Key in keyof QueryOf]: {
			readonly request?: RequestInput<QueryOf[Key]>;
		};
	};
	readonly server?: ServerInput;
	readonly pool?: PoolInput;
	readonly defaults?: DefaultsInput;
	readonly rateLimit?: RateLimitInput | readonly RateLimitInput[];
	readonly overload?: OverloadInput | false;
}): GatewayConfig {
	return config;
}
