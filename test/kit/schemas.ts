import {
	configSchema,
	defaultsSchema,
	overloadSchema,
	poolSchema,
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
	poolSchema,
	defaultsSchema,
	overloadSchema,
	rateLimitSchema,
	upstreamSchema,
	routeSchema,
	proxySchema,
	requestSchema,
	...Object.values(stepSchemas),
];
