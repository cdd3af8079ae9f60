import { z } from "zod";
import { callFieldsRefused } from "../../core/http/fields.ts";
import type { Template, TemplateEntry } from "../../expression/template.ts";
import { readParameters } from "../read-template.ts";
import { bounds, inherited } from "./defaults.ts";
import type { DataMap, Duration, Hole, Size } from "./input.ts";
import { key, part } from "./key.ts";
import { reading } from "./kind.ts";
import { countOrHole, durationOrHole, flag, sizeOrHole } from "./kinds.ts";
import {
	breakerKeys,
	budgetKeys,
	cacheKeys,
	hedgeKeys,
	limiterKeys,
	retryKeys,
} from "./policies.ts";
import { type InputOf, map, policy, section } from "./section.ts";
import {
	headerFields,
	listOfTemplates,
	parameters,
	type Reading,
	scalarTemplate,
	textTemplate,
} from "./templates.ts";

/** The names of variables. */
type EnvInput = `env.${string}`;

const urlsWords = "a list of 2 to 64 URLs";

const urls = listOfTemplates(
	z
		.array(textTemplate, { error: urlsWords })
		.min(2, { error: urlsWords })
		.max(64, { error: urlsWords }),
);

const pem = scalarTemplate<string>(textTemplate);

const tlsKeys = section({
	ca: part(pem, {}),
	cert: part(pem, {}),
	key: part(pem, {}),
});

/** Kept as entries, because which of them are there is judged when the environment is read. */
const tls = {
	...reading<InputOf<typeof tlsKeys>, readonly TemplateEntry[], Reading>(
		tlsKeys.schema,
		(source, { reader }) => readParameters(source, reader),
	),
	keys: tlsKeys.keys,
	absent: () => [],
};

const timeout = inherited(
	"timeout",
	scalarTemplate<Duration | Hole>(durationOrHole),
	({ timeout }): Template => ({ kind: "literal", value: timeout }),
);

const maxBody = inherited(
	"maxBody",
	scalarTemplate<Size | Hole>(sizeOrHole),
	({ maxBody }): Template => ({ kind: "literal", value: maxBody }),
);

/**
 * A setting of an upstream that may come from the environment stays a template, so a secret's value never stands in a
 * config.
 */
