import type { HeaderList } from "../core/http/headers.ts";
import type { CallMethod } from "../core/http/method.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Expression } from "../expression/parse.ts";
import type { Template } from "../expression/template.ts";
import type { adminKeys } from "./keys/admin.ts";
import type { apiKeyList, passwordList } from "./keys/auth-entries.ts";
import type { jwtKeys, TokenPlace } from "./keys/auth-jwt.ts";
import type { mtlsKeys } from "./keys/auth-mtls.ts";
import type { channelKeys } from "./keys/channel.ts";
import type { historyKeys } from "./keys/history.ts";
import type { jobKeys } from "./keys/job.ts";
import type { jobsKeys } from "./keys/jobs.ts";
import type { liveKeys } from "./keys/live.ts";
import type { logKeys } from "./keys/log.ts";
import type { overloadKeys } from "./keys/overload.ts";
import type { poolKeys } from "./keys/pool.ts";
import type { proxyKeys } from "./keys/proxy.ts";
import type { rateLimitKeys } from "./keys/rate-limit.ts";
import type { routeKeys } from "./keys/route.ts";
import type { ReadOf } from "./keys/section.ts";
import type { corsKeys, serverKeys } from "./keys/server.ts";
import type { storeKeys } from "./keys/store.ts";
import type { tlsKeys } from "./keys/tls.ts";
import type { upstreamKeys } from "./keys/upstream.ts";
import type { ResolvedUpstreams } from "./resolve-upstream.ts";
import type { RouteKey } from "./route-key.ts";
import type { Secret } from "./secret.ts";
import type { DecodeInput } from "./steps/decode.ts";
import type { StepConfig } from "./steps/kinds.ts";

/** A config that has been checked: defaults filled in, units read, templates parsed, every name known to exist. */
export interface Config {
	readonly server: ServerConfig;
	readonly pool: PoolConfig;
	readonly upstreams: readonly UpstreamConfig[];
	readonly routes: readonly RouteConfig[];
	readonly channels: readonly ChannelConfig[];
	/** The kinds of credentials by which routes let clients in. */
	readonly auth: readonly AuthConfig[];
	/** The limit of all requests, whatever their route; null without one. */
	readonly rateLimits: readonly RateLimitConfig[];
	/** Null if requests are never refused for overload. */
	readonly overload: OverloadConfig | null;
	/** Null without an admin server. Never part of the plan, because it is for no request. */
	readonly admin: AdminConfig | null;
	readonly log: LogConfig;
	/** Null without a history. Never part of the plan, because it is for no request. */
	readonly history: HistoryConfig | null;
	/** Null if no route has jobs. Never part of the plan, because it is for no request alone. */
	readonly jobs: JobsConfig | null;
	/** Null without a store. Never part of the plan, because it holds a secret. */
	readonly store: StoreConfig | null;
	/** The user's functions that `run` steps call, by reference. */
	readonly functions: ReadonlyMap<string, UserFunction>;
	/** Where threads find their functions, by reference. */
	readonly workers: ReadonlyMap<string, WorkerFunction>;
	/**
	 * The contents of the files that upstreams' `tls` names, by path as written. Never part of the plan, because they
	 * hold private keys.
	 */
	readonly files: ReadonlyMap<string, string>;
	/**
	 * The upstreams in the environment in which the config was checked. Never part of the plan, because they hold
	 * secrets.
	 */
	readonly resolved: ResolvedUpstreams;
	/** What is secret of all that came from the environment. Never part of the plan. */
	readonly secrets: Secrets;
}

/** A function of the config's author. It must return data: values that JSON can hold, and bigints. */
export type UserFunction = (args: never, context: UserContext) => unknown;

/** The context that a user's function gets after its arguments. */
export interface UserContext {
	/** Calls an upstream: its protection and the route's bounds hold for it. */
	readonly call: UserCall;
	/** Aborted when nobody waits for the function any more. */
	readonly signal: AbortSignal;
	/** The end of the route's time, in milliseconds since 1970. */
	readonly deadline: number;
}

/**
 * Calls `<upstream>/<path>`. The path is sent as it is, so values in it must be encoded (`encodeURIComponent`). Gives
 * an answer for every status. Throws a GatewayError if there is no answer.
 */
export type UserCall = (
	target: string,
	options?: UserCallOptions,
) => Promise<UserAnswer>;

export interface UserCallOptions {
	/** Default: GET, or POST with a body of any kind. */
	readonly method?: CallMethod;
	/** Values become text and are encoded. A list repeats the name. Null and an empty list are `reference_missing`. */
	readonly query?: Readonly<Record<string, unknown>>;
	readonly headers?: Readonly<Record<string, string>>;
	/** Sent as JSON. A call has one of `body`, `form`, `text` and `bytes`. */
	readonly body?: unknown;
	/** Sent as a form, by the rules of `query`. */
	readonly form?: Readonly<Record<string, unknown>>;
	/** Sent as it is, in UTF-8. */
	readonly text?: string;
	/** Sent as they are. */
	readonly bytes?: Uint8Array;
	/** How the answer's body is read. Default: as JSON. */
	readonly decode?: DecodeInput;
}

