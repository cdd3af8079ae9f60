import type { ResolvedUpstream } from "../config/resolve-upstream.ts";
import { asGatewayError } from "../core/errors.ts";
import { createEvents } from "../core/events.ts";
import { promised } from "../policy/promised.ts";
import { defaultHeaders } from "../run/target.ts";
import { type Clock, realClock } from "../tasks/clock.ts";
import { openScope } from "../tasks/scope.ts";
import { createUpstream } from "../upstream/upstream.ts";
import { print, printError } from "./terminal.ts";

/**
 * Asks every URL of every upstream once, all at the same time, and prints what came of each in the config's order. Gives
 * whether all of them answered, with whatever status.
 */
export async function askUpstreams(
	upstreams: readonly ResolvedUpstream[],
): Promise<boolean> {
	const clock = realClock();
	const asked = upstreams.flatMap((upstream) =>
		upstream.origins.map((_, index) => ask(upstream, index, clock)),
	);
	let all = true;
	for (const asking of asked) {
		const { line, answered } = await asking;
		if (answered) print(line);
		else printError(line);
		all &&= answered;
	}
	return all;
}

interface Asked {
	readonly line: string;
	readonly answered: boolean;
}

/** One request without any policy, because each would hide what a URL does. */
async function ask(
	settings: ResolvedUpstream,
	index: number,
	clock: Clock,
): Promise<Asked> {
	const {
		name,
		origins,
		originsFrom,
		bodyBytesMax,
		tls,
		host,
		headerBytesMax,
	} = settings;
	const upstream = createUpstream(
		{
			...{ name, bodyBytesMax, tls, host, headerBytesMax },
			origins: origins.slice(index, index + 1),
			originsFrom: originsFrom.slice(index, index + 1),
			connections: 1,
			streams: 1,
			coalesce: false,
		},
		{ clock, events: createEvents() },
	);
	// The URL itself may come from the environment.
	const which = origins.length > 1 ? `${name}, URL ${index + 1}` : name;
	const startedMs = clock.now();
	const scope = openScope({ clock });
	try {
		const ask = promised(upstream.call);
		const { status } = await ask(requestOf(settings), scope);
		const ms = Math.round(clock.now() - startedMs);
		return { line: `${which} answers: ${status} in ${ms} ms`, answered: true };
	} catch (thrown) {
		const { code, message } = asGatewayError(thrown);
		return { line: `${which} fails: ${code}: ${message}`, answered: false };
	} finally {
		scope.close();
		await upstream.close();
	}
}

/** It asks for a head, which changes nothing, with everything that each call gets. */
function requestOf({ basePath, query, headers, timeoutMs }: ResolvedUpstream) {
	const parameters = new URLSearchParams(query.map(([...pair]) => pair));
	return {
		method: "HEAD" as const,
		target: `${basePath || "/"}${query.length > 0 ? `?${parameters}` : ""}`,
		headers: defaultHeaders(headers, null).flat(),
		body: null,
		safe: true,
		idempotent: true,
		tried: null,
		requestId: "check",
		client: "",
		timeoutMs,
		onSent: null,
		onAgain: null,
	};
}
