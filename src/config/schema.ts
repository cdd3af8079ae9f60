import { z } from "zod";
import { isToken } from "../core/http/headers.ts";
import { parseSubnet } from "../core/ip.ts";
import { parseDuration, parseSize } from "../core/units.ts";

/**
 * The shape of a config: which keys stand where and what kind of value each takes. What a value means — names,
 * expressions, paths — is checked by `check.ts`. Each key carries its description and one example, from which
 * docs/config.md is generated; the examples are tests.
 */
export interface KeyMeta {
	readonly description: string;
	/** Lines of YAML that stand in the key's section. */
	readonly example: string;
	readonly default?: string;
}

function key<T extends z.ZodType>(schema: T, meta: KeyMeta) {
	return schema.meta({ ...meta }).optional();
}

const hasHole = (text: string) => text.includes("${");

const durationWords = "a duration with its unit, such as `250ms`, `1s` or `2m`";
const sizeWords = "a size with its unit, such as `64KiB` or `8MiB`";

/** What the refinements below say, for editors: a schema printed as JSON knows patterns only. */
const holePattern = "\\$\\{";
const quantityPattern = "\\d{1,15}(\\.\\d{1,3})?";
const durationPattern = `${quantityPattern}(ms|s|m|h)`;
const sizePattern = `${quantityPattern}(B|KiB|MiB|GiB)`;

const duration = z
	.string({ error: durationWords })
	.refine((text) => parseDuration(text) !== null, { error: durationWords })
	.meta({ pattern: `^${durationPattern}$` });
/** How long clients may take. Node's timers count milliseconds in 31 bits. */
const patienceWords = `${durationWords}, at most \`1h\``;
const patience = z
	.string({ error: patienceWords })
	.refine(
		(text) => (parseDuration(text) ?? Number.POSITIVE_INFINITY) <= 3_600_000,
		{ error: patienceWords },
	)
	.meta({ pattern: `^${durationPattern}$` });
const size = z
	.string({ error: sizeWords })
	.refine((text) => parseSize(text) !== null, { error: sizeWords })
	.meta({ pattern: `^${sizePattern}$` });

/** A setting of an upstream may come from the environment: it is then a text with a hole, judged when that is read. */
const durationSetting = z
	.string({ error: durationWords })
	.refine((text) => hasHole(text) || parseDuration(text) !== null, {
		error: durationWords,
	})
	.meta({ pattern: `${holePattern}|^${durationPattern}$` });
const sizeSetting = z
	.string({ error: sizeWords })
	.refine((text) => hasHole(text) || parseSize(text) !== null, {
		error: sizeWords,
	})
	.meta({ pattern: `${holePattern}|^${sizePattern}$` });

function count(most: number, least = 1) {
	const error = `a whole number from ${least} to ${most}`;
	return z.int({ error }).min(least, { error }).max(most, { error });
}

function countSetting(most: number) {
	const error = `a whole number from 1 to ${most}, or an expression of \`env\``;
	const hole = z.string().refine(hasHole).meta({ pattern: holePattern });
	return z.union([z.int().min(1).max(most), hole], { error });
}

const text = z
	.string({ error: "a text" })
	.refine((value) => !hasHole(value), {
		error: "a text as it stands: an expression cannot be here",
	})
	.meta({ not: { pattern: holePattern } });
const templateText = z.string({ error: "a text" });
const flag = z.boolean({ error: "`true` or `false`" });
const template = z.unknown();
const templates = z.record(z.string(), template, {
	error: "a map of names to values",
});

export const bounds = {
	connections: 4096,
	parallel: 1000,
	max: 100_000,
	calls: 10_000,
} as const;

const originWords =
	"an origin as browsers write it, such as `https://app.example.com`: scheme, host and port alone";

/** Scheme, host and port, in the one way browsers write them; `*` is every origin. */
function isOrigin(text: string): boolean {
	if (text === "*") return true;
	const url = URL.parse(text);
	return url !== null && /^https?:$/.test(url.protocol) && url.origin === text;
}

const subnetWords =
	"an address or a range of them, such as `10.0.0.7` or `10.0.0.0/8`";

const corsListWords = "at least one, or leave the key out";

