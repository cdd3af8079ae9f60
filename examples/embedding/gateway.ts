import { createGateway, defineGateway, from } from "../../src/index.ts";

export const config = defineGateway({
	upstreams: {
		users: { url: "${env.USERS_URL ?? 'http://127.0.0.1:3001'}" },
	},
	routes: {
		"GET /users/{id}/card": {
			deadline: "2s",
			steps: {
				user: { get: "users/users/${params.id}" },
				orders: {
					get: "users/orders",
					query: { user: "${params.id}" },
					optional: true,
				},
			},
			respond: {
				name: "${user.name}",
				orders: from(["orders"], (orders: unknown[] | null) => orders?.length),
			},
		},
		"POST /users": {
			request: { body: { type: "object", required: ["name"] } },
			steps: { created: { post: "users/users", body: "${body}" } },
			status: 201,
		},
	},
});

export const gateway = createGateway(config);