export interface UserAnswer {
	readonly status: number;
	/** Names in lower case with `_` for `-`; `set_cookie` is always a list. */
	readonly headers: Readonly<Record<string, unknown>>;
	/** The body, read by `decode`. Bytes are a Uint8Array. Null if there is none. */
	readonly body: unknown;
}

/** A function as a thread finds it. */
export interface WorkerFunction {
	/** The module, as the text of a URL. */
	readonly file: string;
	readonly name: string;
}

/**
 * The threads of `worker` steps. If `threads` is null, the machine's cores decide. If `heapBytesMax` is null, Node's
 * bound holds.
 */
export type PoolConfig = ReadOf<typeof poolKeys.keys>;

/** If `healthPath` is null, there is no health check. If `cors` is null, pages of other origins may read no answer. */
export type ServerConfig = ReadOf<typeof serverKeys.keys> & {
	/** The header fields of every answer, as the config's own `headers` has them. Names are in lower case. */
	readonly headers: HeaderList;
};

/** How clients reach the server by TLS. */
export type TlsConfig = ReadOf<typeof tlsKeys.keys>;

/** Which pages of other origins may read answers, and what they may ask for. */
export type CorsConfig = ReadOf<typeof corsKeys.keys>;

/**
 * `limit` requests at once, and as many more in each `perMs`. Requests with the same value of `by` are counted
 * together.
 */
export type RateLimitConfig = ReadOf<typeof rateLimitKeys.keys>;

/**
 * How a route's answer is watched. If `everyMs` and `on` are null, the route runs again when an answer of an upstream is no
 * longer fresh. `diff` sends changes alone.
 */
export interface LiveConfig extends Omit<ReadOf<typeof liveKeys.keys>, "on"> {
	/** The channel after whose messages it runs; null for none. */
	readonly on: ChannelTarget | null;
}

/** A channel, and which instance of it. */
export interface ChannelTarget {
	readonly channel: string;
	/** Null for a channel without instances. */
	readonly instance: PathSegment | null;
}

/** The bounds beyond which requests are refused. */
export type OverloadConfig = ReadOf<typeof overloadKeys.keys>;

/** The server for operators. If `port` is null, the usual one is taken if it is free. */
export type AdminConfig = ReadOf<typeof adminKeys.keys>;
/** `file` is absolute if the config is a file, else relative to the working directory. */
export type HistoryConfig = ReadOf<typeof historyKeys.keys>;
/** Where jobs are kept, and how many. `file` is as that of the history. */
export type JobsConfig = ReadOf<typeof jobsKeys.keys>;
/** How a request of a route becomes a job. Null for `attempts` leaves it to the route's steps. */
export type JobConfig = Omit<ReadOf<typeof jobKeys.keys>, "webhook"> & {
	/** Where the end of each job is told; null for nowhere. */
	readonly webhook: WebhookConfig | null;
};
export interface WebhookConfig {
	readonly upstream: string;
	readonly path: readonly PathSegment[];
}
/** What processes share, and where. */
export type StoreConfig = ReadOf<typeof storeKeys.keys>;
/** `sample` is the share of whole answers that have a line if `requests` is `all`. */
export type LogConfig = ReadOf<typeof logKeys.keys>;

/**
 * How an upstream is reached, and how its calls are protected; null is off. A setting that may come from the
 * environment is still a template of `env`, so a secret's value never stands in a config.
 */
export type UpstreamConfig = Omit<
	ReadOf<typeof upstreamKeys.keys>,
	"url" | "urls"
> & {
	readonly name: string;
	/** Several URLs serve the same. Each call goes to one of them. */
	readonly urls: readonly Template[];
};

/** A stream of messages to whoever listens. Null for `schema` is any JSON. */
export type ChannelConfig = Omit<ReadOf<typeof channelKeys.keys>, "message"> & {
	readonly name: string;
	readonly schema: object | null;
};

export type RouteConfig = Omit<
	ReadOf<typeof routeKeys.keys>,
	| "job"
	| "listen"
	| "live"
	| "member"
	| "proxy"
	| "respond"
	| "respond?"
	| "steps"
> & {
	/** `GET /users/{id}`. */
	readonly key: string;
	readonly method: string;
	/** The segments of the path. A parameter is an object. */
	readonly path: RouteKey["path"];
	/** The name of a last `{rest*}`, whose text goes on to an upstream; null without one. */
	readonly rest: string | null;
	readonly steps: readonly StepConfig[];
	readonly respond: Template;
	/** Written `respond?`: an answer has no body if the value is null. */
	readonly mayBeEmpty: boolean;
	/** The target of a proxied route; null if the route is composed. */
	readonly proxy: ProxyConfig | null;
	/** What its clients listen to; null if they get an answer and no more. */
	readonly listen: ListenConfig | null;
	/** Null if nobody may watch its answer. */
	readonly live: LiveConfig | null;
	/** Null if no request of it becomes a job. */
	readonly job: JobConfig | null;
};

