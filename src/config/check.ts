import { allRead } from "../core/all-read.ts";
import { Secrets } from "../core/secrets.ts";
import { faultOfSchema } from "./body-schema.ts";
import { checkAuth, refuseUnasked } from "./check-auth.ts";
import { checkChannels } from "./check-channel.ts";
import { checkPorts } from "./check-ports.ts";
import { namesOfGateway, warnOfEvadedLimits } from "./check-rate-limit.ts";
import { checkRoute } from "./check-route.ts";
import {
	type CheckedUpstream,
	checkUpstream,
	type FileReference,
	type UpstreamContext,
} from "./check-upstream.ts";
import type { Config, RouteConfig } from "./config.ts";
import type { Environment } from "./environment.ts";
import type { ReadOf } from "./keys/section.ts";
import { configKeys } from "./keys/top.ts";
import { hasFault, type Problem } from "./problem.ts";
import { ResolvedUpstreams } from "./resolve-upstream.ts";
import { parseRouteKey } from "./route-key.ts";
import { addNamedSecrets, namesIn } from "./secret-values.ts";
import { entryOf } from "./shape.ts";
import { createMap, type MapSource, type Source } from "./source.ts";
import type { Reference, RouteContext } from "./steps/common.ts";

export interface Checked {
	/** Null if there is any problem that is not a warning. */
	readonly config: Config | null;
	/** What could be read, to look for more problems; null if nothing could. */
	readonly draft: Config | null;
	readonly problems: readonly Problem[];
	/** The functions that `run` steps name. The caller must load those without a `call`. */
	readonly references: readonly Reference[];
	/** The files that `tls` names. The caller must read them. */
	readonly files: readonly FileReference[];
	/** What is secret of the environment, also if the config has problems: these pass by there, too. */
	readonly secrets: Secrets;
}

/**
 * Checks a config and fills in the defaults. A pure function of the source and of the environment's variables. All
 * problems are found at once: a fault in one place hides none in another.
 */
export function check(root: Source | null, env: Environment): Checked {
	const problems: Problem[] = [];
	const references: Reference[] = [];
	const files: FileReference[] = [];
	const secrets = new Secrets();
	addNamedSecrets(env, secrets);
	if (root?.kind !== "map") {
		problems.push({
			at: root?.at ?? 0,
			message: "a config is a map with `upstreams` and `routes`",
		});
		const none = { config: null, draft: null };
		return { ...none, problems, references, files, secrets };
	}
	const judged = { what: "the config", problems };
	const auths = namesAt(entryOf(root, "auth"));
	const read = configKeys.read(withoutExtensions(root), judged, {
		names: namesOfGateway(auths.length > 0),
		...{ env, auths, secrets },
	});
	const { upstreams: services, routes: written, ...others } = read;
	const { defaults, server: bound, headers, pool, ...protection } = others;
	const { rateLimits, overload, ...rest } = protection;
	const server = { ...bound, headers };
	const { log, admin, history, channels: streams, store, ...more } = rest;
	const { jobs, auth: doors, ...unread } = more;
	allRead(unread);
	const checked = checkUpstreams(services, {
		...{ defaults, env, problems, files, secrets },
	});
	const upstreams = checked.map(({ config }) => config);
	const auth = checkAuth(doors, { env, problems, secrets });
	refuseUnasked(auth, server, doors, problems);
	checkPorts({ server, admin }, root, problems);
	const used = new Set<string>();
	const channels = checkChannels(streams, { problems, faultOfSchema });
	const usedChannels = new Set<string>();
	const context = {
		...{ defaults, rateLimits, upstreams: byName(upstreams), used },
		...{ channels: byName(channels), usedChannels, auths },
		unread: unreadIn(root, read),
		...{ problems, references, faultOfSchema },
	};
	warnOfEvadedLimits(rateLimits, [], entryOf(root, "rateLimit"), problems);
	const routes = checkRoutes(written, root, context);
	// A function may call any upstream. After a fault, what could not be read may be the call.
	if (references.length === 0 && !hasFault(problems)) {
		const words = (name: string) => `no route calls ${name}: call it`;
		warnOfUnused(services, used, words, problems);
	}
	if (!hasFault(problems)) {
		const words = (name: string) =>
			`no step publishes to ${name}, and no route listens to it: use it`;
		warnOfUnused(streams, usedChannels, words, problems);
	}
	checkJobs(routes, written, root, problems);
	const namedAuths = new Set(
		[...routes, { auth: defaults.auth ?? [] }].flatMap(({ auth }) => auth),
	);
	if (!hasFault(problems)) {
		const words = (name: string) =>
			`no route has ${name} as its \`auth\`: name it there`;
		warnOfUnused(doors, namedAuths, words, problems);
	}
	if (jobs.secret === null) refuseUnsigned(routes, written, problems);
	if (history === null) warnOfUnkept(routes, written, problems);
	const caches = upstreams.some(({ cache }) => cache?.shared ?? false);
	if (store !== null && !caches) {
		warnOfUnshared(rateLimits, routes, channels, root, problems);
	}
	secrets.exceptNames(namesIn({ upstreams, routes, channels, auth }));
	const config = {
		secrets,
		...{ server, pool, upstreams, routes, rateLimits, overload, log, admin },
		...{ history, channels, store, auth },
		jobs: routes.some(({ job }) => job !== null) ? jobs : null,
		functions: new Map(
			references.flatMap(({ name, call }) => (call ? [[name, call]] : [])),
		),
		workers: new Map(),
		files: new Map(),
		resolved: new ResolvedUpstreams(checked.map(({ resolved }) => resolved)),
	};
	const valid = problems.every(({ warning }) => warning === true);
	return {
		config: valid ? config : null,
		draft: config,
		...{ problems, references, files, secrets },
	};
}

