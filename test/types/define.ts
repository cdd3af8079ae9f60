/** Checked by `tsc` alone: what `defineGateway` takes, and each kind of mistake it refuses. */
import { defineGateway, from } from "../../src/index.ts";

const users = { url: "http://127.0.0.1:3001" };

export const whole = defineGateway({
	server: { port: 9000, health: false, maxBody: "64KiB" },
	defaults: { deadline: "1.5s" },
	upstreams: {
		users: { ...users, timeout: "1s", headers: { a: "${env.KEY}" } },
		orders: { url: "${env.ORDERS_URL}", timeout: "${env.TIMEOUT ?? '1s'}" },
	},
	routes: {
		"GET /users/{id}": {
			deadline: "3s",
			request: {
				query: {
					city: { type: "string", maxLength: 80 },
					"page?": { type: "integer" },
				},
			},
			steps: {
				user: {
					get: "users/users/${params.id}",
					answers: { 404: null, "4xx": "${response.type}", any: 1 },
				},
				listed: {
					get: "users/a",
					keepBody: true,
					fallback: from(["failure.body", "failure.code"], (body) => body),
					answers: [404, "5xx", "any"],
					decode: { xml: { lists: ["item"] } },
				},
				orders: {
					get: "orders",
					after: ["user"],
					decode: "json",
					query: {
						q: from(["user.name", "query.city"], (name: string, city) => [
							name,
							city,
						]),
					},
				},
				both: {
					each: from(["orders.list[0]"], (list: unknown[]) => list),
					steps: {
						inner: {
							post: "orders/x",
							body: { a: from(["item.id", "user", "index"], (id) => id) },
						},
						other: {
							value: from(["inner", "query.page"], (inner) => inner),
							after: ["inner", "user"],
						},
					},
					value: from(["inner", "missing.other"], (inner) => inner),
				},
				pages: {
					get: "orders",
					query: { cursor: from(["last.next", "round"], (next) => next) },
					repeat: {
						while: from(["answer.next", "last", "user"], (next) => next),
						max: 20,
						wait: "200ms",
					},
				},
				rounds: {
					each: [1, 2, 3],
					enough: 2,
					steps: { page: { get: "orders" } },
					repeat: { while: from(["page.next"], (next) => next), max: 2 },
				},
				named: {
					each: "${orders}",
					as: "order",
					get: "orders/${order.id}",
					pick: from(["order", "answer.x"], (order) => order),
				},
				scored: {
					run: (args: { x: number }, { call }) => call(`users/${args.x}`),
					args: { x: 1 },
				},
				byName: { run: "./score.ts#score" },
				all: { get: "users/x", query: "${query}" },
				made: { post: "users/x", form: from(["both"], () => ({ a: 1 })) },
				done: {
					when: from(["missing.user"], (code) => code !== null),
					reply: { status: 404, body: { error: null } },
				},
			},
			respond: { a: from(["both", "scored"], () => null), list: [1, [true]] },
		},
		"GET /nothing": { respond: undefined, status: 204 },
		"GET /passed/{rest*}": {
			calls: 3,
			steps: {
				right: { get: "users/right" },
				token: { get: "users/token" },
			},
			proxy: {
				to: [
					{ when: from(["token.old"], (old) => old), to: "orders/old/{rest*}" },
					"users/{rest*}",
				],
				after: ["right"],
				headers: {
					a: from(["token.value", "missing.right"], (value) => value),
				},
				answer: {
					headers: {
						"x-a?": from(["response.status", "token"], (status) => status),
						"x-b?": null,
					},
				},
			},
		},
	},
});

