import { z } from "zod";
import { isToken } from "../../core/http/headers.ts";
import { parseAddress, parseSubnet } from "../../core/ip.ts";
import { parseDuration } from "../../core/units.ts";
import { bounds } from "./defaults.ts";
import { listFromEnvironment, orFromEnvironment } from "./from-environment.ts";
import type { Duration } from "./input.ts";
import { key, part } from "./key.ts";
import { plain } from "./kind.ts";
import {
	count,
	duration,
	durationOrZero,
	flag,
	heap,
	listOf,
	patience,
	rateOrFalse,
	size,
	text,
} from "./kinds.ts";
import { origins } from "./origins.ts";
import { map, mapOfDefaults, section } from "./section.ts";
import { tlsKeys } from "./tls.ts";

const corsListWords = "at least one, or leave the key out";

const methodWords = "a method in capitals, other than CONNECT and TRACE";

const methods = plain<readonly string[]>(
	z
		.array(
			z
				.string({ error: methodWords })
				.regex(/^(?!(?:CONNECT|TRACE|TRACK)$)[A-Z]+(?:-[A-Z]+)*$/, {
					error: methodWords,
				}),
			{ error: "a list of methods" },
		)
		.min(1, { error: corsListWords }),
	(written) => written,
);

const headers = listOf<string>(
	z
		.string({ error: "the name of a header" })
		.refine((name) => isToken(name) && name !== "*", {
			error: "the name of a header; `*` would not cover `authorization`",
		}),
	"a list of header names",
);

export const corsKeys = section(
	{
		origins: part(listFromEnvironment(origins), { required: true }),
		// The methods that pages may send without asking, and the type of the bodies that routes read.
		methods: part(methods, { default: ["GET", "HEAD", "POST"] }),
		headers: part(headers, { default: ["content-type"] }),
		expose: part(headers, { default: [] }),
		credentials: part(flag, { default: false }),
		maxAge: part(durationOrZero, { field: "maxAgeMs", default: "10m" }),
	},
	{
		finish(read, say) {
			// Browsers refuse the pair. To echo every origin instead would let any page act as the user.
			if (read.credentials && read.origins.includes("*")) {
				say(
					"origins",
					"`origins` takes origins one by one where `credentials` is true, not `*`",
				);
			}
			return read;
		},
	},
);

const websocketKeys = section({
	heartbeat: part(patience, { field: "heartbeatMs", default: "30s" }),
	maxWaiting: part(size, { field: "waitingBytesMax", default: "1MiB" }),
});

const subnetWords =
	"an address or a range of them, such as `10.0.0.7` or `10.0.0.0/8`";

const subnets = listOf<string>(
	z
		.string({ error: subnetWords })
		.refine((text) => parseSubnet(text) !== null, { error: subnetWords }),
	`a list: each ${subnetWords}`,
);

const hostWords =
	"a host without a port, such as `api.example.com`, `*.example.com` or `192.0.2.1`";

const hostPattern = /^(?:\*\.)?[a-z\d_](?:[\w.-]*[a-z\d_])?$|^\*$/i;

export const hosts = plain<readonly string[]>(
	z
		.array(
			z
				.string({ error: hostWords })
				.refine(
					(name) => hostPattern.test(name) || parseAddress(name) !== null,
					{ error: hostWords },
				),
			{ error: "a list of hosts" },
		)
		.min(1, { error: "at least one, or leave the key out" }),
	(names) => names.map((name) => parseAddress(name) ?? name.toLowerCase()),
);

/** The name of a header. */
const headerName = plain<string>(
	z
		.string({ error: "the name of a header" })
		.refine(isToken, { error: "the name of a header" }),
	(name) => name.toLowerCase(),
);

const healthWords = "a path such as `/-/health`, or `false`";

