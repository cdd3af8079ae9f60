import { isOfClient } from "../policy/auth/options.ts";
import { calledBy } from "./called.ts";
import type { RouteConfig, UpstreamConfig } from "./config.ts";
import type { AuthConfig } from "./keys/upstream-auth.ts";
import type { Problem } from "./problem.ts";
import { entryOf, placeOfKey } from "./shape.ts";
import type { MapSource, Source } from "./source.ts";

interface AuthContext {
	readonly upstreams: ReadonlyMap<string, UpstreamConfig>;
	readonly problems: Problem[];
}

/** Whether it writes `authorization` itself. */
export function writesAuthorization({ kind }: AuthConfig): boolean {
	return kind !== "hmac";
}

/** Whether it signs each call. */
export function signsCalls({ kind }: AuthConfig): boolean {
	return kind === "hmac" || kind === "sigv4";
}

/** Refuses an `authorization` among the `headers` of a call, if its upstream's `auth` would replace it. */
export function refuseOwnCredentials(
	call: Source,
	upstream: string,
	{ upstreams, problems }: AuthContext,
): void {
	const auth = upstreams.get(upstream)?.auth ?? null;
	const headers = entryOf(call, "headers");
	if (auth === null || !writesAuthorization(auth)) return;
	if (headers?.kind !== "map") return;
	for (const { key, at } of headers.entries) {
		if (!/^authorization\??$/i.test(key)) continue;
		const message = `\`auth\` of \`${upstream}\` writes this field: remove it here`;
		problems.push({ at, message });
	}
}

/** Methods whose requests mostly have a body. */
const methodsWithBody: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** Refuses to pass bodies on to an upstream whose calls are signed: a signature stands before a body that still comes. */
export function refuseUnsignable(
	proxy: Source,
	method: string,
	targets: readonly { readonly upstream: string }[],
	{ upstreams, problems }: AuthContext,
): void {
	if (!methodsWithBody.has(method)) return;
	for (const name of new Set(targets.map(({ upstream }) => upstream))) {
		const auth = upstreams.get(name)?.auth ?? null;
		if (auth === null || !signsCalls(auth)) continue;
		const message = `\`${name}\` signs each call, and a body that is passed on as it comes cannot be signed: send it by a step`;
		problems.push({ at: proxy.at, message });
	}
}

/** Refuses a job that asks as a client who is gone by then, or that tells its end so. */
export function refuseAbsentClient(
	{ job, steps }: RouteConfig,
	source: MapSource,
	{ upstreams, problems }: AuthContext,
): void {
	if (job === null) return;
	const all = [...upstreams.values()];
	const asked = calledBy(steps, all).find(({ auth }) => isOfClient(auth));
	const at = placeOfKey(source, "job");
	if (asked !== undefined) {
		const message = `a job runs when its client has gone, and \`auth\` of \`${asked.name}\` needs the client's own token, which is written to no disk`;
		problems.push({ at, message });
	}
	const told = upstreams.get(job.webhook?.upstream ?? "");
	if (told === undefined || !isOfClient(told.auth)) return;
	const written = entryOf(entryOf(source, "job"), "webhook");
	const message = `\`webhook\`: nobody's request tells of a job's end, and \`auth\` of \`${told.name}\` needs a client's own token`;
	problems.push({ at: written?.at ?? at, message });
}
