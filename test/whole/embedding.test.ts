import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import Fastify from "fastify";
import * as sluice from "../../src/index.ts";
import { json, startUpstream } from "../kit/upstream.ts";

/** The examples of docs/embedding.md, run: each is a file of examples/embedding, asked as its framework would. */
const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/embedding.md", root), "utf8");

const upstream = await startUpstream(({ target, body }, response) => {
	if (target === "/users/7") json(response, { name: "Ada" });
	else if (target === "/orders?user=7") json(response, [1, 2]);
	else if (target === "/users") json(response, { created: JSON.parse(body) });
	else if (target !== "/users/slow") json(response, null, 404);
});
process.env.USERS_URL = upstream.url;
const { gateway } = await import("../../examples/embedding/gateway.ts");
const card = { name: "Ada", orders: 2 };
const bob = JSON.stringify({ name: "Bob" });
const created = { created: { name: "Bob" } };
const type = { "content-type": "application/json" };

after(async () => {
	await gateway.close();
	await upstream[Symbol.asyncDispose]();
});

describe("docs/embedding.md", () => {
	it("shows the files of examples/embedding as they are, every one", () => {
		const shown = new Map(
			[...page.matchAll(/^```ts (\S+)\n([\s\S]*?)^```$/gm)].map(
				([, name = "", code]) => [name, code],
			),
		);
		const folder = new URL("examples/embedding/", root);
		assert.deepEqual(
			[...shown.keys()].toSorted(),
			globSync("*.ts", { cwd: folder }).toSorted(),
		);
		for (const [name, code] of shown) {
			const file = readFileSync(new URL(name, folder), "utf8");
			assert.equal(
				code,
				file.replace('"../../src/index.ts"', '"sluice"'),
				name,
			);
		}
	});

	it("names everything the package exports", () => {
		const index = readFileSync(new URL("src/index.ts", root), "utf8");
		const exported = [
			...index.matchAll(/^export (?:type )?\{([^}]*)\}/gm),
		].flatMap(([, names = ""]) =>
			names
				.split(",")
				.map((name) => name.replace("type ", "").trim())
				.filter(Boolean),
		);
		assert.ok(exported.length > 20);
		const table = page.slice(page.indexOf("## Everything the package exports"));
		for (const name of exported)
			assert.match(table, new RegExp("`" + name + "\\b"), name);
		for (const name of Object.keys(sluice))
			assert.ok(exported.includes(name), name);
	});
});

describe("a gateway without a server", () => {
	it("answers requests in parts", async () => {
		const { cardOf } = await import("../../examples/embedding/call.ts");
		assert.equal(await cardOf("7"), `200 ${JSON.stringify(card)}`);
		assert.match(await cardOf("x/y"), /^502 /);
		assert.match(await cardOf("../x"), /^400 /);
		assert.equal(upstream.seen.at(-1)?.target.startsWith("/orders"), true);
	});
});

describe("a handler of Web-standard requests", () => {
	it("answers", async () => {
		const { default: app } = await import(
			"../../examples/embedding/fetch-handler.ts"
		);
		const answer = await app.fetch(new Request("http://x/users/7/card"));
		assert.equal(answer.status, 200);
		assert.deepEqual(await answer.json(), card);
	});

	it("answers as a route handler of Next, without its prefix", async () => {
		const { GET, POST } = await import(
			"../../examples/embedding/next-route.ts"
		);
		const read = await GET(new Request("http://x/api/users/7/card"));
		assert.deepEqual(await read.json(), card);
		const init = { method: "POST", headers: type, body: bob };
		const wrote = await POST(new Request("http://x/api/users", init));
		assert.equal(wrote.status, 201);
		assert.deepEqual(await wrote.json(), created);
	});
});

describe("a gateway inside node:http", () => {
	async function ask(path: string, method = "GET", body = "") {
		const { server } = await import("../../examples/embedding/node-http.ts");
		await new Promise<void>((resolve) =>
			server.listen(0, "127.0.0.1", resolve),
		);
		const { port } = server.address() as AddressInfo;
		const sent = request({
			port,
			host: "127.0.0.1",
			path,
			method,
			headers: type,
		});
		const closed = new Promise<void>((resolve) =>
			server.once("close", resolve),
		);
		return { server, sent: sent.end(body), closed };
	}

	for (const [method, path, status, wanted] of [
		["GET", "/users/7/card", 200, card],
		["POST", "/users", 201, created],
	] as const) {
		it(`answers ${method}, body and headers included`, async () => {
			const { server, sent, closed } = await ask(
				path,
				method,
				method === "GET" ? "" : bob,
			);
			const answer = await new Promise<import("node:http").IncomingMessage>(
				(resolve, reject) =>
					sent.once("response", resolve).once("error", reject),
			);
			assert.equal(answer.statusCode, status);
			assert.equal(answer.headers["sluice-complete"], "?1");
			assert.deepEqual(JSON.parse(await text(answer)), wanted);
			server.close();
			server.closeAllConnections();
			await closed;
		});
	}

	it("aborts its calls when the client leaves", async () => {
		const before = upstream.seen.length;
		const { server, sent, closed } = await ask("/users/slow/card");
		sent.once("error", () => {});
		await upstream.arrived(before + 2);
		sent.destroy();
		await upstream.aborted(1);
		server.close();
		server.closeAllConnections();
		await closed;
	});
});

