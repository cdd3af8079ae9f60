import { z } from "zod";
import { answerFieldsRefused } from "../../core/http/fields.ts";
import { readRequirement } from "../check-require.ts";
import type { RequestConfig } from "../config.ts";
import { authOfRoute } from "./auth.ts";
import { bounds, defaultsKeys, inherited } from "./defaults.ts";
import type { DataMap } from "./input.ts";
import { jobKeys } from "./job.ts";
import { type AnyKey, key, part } from "./key.ts";
import { asSource, type Kind, named, reading } from "./kind.ts";
import { count, duration, flag, size, text } from "./kinds.ts";
import { liveKeys } from "./live.ts";
import { rateLimitKeys, rateLimitsMax } from "./rate-limit.ts";
import { record } from "./record.ts";
import { requestKeys } from "./request.ts";
import { mapOrMaps, policy, section } from "./section.ts";
import {
	headerFields,
	type Reading,
	status,
	template,
	textTemplate,
} from "./templates.ts";

/** Read before the other keys, because these say what the others may read. */
export interface Declared {
	readonly request: RequestConfig;
	readonly auth: readonly string[];
}

const declared = ({ request }: Declared) => request;

const request = {
	...reading<object, RequestConfig, Declared>(z.unknown(), (_, context) =>
		declared(context),
	),
	schema: requestKeys.schema,
	absent: declared,
};

const auth = {
	...reading<string | readonly string[] | false, readonly string[], Declared>(
		authOfRoute.schema,
		(_, context) => context.auth,
	),
	absent: (context: Declared) => context.auth,
	inherits: defaultsKeys.keys.auth as AnyKey,
};

const requirement = reading<
	string,
	ReturnType<typeof readRequirement>,
	Reading & Declared
>(textTemplate, readRequirement);

const deadline = inherited(
	"deadline",
	duration,
	({ deadlineMs }) => deadlineMs,
);
const calls = inherited("calls", count(bounds.calls), ({ calls }) => calls);
/** Null: it is not said, so the route decides by what it reads. */
const saidOrNot: Kind<boolean, boolean | null> = flag;
const compress = inherited("compress", saidOrNot, ({ compress }) => compress);
const maxRead = inherited("maxRead", size, ({ readBytesMax }) => readBytesMax);

const proxy = asSource(
	z.union([textTemplate, z.record(z.string(), z.unknown())], {
		error: "`<upstream>/<path>`, or a map with `to`",
	}),
);