export const upstreamKeys = section({
	url: key(scalarTemplate<string>(textTemplate), {
		description:
			"Required, or `urls`. The address of the service: scheme, host, port, and a base path if its paths share one. Only `http` and `https`.",
		example: "url: ${env.USERS_URL ?? 'http://127.0.0.1:3001/v1'}",
	}),
	urls: key(urls, {
		description:
			"Several URLs of the service instead of `url`, all with the same path. Each call goes to the URL whose answer is expected first, by its moving-average latency and its waiting calls. A URL that keeps failing is left out for a while, but never more than half of them. Another attempt goes to another URL.",
		example:
			"urls: [http://10.0.0.1:3001/v1, \"${env.SECOND_URL ?? 'http://10.0.0.2:3001/v1'}\"]",
	}),
	query: key(parameters<DataMap<EnvInput>>(), {
		description:
			"Query parameters of every call, before the step's own. A step's parameter of the same name replaces them.",
		example: 'query: { appid: "${env.API_KEY}", units: metric }',
	}),
	headers: key(headerFields<DataMap<EnvInput>>(callFieldsRefused), {
		description:
			"Header fields of every call. A step's field of the same name replaces them.",
		example: 'headers: { authorization: "Bearer ${env.API_KEY}" }',
	}),
	timeout: key(timeout, {
		description:
			"The bound of one attempt, from its turn among the `connections` to the last byte of the answer. Connecting counts. Beyond it `upstream_timeout`.",
		example: "timeout: 1s",
	}),
	connections: key(
		scalarTemplate<number | Hole>(countOrHole(bounds.connections)),
		{
			description:
				"How many calls run at once, each on a connection of its own. The others wait their turn, at most 1,024. One more is `limiter_full`.",
			example: "connections: 16",
			default: 64,
		},
	),
	maxBody: key(maxBody, {
		description:
			"The longest answer that is taken, after decompression. Beyond it `upstream_invalid`.",
		example: "maxBody: 512KiB",
	}),
	tls: key(tls, {
		description:
			"The TLS of an `https` upstream. The certificates of `ca` are trusted instead of the machine's. `cert` and `key` are the gateway's own certificate and key. Each is a file, relative to the config, or the PEM text itself, as from `env`.",
		example:
			"tls: { ca: ./ca.pem, cert: ./client.pem, key: \"${env.CLIENT_KEY ?? './client.key'}\" }",
	}),
	safe: key(flag, {
		description:
			"`true`: all its calls only read, its POSTs too. So a step must read them, and they are aborted when nobody waits for them.",
		example: "safe: true",
		default: false,
	}),
	idempotent: key(flag, {
		description:
			"`true`: each of its calls, sent twice, does the same as sent once. A call's own `idempotent` goes before.",
		example: "idempotent: true",
		default: false,
	}),
	coalesce: key(flag, {
		description:
			"`true`: equal calls in flight that only read share one call. Equal calls send the same and have the same `timeout`. Each waits no longer than it would alone. The last to leave aborts the shared call.",
		example: "coalesce: true",
		default: false,
	}),
	cache: key(policy(cacheKeys), {
		description:
			"Keeps answers to calls that only read, as their `Cache-Control`, `Expires`, `Vary`, `ETag` and `Age` say (RFC 9111, a cache that many share). `for` is how long an answer without directives is fresh. `stale` is how long it may be served after that, during a refresh or if asking fails, unless it says otherwise. Bounded by `maxBytes` (default {maxBytes}), `maxEntries` ({maxEntries}) and, for one body, `maxAnswer` ({maxAnswer}).",
		example:
			"cache: { for: 1m, stale: 10m, maxBytes: 16MiB, maxEntries: 1000, maxAnswer: 64KiB }",
	}),
	retry: key(policy(retryKeys), {
		description:
			"Tries a failed call again: `attempts` (default {attempts}) in all, after a random wait. Only calls that may be sent twice: `get`, `head`, `put`, `delete`, `safe` and `idempotent` ones. Only if that may help: after no connection or a broken one, no answer within `timeout`, 502, 503, 504, and 429 with `Retry-After`. Never later than the deadline, never beyond `budget`.",
		example: "retry: { attempts: 2 }",
	}),
	hedge: key(policy(hedgeKeys), {
		description:
			"Makes a second attempt of a call that is slower than most, and takes the answer that comes first. It stands instead of `retry`, for calls that may be sent twice. A call is slow beyond `percentile` (default {percentile}) of the upstream's latency, once `calls` ({calls}) were measured. Only if a slot is free and `budget` allows.",
		example: "hedge: { percentile: 99, calls: 100 }",
	}),
	budget: key(map(budgetKeys), {
		description:
			"How many extra attempts there may be, so that an upstream in trouble does not get many more calls: `ratio` of its calls (default {ratio}) and `perSecond` ({perSecond}) besides. If the budget is empty, a call has one attempt.",
		example: "retry: true\nbudget: { ratio: 0.1, perSecond: 5 }",
	}),
	breaker: key(policy(breakerKeys), {
		description:
			"Refuses calls at once with `breaker_open` while too many fail: `errorRate` (default {errorRate}) of at least `calls` ({calls}) in the last `window` ({window}). Then every `probeEvery` ({probeEvery}) one call may try. The first that goes well ends it. Failures are timeouts, no connection, invalid answers and 5xx. A call that a deadline, `within` or a leaving client cut short does not count.",
		example:
			"breaker: { errorRate: 0.3, window: 30s, calls: 50, probeEvery: 5s }",
	}),
	limiter: key(policy(limiterKeys), {
		description:
			"How many calls run and wait. `true` finds by latency how many the upstream can carry, at most `connections`. The rest is refused at once with `limiter_full`. `concurrent` (default: `connections`) is the most calls that run, `adaptive` (default: `true` without `concurrent`) whether fewer are tried, `waiting` how many wait (default `1024`; adaptive: as many as run).",
		example: "limiter: { concurrent: 32, waiting: 64, adaptive: true }",
	}),
});
