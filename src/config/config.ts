import type { CallMethod } from "../core/messages.ts";
import type { Expression } from "../expression/parse.ts";
import type { Template, TemplateEntry } from "../expression/template.ts";

/** A config that has been checked: defaults filled in, units read, templates parsed, every name known to exist. */
export interface Config {
	readonly server: ServerConfig;
	readonly upstreams: readonly UpstreamConfig[];
	readonly routes: readonly RouteConfig[];
}

export interface ServerConfig {
	readonly port: number;
	readonly host: string;
	/** Null: no health check. */
	readonly healthPath: string | null;
	readonly bodyBytesMax: number;
	readonly headerFieldsMax: number;
	readonly headerBytesMax: number;
	readonly drainMs: number;
}

/** Whatever may come from the environment is still a template of `env`: a secret's value never stands in a config. */
export interface UpstreamConfig {
	readonly name: string;
	readonly url: Template;
	readonly query: readonly TemplateEntry[];
	readonly headers: readonly TemplateEntry[];
	readonly timeout: Template;
	readonly connections: Template;
	readonly maxBody: Template;
	readonly safe: boolean;
}

export interface RouteConfig {
	/** `GET /users/{id}`. */
	readonly key: string;
	readonly method: string;
	/** Segments of the path; a parameter is an object. */
	readonly path: readonly (string | { readonly param: string })[];
	readonly summary: string | null;
	readonly request: RequestConfig;
	readonly deadlineMs: number;
	readonly callsMax: number;
	readonly steps: readonly StepConfig[];
	readonly respond: Template;
	readonly status: Template;
	readonly headers: readonly TemplateEntry[];
}

export interface RequestConfig {
	readonly params: readonly FieldConfig[];
	readonly query: readonly FieldConfig[];
	readonly headers: readonly FieldConfig[];
	readonly body: { readonly schema: object; readonly required: boolean } | null;
}

/** A parameter a client may send. */
export interface FieldConfig {
	/** As expressions read it: `accept_language`. */
	readonly name: string;
	/** As it travels: `accept-language`. */
	readonly wireName: string;
	readonly required: boolean;
	readonly schema: FieldSchema;
}

/** JSON Schema keywords of one parameter, as the author wrote them. */
export interface FieldSchema {
	readonly type: "string" | "integer" | "number" | "boolean" | "array";
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
	readonly items?: FieldSchema;
	readonly minItems?: number;
	readonly maxItems?: number;
	readonly uniqueItems?: boolean;
}

export type StepConfig = CallConfig | ValueConfig;

interface StepCommon {
	readonly name: string;
	readonly when: Template | null;
	readonly after: readonly string[];
	readonly each: EachConfig | null;
	readonly withinMs: number | null;
	readonly fallback: Template | null;
	readonly optional: boolean;
}

export interface EachConfig {
	readonly list: Template;
	readonly as: string;
	readonly parallel: number;
	readonly max: number;
}

export interface CallConfig extends StepCommon {
	readonly kind: "call";
	readonly method: CallMethod;
	readonly upstream: string;
	/** The path behind the upstream's own, segment by segment; empty for the upstream's own path. */
	readonly path: readonly PathSegment[];
	readonly query: readonly TemplateEntry[];
	readonly headers: readonly TemplateEntry[];
	readonly body: Template | null;
	readonly answers: AnswersConfig | null;
	readonly pick: Template | null;
	/** Null: the upstream's. */
	readonly timeoutMs: number | null;
}

/** One segment: a text ready to be sent, or pieces of which expressions are encoded. */
export type PathSegment = string | readonly (string | Expression)[];

export type AnswersConfig =
	| {
			readonly kind: "values";
			readonly values: readonly {
				readonly status: number;
				readonly value: Template;
			}[];
	  }
	| { readonly kind: "statuses"; readonly statuses: readonly number[] };

export interface ValueConfig extends StepCommon {
	readonly kind: "value";
	readonly value: Template;
}

/** What holds where nothing else is said. */
export interface Defaults {
	readonly deadlineMs: number;
	readonly timeout: string;
	readonly parallel: number;
	readonly max: number;
	readonly calls: number;
	readonly maxBody: string;
}
