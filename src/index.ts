// First: it says which Node is needed.
import "./node-version.ts";

// Everything here is described, with examples, in docs/embedding.md.
export {
	type AdminOptions,
	type AdminServer,
	serveAdmin,
} from "./admin/admin.ts";
export type {
	AdminConfig,
	Config,
	HistoryConfig,
	JobsConfig,
	ServerConfig,
	StoreConfig,
	UserAnswer,
	UserCall,
	UserCallOptions,
	UserContext,
	UserFunction,
} from "./config/config.ts";
export {
	type AdminInput,
	type AuthInput,
	type ChannelInput,
	type CorsInput,
	type DefaultsInput,
	type Duration,
	defineGateway,
	type GatewayConfig,
	type HistoryInput,
	type JobInput,
	type JobsInput,
	type LiveInput,
	type LogInput,
	type OverloadInput,
	type PoolInput,
	type RateLimitInput,
	type ServerInput,
	type Size,
	type StoreInput,
	type UpstreamInput,
} from "./config/define.ts";
export { type From, from } from "./config/from.ts";
export {
	checkText,
	checkValue,
	configOrThrow,
	type Loaded,
	loadConfig,
} from "./config/load.ts";
export { type PlacedProblem, printProblem } from "./config/problem.ts";
export {
	type ErrorCode,
	type ErrorFacts,
	errorTable,
	GatewayError,
} from "./core/errors.ts";
export type {
	AuthChanged,
	CallEnded,
	Events,
	LoadChanged,
	LoadLevel,
	PolicyDecided,
	RequestEnded,
	StepFailure,
	StoreChanged,
	StoreFault,
} from "./core/events.ts";
export type { HeaderList } from "./core/http/headers.ts";
export type { GatewayRequest, GatewayResponse } from "./core/http/messages.ts";
export type { Fetch, FetchOptions } from "./gateway/fetch.ts";
export {
	createGateway,
	type Gateway,
	type GatewayOptions,
} from "./gateway/gateway.ts";
export type { PlainRequest } from "./gateway/plain-request.ts";
export type { Plan } from "./plan/plan.ts";
export { printPlan } from "./plan/print.ts";
export {
	type RunningServer,
	type ServeOptions,
	serve,
} from "./server/serve.ts";
export { type History, openHistory } from "./telemetry/history/history.ts";
export {
	attachLog,
	type GatewayLog,
	type LogOptions,
} from "./telemetry/log/attach-log.ts";
export { createMetrics, type Metrics } from "./telemetry/metrics/metrics.ts";
export {
	attachTraces,
	type GatewayTraces,
	type TracesOptions,
} from "./telemetry/traces/attach-traces.ts";
