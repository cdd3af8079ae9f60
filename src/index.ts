export { type Checked, check } from "./config/check.ts";
export type { Config } from "./config/config.ts";
export {
	checkText,
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
	CallEnded,
	Events,
	RequestEnded,
	StepFailure,
} from "./core/events.ts";
export type {
	GatewayRequest,
	GatewayResponse,
	HeaderList,
} from "./core/messages.ts";
export {
	createGateway,
	type Gateway,
	type GatewayOptions,
} from "./gateway/gateway.ts";
export { compile } from "./plan/compile.ts";
export type { Plan, RoutePlan, StepPlan } from "./plan/plan.ts";
export { printPlan } from "./plan/print.ts";
export { listen, type Server, type ServerOptions } from "./server/server.ts";
