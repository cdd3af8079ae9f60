import {
	createGateway,
	defineGateway,
	type GatewayConfig,
} from "../../src/index.ts";

// `as const` keeps "5s" a duration. Without it TypeScript makes any text of it.
const server = { port: 0, drain: "5s" } as const;

export const own = defineGateway({
	server,
	routes: { "GET /hello": { respond: "hello" } },
});

// An editor cannot know names that are computed. They are checked when the gateway is made.
const services = ["users", "orders"];

const config: GatewayConfig = {
	upstreams: Object.fromEntries(
		services.map((name) => [name, { url: `http://${name}.internal` }]),
	),
	routes: Object.fromEntries(
		services.map((name) => [
			`GET /${name}/{id}`,
			{ steps: { one: { get: `${name}/\${params.id}` } } },
		]),
	),
};

export const generated = createGateway(config);