export const routeKeys = section({
	summary: key(text, {
		description: "One line for people: what the route answers.",
		example: "summary: A user with the orders of this year",
	}),
	request: key(request, {
		description:
			"What the client may send. To read anything that is not declared here is an error at load. Anything else that arrives is ignored.",
		example: "request:\n  query:\n    city: { type: string, maxLength: 80 }",
	}),
	auth: key(auth, {
		description:
			"Who may ask: a name under [`auth`](#authname), or a list of names, of which any lets a client in. `false`: anybody, also if `defaults` say otherwise. Others are answered 401 before anything of their body is read. Expressions then know `auth`: who asks.",
		example: "auth: [users, partners]",
	}),
	require: key(requirement, {
		description:
			"What must hold besides. If it is false or null, 403. It may read `auth`, `params`, `query`, `headers`, `cookies` and `request`, and is judged before the body is read.",
		example: "auth: users\nrequire: ${auth.scope.includes('orders:read')}",
	}),
	deadline: key(deadline, {
		field: "deadlineMs",
		description:
			"The time of the whole route, from the request's arrival. At the deadline running calls are aborted and their steps fail.",
		example: "deadline: 3s",
	}),
	calls: key(calls, {
		field: "callsMax",
		description:
			"How many upstream calls one request may make. Beyond it `limit_exceeded`.",
		example: "calls: 20",
	}),
	maxRead: key(maxRead, {
		field: "readBytesMax",
		description:
			"How much one request may read of its upstreams' answers, in all and after decompression. A value or key of JSON counts as five bytes at least. Beyond it `limit_exceeded`.",
		example: "maxRead: 64MiB",
	}),
	rateLimit: key(mapOrMaps(rateLimitKeys, rateLimitsMax), {
		field: "rateLimits",
		description:
			"How often clients may ask for this route, besides the `rateLimit` of the gateway: one limit, or a list of up to 8 that all hold. Beyond it 429 `too_many_requests`.",
		example:
			"rateLimit:\n  - { limit: 10, per: 1m }\n  - { limit: 2, per: 1s }",
	}),
	proxy: key(proxy, {
		description:
			"Passes requests on and answers back, streamed and unparsed, instead of `respond`. `<upstream>/<path>`, or a map with `to` and the keys below. With `steps` a request is passed on when they have ended, and a step with `reply` may answer instead.",
		example: "proxy: users/files",
	}),
	listen: key(asSource(textTemplate), {
		description:
			"The channel whose messages clients get, instead of `respond`: `<channel>`, or `<channel>/<instance>`. They get them as events, over a WebSocket, or by long polling, whichever they ask for. With `steps` they listen when all have ended well, and a step with `reply` may answer instead.",
		example: "listen: room/${params.id}",
	}),
	member: key(asSource(z.unknown()), {
		description:
			"Who a listener is, for the others: any value. Only for a channel with `presence`. Without it the listener hears who is there, and is not among them.",
		example: 'listen: room/${params.id}\nmember: { id: "${params.id}" }',
	}),
	steps: key(named<object>("a map of steps"), {
		description:
			"The steps by name. Each starts as soon as the values that it reads are there.",
		example: "steps:\n  user:\n    get: users/users/7",
	}),
	respond: key(template, {
		description:
			"The answer's body. Without it the answer is the only step's value. With several steps it is required. With `respond?` an answer has no body if the value is null.",
		example: "respond: { user: 7, active: true }",
	}),
	"respond?": part(template, {}),
	status: key(status, {
		description:
			"The answer's status: a number from 200 to 599, or an expression that gives one.",
		example: "status: 201",
		default: 200,
	}),
	headers: key(headerFields<DataMap<string>>(answerFieldsRefused), {
		description:
			"The answer's header fields. A list repeats a field. With a `content-type` other than JSON, `respond` must be a text or bytes.",
		example: "headers: { cache-control: max-age=60 }",
	}),
	stream: key(flag, {
		description:
			"Whether clients that ask for `application/x-ndjson` or `text/event-stream` get the answer part by part, each as soon as it can be made (docs/live.md). A route whose `headers` set a `content-type` always answers whole.",
		example: "stream: false",
		default: true,
	}),
	compress: key(compress, {
		description:
			"Whether answers of 1 KiB and more are compressed for clients that accept it, with zstd, br or gzip (docs/server.md). Without this key they are, unless the route has `auth`, or reads or passes on cookies or `authorization`, and takes anything else of the client too: the length of such an answer can betray a secret. `true` also compresses those.",
		example: "compress: false",
	}),
	live: key(policy(liveKeys), {
		description:
			"Lets clients watch the answer (docs/live.md): by `text/event-stream`, WebSocket or long polling they get it now, and again whenever it has changed. One run serves all who ask the same. `every` is the time from one run to the next, and `on` a channel, `<channel>` or `<channel>/<instance>`, after whose messages the route runs. With neither, as with `live: true`, it runs again when an answer of an upstream with `cache` is no longer fresh. `diff` (default {diff}) sends changes as JSON Merge Patch. At most {watches} different answers (`watches`) are watched at once, by {watchers} clients (`watchers`). For GET routes that only read.",
		example: "live: { every: 10s, diff: true }",
	}),
	job: key(policy(jobKeys), {
		description:
			"Lets clients have the request done as a job (docs/jobs.md): with `Prefer: respond-async` they get 202 and the address of the job at once, and its answer there later. With `always` (default {always}) every request becomes one. A job waits for its turn for `expires` at most (default {expires}), and its answer is kept for `keep` (default {keep}). `attempts` says how often a job is begun if the process that runs it dies. Without it: three times if all steps only read or may be sent twice, else once. `schedule` makes a job of the route at the times of a cron expression, in the time zone `zone` (default {zone}), once over all processes. `webhook` is a target, `<upstream>/<path>`, which is told of the end of each job by a signed call.",
		example: "job: { keep: 24h }",
	}),
	record: key(record, {
		description:
			"Columns of your own in the [`history`](#history), by name. They may read what `respond` may read, and are evaluated after the answer. A text, a number, `true`, `false` and null stay what they are; anything else becomes JSON. What fails or is longer than 4,000 characters is null.",
		example: 'record: { user: "${params.id}" }',
	}),
});
