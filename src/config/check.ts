import { createSchemaCheck } from "./body-schema.ts";
import { checkRateLimit, undeclaredNames } from "./check-rate-limit.ts";
import { checkRoute } from "./check-route.ts";
import type { Reference, RouteContext } from "./check-step.ts";
import {
	type CheckedUpstream,
	checkUpstream,
	type FileReference,
	type UpstreamContext,
} from "./check-upstream.ts";
import type {
	Config,
	CorsConfig,
	Defaults,
	OverloadConfig,
	PoolConfig,
	RouteConfig,
	ServerConfig,
} from "./config.ts";
import type { Problem } from "./problem.ts";
import { type Environment, ResolvedUpstreams } from "./resolve-upstream.ts";
import { parseRouteKey } from "./route-key.ts";
import { configSchema, overloadSchema } from "./schema.ts";
import {
	checkShape,
	durationAt,
	entryOf,
	numberAt,
	plainOf,
	sizeAt,
	textAt,
	textsAt,
} from "./shape.ts";
import type { MapSource, Source } from "./source.ts";

export type { Reference };

export interface Checked {
	/** Null where there is any problem that is not a warning. */
	readonly config: Config | null;
	readonly problems: readonly Problem[];
	/** The functions that `run` steps name: those without a `call` are to be loaded by whoever may. */
	readonly references: readonly Reference[];
	/** The files that `tls` names: to be read by whoever may. */
	readonly files: readonly FileReference[];
}

/**
 * Checks what an author wrote and fills in the defaults. A pure function of the source and of the environment's
 * variables. All problems are found at once; what is wrong in one place does not hide what is wrong in another.
 */
export function check(root: Source | null, env: Environment): Checked {
	const problems: Problem[] = [];
	const references: Reference[] = [];
	const files: FileReference[] = [];
	if (root?.kind !== "map") {
		problems.push({
			at: root?.at ?? 0,
			message: "a config is a map with `upstreams` and `routes`",
		});
		return { config: null, problems, references, files };
	}
	checkShape(configSchema, root, { what: "the config", problems });
	const defaults = readDefaults(entryOf(root, "defaults"));
	const checked = checkUpstreams(root, { defaults, env, problems, files });
	const upstreams = checked.map(({ config }) => config);
	const faultOfSchema = createSchemaCheck();
	const context = {
		...{ upstreams, defaults },
		...{ problems, references, faultOfSchema },
	};
	const routes = checkRoutes(root, context);
	const server = readServer(entryOf(root, "server"));
	const pool = readPool(entryOf(root, "pool"));
	const functions = new Map(
		references.flatMap(({ name, call }) => (call ? [[name, call]] : [])),
	);
	const config = {
		server,
		pool,
		upstreams,
		routes,
		rateLimit: checkRateLimit(
			entryOf(root, "rateLimit"),
			undeclaredNames,
			problems,
		),
		overload: checkOverload(entryOf(root, "overload"), problems),
		functions,
		workers: new Map(),
		files: new Map(),
		resolved: new ResolvedUpstreams(checked.map(({ resolved }) => resolved)),
	};
	const valid = problems.every(({ warning }) => warning === true);
	return { config: valid ? config : null, problems, references, files };
}

function checkUpstreams(
	root: MapSource,
	context: UpstreamContext,
): CheckedUpstream[] {
	const source = entryOf(root, "upstreams");
	if (source?.kind !== "map") return [];
	return source.entries.map(({ key, at, value }) => {
		if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(key)) {
			context.problems.push({
				at,
				message: `\`${key}\` cannot name an upstream: a letter first, then letters, digits, \`_\` and \`-\``,
			});
		}
		return checkUpstream(key, value, context);
	});
}

function checkRoutes(root: MapSource, context: RouteContext): RouteConfig[] {
	const { problems } = context;
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
		return [checkRoute({ key, ...parsed }, value, context)];
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
		headersTimeoutMs: durationAt(source, "headersTimeout") ?? 15_000,
		requestTimeoutMs: durationAt(source, "requestTimeout") ?? 60_000,
		idleTimeoutMs: durationAt(source, "idleTimeout") ?? 65_000,
		connectionsMax: numberAt(source, "connections") ?? 10_000,
		trustedProxies: textsAt(source, "trustedProxies") ?? [],
		cors: readCors(entryOf(source, "cors")),
	};
}

function checkOverload(
	source: Source | null,
	problems: Problem[],
): OverloadConfig | null {
	if (source !== null && plainOf(source) === false) return null;
	const isMap = source?.kind === "map";
	const what = "`overload`";
	const valid = isMap && checkShape(overloadSchema, source, { what, problems });
	const skipAtMs = durationAt(source, "skipAt") ?? 200;
	const refuseAtMs = durationAt(source, "refuseAt") ?? 500;
	if (valid && refuseAtMs < skipAtMs) {
		problems.push({
			at: source.at,
			message: `requests would be refused (\`refuseAt\` ${refuseAtMs} ms) before optional parts are left out (\`skipAt\` ${skipAtMs} ms): set both`,
		});
	}
	return {
		requestsMax: numberAt(source, "requests") ?? 2000,
		waitingMax: numberAt(source, "waiting") ?? 100,
		waitMs: durationAt(source, "wait") ?? 500,
		skipAtMs,
		refuseAtMs,
	};
}

function readPool(source: Source | null): PoolConfig {
	return {
		threads: numberAt(source, "threads"),
		waitingMax: numberAt(source, "waiting") ?? 1024,
		heapBytesMax: sizeAt(source, "memory"),
	};
}

function readCors(source: Source | null): CorsConfig | null {
	if (source === null) return null;
	const credentials = entryOf(source, "credentials");
	return {
		origins: textsAt(source, "origins") ?? [],
		// Those pages may send without asking, and the type of the bodies that routes read.
		methods: textsAt(source, "methods") ?? ["GET", "HEAD", "POST"],
		headers: textsAt(source, "headers") ?? ["content-type"],
		credentials: credentials !== null && plainOf(credentials) === true,
		maxAgeMs: durationAt(source, "maxAge") ?? 600_000,
	};
}