export type { TokenPlace } from "./keys/auth-jwt.ts";

/** Credentials of one kind. Paths of files are absolute if the config is a file, else relative to the working directory. */
export type AuthConfig = { readonly name: string } & (
	| (JwtConfig & { readonly kind: "jwt" })
	| {
			readonly kind: "keys";
			/** Null if the entries stand in the config. */
			readonly file: string | null;
			readonly list: readonly ApiKeyEntry[];
			readonly place: TokenPlace;
	  }
	| {
			readonly kind: "basic";
			readonly file: string | null;
			readonly list: readonly PasswordEntry[];
	  }
	| (MtlsConfig & { readonly kind: "mtls" })
);

/** Which certificates of clients are let in. */
export type MtlsConfig = ReadOf<typeof mtlsKeys.keys>;
export type { NamePattern } from "./keys/auth-mtls.ts";

/** How tokens of one issuer are judged. */
export type JwtConfig = Omit<ReadOf<typeof jwtKeys.keys>, "jwks" | "keys"> & {
	readonly keys:
		| { readonly kind: "url"; readonly url: string }
		| { readonly kind: "file"; readonly file: string }
		| { readonly kind: "text"; readonly text: Secret };
};

type EntryOf<List> = List extends {
	readonly take: (...args: never[]) => readonly (infer Entry)[] | undefined;
}
	? Entry
	: never;

/** What is known of one API key. */
export type ApiKeyEntry = EntryOf<typeof apiKeyList>;

/** What is known of one name with a password. */
export type PasswordEntry = EntryOf<typeof passwordList>;

/** What the clients of a route listen to. */
export interface ListenConfig extends ChannelTarget {
	/** Who a listener is to the others; null if it is not among those who are there. */
	readonly member: Template | null;
}

/** Null for `query` is the client's own. */
export type ProxyConfig = Omit<ReadOf<typeof proxyKeys.keys>, "to"> & {
	/** A request goes to the first whose condition holds. The last has no condition, so there is always one. */
	readonly targets: readonly ProxyTarget[];
};

/** Where requests may be passed on to. */
export interface ProxyTarget {
	readonly when: Template | null;
	readonly upstream: string;
	readonly path: readonly PathSegment[];
	/** Whether the rest of the client's path follows. */
	readonly rest: boolean;
}

export interface RequestConfig {
	readonly params: readonly FieldConfig[];
	readonly query: readonly FieldConfig[];
	readonly headers: readonly FieldConfig[];
	readonly cookies: readonly FieldConfig[];
	readonly body: { readonly schema: object; readonly required: boolean } | null;
	readonly form: FormConfig | null;
	readonly text: TextConfig | null;
	readonly bytes: BytesConfig | null;
}

/** A body that is a form. If it may be absent, it is then null. */
export interface FormConfig {
	readonly fields: readonly FieldConfig[];
	readonly required: boolean;
}

/** A body as a text. Null for `types` is any media type. */
export interface TextConfig {
	readonly schema: FieldSchema;
	readonly types: readonly string[] | null;
	readonly required: boolean;
}

/** A body as it came. Null for `types` is any media type, and for `maxSize` what the server takes. */
export interface BytesConfig {
	readonly maxSize: string | null;
	readonly types: readonly string[] | null;
	readonly required: boolean;
}

/** A parameter that a client may send. */
export interface FieldConfig {
	/** As expressions read it: `accept_language`. */
	readonly name: string;
	/** As it is sent: `accept-language`. */
	readonly wireName: string;
	readonly required: boolean;
	readonly schema: FieldSchema;
}

/** JSON Schema keywords of one parameter, as the author wrote them. */
export interface FieldSchema {
	readonly type:
		| "string"
		| "integer"
		| "number"
		| "boolean"
		| "array"
		/** Only in a form. */
		| "file";
	readonly default?: unknown;
	readonly enum?: readonly (string | number | boolean)[];
	readonly minLength?: number;
	readonly maxLength?: number;
	readonly pattern?: string;
	readonly minimum?: number;
	readonly maximum?: number;
	readonly exclusiveMinimum?: number;
	readonly exclusiveMaximum?: number;
	readonly multipleOf?: number;
	/** Of a file: its most bytes, its media types, and whether it is a text. */
	readonly maxSize?: string;
	readonly types?: readonly string[];
	readonly decode?: "bytes" | "text";
	readonly items?: FieldSchema;
	readonly minItems?: number;
	readonly maxItems?: number;
	readonly uniqueItems?: boolean;
}

/** One segment: a text ready to be sent, or pieces. The values of expressions in it are encoded. */
export type PathSegment = string | readonly (string | Expression)[];
