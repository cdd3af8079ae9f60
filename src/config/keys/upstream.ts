import { z } from "zod";
import { upstreamFieldsRefused } from "../../core/http/fields.ts";
import type { Template, TemplateEntry } from "../../expression/template.ts";
import { readParameters } from "../read-template.ts";
import { bounds, inherited } from "./defaults.ts";
import type { DataMap, Duration, Hole, Size } from "./input.ts";
import { key, part } from "./key.ts";
import { reading } from "./kind.ts";
import {
	count,
	countOrHole,
	durationOrHole,
	flag,
	patience,
	sizeOrHole,
} from "./kinds.ts";
import { policyKeys } from "./policies.ts";
import { type InputOf, map, section } from "./section.ts";
import {
	headerFields,
	listOfTemplates,
	parameters,
	type Reading,
	scalarTemplate,
	textTemplate,
} from "./templates.ts";
import { upstreamAuthKeys } from "./upstream-auth.ts";

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

const maxValues = inherited(
	"maxValues",
	scalarTemplate<number | Hole>(countOrHole(bounds.values)),
	({ maxValues }): Template => ({ kind: "literal", value: maxValues }),
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
	headers: key(headerFields<DataMap<EnvInput>>(upstreamFieldsRefused), {
		description:
			"Header fields of every call. A step's field of the same name replaces them. `host` is sent instead of the URL's host; the connection, and the name that TLS asks for, stay those of the URL.",
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
				"How many calls run at once, each on a connection of its own unless `pipelining` lets them share one. The others wait their turn, at most 1,024. One more is `limiter_full`.",
			example: "connections: 16",
			default: 64,
		},
	),
	streams: key(scalarTemplate<number | Hole>(countOrHole(bounds.streams)), {
		description:
			"How many proxied requests are open at once, each on a connection of its own. Until the head of its answer is there, each counts among the `connections`, too. One more is `limiter_full`.",
		example: "streams: 256",
		default: 1024,
	}),
	connectionAge: key(patience, {
		field: "connectionAgeMs",
		description:
			"How old a connection may be and still take another call. So calls follow a name to its new addresses.",
		example: "connectionAge: 30s",
		default: "1m",
	}),
	pipelining: key(count(bounds.pipelining), {
		description:
			"How many calls that only read share a connection, if they are made in the same turn of the event loop. Their requests are sent together, and answered in order: a slow answer keeps those behind it waiting, and a call that ends early takes the connection from the others, which are then sent again. An upstream that answers twice gives one call the answer of another. So it is for fast services of your own. Calls with a body have a connection to themselves, and so do proxied requests.",
		example: "pipelining: 8",
		default: 1,
	}),
	maxBody: key(maxBody, {
		description:
			"The longest answer that is taken, after decompression. Beyond it `upstream_invalid`.",
		example: "maxBody: 512KiB",
	}),
	maxHeaderBytes: key(scalarTemplate<Size | Hole>(sizeOrHole), {
		description:
			"The size of all header fields of an answer together, trailers included, at most `256KiB`. Beyond it `upstream_invalid`.",
		example: "maxHeaderBytes: 32KiB",
		default: "16KiB",
	}),
	maxValues: key(maxValues, {
		description:
			"The most values and keys of an answer's JSON. An integer of 16 digits or more counts as four. Beyond it `upstream_invalid`.",
		example: "maxValues: 500000",
	}),
	tls: key(tls, {
		description:
			"The TLS of an `https` upstream. The certificates of `ca` are trusted instead of the machine's. `cert` and `key` are the gateway's own certificate and key. Each is a file, relative to the config, or the PEM text itself, as from `env`.",
		example:
			"tls: { ca: ./ca.pem, cert: ./client.pem, key: \"${env.CLIENT_KEY ?? './client.key'}\" }",
	}),
	auth: key(map(upstreamAuthKeys), {
		description:
			"As whom it is asked, in every call: docs/upstream-auth.md explains it. One of `oauth2`, a token of a token endpoint (client credentials); `exchange`, a token that the endpoint gives for the client's own; `pass` (`true`), the client's own `Authorization`; `basic`, a user and a password; `bearer`, a token that does not change; `sign`, a signature of each call. Secrets come from the environment.",
		example:
			'auth: { oauth2: { token: "https://id.example.com/token", client: shop, secret: "${env.SHOP_SECRET ?? \'none\'}", scope: orders } }',
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
	forwarded: key(flag, {
		description:
			"`true`: each call says for whom it is made: `forwarded`, `x-forwarded-for`, `x-forwarded-host` and `x-forwarded-proto` hold the client's address, its `Host` and its scheme. What a client says in them itself never goes on. Not beside `cache` or `coalesce`, which give one client's answer to another.",
		example: "forwarded: true",
		default: false,
	}),
	...policyKeys,
});
