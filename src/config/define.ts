import type { UserContext } from "./config.ts";
import type { From } from "./from.ts";
import type {
	AdminInput,
	AuthInput,
	BodyInputs,
	ChannelInput,
	CommonInputs,
	CorsInput,
	DefaultsInput,
	HistoryInput,
	JobInput,
	JobsInput,
	LiveInput,
	LogInput,
	OverloadInput,
	PoolInput,
	RateLimitInput,
	SentInputs,
	ServerInput,
	StoreInput,
	UndoInputs,
	UpstreamInput,
	WaitInputs,
} from "./inputs.ts";
import type {
	Data,
	DataMap,
	Duration,
	Hole,
	Origin,
	Size,
	Written,
} from "./keys/input.ts";
import type { StatusClass, StatusKey } from "./steps/answers.ts";
import type { StepKey } from "./steps/kinds.ts";

/**
 * A config as written, not yet checked. `defineGateway` returns it, `createGateway` takes it, and the file of a
 * TypeScript config exports it.
 */
export interface GatewayConfig {
	readonly upstreams?: Readonly<Record<string, UpstreamInput>>;
	readonly routes: Readonly<Record<string, unknown>>;
	readonly channels?: Readonly<Record<string, ChannelInput>>;
	readonly auth?: Readonly<Record<string, AuthInput>>;
	readonly server?: ServerInput;
	readonly pool?: PoolInput;
	readonly defaults?: DefaultsInput;
	readonly rateLimit?: RateLimitInput | readonly RateLimitInput[];
	readonly overload?: OverloadInput | false;
	readonly admin?: AdminInput | false;
	readonly log?: LogInput;
	readonly history?: HistoryInput | boolean;
	readonly jobs?: JobsInput;
	readonly store?: string | StoreInput;
}

export type {
	AdminInput,
	AuthInput,
	ChannelInput,
	CorsInput,
	DefaultsInput,
	Duration,
	HistoryInput,
	JobInput,
	JobsInput,
	LiveInput,
	LogInput,
	OverloadInput,
	PoolInput,
	RateLimitInput,
	ServerInput,
	Size,
	StoreInput,
	UpstreamInput,
};

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

interface FileField {
	readonly type: "file";
	readonly description?: string;
	readonly maxSize?: Size;
	readonly types?: readonly MediaTypeInput[];
	readonly decode?: "bytes" | "text";
}
interface FilesField {
	readonly type: "array";
	readonly description?: string;
	readonly items: FileField;
	readonly minItems?: number;
	readonly maxItems?: number;
}
/** A field of a form: as a parameter, or a file. */
export type FormFieldInput = FieldInput | FileField | FilesField;

type MediaTypeInput = `${string}/${string}`;
interface TextInput {
	readonly minLength?: number;
	readonly maxLength?: number;
	readonly pattern?: string;
	readonly types?: readonly MediaTypeInput[];
}
interface BytesInput {
	readonly maxSize?: Size;
	readonly types?: readonly MediaTypeInput[];
}

/** A name, and any member of it. */
type Path<Name extends string> =
	| Name
	| `${Name}.${string}`
	| `${Name}[${string}`;

/** A declared name as it is read: without its `?`. */
type Declared<Key> = Key extends `${infer Name}?` ? Name : Key & string;

/** Who asks, in a route with `auth`. */
type AuthNames = Path<"auth">;

type RequestNames<Query> =
	| AuthNames
	| Path<"params" | "headers" | "cookies" | "body" | "form" | "text">
	| "bytes"
	| "query"
	| Path<`query.${Declared<keyof Query>}`>
	| "request"
	| `request.${"id" | "ip" | "method" | "path" | "time"}`;

type StepNames<Name extends string> = Path<Name> | `missing.${Name}`;