export const corsSchema = z
	.strictObject({
		origins: z
			.array(
				z.string({ error: originWords }).refine(isOrigin, {
					error: originWords,
				}),
				{ error: "a list of origins, or of `*` alone for all" },
			)
			.min(1, { error: corsListWords })
			.refine((list) => list.length === 1 || !list.includes("*"), {
				error: "either `*` alone or the origins one by one",
			}),
		methods: z
			.array(
				z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], {
					error: "`GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`",
				}),
				{ error: "a list of methods" },
			)
			.min(1, { error: corsListWords })
			.optional(),
		headers: z
			.array(
				z
					.string({ error: "the name of a header" })
					.refine((name) => isToken(name) && name !== "*", {
						error: "the name of a header; `*` would not cover `authorization`",
					}),
				{ error: "a list of header names" },
			)
			.optional(),
		credentials: flag.optional(),
		maxAge: duration.optional(),
	})
	// Browsers refuse the pair; echoing every origin instead would let any page act as the user.
	.refine(
		({ origins, credentials }) => !(credentials && origins.includes("*")),
		{
			path: ["origins"],
			error: "origins one by one where `credentials` is true, not `*`",
		},
	);

export const serverSchema = z.strictObject({
	port: key(count(65_535, 0), {
		description: "The port to listen on; 0 takes any free one.",
		example: "port: 9000",
		default: "8080",
	}),
	host: key(text, {
		description:
			"The address to listen on. `0.0.0.0` lets other machines in; the default does not.",
		example: "host: 0.0.0.0",
		default: "127.0.0.1",
	}),
	health: key(
		z.union([z.string().regex(/^\/[^\s?#]*$/), z.literal(false)], {
			error: "a path such as `/-/health`, or `false`",
		}),
		{
			description:
				"Where the health check is answered: 200, and 503 while draining. `false` for none.",
			example: "health: /healthz",
			default: "/-/health",
		},
	),
	maxBody: key(size, {
		description: "The longest request body that is read; beyond it 413.",
		example: "maxBody: 256KiB",
		default: "1MiB",
	}),
	maxHeaders: key(count(2000), {
		description: "The most header fields of a request; beyond it 431.",
		example: "maxHeaders: 50",
		default: "100",
	}),
	maxHeaderBytes: key(size, {
		description:
			"The request's target and all its header fields together; beyond it 431.",
		example: "maxHeaderBytes: 8KiB",
		default: "16KiB",
	}),
	drain: key(duration, {
		description:
			"How long running requests may take to finish after SIGTERM before they are cut.",
		example: "drain: 10s",
		default: "30s",
	}),
	headersTimeout: key(patience, {
		description:
			"How long a client may take to send a request's header fields; beyond it 408. Never longer than `requestTimeout`.",
		example: "headersTimeout: 5s",
		default: "15s",
	}),
	requestTimeout: key(patience, {
		description:
			"How long a client may take to send a whole request, its body included; beyond it 408.",
		example: "requestTimeout: 30s",
		default: "60s",
	}),
	idleTimeout: key(patience, {
		description:
			"How long a connection may stand still, without a request or with an answer its client does not read, before it is closed. The default is longer than the 60 s of load balancers, so that it is they who close.",
		example: "idleTimeout: 20s",
		default: "65s",
	}),
	connections: key(count(1_000_000), {
		description:
			"The most connections of clients at a time; one more is answered 503 and closed.",
		example: "connections: 2000",
		default: "10000",
	}),
	trustedProxies: key(
		z.array(
			z
				.string({ error: subnetWords })
				.refine((text) => parseSubnet(text) !== null, { error: subnetWords }),
			{ error: `a list: each ${subnetWords}` },
		),
		{
			description:
				"Addresses of the proxies in front: only they are believed, in `Forwarded` and `X-Forwarded-For`, who the client is (`request.ip`).",
			example: "trustedProxies: [10.0.0.0/8, fd00::1]",
			default: "[]",
		},
	),
	cors: key(corsSchema, {
		description:
			'Which pages of other origins may read answers: `origins` (or `["*"]`), and what they may send: `methods` (default `[GET, HEAD, POST]`), `headers` (default `[content-type]`), `credentials` (default `false`); `maxAge` (default `10m`) is how long a browser remembers. Without it none may.',
		example:
			"cors: { origins: ['https://app.example.com'], methods: [GET, PUT], headers: [content-type, authorization], credentials: true, maxAge: 1h }",
	}),
});

const memoryMin = 16 * 1024 ** 2;
const memoryWords = `${sizeWords}, at least \`16MiB\``;

export const poolSchema = z.strictObject({
	threads: key(count(256), {
		description:
			"How many `worker` functions run at once, each on a thread of its own. Threads start when they are first needed. Default: one fewer than the machine has cores, and at least one.",
		example: "threads: 4",
	}),
	waiting: key(count(100_000, 0), {
		description:
			"How many calls of `worker` functions wait for a thread; one more is `overloaded`.",
		example: "waiting: 100",
		default: "1024",
	}),
	memory: key(
		z
			.string({ error: memoryWords })
			.refine((text) => (parseSize(text) ?? 0) >= memoryMin, {
				error: memoryWords,
			})
			.meta({ pattern: `^${sizePattern}$` }),
		{
			description:
				"How much a thread may hold in its JavaScript heap, buffers not counted, at least `16MiB`. Beyond it the thread ends, and its call is `step_failed`. Default: what Node gives a thread.",
			example: "memory: 256MiB",
		},
	),
});

export const defaultsSchema = z.strictObject({
	deadline: key(duration, {
		description: "The `deadline` of routes that set none.",
		example: "deadline: 5s",
		default: "10s",
	}),
	timeout: key(duration, {
		description: "The `timeout` of upstreams that set none.",
		example: "timeout: 800ms",
		default: "2s",
	}),
	parallel: key(count(bounds.parallel), {
		description: "The `parallel` of steps with `each` that set none.",
		example: "parallel: 8",
		default: "16",
	}),
	max: key(count(bounds.max), {
		description: "The `max` of steps with `each` that set none.",
		example: "max: 500",
		default: "100",
	}),
	calls: key(count(bounds.calls), {
		description:
			"How many upstream calls one request may make; beyond it `limit_exceeded`.",
		example: "calls: 50",
		default: "200",
	}),
	maxBody: key(size, {
		description: "The `maxBody` of upstreams that set none.",
		example: "maxBody: 1MiB",
		default: "8MiB",
	}),
});

const pem = templateText.optional();
export const tlsSchema = z.strictObject({ ca: pem, cert: pem, key: pem });

/** A policy is switched on by `true`, which takes its defaults, or by a map of what is to differ. */
function policy<T extends z.ZodType>(schema: T) {
	const error = "`true`, or a map of what is to differ";
	return z.union([z.boolean(), schema], { error });
}

/** The length of a period or a pause of the gateway's own. */
const periodWords = "a duration from `100ms` to `10m`";
const period = z
	.string({ error: periodWords })
	.refine(
		(text) => {
			const ms = parseDuration(text);
			return ms !== null && ms >= 100 && ms <= 600_000;
		},
		{ error: periodWords },
	)
	.meta({ pattern: `^${durationPattern}$` });

const rateWords = "a share above 0, at most 1, such as `0.5`";
const rate = z
	.number({ error: rateWords })
	.gt(0, { error: rateWords })
	.max(1, { error: rateWords });

/** How long answers may be kept: longer is a mistake in the unit. */
const keepingWords = "a duration from `1ms` to `720h`";
const keeping = z
	.string({ error: keepingWords })
	.refine(
		(text) =>
			(parseDuration(text) ?? Number.POSITIVE_INFINITY) <= 720 * 3_600_000,
		{ error: keepingWords },
	)
	.meta({ pattern: `^${durationPattern}$` });

export const cacheSchema = z.strictObject({
	for: keeping.optional(),
	stale: keeping.optional(),
	maxBytes: size.optional(),
	maxEntries: count(1_000_000).optional(),
	maxAnswer: size.optional(),
});

export const retrySchema = z.strictObject({
	attempts: count(10, 2).optional(),
});

function share(most: number) {
	const error = `a number from 0 to ${most}`;
	return z.number({ error }).min(0, { error }).max(most, { error });
}

export const budgetSchema = z.strictObject(
	{ ratio: share(1).optional(), perSecond: share(1000).optional() },
	{ error: "a map with `ratio`, `perSecond` or both" },
);

export const breakerSchema = z.strictObject({
	errorRate: rate.optional(),
	window: period.optional(),
	calls: count(10_000).optional(),
	probeEvery: period.optional(),
});

const percentileWords = "a number from 50 to 99.9";
export const hedgeSchema = z.strictObject({
	percentile: z
		.number({ error: percentileWords })
		.min(50, { error: percentileWords })
		.max(99.9, { error: percentileWords })
		.optional(),
	calls: count(2000).optional(),
});

export const limiterSchema = z.strictObject({
	concurrent: count(bounds.connections).optional(),
	waiting: count(100_000, 0).optional(),
	adaptive: flag.optional(),
});

const urlsWords = "a list of 2 to 64 URLs";

export const upstreamSchema = z.strictObject({
	url: key(templateText, {
		description:
			"Required, or `urls`. Where the service is: scheme, host, port and, where its paths share one, a base path. Only `http` and `https`.",
		example: "url: ${env.USERS_URL ?? 'http://127.0.0.1:3001/v1'}",
	}),
	urls: key(
		z
			.array(templateText, { error: urlsWords })
			.min(2, { error: urlsWords })
			.max(64, { error: urlsWords }),
		{
			description:
				"Several places where the service is, instead of `url`; all with the same path. Each call goes where its answer is expected first, by moving-average latency and the calls that wait there. One that keeps failing is left out for a while, though never more than half of them. Another attempt goes to another URL.",
			example:
				"urls: [http://10.0.0.1:3001/v1, \"${env.SECOND_URL ?? 'http://10.0.0.2:3001/v1'}\"]",
		},
	),
	query: key(templates, {
		description:
			"Query parameters of every call, before the step's own. A step's parameter of the same name replaces one.",
		example: 'query: { appid: "${env.API_KEY}", units: metric }',
	}),
	headers: key(templates, {
		description:
			"Header fields of every call. A step's field of the same name replaces one.",
		example: 'headers: { authorization: "Bearer ${env.API_KEY}" }',
	}),
	timeout: key(durationSetting, {
		description:
			"The bound of one attempt: from its turn among the `connections`, connecting included, to the last byte of the answer. Beyond it `upstream_timeout`.",
		example: "timeout: 1s",
		default: "2s",
	}),
	connections: key(countSetting(bounds.connections), {
		description:
			"How many calls run at once, each on a connection of its own. The others wait their turn, 1,024 at most; then `limiter_full`.",
		example: "connections: 16",
		default: "64",
	}),
	maxBody: key(sizeSetting, {
		description:
			"The longest answer that is taken, decompressed; beyond it `upstream_invalid`.",
		example: "maxBody: 512KiB",
		default: "8MiB",
	}),
	tls: key(tlsSchema, {
		description:
			"The TLS of an `https` upstream: `ca`, whose certificates are trusted instead of the machine's, and `cert` with `key`, the client's own. Each a file, relative to the config, or the PEM text itself, as from `env`.",
		example:
			"tls: { ca: ./ca.pem, cert: ./client.pem, key: \"${env.CLIENT_KEY ?? './client.key'}\" }",
	}),
	transport: key(
		z.enum(["http1", "undici"], { error: "`http1` or `undici`" }),
		{
			description:
				"What sends: the gateway's own HTTP/1.1, or undici, whose calls cost more. For a service that undici understands and the gateway does not.",
			example: "transport: undici",
			default: "http1",
		},
	),
	safe: key(flag, {
		description:
			"`true`: all its calls only read, its POSTs too. So they must be read by somebody, and are aborted when nobody waits for them.",
		example: "safe: true",
		default: "false",
	}),
	idempotent: key(flag, {
		description:
			"`true`: all its calls, sent twice, do what they do sent once. A call's own `idempotent` goes before.",
		example: "idempotent: true",
		default: "false",
	}),
	coalesce: key(flag, {
		description:
			"`true`: equal calls in flight that only read share one. Equal is what is really sent, and its `timeout`. Each waits no longer than it would alone; the last to leave aborts the shared call.",
		example: "coalesce: true",
		default: "false",
	}),
	cache: key(policy(cacheSchema), {
		description:
			"Keeps answers to calls that only read, as their `Cache-Control`, `Expires`, `Vary`, `ETag` and `Age` say (RFC 9111, a cache that many share). `for` is how long an answer is fresh that says nothing; `stale` how long it may be served after that, while it is asked for anew or where that fails, unless it says otherwise. Bounded by `maxBytes` (default `64MiB`), `maxEntries` (`10000`) and, of one body, `maxAnswer` (`1MiB`).",
		example:
			"cache: { for: 1m, stale: 10m, maxBytes: 16MiB, maxEntries: 1000, maxAnswer: 64KiB }",
	}),
	retry: key(policy(retrySchema), {
		description:
			"Tries a call again that did not come through: `attempts` (default `3`) in all, after a random wait. Only calls that may be sent twice: `get`, `head`, `put`, `delete`, `safe` and `idempotent` ones. Only where it may help: no connection or a broken one, no answer within `timeout`, 502, 503, 504, and 429 with `Retry-After`. Never later than the deadline, never beyond `budget`.",
		example: "retry: { attempts: 2 }",
	}),
	hedge: key(policy(hedgeSchema), {
		description:
			"Makes a second attempt of a call that is slower than most, and takes the answer that comes first: instead of `retry`, for calls that may be sent twice. Slower than `percentile` (default `95`) of the upstream's latency, once `calls` (`50`) were measured. Only where a place is free and `budget` allows.",
		example: "hedge: { percentile: 99, calls: 100 }",
	}),
	budget: key(budgetSchema, {
		description:
			"How many extra attempts there may be, so that an upstream in trouble does not get more calls than one in health: `ratio` of its calls (default `0.2`) and `perSecond` (`10`) besides. Where it is empty a call has one attempt.",
		example: "retry: true\nbudget: { ratio: 0.1, perSecond: 5 }",
	}),
	breaker: key(policy(breakerSchema), {
		description:
			"Refuses calls at once with `breaker_open` while too many fail: `errorRate` (default `0.5`) of at least `calls` (`20`) in the last `window` (`10s`). Then every `probeEvery` (`2s`) one call may try; the first that goes well ends it. Timeouts, unreachable, invalid and 5xx answers are failures; what a deadline, `within` or a leaving client cut short is neither.",
		example:
			"breaker: { errorRate: 0.3, window: 30s, calls: 50, probeEvery: 5s }",
	}),
	limiter: key(policy(limiterSchema), {
		description:
			"How many calls run and wait. `true` finds by latency how many the upstream can carry, at most `connections`; the rest is refused at once with `limiter_full`. `concurrent` (default: `connections`) is the most that run, `adaptive` (default: `true` without `concurrent`) whether fewer are tried, `waiting` how many wait (default `1024`; adaptive: as many as run).",
		example: "limiter: { concurrent: 32, waiting: 64, adaptive: true }",
	}),
});

const perWords =
	"a duration of whole seconds, from `1s` to `24h`, such as `1m`";

/** Clients are told of it in whole seconds. */
const wholeSeconds = z
	.string({ error: perWords })
	.refine(
		(text) => {
			const ms = parseDuration(text) ?? 0;
			return ms % 1000 === 0 && ms >= 1000 && ms <= 86_400_000;
		},
		{ error: perWords },
	)
	.meta({ pattern: `^${durationPattern}$` });

export const rateLimitSchema = z.strictObject({
	limit: count(1_000_000).meta({
		description:
			"Required. How many requests may come at once. Each of them may come anew after `per` divided by `limit`.",
		example: "limit: 100",
	} satisfies KeyMeta),
	per: wholeSeconds.meta({
		description:
			"Required. The time in which `limit` more may come: a whole number of seconds.",
		example: "per: 1m",
	} satisfies KeyMeta),
	by: key(templateText, {
		description:
			"Requests with the same value are counted together. It may read `request.ip` (of an IPv6 address its network of 64 bits), `request.method`, `request.path`, and what the route declares of `params`, `query`, `headers` and `cookies`; on the gateway, where nothing is declared, any of the last three, as texts. A text without `${…}` is one limit for all.",
		example: 'by: "${headers.x_api_key ?? request.ip}"',
		default: "${request.ip}",
	}),
});

export const overloadSchema = z.strictObject({
	requests: key(count(1_000_000), {
		description:
			"How many requests are carried out at a time. While there are so many, optional parts are left out.",
		example: "requests: 500",
		default: "2000",
	}),
	waiting: key(count(1_000_000, 0), {
		description:
			"How many more wait for their turn; one more is refused with 503 `overloaded`.",
		example: "waiting: 20",
		default: "100",
	}),
	wait: key(duration, {
		description: "How long one waits at most; then it is refused.",
		example: "wait: 200ms",
		default: "500ms",
	}),
	skipAt: key(duration, {
		description:
			"How late the event loop may come round before optional parts are left out: steps with `optional` or `fallback` then fail with `overloaded`.",
		example: "skipAt: 100ms",
		default: "200ms",
	}),
	refuseAt: key(duration, {
		description:
			"How late it may come round before requests are refused. Not below `skipAt`.",
		example: "refuseAt: 1s",
		default: "500ms",
	}),
});

export const requestSchema = z.strictObject({
	params: key(z.record(z.string(), z.unknown()), {
		description:
			"Path parameters. They need no declaration to be read as text; a schema here coerces and bounds them.",
		example: "params:\n  id: { type: integer, minimum: 1 }",
	}),
	query: key(z.record(z.string(), z.unknown()), {
		description:
			"Query parameters: name → JSON Schema of a scalar or a list. Required unless the name ends in `?` or there is a `default`.",
		example:
			"query:\n  city: { type: string, maxLength: 80 }\n  page?: { type: integer, minimum: 1 }",
	}),
	cookies: key(z.record(z.string(), z.unknown()), {
		description: "Cookies that may be read, as `cookies.session`.",
		example: "cookies:\n  session?: { type: string, maxLength: 200 }",
	}),
	headers: key(z.record(z.string(), z.unknown()), {
		description:
			"Header fields that may be read, as `headers.accept_language`.",
		example: "headers:\n  accept-language?: { type: string, maxLength: 200 }",
	}),
	body: key(z.record(z.string(), z.unknown(), { error: "a JSON Schema" }), {
		description:
			"The JSON Schema (2020-12) of a JSON body. Written `body?`, it may be absent and is then null.",
		example:
			"body:\n  type: object\n  required: [name]\n  properties:\n    name: { type: string, maxLength: 80 }",
	}),
	"body?": z.record(z.string(), z.unknown()).optional(),
});

const numberKeys = {
	minimum: z.number().optional(),
	maximum: z.number().optional(),
	exclusiveMinimum: z.number().optional(),
	exclusiveMaximum: z.number().optional(),
	multipleOf: z.number().positive().optional(),
};
const fieldCommon = {
	description: z.string().optional(),
	default: z.unknown().optional(),
	enum: z
		.array(z.union([z.string(), z.number(), z.boolean()]))
		.min(1)
		.optional(),
};

/** What a parameter may be, by its `type`. A list's items are scalars. */
export const fieldSchemas = {
	string: z.strictObject({
		type: z.literal("string"),
		...fieldCommon,
		minLength: count(1_000_000, 0).optional(),
		maxLength: count(1_000_000, 0).optional(),
		pattern: z.string().optional(),
	}),
	integer: z.strictObject({
		type: z.literal("integer"),
		...fieldCommon,
		...numberKeys,
	}),
	number: z.strictObject({
		type: z.literal("number"),
		...fieldCommon,
		...numberKeys,
	}),
	boolean: z.strictObject({ type: z.literal("boolean"), ...fieldCommon }),
	array: z.strictObject({
		type: z.literal("array"),
		description: z.string().optional(),
		default: z.array(z.unknown()).optional(),
		items: z.record(z.string(), z.unknown()),
		minItems: count(100_000, 0).optional(),
		maxItems: count(100_000, 0).optional(),
		uniqueItems: flag.optional(),
	}),
} as const;

/** What `proxy` holds where more is to be said than where to. */
export const proxySchema = z.strictObject({
	to: templateText.meta({
		description:
			"Required. Where requests go: `<upstream>/<path>`. A last `{rest*}` is the rest of the client's path, percent-encoded as it came; a `${…}` stays within its segment.",
		example: "to: users/files",
	} satisfies KeyMeta),
	pass: key(z.array(text, { error: "a list of header names" }), {
		description:
			"Header fields that pass besides those that always do, both ways: `authorization`, `cookie`, `set-cookie` and whatever else the two sides agreed on.",
		example: "pass: [authorization]",
	}),
	query: key(templates, {
		description:
			"Query parameters of the call, instead of all of the client's. Without it the client's go along, but for those the upstream has of its own.",
		example: 'query: { version: "2" }',
	}),
	headers: key(templates, {
		description:
			"Header fields of the call. They replace the client's of the same name, as the upstream's own do.",
		example: 'headers: { x-client-ip: "${request.ip}" }',
	}),
	cache: key(flag, {
		description:
			"`true`: answers to GET are kept by the upstream's `cache`, while they are passed on, and given from it.",
		example: "cache: true",
		default: "false",
	}),
	idle: key(duration, {
		description:
			"How long the answer's body may stand still, whoever keeps it waiting; then the client's connection is cut. Until the answer's head is there, `deadline` and the upstream's `timeout` hold.",
		example: "idle: 5m",
		default: "60s",
	}),
});

export const routeSchema = z.strictObject({
	summary: key(text, {
		description: "One line for people: what the route answers.",
		example: "summary: A user with the orders of this year",
	}),
	request: key(requestSchema, {
		description:
			"What the client may send. Reading what is not declared here is an error at load; what else arrives is ignored.",
		example: "request:\n  query:\n    city: { type: string, maxLength: 80 }",
	}),
	deadline: key(duration, {
		description:
			"The time of the whole route, from the request's arrival. At the deadline running calls are aborted and their steps fail.",
		example: "deadline: 3s",
		default: "10s",
	}),
	calls: key(count(bounds.calls), {
		description:
			"How many upstream calls one request may make; beyond it `limit_exceeded`.",
		example: "calls: 20",
		default: "200",
	}),
	rateLimit: key(rateLimitSchema, {
		description:
			"How often clients may ask for this route, besides the `rateLimit` of the gateway; beyond it 429 `too_many_requests`.",
		example: "rateLimit: { limit: 10, per: 1m }",
	}),
	proxy: key(
		z.union([templateText, z.record(z.string(), z.unknown())], {
			error: "`<upstream>/<path>`, or a map with `to`",
		}),
		{
			description:
				"Passes requests on and answers back, streamed and unparsed, instead of `steps`: `<upstream>/<path>`, or a map with `to` and what follows here.",
			example: "proxy: users/files",
		},
	),
	steps: key(z.record(z.string(), z.unknown(), { error: "a map of steps" }), {
		description:
			"The steps by name. Each starts as soon as what it reads is there.",
		example: "steps:\n  user:\n    get: users/users/7",
	}),
	respond: key(template, {
		description:
			"The answer's body. Without it the only step's value; with several steps it is required.",
		example: "respond: { user: 7, active: true }",
	}),
	status: key(template, {
		description:
			"The answer's status: a number from 200 to 599, or an expression of one.",
		example: "status: 201",
		default: "200",
	}),
	headers: key(templates, {
		description:
			"The answer's header fields; a list repeats a field. With a `content-type` other than JSON, `respond` must be a text or bytes.",
		example: "headers: { cache-control: max-age=60 }",
	}),
});

const stepWaits = {
	when: key(template, {
		description:
			"The step (or the item) is skipped where this is false or null: to its readers it is null, and the answer is still complete.",
		example: "when: ${query.verbose}",
	}),
	after: key(z.array(z.string()), {
		description:
			"Steps that must have ended before this one, however they ended.",
		example: "after: [first]",
	}),
};

const stepCommon = {
	...stepWaits,
	each: key(template, {
		description:
			"A list: the step runs once per item, concurrently, and its value is the list of results, in the list's order.",
		example: "each: ${query.ids}",
	}),
	as: key(text, {
		description: "The name of the item in this step, instead of `item`.",
		example: "each: ${query.ids}\nas: id",
	}),
	parallel: key(count(bounds.parallel), {
		description: "How many items run at once within one request.",
		example: "each: ${query.ids}\nparallel: 4",
		default: "16",
	}),
	max: key(count(bounds.max), {
		description:
			"The longest list; beyond it `limit_exceeded`, with 400 where the list is the client's.",
		example: "each: ${query.ids}\nmax: 20",
		default: "100",
	}),
	within: key(duration, {
		description:
			"The time of everything this step does, all items included; then it fails with `upstream_timeout`.",
		example: "within: 800ms",
	}),
	fallback: key(template, {
		description:
			"The value where the step (or the item) fails; the answer is then marked partial. A step it reads is waited for only then.",
		example: "fallback: null",
	}),
	optional: key(flag, {
		description:
			"`true`: where the step (or the item) fails it is null, and the answer is marked partial.",
		example: "optional: true",
		default: "false",
	}),
};

const target = templateText.meta({
	description:
		"The call: `<upstream>/<path>`. A `${…}` in the path stays within its segment, encoded.",
	example: "get: users/users/${query.id}",
} satisfies KeyMeta);

const bodies = {
	body: key(template, {
		description: "The body, sent as JSON.",
		example: 'post: users/search\nbody: { name: "${query.name}" }',
	}),
	form: key(templates, {
		description:
			"The body, sent as a form (`application/x-www-form-urlencoded`). A key that ends in `?` is left out when its value is null; a list repeats the name.",
		example: "post: users/login\nform: { user: ann, scope: [read, write] }",
	}),
	text: key(template, {
		description:
			"The body, sent as the text it is; `text/plain` unless `headers` says otherwise.",
		example:
			"post: users/soap\nheaders: { content-type: text/xml }\ntext: <user>${escapeXml(query.id)}</user>",
	}),
};

const callCommon = {
	query: key(templates, {
		description:
			"Query parameters. A key that ends in `?` is left out when its value is null; a list repeats the name.",
		example: 'query: { id: "${query.id}", "page?": "${query.page}" }',
	}),
	headers: key(templates, {
		description:
			"Header fields of the call. Nothing of the client's is sent unless it stands here, but for its `traceparent`. `accept`, `user-agent` and `content-type` have values that these replace.",
		example: 'headers: { "accept-language?": "${headers.accept_language}" }',
	}),
	answers: key(
		z.union(
			[z.record(z.string(), z.unknown()), z.array(z.int().min(100).max(599))],
			{
				error:
					"a map of statuses to values, or a list of statuses from 100 to 599",
			},
		),
		{
			description:
				"Statuses beside 2xx that are answers: a map gives the step's value, a list lets the answer go on to `pick`.",
			example: "answers: { 404: null }",
		},
	),
	expect: key(template, {
		description:
			"What must hold of an answer before `pick`: where it is false or null the step fails with `upstream_invalid`.",
		example: "expect: ${answer.errors === null}",
	}),
	decode: key(z.enum(["json", "text", "bytes"]), {
		description:
			"What the body is: JSON, a text, or bytes that only `respond` and `reply` can pass on.",
		example: "decode: text",
		default: "json",
	}),
	safe: key(flag, {
		description:
			"`true`: this call only reads, whatever its method; `false`: it may write, though its upstream is `safe`.",
		example: "post: users/search\nbody: {}\nsafe: true",
	}),
	idempotent: key(flag, {
		description:
			"`true`: sent twice this call does what it does sent once, so it may be sent again where a kept connection turns out to be closed. True of `get`, `head`, `put`, `delete` and `safe` calls anyway.",
		example: "post: users/orders\nbody: {}\nidempotent: true",
	}),
	pick: key(template, {
		description:
			"The step's value, made of `answer` (the decoded body) and `response` (`status`, `headers`). Without it the body.",
		example: "pick: ${answer.name}",
	}),
	timeout: key(duration, {
		description:
			"The bound of one attempt, instead of the upstream's `timeout`.",
		example: "timeout: 500ms",
	}),
};

/** A step is what its kind key makes it. */
export const stepSchemas = {
	get: z.strictObject({ get: target, ...callCommon, ...stepCommon }),
	head: z.strictObject({ head: target, ...callCommon, ...stepCommon }),
	post: z.strictObject({
		post: target,
		...bodies,
		...callCommon,
		...stepCommon,
	}),
	put: z.strictObject({ put: target, ...bodies, ...callCommon, ...stepCommon }),
	patch: z.strictObject({
		patch: target,
		...bodies,
		...callCommon,
		...stepCommon,
	}),
	delete: z.strictObject({
		delete: target,
		...bodies,
		...callCommon,
		...stepCommon,
	}),
	steps: z.strictObject({
		steps: z.record(z.string(), z.unknown(), { error: "a map of steps" }).meta({
			description:
				"A group: its steps see the names around them, and end together. With `each` the whole group runs once per item.",
			example: "steps:\n  page: { get: users/page }\nvalue: ${page.items}",
		} satisfies KeyMeta),
		value: key(template, {
			description:
				"The group's value; without it an object of its steps' values.",
			example: "steps:\n  page: { get: users/page }\nvalue: ${page.items}",
		}),
		...stepCommon,
	}),
	run: z.strictObject({
		run: z
			.string({ error: "`./file.ts#function`" })
			.regex(/^[^#]+#[A-Za-z_$][\w$]*$/, { error: "`./file.ts#function`" })
			.meta({
				description:
					"A function of your own: `./file.ts#name`, called with `args` and `{ call, signal, deadline }`. The path is relative to the config.",
				example: "run: ./score.ts#score\nargs: { id: 7 }",
			} satisfies KeyMeta),
		args: key(template, {
			description: "What the function is called with first.",
			example: "run: ./score.ts#score\nargs: { id: 7 }",
		}),
		worker: key(flag, {
			description:
				"`true`: the function runs on a thread of the `pool`, so that computing does not keep the gateway from answering. It is ended when nobody waits for it any more, whatever it does.",
			example: "run: ./score.ts#score\nworker: true\nwithin: 500ms",
			default: "false",
		}),
		...stepCommon,
	}),
	reply: z.strictObject({
		reply: z
			.strictObject({
				status: template.optional(),
				headers: templates.optional(),
				body: template.optional(),
			})
			.meta({
				description:
					"Ends the run with this answer as soon as `when` holds: what is still running is aborted. Stands at route level; the route's `headers` do not apply.",
				example:
					"when: ${first === null}\nreply: { status: 404, body: { error: no such user } }",
			} satisfies KeyMeta),
		...stepWaits,
	}),
	value: z.strictObject({
		value: template.meta({
			description: "The step's value: a template, and no call.",
			example: "value: ${query.ids.length}",
		} satisfies KeyMeta),
		...stepCommon,
	}),
} as const;

export type StepKind = keyof typeof stepSchemas;
export const stepKinds = Object.keys(stepSchemas) as StepKind[];

export const configSchema = z.strictObject({
	upstreams: key(
		z.record(z.string(), z.unknown(), { error: "a map of upstreams" }),
		{
			description: "The services that are asked, by name.",
			example: "upstreams:\n  users:\n    url: http://127.0.0.1:3001",
		},
	),
	routes: key(z.record(z.string(), z.unknown(), { error: "a map of routes" }), {
		description:
			"What clients can ask for: `METHOD /path`. `{id}` is one segment of the path, in `params.id`; the more specific route wins. For a `proxy` a last `{rest*}` is all that follows, and `ANY` every method.",
		example:
			"routes:\n  GET /users/{id}:\n    steps:\n      user:\n        get: users/users/${params.id}",
	}),
	server: key(serverSchema, {
		description: "Where the gateway listens, and its limits.",
		example: "server: { port: 9000 }",
	}),
	pool: key(poolSchema, {
		description:
			"The threads on which `run` steps with `worker: true` compute. Without such a step there are none.",
		example: "pool: { threads: 4 }",
	}),
	defaults: key(defaultsSchema, {
		description: "What holds where nothing else is said.",
		example: "defaults: { timeout: 1s }",
	}),
	rateLimit: key(rateLimitSchema, {
		description:
			"How often clients may ask for anything; beyond it 429 `too_many_requests`.",
		example: "rateLimit: { limit: 100, per: 1m }",
	}),
	overload: key(
		z.union([z.record(z.string(), z.unknown()), z.literal(false)], {
			error: "a map, or `false`",
		}),
		{
			description:
				"What keeps the gateway standing when more comes than it can serve. On unless it is `false`.",
			example: "overload: { requests: 500, wait: 200ms }",
			default: "{}",
		},
	),
});
