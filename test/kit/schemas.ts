import { defaultsKeys } from "../../src/config/keys/defaults.ts";
import { overloadKeys } from "../../src/config/keys/overload.ts";
import { poolKeys } from "../../src/config/keys/pool.ts";
import { rateLimitKeys } from "../../src/config/keys/rate-limit.ts";
import { serverKeys } from "../../src/config/keys/server.ts";
import { configKeys } from "../../src/config/keys/top.ts";
import { upstreamKeys } from "../../src/config/keys/upstream.ts";
import {
	proxySchema,
	requestSchema,
	routeSchema,
	stepSchemas,
} from "../../src/config/schema.ts";

/** Every schema whose keys an author writes and a page lists. */
export const keySchemas = [
	configKeys,
	serverKeys,
	poolKeys,
	defaultsKeys,
	overloadKeys,
	rateLimitKeys,
	upstreamKeys,
	routeSchema,
	proxySchema,
	requestSchema,
	...Object.values(stepSchemas),
];
