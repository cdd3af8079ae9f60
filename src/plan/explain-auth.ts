import { reachedBy } from "../config/called.ts";
import { printTemplate } from "../expression/print.ts";
import { isOfClient } from "../policy/auth/options.ts";
import type { Plan, RoutePlan } from "./plan.ts";

/** Who may ask for a route. It holds no credentials. */
export interface AuthExplanation {
	/**
	 * By which of the config's `auth` a client is let in, in the order in which they are asked: `users`, of kind `jwt`. Empty:
	 * everybody is.
	 */
	readonly by: readonly {
		readonly name: string;
		readonly kind: Plan["auth"][number]["kind"];
	}[];
	/** What must hold besides, as written; null if there is nothing. */
	readonly require: unknown;
}

/** As whom a route asks an upstream, by `auth` or by a certificate. It holds no credentials. */
export interface AsksAs {
	readonly upstream: string;
	readonly as: "client" | "gateway";
	/** The kind of credentials: `oauth2`; `certificate` for one that the handshake shows. */
	readonly by: readonly string[];
}

/** Null: the config has no `auth`, so everybody may ask. */
export function explainAuth(
	{ authIndexes, require }: RoutePlan,
	{ auth }: Plan,
): AuthExplanation | null {
	if (auth.length === 0 && require === null) return null;
	const by = authIndexes.flatMap((index) => {
		const one = auth[index];
		return one ? [{ name: one.name, kind: one.kind }] : [];
	});
	return { by, require: require && printTemplate(require) };
}

/**
 * Of the upstreams that a route reaches, also when it tells of a job's end, those that have `auth` or a certificate. Whether
 * `headers` and `query` hold credentials cannot be told.
 */
export function explainAsked(route: RoutePlan, plan: Plan): AsksAs[] {
	const webhook = route.job?.webhook?.upstream;
	const reached = reachedBy(route, plan.upstreams);
	return plan.upstreams.flatMap((one) => {
		const { name, auth, tls } = one;
		if (!reached.includes(one) && name !== webhook) return [];
		const shows = tls.some((entry) => entry.name === "cert");
		const ofAuth: AsksAs[] = auth
			? [
					{
						upstream: name,
						as: isOfClient(auth) ? "client" : "gateway",
						by: [auth.kind],
					},
				]
			: [];
		if (!shows) return ofAuth;
		// The certificate is the gateway's, whoever asks besides.
		const [first] = ofAuth;
		return first?.as === "gateway"
			? [{ ...first, by: [...first.by, "certificate"] }]
			: [...ofAuth, { upstream: name, as: "gateway", by: ["certificate"] }];
	});
}
