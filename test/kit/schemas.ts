import {
	configSchema,
	defaultsSchema,
	overloadSchema,
	proxySchema,
	rateLimitSchema,
	requestSchema,
	routeSchema,
	serverSchema,
	stepSchemas,
	upstreamSchema,
} from "../../src/config/schema.ts";

/** Every schema whose keys an author writes and a page lists. */
export const keySchemas = [
	configSchema,
	serverSchema,
	defaultsSchema,
	overloadSchema,
	rateLimitSchema,
	upstreamSchema,
	routeSchema,
	proxySchema,
	requestSchema,
	...Object.values(stepSchemas),
];