defineGateway({
	upstreams: { users },
	routes: {
		"GET /x": {
			// @ts-expect-error a duration has a unit
			deadline: "soon",
			request: {
				query: {
					city: { type: "string" },
					// @ts-expect-error no type of a parameter
					size: { type: "text" },
					// @ts-expect-error a key misspelt
					name: { type: "string", maxLenght: 1 },
				},
			},
			steps: {
				ok: { get: "users/x" },
				// @ts-expect-error a text that is no expression is no map
				mixed: { get: "users/x", query: "a=1" },
				// @ts-expect-error no upstream of this config
				upstream: { get: "usres/x" },
				// @ts-expect-error no step of this route
				after: { get: "users/x", after: ["okay"] },
				// @ts-expect-error a key misspelt
				key: { get: "users/x", pik: 1 },
				// @ts-expect-error a key of another kind
				other: { get: "users/x", body: 1 },
				// @ts-expect-error two kinds at once
				kinds: { get: "users/x", post: "users/x" },
				// @ts-expect-error none of the ways to decode
				decode: { get: "users/x", decode: "yaml" },
				// @ts-expect-error a number has no unit
				timeout: { get: "users/x", timeout: 100 },
				// @ts-expect-error a flag is no text
				flag: { get: "users/x", safe: "yes" },
				// @ts-expect-error a function without inputs
				bare: { get: "users/x", when: () => true },
				// @ts-expect-error no data
				date: { value: new Date() },
				// @ts-expect-error an input that is no name here
				input: { value: from(["nope"], (nope) => nope) },
				// @ts-expect-error a parameter that is not declared
				parameter: { value: from(["query.town"], (town) => town) },
				// @ts-expect-error the answer is not there yet
				early: { get: "users/x", when: from(["answer.x"], (x) => x) },
				// @ts-expect-error what is said of an unknown step
				code: { value: from(["missing.okay"], (code) => code) },
				group: {
					steps: {
						// @ts-expect-error no upstream, in a group
						inner: { get: "usres/x" },
					},
				},
				// @ts-expect-error an item without a list
				item: { get: "users/x", as: "user" },
				// @ts-expect-error rounds without a bound
				rounds: { get: "users/x", repeat: { while: true } },
				// @ts-expect-error a file without a function
				run: { run: "./score.ts" },
				// @ts-expect-error a key misspelt, in a reply
				reply: { reply: { stats: 200 } },
				// @ts-expect-error a reply takes no time
				within: { reply: {}, within: "1s" },
			},
			// @ts-expect-error an input that is no step
			respond: from(["okay"], (okay) => okay),
		},
	},
});

defineGateway({
	// @ts-expect-error a key misspelt, of an upstream
	upstreams: { users: { ...users, timout: "1s" } },
	routes: { "GET /x": { respond: 1 } },
});

defineGateway({
	// @ts-expect-error a size has a unit
	upstreams: { users: { url: "http://x", maxBody: "8 megabytes" } },
	routes: { "GET /x": { respond: 1 } },
});

defineGateway({
	upstreams: { users },
	// @ts-expect-error a key misspelt, of a route
	routes: { "GET /x": { stepz: {} } },
});

defineGateway({
	// @ts-expect-error a key misspelt, of a request
	routes: { "GET /x": { respond: 1, request: { qery: {} } } },
});

defineGateway({
	routes: {
		// @ts-expect-error no method
		"FETCH /x": { respond: 1 },
	},
});

defineGateway({
	routes: {
		"GET /x": { respond: 1, rateLimit: { limit: 5, per: "1s", by: "all" } },
		"GET /y": {
			respond: 1,
			rateLimit: [
				{ limit: 5, per: "1s" },
				{ limit: 5, per: "1s", by: "all" },
			],
		},
	},
	rateLimit: { limit: 100, per: "1m", by: "${headers.x_api_key}" },
	overload: { requests: 10, waiting: 0, skipAt: "1s", refuseAt: "2s" },
});

defineGateway({ routes: { "GET /x": { respond: 1 } }, overload: false });

defineGateway({
	routes: { "GET /x": { respond: 1 } },
	admin: { port: 9090, host: "0.0.0.0", token: "${env.ADMIN_TOKEN}" },
});

defineGateway({ routes: { "GET /x": { respond: 1 } }, admin: false });

defineGateway({
	routes: { "GET /x": { respond: 1 } },
	log: { requests: "all", sample: 0.1, format: "json" },
});

defineGateway({
	routes: { "GET /x": { respond: 1 } },
	// @ts-expect-error there is no such word
	log: { requests: "some" },
});

defineGateway({
	routes: { "GET /x": { respond: 1 } },
	// @ts-expect-error a limit is of a time
	rateLimit: { limit: 100 },
});

defineGateway({
	routes: { "GET /x": { respond: 1 } },
	// @ts-expect-error a key misspelt, at the top
	sever: {},
});

defineGateway({
	routes: { "GET /x": { respond: 1 } },
	// @ts-expect-error a port is a number
	server: { port: "80" },
});

// @ts-expect-error there is no gateway without routes
defineGateway({ upstreams: { users } });

// @ts-expect-error an input is a text
from([1], (one) => one);

defineGateway({
	upstreams: { users },
	routes: {
		"GET /x": {
			steps: { token: { get: "users/x" } },
			proxy: {
				// @ts-expect-error no upstream of this config
				to: [{ when: true, to: "usres/x" }, "users/x"],
				// @ts-expect-error no step of this route
				after: ["tokn"],
				headers: {
					// @ts-expect-error the answer is not there yet
					early: from(["response.status"], (status) => status),
				},
				answer: {
					headers: {
						// @ts-expect-error a body that nobody reads
						body: from(["answer.x"], (x) => x),
					},
				},
			},
		},
	},
});