/** The declared input of a client. Every `from` of the route knows the keys of `query`. */
export interface RequestInput<Query> {
	/**
	 * Path parameters. Without a declaration they are read as texts. A schema here coerces and bounds them.
	 */
	readonly params?: Readonly<Record<string, FieldInput>>;
	/**
	 * Query parameters: name → JSON Schema of a scalar or a list. Required unless the name ends in `?` or there is a
	 * `default`.
	 */
	readonly query?: { readonly [Name in keyof Query]: FieldInput };
	/**
	 * Header fields that may be read, as `headers.accept_language`.
	 */
	readonly headers?: Readonly<Record<string, FieldInput>>;
	/**
	 * Cookies that may be read, as `cookies.session`.
	 */
	readonly cookies?: Readonly<Record<string, FieldInput>>;
	/**
	 * The JSON Schema (2020-12) of a JSON body. With `body?` it may be absent and is then null.
	 */
	readonly body?: Readonly<Record<string, unknown>>;
	readonly "body?"?: Readonly<Record<string, unknown>>;
	/**
	 * The fields of a form, as `form.name`: urlencoded or multipart, declared like `query`. `type: file` takes a
	 * file. With `form?` the body may be absent.
	 */
	readonly form?: Readonly<Record<string, FormFieldInput>>;
	readonly "form?"?: Readonly<Record<string, FormFieldInput>>;
	/**
	 * The body as a text, as it came: `minLength`, `maxLength`, `pattern` and `types`, the media types that are
	 * taken. It may stand beside `body` or `form`, whose text it then is. With `text?` it may be absent.
	 */
	readonly text?: TextInput;
	readonly "text?"?: TextInput;
	/**
	 * The body as bytes, as it came: `maxSize`, and `types`, the media types that are taken. It may stand beside the
	 * others. With `bytes?` it may be absent.
	 */
	readonly bytes?: BytesInput;
	readonly "bytes?"?: BytesInput;
}

/**
 * The names to which a step may refer: `upstream`s, `step`s of its own block or around it, and the names that a `from`
 * may read.
 */
export interface Names {
	readonly upstream: string;
	readonly step: string;
	readonly input: string;
}

type ItemNames = Path<"item" | "last"> | "index" | "round";
type AnswerNames = Path<"answer" | "response">;

/** The rounds of a step. `Input` are the names that its condition may read. */
interface RepeatInput<Input extends string> {
	readonly while: Data<Input>;
	readonly max: number;
	readonly wait?: Duration;
}

/** An input, with the names that can be read there filled in. */
export type Filled<T, S extends Names, Input extends string> =
	T extends Written<infer What>
		? {
				readonly answer: Data<Input | AnswerNames>;
				readonly answers:
					| {
							readonly [Status in number | StatusClass]?: Data<
								Input | AnswerNames
							>;
					  }
					| readonly (number | StatusClass)[];
				readonly data: Data<Input>;
				readonly failure: Data<Input | Path<"failure">>;
				readonly map: DataMap<Input> | Hole | From<Input>;
				readonly rounds: RepeatInput<Input | AnswerNames>;
				readonly steps: readonly S["step"][];
				readonly undo: UndoInput<S, Input | AnswerNames>;
			}[What]
		: T;

type Kind = Exclude<StepKey, "value">;
/** A step has only one kind. */
type Only<K extends Kind | "value"> = {
	readonly [Other in Exclude<Kind, K>]?: never;
};

type TargetText<S extends Names> = S["upstream"] | `${S["upstream"]}/${string}`;

interface CallKeys<S extends Names, Input extends string>
	extends CommonInputs<S, Input>,
		SentInputs<S, Input> {}

type ReadStep<S extends Names, Input extends string, K extends Kind> = {
	readonly [Key in K]: TargetText<S>;
} & Only<K> &
	CallKeys<S, Input>;

type WriteStep<
	S extends Names,
	Input extends string,
	K extends Kind,
> = ReadStep<S, Input, K> & BodyInputs<S, Input> & UndoInputs<S, Input>;

type UndoMethod = "post" | "put" | "patch" | "delete";

/** A call that takes another one back. */
type UndoInput<S extends Names, Input extends string> = {
	readonly [K in UndoMethod]: { readonly [Key in K]: TargetText<S> } & {
		readonly [Other in Exclude<UndoMethod, K>]?: never;
	};
}[UndoMethod] &
	BodyInputs<S, Input> &
	Pick<SentInputs<S, Input>, "query" | "headers" | "idempotent" | "timeout"> &
	Pick<WaitInputs<S, Input>, "when"> & {
		/** Statuses beside 2xx that mean that the write is undone. */
		readonly answers?: readonly StatusKey[];
	};

