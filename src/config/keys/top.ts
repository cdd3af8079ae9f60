import { adminKeys } from "./admin.ts";
import { defaultsKeys } from "./defaults.ts";
import { fixedHeaders } from "./fixed-headers.ts";
import { historyKeys } from "./history.ts";
import { jobsKeys } from "./jobs.ts";
import { key } from "./key.ts";
import { named } from "./kind.ts";
import { logKeys } from "./log.ts";
import { overloadKeys } from "./overload.ts";
import { poolKeys } from "./pool.ts";
import { rateLimitKeys, rateLimitsMax } from "./rate-limit.ts";
import {
	mapOfDefaults,
	mapOrFalse,
	mapOrMaps,
	policy as mapOrTrue,
	section,
} from "./section.ts";
import { serverKeys } from "./server.ts";
import { urlOrMap } from "./store.ts";

export const configKeys = section({
	upstreams: key(named<object>("a map of upstreams"), {
		description: "The services that are asked, by name.",
		example: "upstreams:\n  users:\n    url: http://127.0.0.1:3001",
	}),
	routes: key(named<object>("a map of routes"), {
		description:
			"The requests that clients can make: `METHOD /path`. `{id}` is one segment of the path, in `params.id`. The more specific route wins. For a `proxy` a last `{rest*}` is everything that follows, and `ANY` is every method.",
		example:
			"routes:\n  GET /users/{id}:\n    steps:\n      user:\n        get: users/users/${params.id}",
	}),
	channels: key(named<object>("a map of channels"), {
		description:
			"Streams of messages by name: steps `publish` to them, and routes `listen` to them. docs/live.md explains them.",
		example:
			"channels:\n  news: { keep: { last: 20 } }\nroutes:\n  GET /news:\n    listen: news",
	}),
	auth: key(named<object>("a map of auths"), {
		description:
			"Who may ask, by name: each is one kind of credentials, and routes name those that they take. docs/auth.md explains it.",
		example:
			"auth:\n  partners:\n    keys: { list: [] }\nroutes:\n  GET /orders:\n    auth: partners\n    respond: []",
	}),
	server: key(mapOfDefaults(serverKeys), {
		description: "Where the gateway listens, and its limits.",
		example: "server: { port: 9000 }",
	}),
	headers: key(fixedHeaders, {
		description:
			"Header fields of every answer, also of refusals, problem documents and proxied answers: `strict-transport-security` and others for browsers. An answer of a route that has such a field itself keeps its own; an upstream's own gives way.",
		example:
			"headers:\n  strict-transport-security: max-age=31536000\n  x-frame-options: DENY",
	}),
	pool: key(mapOfDefaults(poolKeys), {
		description:
			"The threads on which `run` steps with `worker: true` compute. Without such a step there are none.",
		example: "pool: { threads: 4 }",
	}),
	defaults: key(mapOfDefaults(defaultsKeys), {
		description: "The defaults of upstreams, routes and steps.",
		example: "defaults: { timeout: 1s }",
	}),
	rateLimit: key(mapOrMaps(rateLimitKeys, rateLimitsMax), {
		field: "rateLimits",
		description:
			"How often clients may ask for anything: one limit, or a list of up to 8 that all hold. Beyond it 429 `too_many_requests`.",
		example: "rateLimit: { limit: 100, per: 1m }",
	}),
	overload: key(mapOrFalse(overloadKeys), {
		description:
			"Keeps the gateway standing when more requests come than it can serve. On unless it is `false`.",
		example: "overload: { requests: 500, wait: 200ms }",
		default: {},
	}),
	log: key(mapOfDefaults(logKeys), {
		description: "Which requests the log tells of, and how it is written.",
		example: "log: { requests: all, sample: 0.1 }",
	}),
	history: key(mapOrTrue(historyKeys), {
		description:
			"Writes requests to a SQLite database: what was done for each, and the columns of a route's `record`. Off without this key. `true` for the defaults.",
		example: "history: { file: ./sluice.db, for: 7d }",
	}),
	jobs: key(mapOfDefaults(jobsKeys), {
		description:
			"Where jobs are kept, and how many there may be. It is for routes with `job`.",
		example: "jobs: { queued: 100, parallel: 2 }",
	}),
	store: key(urlOrMap(), {
		description:
			"A Valkey or Redis in which several gateways share rate limits and the answers that `cache` keeps. Off without this key: each process has its own. While it is away each is alone, and no request fails for it. A URL, or a map.",
		example:
			"store: ${env.STORE_URL ?? 'redis://127.0.0.1:6379'}\nrateLimit: { limit: 100, per: 1m }",
	}),
	admin: key(mapOrFalse(adminKeys), {
		description:
			"A second server for operators: health, metrics and the config in force. On for this machine alone unless it is `false`.",
		example: "admin: { port: 9090 }",
		default: {},
	}),
});
