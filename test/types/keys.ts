/** Checked by `tsc` alone: the keys that `defineGateway` knows are those of the schema, no more and no fewer. */
import type {
	BreakerInput,
	BudgetInput,
	CacheInput,
	CorsInput,
	DefaultsInput,
	HedgeInput,
	LimiterInput,
	OverloadInput,
	PoolInput,
	ProxyInput,
	RateLimitInput,
	RequestInput,
	RetryInput,
	RouteInput,
	ServerInput,
	StepKeys,
	TlsInput,
	UpstreamInput,
} from "../../src/config/define.ts";
import type {
	breakerSchema,
	budgetSchema,
	cacheSchema,
	corsSchema,
	defaultsSchema,
	hedgeSchema,
	limiterSchema,
	overloadSchema,
	poolSchema,
	proxySchema,
	rateLimitSchema,
	requestSchema,
	retrySchema,
	routeSchema,
	serverSchema,
	stepSchemas,
	tlsSchema,
	upstreamSchema,
} from "../../src/config/schema.ts";

type KeysOf<Schema extends { readonly shape: object }> = keyof Schema["shape"];
/** `true`, or the keys that only one of the two has. */
type Same<A, B> = [Exclude<A, B> | Exclude<B, A>] extends [never]
	? true
	: Exclude<A, B> | Exclude<B, A>;

type StepSchemas = typeof stepSchemas;

export const same: {
	readonly server: Same<KeysOf<typeof serverSchema>, keyof ServerInput>;
	readonly pool: Same<KeysOf<typeof poolSchema>, keyof PoolInput>;
	readonly cors: Same<KeysOf<typeof corsSchema>, keyof CorsInput>;
	readonly defaults: Same<KeysOf<typeof defaultsSchema>, keyof DefaultsInput>;
	readonly overload: Same<KeysOf<typeof overloadSchema>, keyof OverloadInput>;
	readonly rateLimit: Same<
		KeysOf<typeof rateLimitSchema>,
		keyof RateLimitInput
	>;
	readonly tls: Same<KeysOf<typeof tlsSchema>, keyof TlsInput>;
	readonly cache: Same<KeysOf<typeof cacheSchema>, keyof CacheInput>;
	readonly retry: Same<KeysOf<typeof retrySchema>, keyof RetryInput>;
	readonly hedge: Same<KeysOf<typeof hedgeSchema>, keyof HedgeInput>;
	readonly limiter: Same<KeysOf<typeof limiterSchema>, keyof LimiterInput>;
	readonly budget: Same<KeysOf<typeof budgetSchema>, keyof BudgetInput>;
	readonly breaker: Same<KeysOf<typeof breakerSchema>, keyof BreakerInput>;
	readonly upstream: Same<KeysOf<typeof upstreamSchema>, keyof UpstreamInput>;
	readonly request: Same<
		KeysOf<typeof requestSchema>,
		keyof RequestInput<unknown>
	>;
	readonly route: Same<
		KeysOf<typeof routeSchema>,
		keyof RouteInput<never, unknown, unknown> | "request"
	>;
	readonly proxy: Same<
		KeysOf<typeof proxySchema>,
		keyof ProxyInput<string, string>
	>;
	readonly steps: {
		readonly [Kind in keyof StepSchemas]: Same<
			KeysOf<StepSchemas[Kind]>,
			StepKeys<Kind>
		>;
	};
} = {
	server: true,
	pool: true,
	cors: true,
	defaults: true,
	overload: true,
	rateLimit: true,
	tls: true,
	cache: true,
	retry: true,
	hedge: true,
	limiter: true,
	budget: true,
	breaker: true,
	upstream: true,
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
		reply: true,
		value: true,
	},
};