type CallStep<S extends Names, Input extends string> =
	| ReadStep<S, Input, "get">
	| ReadStep<S, Input, "head">
	| WriteStep<S, Input, "post">
	| WriteStep<S, Input, "put">
	| WriteStep<S, Input, "patch">
	| WriteStep<S, Input, "delete">;

interface ValueStep<S extends Names, Input extends string>
	extends CommonInputs<S, Input>,
		Only<"value"> {
	readonly value: Data<Input>;
}

/** A function of the author's own: the function itself, or a file's by name. */
interface RunStep<S extends Names, Input extends string>
	extends CommonInputs<S, Input>,
		Only<"run"> {
	readonly run:
		| `${string}#${string}`
		// biome-ignore lint/suspicious/noExplicitAny: arguments are data, whose type only the function's author knows.
		| ((args: any, context: UserContext) => unknown);
	readonly args?: Data<Input>;
	/** Only for a function of a file, which is given by name. */
	readonly worker?: boolean;
}

/** A message to a channel: `<channel>`, or `<channel>/<instance>`. */
interface PublishStep<S extends Names, Input extends string>
	extends CommonInputs<S, Input>,
		Only<"publish"> {
	readonly publish: string;
	readonly message: Data<Input>;
}

interface ReplyStep<S extends Names, Input extends string>
	extends WaitInputs<S, Input>,
		Only<"reply"> {
	readonly reply: {
		readonly status?: Data<Input>;
		readonly headers?: DataMap<Input>;
		readonly body?: Data<Input>;
		readonly "body?"?: Data<Input>;
		readonly undo?: boolean;
	};
}

/** `Inner` are the steps of a group. */
interface GroupStep<S extends Names, Input extends string, Inner>
	extends CommonInputs<S, Input>,
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
	readonly repeat?: RepeatInput<Input | StepNames<keyof Inner & string>>;
}

type StepOf<S extends Names, Input extends string, Inner> =
	| CallStep<S, Input>
	| ValueStep<S, Input>
	| RunStep<S, Input>
	| PublishStep<S, Input>
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

type ProxyTarget<Upstream extends string> = TargetText<{
	upstream: Upstream;
	step: never;
	input: never;
}>;

/** The targets of a proxied route. */
export interface ProxyInput<
	Upstream extends string,
	Input extends string,
	Step extends string,
> {
	/**
	 * Required. The target of the requests: `<upstream>/<path>`. A last `{rest*}` is the rest of the client's path,
	 * percent-encoded as it came. A `${…}` stays within its segment. Or a list of targets, `{ when, to }`: a request
	 * goes to the first whose `when` is neither false nor null. The last one has no `when`, so there is always a
	 * target.
	 */
	readonly to:
		| ProxyTarget<Upstream>
		| readonly (
				| ProxyTarget<Upstream>
				| {
						readonly when?: Data<Input>;
						readonly to: ProxyTarget<Upstream>;
				  }
		  )[];
	/**
	 * Header fields that pass besides those that always do, both ways: `authorization`, `cookie`, `set-cookie` and
	 * any others on which the two sides agree. `all`: whatever a client sends, and `set-cookie`, but nothing by which
	 * clients could lie to the upstream, such as `x-forwarded-for`.
	 */
	readonly pass?: readonly string[] | "all";
	/**
	 * Steps that must have ended before a request is passed on, although nothing of the proxy reads them. A step that
	 * must not fail, and has no `fallback`, so decides whether it is passed on at all.
	 */
	readonly after?: readonly Step[];
	/**
	 * Header fields of the answer that do not pass. All others do, except `set-cookie`, those that hold for the whole
	 * host, and those that tell of the upstream's own machine. These pass if `pass` names them.
	 */
	readonly drop?: readonly string[];
	/**
	 * `raw` also takes paths that servers read in different ways: with empty segments (`/a//b`,
	 * `/https://a.example/b`), or percent-encoded as something else than UTF-8 (`/caf%E9`). `.` and `..` as segments
	 * stay refused. Default: `checked`.
	 */
	readonly paths?: "checked" | "raw";
	/**
	 * Query parameters of the call, instead of all of the client's. Without it the client's go along, except those
	 * that the upstream's own `query` has.
	 */
	readonly query?: DataMap<Input>;
	/**
	 * Header fields of the call. They replace the client's of the same name, as the upstream's own do.
	 */
	readonly headers?: DataMap<Input>;
	/**
	 * `headers`: header fields of the answer, instead of the upstream's of the same name. With `name?` and null there
	 * is no such field at all. They may read `response`, the upstream's `status` and `headers`. A `set-cookie` stands
	 * beside those that pass.
	 */
	readonly answer?: {
		readonly headers?: DataMap<Input | Path<"response">>;
	};
	/**
	 * `true`: the upstream's `cache` keeps answers to GET while they are passed on, and gives them again. Default:
	 * `false`.
	 */
	readonly cache?: boolean;
	/**
	 * Also passes WebSockets on: `true`, or a map of what differs. `origins` are the pages that may open one, as in
	 * `server.cors`; any other page is answered 403. Without it only pages of the host that is asked may. Programs
	 * send no origin, and pass. `maxMessage` (default `1MiB`) bounds each message, either way. `idle` (default `10m`)
	 * is how long neither side may send one.
	 */
	readonly websocket?:
		| boolean
		| {
				readonly origins?: readonly Origin[];
				readonly maxMessage?: Size;
				readonly idle?: Duration;
		  };
	/**
	 * The longest request body that is passed on. Beyond it 413: at once if its length is announced. Default: `1GiB`.
	 */
	readonly maxBody?: Size;
	/**
	 * How long the upstream may send nothing of the answer's body. Then the client's connection is cut. A client that
	 * takes too little is a matter of `server.minRate`. Until the answer's head is there, `deadline` and the
	 * upstream's `timeout` hold. Default: `60s`.
	 */
	readonly idle?: Duration;
}