/** The keys that could not be read, or may be there misspelt. Both have been reported. */
function unreadIn(
	root: MapSource,
	{ upstreams, channels, auth, defaults }: ReadOf<typeof configKeys.keys>,
): ReadonlySet<string> {
	const misspelt = withoutExtensions(root).entries.some(
		({ key }) => !Object.hasOwn(configKeys.keys, key),
	);
	const lost = Object.entries({ upstreams, channels, auth })
		.filter(([, read]) => read === null)
		.filter(([name]) => misspelt || entryOf(root, name) !== null);
	const names = new Set(lost.map(([name]) => name));
	const common = entryOf(entryOf(root, "defaults"), "auth");
	if (common !== null && defaults.auth === null) names.add("defaults");
	return names;
}

/** Top-level keys `x-…` are the author's own. They hold what aliases repeat. */
function withoutExtensions(root: MapSource): MapSource {
	const own = root.entries.filter(({ key }) => !key.startsWith("x-"));
	return createMap(root.at, own);
}

/** Of several with one name, which is reported elsewhere, the first. */
function byName<T extends { readonly name: string }>(
	all: readonly T[],
): ReadonlyMap<string, T> {
	return new Map(all.toReversed().map((one) => [one.name, one]));
}

function namesAt(source: Source | null): readonly string[] {
	return source?.kind === "map" ? source.entries.map(({ key }) => key) : [];
}

function checkUpstreams(
	source: MapSource | null,
	context: UpstreamContext,
): CheckedUpstream[] {
	return (source?.entries ?? []).map(({ key, at, value }) => {
		if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(key)) {
			context.problems.push({
				at,
				message: `\`${key}\` cannot name an upstream: a letter first, then letters, digits, \`_\` and \`-\``,
			});
		}
		return checkUpstream(key, value, context);
	});
}

/** A name that nobody uses is likely misspelt somewhere. It may be there on purpose, so it is no error. */
function warnOfUnused(
	source: MapSource | null,
	used: ReadonlySet<string>,
	words: (name: string) => string,
	problems: Problem[],
): void {
	for (const { key, at } of source?.entries ?? []) {
		if (used.has(key)) continue;
		problems.push({
			at,
			warning: true,
			follows: true,
			message: `${words(`\`${key}\``)}, or remove it`,
		});
	}
}

/** Columns of a history that is not there. */
function warnOfUnkept(
	routes: readonly RouteConfig[],
	source: MapSource | null,
	problems: Problem[],
): void {
	for (const { key, record } of routes) {
		const written = entryOf(entryOf(source, key), "record");
		if (record.length === 0 || written === null) continue;
		const message =
			"`record` does nothing without `history`: add it, such as `history: true`";
		problems.push({ at: written.at, warning: true, message });
	}
}

/** Routes where jobs have their addresses, and settings of jobs that there are not. */
function checkJobs(
	routes: readonly RouteConfig[],
	source: MapSource | null,
	root: MapSource,
	problems: Problem[],
): void {
	if (routes.some(({ job }) => job !== null)) {
		for (const { key, at } of source?.entries ?? []) {
			if (!/^[A-Z]+ \/-\/jobs(?:\/|$)/.test(key)) continue;
			const message = `\`${key}\`: jobs have their addresses there, so choose another path`;
			problems.push({ at, message });
		}
		return;
	}
	const written = entryOf(root, "jobs");
	if (written === null || hasFault(problems)) return;
	const message =
		"`jobs` does nothing without a route with `job`: add it, such as `job: true`";
	problems.push({ at: written.at, warning: true, follows: true, message });
}

/** Whoever gets a webhook must be able to know who sent it. */
function refuseUnsigned(
	routes: readonly RouteConfig[],
	source: MapSource | null,
	problems: Problem[],
): void {
	for (const { key, job } of routes) {
		if (!job?.webhook) continue;
		const written = entryOf(entryOf(entryOf(source, key), "job"), "webhook");
		const message =
			"a webhook is signed: add `jobs: { secret: ${env.WEBHOOK_SECRET} }`";
		problems.push({ at: written?.at ?? 0, follows: true, message });
	}
}

/** A store in which nothing is shared. */
function warnOfUnshared(
	rateLimits: Config["rateLimits"],
	routes: readonly RouteConfig[],
	channels: Config["channels"],
	root: MapSource,
	problems: Problem[],
): void {
	const written = entryOf(root, "store");
	const holders = [{ rateLimits }, ...routes];
	const shares = channels.length > 0 || routes.some(({ job }) => job !== null);
	if (shares) return;
	if (written === null || holders.some((one) => one.rateLimits.length > 0)) {
		return;
	}
	const message =
		"`store` does nothing here: it shares rate limits, channels, jobs and what `cache` keeps, and there is none";
	problems.push({ at: written.at, warning: true, follows: true, message });
}

function checkRoutes(
	source: MapSource | null,
	root: MapSource,
	context: RouteContext,
): RouteConfig[] {
	const { problems } = context;
	if (source === null || source.entries.length === 0) {
		// A value that is no map has been reported.
		if (source !== null || entryOf(root, "routes") === null) {
			problems.push({
				at: (source ?? root).at,
				follows: true,
				message:
					"there is no route: write one under `routes`, such as `GET /hello:`",
			});
		}
		return [];
	}
	const shapes = new Map<string, string>();
	return source.entries.flatMap(({ key, at, value }) => {
		const parsed = parseRouteKey(key);
		if (parsed.fault !== null) {
			problems.push({ at, message: parsed.fault });
			// What stands in it is looked at all the same.
			return [checkRoute({ key, ...parsed }, value, context)];
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
