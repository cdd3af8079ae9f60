/** Checked by `tsc` alone: the keys that `defineGateway` knows are those of the schema, no more and no fewer. */
import type {
	ProxyInput,
	RequestInput,
	RouteInput,
	StepKeys,
} from "../../src/config/define.ts";
import type { proxyKeys } from "../../src/config/keys/proxy.ts";
import type { requestKeys } from "../../src/config/keys/request.ts";
import type { routeKeys } from "../../src/config/keys/route.ts";
import type { stepKeys } from "../../src/config/steps/kinds.ts";

type KeysOf<Schema extends { readonly shape: object }> = keyof Schema["shape"];
/** `true`, or the keys that only one of the two has. */
type Same<A, B> = [Exclude<A, B> | Exclude<B, A>] extends [never]
	? true
	: Exclude<A, B> | Exclude<B, A>;

type StepSchemas = typeof stepKeys;

export const same: {
	readonly request: Same<
		KeysOf<typeof requestKeys>,
		keyof RequestInput<unknown>
	>;
	readonly route: Same<
		KeysOf<typeof routeKeys>,
		keyof RouteInput<never, unknown, unknown> | "request"
	>;
	readonly proxy: Same<
		KeysOf<typeof proxyKeys>,
		keyof ProxyInput<string, string, string>
	>;
	readonly steps: {
		readonly [Kind in keyof StepSchemas]: Same<
			KeysOf<StepSchemas[Kind]>,
			StepKeys<Kind>
		>;
	};
} = {
	request: true,
	route: true,
	proxy: true,
	steps: {
		get: true,
		head: true,
		post: true,
		put: true,
		patch: true,
		delete: true,
		steps: true,
		run: true,
		publish: true,
		reply: true,
		value: true,
	},
};