/** A route without its `request`. */
export interface RouteInput<Upstream extends string, StepsOf, Query> {
	/**
	 * One line for people: what the route answers.
	 */
	readonly summary?: string;
	/**
	 * The time of the whole route, from the request's arrival. At the deadline running calls are aborted and their
	 * steps fail. Default: `10s`.
	 */
	readonly deadline?: Duration;
	/**
	 * Who may ask: a name under [`auth`](#authname), or a list of names, of which any lets a client in. `false`:
	 * anybody, also if `defaults` say otherwise. Others are answered 401 before anything of their body is read.
	 * Expressions then know `auth`: who asks.
	 */
	readonly auth?: string | readonly string[] | false;
	/**
	 * What must hold besides. If it is false or null, 403. It may read `auth`, `params`, `query`, `headers`,
	 * `cookies` and `request`, and is judged before the body is read.
	 */
	readonly require?: Data<RequestNames<Query>>;
	/**
	 * How many upstream calls one request may make. Beyond it `limit_exceeded`. Default: `200`.
	 */
	readonly calls?: number;
	/**
	 * How much one request may read of its upstreams' answers, in all and after decompression. A value or key of JSON
	 * counts as five bytes at least. Beyond it `limit_exceeded`. Default: `16MiB`.
	 */
	readonly maxRead?: Size;
	/**
	 * How often clients may ask for this route, besides the `rateLimit` of the gateway: one limit, or a list of up to
	 * 8 that all hold. Beyond it 429 `too_many_requests`.
	 */
	readonly rateLimit?: RateLimitInput | readonly RateLimitInput[];
	/**
	 * The channel whose messages clients get, instead of `respond`: `<channel>`, or `<channel>/<instance>`. They get
	 * them as events, over a WebSocket, or by long polling, whichever they ask for. With `steps` they listen when all
	 * have ended well, and a step with `reply` may answer instead.
	 */
	readonly listen?: string;
	/**
	 * Who a listener is, for the others: any value. Only for a channel with `presence`. Without it the listener hears
	 * who is there, and is not among them.
	 */
	readonly member?: Data<
		RequestNames<Query> | StepNames<keyof StepsOf & string>
	>;
	/**
	 * Passes requests on and answers back, streamed and unparsed, instead of `respond`. `<upstream>/<path>`, or a map
	 * with `to` and the keys below. With `steps` a request is passed on when they have ended, and a step with `reply`
	 * may answer instead.
	 */
	readonly proxy?:
		| ProxyTarget<Upstream>
		| ProxyInput<
				Upstream,
				RequestNames<Query> | StepNames<keyof StepsOf & string>,
				keyof StepsOf & string
		  >;
	/**
	 * The steps by name. Each starts as soon as the values that it reads are there.
	 */
	readonly steps?: Steps<
		{
			upstream: Upstream;
			step: keyof StepsOf & string;
			input: RequestNames<Query> | StepNames<keyof StepsOf & string>;
		},
		StepsOf
	>;
	/**
	 * The answer's body. Without it the answer is the only step's value. With several steps it is required. With
	 * `respond?` an answer has no body if the value is null.
	 */
	readonly respond?: Data<
		RequestNames<Query> | StepNames<keyof StepsOf & string>
	>;
	readonly "respond?"?: Data<
		RequestNames<Query> | StepNames<keyof StepsOf & string>
	>;
	/**
	 * The answer's status: a number from 200 to 599, or an expression that gives one. Default: `200`.
	 */
	readonly status?: Data<
		RequestNames<Query> | StepNames<keyof StepsOf & string>
	>;
	/**
	 * The answer's header fields. A list repeats a field. With a `content-type` other than JSON, `respond` must be a
	 * text or bytes.
	 */
	readonly headers?: DataMap<
		RequestNames<Query> | StepNames<keyof StepsOf & string>
	>;
	/**
	 * Whether clients that ask for `application/x-ndjson` or `text/event-stream` get the answer part by part, each as
	 * soon as it can be made (docs/live.md). A route whose `headers` set a `content-type` always answers whole.
	 * Default: `true`.
	 */
	readonly stream?: boolean;
	/**
	 * Whether answers of 1 KiB and more are compressed for clients that accept it, with zstd, br or gzip
	 * (docs/server.md). Without this key they are, unless the route has `auth`, or reads or passes on cookies or
	 * `authorization`, and takes anything else of the client too: the length of such an answer can betray a secret.
	 * `true` also compresses those.
	 */
	readonly compress?: boolean;
	/**
	 * Lets clients watch the answer (docs/live.md): by `text/event-stream`, WebSocket or long polling they get it
	 * now, and again whenever it has changed. One run serves all who ask the same. `every` is the time from one run
	 * to the next, and `on` a channel, `<channel>` or `<channel>/<instance>`, after whose messages the route runs.
	 * With neither, as with `live: true`, it runs again when an answer of an upstream with `cache` is no longer
	 * fresh. `diff` (default `false`) sends changes as JSON Merge Patch. At most `1000` different answers (`watches`)
	 * are watched at once, by `10000` clients (`watchers`). For GET routes that only read.
	 */
	readonly live?: LiveInput | boolean;
	/**
	 * Lets clients have the request done as a job (docs/jobs.md): with `Prefer: respond-async` they get 202 and the
	 * address of the job at once, and its answer there later. With `always` (default `false`) every request becomes
	 * one. A job waits for its turn for `expires` at most (default `1h`), and its answer is kept for `keep` (default
	 * `1h`). `attempts` says how often a job is begun if the process that runs it dies. Without it: three times if
	 * all steps only read or may be sent twice, else once. `schedule` makes a job of the route at the times of a cron
	 * expression, in the time zone `zone` (default `UTC`), once over all processes. `webhook` is a target,
	 * `<upstream>/<path>`, which is told of the end of each job by a signed call.
	 */
	readonly job?: JobInput | boolean;
	/**
	 * Columns of your own in the [`history`](#history), by name. They may read what `respond` may read, and are
	 * evaluated after the answer. A text, a number, `true`, `false` and null stay what they are; anything else
	 * becomes JSON. What fails or is longer than 4,000 characters is null.
	 */
	readonly record?: DataMap<
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
	readonly channels?: Readonly<Record<string, ChannelInput>>;
	readonly server?: ServerInput;
	readonly pool?: PoolInput;
	readonly defaults?: DefaultsInput;
	readonly rateLimit?: RateLimitInput | readonly RateLimitInput[];
	readonly overload?: OverloadInput | false;
	readonly admin?: AdminInput | false;
	readonly log?: LogInput;
	readonly history?: HistoryInput | boolean;
	readonly jobs?: JobsInput;
	readonly store?: string | StoreInput;
}): GatewayConfig {
	return config;
}