describe("a gateway inside Fastify", () => {
	async function ask(
		method: "GET" | "POST",
		url: string,
		payload?: string | Buffer,
		headers: Record<string, string> = type,
	) {
		const { gatewayRoutes } = await import(
			"../../examples/embedding/fastify.ts"
		);
		const app = Fastify();
		app.register(gatewayRoutes);
		try {
			const sent = payload === undefined ? {} : { payload, headers };
			return await app.inject({ method, url, ...sent });
		} finally {
			await app.close();
		}
	}

	it("answers with status, headers and body", async () => {
		const read = await ask("GET", "/users/7/card");
		assert.equal(read.statusCode, 200);
		assert.equal(read.headers["sluice-complete"], "?1");
		assert.deepEqual(read.json(), card);
	});

	it("gets bodies of JSON as they came, and refuses those of other types itself", async () => {
		const wrote = await ask("POST", "/users", bob);
		assert.equal(wrote.statusCode, 201, wrote.body);
		assert.deepEqual(wrote.json(), created);
		const other = await ask("POST", "/users", "a=1", {
			"content-type": "application/x-www-form-urlencoded",
		});
		assert.equal(other.statusCode, 415);
		assert.equal(other.json().code, "unsupported_media_type");
		const none = await ask("POST", "/users");
		assert.equal(none.statusCode, 400);
		assert.deepEqual(none.json().errors, [
			{ at: "body", message: "is required" },
		]);
	});
});

describe("a config that is computed", () => {
	it("makes a gateway with the routes that it names", async () => {
		const { generated, own } = await import(
			"../../examples/embedding/generated.ts"
		);
		try {
			assert.deepEqual(
				generated.plan.routes.map(({ key }) => key),
				["GET /users/{id}", "GET /orders/{id}"],
			);
			assert.deepEqual(Object.keys(own.routes), ["GET /hello"]);
		} finally {
			await generated.close();
		}
	});
});

describe("serve", () => {
	it("puts the gateway on a port, and drains it", async () => {
		const config = {
			routes: { "GET /x": { respond: "${request.ip}" } },
			server: { health: "/up" },
		} as const;
		const own = sluice.createGateway(config);
		const server = await sluice.serve(own, { port: 0 });
		assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
		assert.equal(server.url, `http://${server.host}:${server.port}`);
		const answer = await fetch(`${server.url}/x`);
		assert.equal(await answer.json(), "127.0.0.1");
		assert.equal((await fetch(`${server.url}/up`)).status, 200);
		assert.equal(await server.drain(), true);
		await assert.rejects(fetch(`${server.url}/x`));
		await own.close();
	});

	it("takes the config's address, and fails with the system's error where it is taken", async () => {
		const config = {
			routes: { "GET /x": { respond: 1 } },
			server: { port: 0 },
		};
		const own = sluice.createGateway(config);
		const server = await sluice.serve(own);
		const { port } = server;
		await assert.rejects(sluice.serve(own, { port }), { code: "EADDRINUSE" });
		await server.close();
		await own.close();
	});

	it("has a log, which leaves the gateway again", async () => {
		const { startLogged } = await import("../../examples/embedding/log.ts");
		const { requestEnded } = gateway.events;
		const before = requestEnded.length;
		const running = await startLogged(0);
		assert.equal(requestEnded.length, before + 1);
		const answer = await fetch(`${running.url}/users/7/card`);
		assert.deepEqual(await answer.json(), card);
		await running.stop();
		assert.equal(requestEnded.length, before);
	});

	it("starts and stops as the example does", async () => {
		// The last: it closes the gateway that all examples use.
		const { start } = await import("../../examples/embedding/serve.ts");
		const running = await start(0);
		const answer = await fetch(`${running.url}/users/7/card`);
		assert.deepEqual(await answer.json(), card);
		await running.stop();
		await assert.rejects(fetch(running.url));
	});
});