const pathOrFalse = plain<`/${string}` | false, string | null>(
	z.union(
		[
			z.string().regex(/^\/[^\s?#]*$/, { error: healthWords }),
			z.literal(false),
		],
		{ error: healthWords },
	),
	(written) => (written === false ? null : written),
);

export const port = orFromEnvironment(
	count(65_535, 0),
	"a whole number from 0 to 65535",
	// As `--port` reads it. `Number` would take an empty text and `0x50`, too.
	(text) => (/^\d{1,5}$/.test(text) ? Number(text) : null),
);

const workersWords = "a whole number from 1 to 64, or `auto`";

/** `auto` is as many as the process may use cores. */
const workers = plain<number | "auto">(
	z.union(
		// A bound says its own words, unless it has these, too.
		[z.int().min(1, workersWords).max(64, workersWords), z.literal("auto")],
		{ error: workersWords },
	),
	(written) => written,
);

/** As `--workers` reads it, too. Null if it is neither. */
export function parseWorkers(text: string): number | "auto" | null {
	if (text === "auto") return "auto";
	return /^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 64
		? Number(text)
		: null;
}

const delayOrFalse = plain<Duration | false, number, "Ms">(
	z.union([patience.schema, z.literal(false)], {
		error:
			"a duration with its unit, such as `250ms`, `1s` or `2m`, at most `1h`, or `false`",
	}),
	(written) => (written === false ? 0 : (parseDuration(written) ?? 0)),
);

const serverParts = {
	port: key(port, {
		description:
			"The port to listen on. 0 takes any free one. It may come from the environment.",
		example: "port: ${env.PORT ?? 9000}",
		default: 8080,
	}),
	host: key(orFromEnvironment(text, "an address"), {
		description:
			"The address to listen on. `0.0.0.0` lets other machines in; the default does not. It may come from the environment.",
		example: "host: 0.0.0.0",
		default: "127.0.0.1",
	}),
	workers: key(orFromEnvironment(workers, workersWords, parseWorkers), {
		description:
			"How many processes of `sluice serve` share the port, under one more that starts and watches them: each can use one core. `auto` is one for each core that the process may use. Limits and caches are those of each process: docs/scaling.md. It may come from the environment.",
		example: "workers: ${env.WORKERS ?? 'auto'}",
		default: 1,
	}),
	hosts: key(listFromEnvironment(hosts), {
		description:
			"The hosts that are answered, as `Host` names them, with any port: names, addresses, `*.example.com` for all names below one, or `*` for any. Beyond them 421. Without this key: `localhost`, the names below it and the addresses of this machine, if `host` is one of these, else any.",
		example: 'hosts: [api.example.com, "*.example.org"]',
	}),
	health: key(orFromEnvironment(pathOrFalse), {
		field: "healthPath",
		description:
			"The path of the health check. It answers 200, and 503 while draining. `false` for none.",
		example: "health: /healthz",
		default: "/-/health",
	}),
	maxBody: key(orFromEnvironment(size), {
		field: "bodyBytesMax",
		description: "The longest request body that is read. Beyond it 413.",
		example: "maxBody: 256KiB",
		default: "1MiB",
	}),
	maxValues: key(orFromEnvironment(count(bounds.values)), {
		field: "valuesMax",
		description:
			"The most values and keys of a request's JSON body. An integer of 16 digits or more counts as four. Beyond it 413.",
		example: "maxValues: 20000",
		default: 100_000,
	}),
	maxAnswer: key(orFromEnvironment(size), {
		field: "answerBytesMax",
		description:
			"The longest answer that a route makes, in bytes as they are sent. Beyond it 500 `limit_exceeded`. Proxied answers are not bounded.",
		example: "maxAnswer: 1MiB",
		default: "8MiB",
	}),
	memory: key(orFromEnvironment(heap), {
		field: "memoryBytesMax",
		description:
			"How much requests, answers and caches may hold in all. Beyond it caches drop answers first, then requests are answered 503 `overloaded`. Default: a third of the heap that the program leaves, at most a quarter of the process's memory.",
		example: "memory: 256MiB",
	}),
	maxHeaders: key(orFromEnvironment(count(2000)), {
		field: "headerFieldsMax",
		description:
			"The most header fields of a request, trailers included. Beyond it 431.",
		example: "maxHeaders: 50",
		default: 100,
	}),
	maxHeaderBytes: key(orFromEnvironment(size), {
		field: "headerBytesMax",
		description:
			"The size of the request's target and all its header fields together, trailers included. Beyond it 431.",
		example: "maxHeaderBytes: 8KiB",
		default: "16KiB",
	}),
	drain: key(orFromEnvironment(duration), {
		field: "drainMs",
		description:
			"How long running requests may take to finish after SIGTERM before they are cut.",
		example: "drain: 10s",
		default: "30s",
	}),
	drainDelay: key(orFromEnvironment(delayOrFalse), {
		field: "drainDelayMs",
		description:
			"How long requests are still taken after SIGTERM, while the health check already answers 503. So load balancers can notice before the port is closed. `false` for none. Without it `5s`, or none if `host` is this machine alone. `drain` begins after it.",
		example: "drainDelay: 10s",
	}),
	headersTimeout: key(orFromEnvironment(patience), {
		field: "headersTimeoutMs",
		description:
			"How long a client may take to send a request's header fields. Beyond it 408. Never longer than `requestTimeout`.",
		example: "headersTimeout: 5s",
		default: "15s",
	}),
	requestTimeout: key(orFromEnvironment(patience), {
		field: "requestTimeoutMs",
		description:
			"How long a client may take to send a request's body, after its header fields. Beyond it 408. A body that a proxied route passes on as it comes may take longer, as long as it moves.",
		example: "requestTimeout: 30s",
		default: "60s",
	}),
	idleTimeout: key(orFromEnvironment(patience), {
		field: "idleTimeoutMs",
		description:
			"How long a connection may stand still before it is closed: without a request, or with an answer that its client does not read. The default is longer than the 60 s of load balancers, so that they close first.",
		example: "idleTimeout: 20s",
		default: "65s",
	}),
	minRate: key(orFromEnvironment(rateOrFalse), {
		field: "leastBytesPerSecond",
		description:
			"How many bytes per second a client must send of a body that is waited for, and take of an answer that waits for it. A body that comes slower for 10 s is answered 408, and an answer that is taken slower for 30 s is cut. `false`: any rate will do.",
		example: "minRate: 1KiB",
		default: "240B",
	}),
	connections: key(orFromEnvironment(count(1_000_000)), {
		field: "connectionsMax",
		description:
			"The most connections of clients at a time. One more is answered 503 and closed.",
		example: "connections: 2000",
		default: 10_000,
	}),
	connectionsPerClient: key(orFromEnvironment(count(1_000_000)), {
		description:
			"The most connections of one client at a time: one address, or with IPv6 one network of 64 bits. One more is answered 429 and closed. Trusted proxies may have any number. Without this key it is 500, and any number for clients on the gateway's own machine.",
		example: "connectionsPerClient: 100",
	}),
	websocket: key(mapOfDefaults(websocketKeys), {
		description:
			"The bounds of open WebSockets. A client that says nothing for `heartbeat` (default {heartbeat}) is asked whether it is there, and is cut off if it says nothing for as long again. If more than `maxWaiting` (default {maxWaiting}) waits for a client, the next message ends its WebSocket with 1013.",
		example: "websocket: { heartbeat: 20s, maxWaiting: 256KiB }",
	}),
	tls: key(map(tlsKeys), {
		description:
			'TLS for clients, with HTTP/2 and HTTP/1.1 on one port: docs/tls.md. `cert` is the certificate with its chain, and `key` its private key. `sni` has another pair for each host that clients may ask for. Each is a file, relative to the config, or the PEM text itself from the environment. Files are read again when they change. With `clientCa` every client must show a certificate that one of these authorities has issued. `clientCert` is `required` or `optional` (default {clientCert}): then a client may also show none. `minVersion` is `"1.2"` or `"1.3"` (default {minVersion}). `redirect` is a second port, whose requests are answered 308 to the first.',
		example:
			"port: 8443\ntls: { cert: ./fullchain.pem, key: ./privkey.pem, redirect: 8080 }",
	}),
	trustedProxies: key(listFromEnvironment(subnets), {
		description:
			"The addresses of the proxies in front; none without this key. Only their `addressHeader` says who the client is (`request.ip`).",
		example:
			"trustedProxies: [10.0.0.7, fd00::/64]\naddressHeader: x-forwarded-for",
	}),
	addressHeader: key(orFromEnvironment(headerName), {
		description:
			"The header in which the proxies write the client's address. Required with `trustedProxies`. `x-forwarded-for` and `forwarded` are lists that each proxy adds to. Any other, such as `x-real-ip` or `cf-connecting-ip`, holds one address.",
		example: "trustedProxies: [10.0.0.7]\naddressHeader: x-real-ip",
	}),
	schemeHeader: key(orFromEnvironment(headerName), {
		description:
			"The header in which the proxies write by which scheme the client came, `http` or `https`. They must not pass on a client's own. Only `forwarded` of an upstream reads it.",
		example:
			"trustedProxies: [10.0.0.7]\naddressHeader: x-forwarded-for\nschemeHeader: x-forwarded-proto",
	}),
	cors: key(map(corsKeys), {
		description:
			'Which pages of other origins may read answers: `origins` (or `["*"]`), and what they may send: `methods` (default {methods}), `headers` (default {headers}), `credentials` (default {credentials}). `https://*.example.com` is any one label there. `expose` (default {expose}) lists header fields that pages may read besides those that the gateway sets. `maxAge` (default {maxAge}) is how long a browser remembers. Without `cors` none may.',
		example:
			"cors: { origins: ['https://app.example.com'], methods: [GET, PUT], headers: [content-type, authorization], credentials: true, maxAge: 1h }",
	}),
};

export const serverKeys = section(serverParts, {
	finish(read, say) {
		// A guess would let every client choose its address, if its proxy writes another header.
		if (read.trustedProxies !== null && read.addressHeader === null) {
			say(
				"trustedProxies",
				"`trustedProxies` needs `addressHeader`: the header in which they write the client's address, such as `x-forwarded-for`",
			);
		}
		if (read.trustedProxies === null && read.addressHeader !== null) {
			say(
				"addressHeader",
				"`addressHeader` counts only from `trustedProxies`: name them, or leave it out",
			);
		}
		if (read.trustedProxies === null && read.schemeHeader !== null) {
			say(
				"schemeHeader",
				"`schemeHeader` counts only from `trustedProxies`: name them, or leave it out",
			);
		}
		return read;
	},
});
