/** The gateway of the hostile hour, in a process of its own with a small heap. Started with the upstreams' origins. */
import { createGateway } from "../../../src/gateway/gateway.ts";
import { serve } from "../../../src/server/serve.ts";

const [good = "", evil = ""] = process.argv.slice(2);

const gateway = createGateway({
	upstreams: {
		good: { url: good },
		evil: { url: evil, timeout: "1s" },
	},
	routes: {
		"GET /good/{id}": {
			deadline: "2s",
			steps: {
				user: { get: "good/users/${params.id}" },
				orders: { get: "good/orders", query: { of: "${user.id}" } },
				advice: { get: "good/advice", optional: true },
			},
			respond: {
				name: "${user.name}",
				orders: "${orders.map(o => ({ id: o.id, of: user.name }))}",
				advice: "${advice}",
			},
		},
		"GET /evil/{kind}": {
			deadline: "2s",
			steps: { one: { get: "evil/${params.kind}" } },
		},
		"GET /evils/{kind}": {
			deadline: "2s",
			steps: {
				all: {
					each: "${[1, 2, 3, 4, 5, 6, 7, 8]}",
					get: "evil/${params.kind}",
					query: { at: "${item}" },
				},
			},
		},
		"GET /files/{rest*}": { proxy: "good/files/{rest*}" },
		"GET /events": { proxy: "evil/events" },
		"PUT /files/{rest*}": { proxy: "good/files/{rest*}" },
		"POST /compute": {
			request: { body: { type: "array", items: { type: "object" } } },
			deadline: "2s",
			respond:
				"${body.map(one => JSON.stringify(Object.entries(one).toSorted())).join()}",
		},
		"POST /judge": {
			request: {
				body: {
					type: "object",
					required: ["name", "tags"],
					properties: {
						name: {
							type: "string",
							pattern: "^(\\w|\\d)*$",
							maxLength: 200_000,
						},
						tags: { type: "array", uniqueItems: true, items: {} },
					},
				},
			},
			respond: "${body.tags.length}",
		},
	},
});

let internal = 0;
gateway.events.requestEnded.push(({ error }) => {
	if (error?.code === "internal") {
		internal++;
		console.error(error.cause ?? error);
	}
});

const server = await serve(gateway, { port: 0 });
process.on("message", () => {
	// Two rounds: what the first lets go of may keep other things.
	globalThis.gc?.();
	globalThis.gc?.();
	const { rss, heapUsed, external } = process.memoryUsage();
	process.send?.({ rss, heapUsed, external, internal });
});
process.send?.(server.port);
