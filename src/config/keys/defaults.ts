import { authOfRoute } from "./auth.ts";
import { type AnyKey, key } from "./key.ts";
import type { AnyKind } from "./kind.ts";
import {
	count,
	duration,
	durationText,
	flag,
	size,
	sizeText,
} from "./kinds.ts";
import { type ReadOf, section } from "./section.ts";

export const bounds = {
	connections: 4096,
	streams: 65_535,
	pipelining: 64,
	parallel: 1000,
	max: 100_000,
	calls: 10_000,
	values: 10_000_000,
} as const;

export const defaultsKeys = section({
	deadline: key(duration, {
		field: "deadlineMs",
		description: "The `deadline` of routes that set none.",
		example: "deadline: 5s",
		default: "10s",
	}),
	timeout: key(durationText, {
		description: "The `timeout` of upstreams that set none.",
		example: "timeout: 800ms",
		default: "2s",
	}),
	parallel: key(count(bounds.parallel), {
		description: "The `parallel` of steps with `each` that set none.",
		example: "parallel: 8",
		default: 16,
	}),
	max: key(count(bounds.max), {
		description: "The `max` of steps with `each` that set none.",
		example: "max: 500",
		default: 100,
	}),
	compress: key(flag, {
		description: "The `compress` of routes that set none.",
		example: "compress: false",
	}),
	calls: key(count(bounds.calls), {
		description:
			"How many upstream calls one request may make. Beyond it `limit_exceeded`.",
		example: "calls: 50",
		default: 200,
	}),
	maxBody: key(sizeText, {
		description: "The `maxBody` of upstreams that set none.",
		example: "maxBody: 8MiB",
		default: "1MiB",
	}),
	maxValues: key(count(bounds.values), {
		description: "The `maxValues` of upstreams that set none.",
		example: "maxValues: 500000",
		default: 200_000,
	}),
	auth: key(authOfRoute, {
		description: "The `auth` of routes that set none.",
		example: "auth: false",
	}),
	maxRead: key(size, {
		field: "readBytesMax",
		description: "The `maxRead` of routes that set none.",
		example: "maxRead: 64MiB",
		default: "16MiB",
	}),
});

/** The defaults of upstreams, routes and steps. */
export type Defaults = ReadOf<(typeof defaultsKeys)["keys"]>;

/** A kind whose key takes the value of a key of `defaults` if it is not written. */
export function inherited<K extends AnyKind, Value>(
	name: keyof (typeof defaultsKeys)["keys"],
	kind: K,
	valueOf: (defaults: Defaults) => Value,
) {
	const inherits: AnyKey = defaultsKeys.keys[name];
	return {
		...kind,
		inherits,
		absent: ({ defaults }: { readonly defaults: Defaults }) =>
			valueOf(defaults),
	};
}
