import { adminKeys } from "../../src/config/keys/admin.ts";
import { apiKeyKeys, authKeys, basicKeys } from "../../src/config/keys/auth.ts";
import { jwtKeys } from "../../src/config/keys/auth-jwt.ts";
import { mtlsKeys } from "../../src/config/keys/auth-mtls.ts";
import { channelKeys } from "../../src/config/keys/channel.ts";
import { defaultsKeys } from "../../src/config/keys/defaults.ts";
import { historyKeys } from "../../src/config/keys/history.ts";
import { jobsKeys } from "../../src/config/keys/jobs.ts";
import { logKeys } from "../../src/config/keys/log.ts";
import { overloadKeys } from "../../src/config/keys/overload.ts";
import { poolKeys } from "../../src/config/keys/pool.ts";
import { proxyKeys } from "../../src/config/keys/proxy.ts";
import { rateLimitKeys } from "../../src/config/keys/rate-limit.ts";
import { requestKeys } from "../../src/config/keys/request.ts";
import { routeKeys } from "../../src/config/keys/route.ts";
import { serverKeys } from "../../src/config/keys/server.ts";
import { storeKeys } from "../../src/config/keys/store.ts";
import { configKeys } from "../../src/config/keys/top.ts";
import { upstreamKeys } from "../../src/config/keys/upstream.ts";
import { stepKeys } from "../../src/config/steps/kinds.ts";

/** Every schema whose keys an author writes and a page lists. */
export const keySchemas = [
	configKeys,
	channelKeys,
	authKeys,
	jwtKeys,
	mtlsKeys,
	apiKeyKeys,
	basicKeys,
	serverKeys,
	poolKeys,
	defaultsKeys,
	historyKeys,
	jobsKeys,
	logKeys,
	overloadKeys,
	adminKeys,
	storeKeys,
	rateLimitKeys,
	upstreamKeys,
	routeKeys,
	proxyKeys,
	requestKeys,
	...Object.values(stepKeys),
];
