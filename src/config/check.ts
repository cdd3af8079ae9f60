import { checkRoute } from "./check-route.ts";
import { checkUpstream, type Environment } from "./check-upstream.ts";
import type {
	Config,
	Defaults,
	RouteConfig,
	ServerConfig,
	UpstreamConfig,
} from "./config.ts";
import type { Problem } from "./problem.ts";
import { parseRouteKey } from "./route-key.ts";
import { configSchema } from "./schema.ts";
import {
	checkShape,
	durationAt,
	entryOf,
	numberAt,
	plainOf,
	sizeAt,
	textAt,
} from "./shape.ts";
import type { MapSource, Source } from "./source.ts";

export interface Checked {
	/** Null where there is any problem that is not a warning. */
	readonly config: Config | null;
	readonly problems: readonly Problem[];
}

/**
 * Checks what an author wrote and fills in the defaults. A pure function of the source and of the environment's
 * variables. All problems are found at once; what is wrong in one place does not hide what is wrong in another.
 */
export function check(root: Source | null, env: Environment): Checked {
	const problems: Problem[] = [];
	if (root?.kind !== "map") {
		problems.push({
			at: root?.at ?? 0,
			message: "a config is a map with `upstreams` and `routes`",
		});
		return { config: null, problems };
	}
	checkShape(configSchema, root, { what: "the config", problems });
	const defaults = readDefaults(entryOf(root, "defaults"));
	const upstreams = checkUpstreams(root, defaults, env, problems);
	const routes = checkRoutes(root, upstreams, defaults, problems);
	const server = readServer(entryOf(root, "server"));
	const valid = problems.every(({ warning }) => warning === true);
	return { config: valid ? { server, upstreams, routes } : null, problems };
}

function checkUpstreams(
	root: MapSource,
	defaults: Defaults,
	env: Environment,
	problems: Problem[],
): UpstreamConfig[] {
	const source = entryOf(root, "upstreams");
	if (source?.kind !== "map") return [];
	return source.entries.map(({ key, at, value }) => {
		if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(key)) {
			problems.push({
				at,
				message: `\`${key}\` cannot name an upstream: a letter first, then letters, digits, \`_\` and \`-\``,
			});
		}
		return checkUpstream(key, value, { defaults, env, problems });
	});
}

function checkRoutes(
	root: MapSource,
	upstreams: readonly UpstreamConfig[],
	defaults: Defaults,
	problems: Problem[],
): RouteConfig[] {
	const source = entryOf(root, "routes");
	if (source?.kind !== "map" || source.entries.length === 0) {
		if (source === null || source.kind === "map") {
			problems.push({
				at: (source ?? root).at,
				message:
					"there is no route: write one under `routes`, such as `GET /hello:`",
			});
		}
		return [];
	}
	const shapes = new Map<string, string>();
	return source.entries.flatMap(({ key, at, value }) => {
		const parsed = parseRouteKey(key);
		if (typeof parsed === "string") {
			problems.push({ at, message: parsed });
			return [];
		}
		const twin = shapes.get(parsed.shape);
		if (twin !== undefined) {
			problems.push({
				at,
				message: `\`${key}\` and \`${twin}\` are the same route: keep one`,
			});
		}
		shapes.set(parsed.shape, key);
		return [
			checkRoute({ key, ...parsed }, value, { upstreams, defaults, problems }),
		];
	});
}

function readDefaults(source: Source | null): Defaults {
	return {
		deadlineMs: durationAt(source, "deadline") ?? 10_000,
		timeout: textAt(source, "timeout") ?? "2s",
		parallel: numberAt(source, "parallel") ?? 16,
		max: numberAt(source, "max") ?? 100,
		calls: numberAt(source, "calls") ?? 200,
		maxBody: textAt(source, "maxBody") ?? "8MiB",
	};
}

function readServer(source: Source | null): ServerConfig {
	const health = entryOf(source, "health");
	return {
		port: numberAt(source, "port") ?? 8080,
		host: textAt(source, "host") ?? "127.0.0.1",
		healthPath:
			health !== null && plainOf(health) === false
				? null
				: (textAt(source, "health") ?? "/-/health"),
		bodyBytesMax: sizeAt(source, "maxBody") ?? 1024 ** 2,
		headerFieldsMax: numberAt(source, "maxHeaders") ?? 100,
		headerBytesMax: sizeAt(source, "maxHeaderBytes") ?? 16 * 1024,
		drainMs: durationAt(source, "drain") ?? 30_000,
	};
}
