/** The routes on Hono under Node, with Node's `fetch`. */
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { ask, compositions } from "./fetching.ts";
import { listen } from "./listen.ts";

const { reshaped, three, slow, chain, each } = compositions;
const app = new Hono();

app.get("/pass/*", async (c) => {
	const { body, status, headers } = await ask(c.req.path.slice("/pass".length));
	const type = headers.get("content-type") ?? "";
	return new Response(body, { status, headers: { "content-type": type } });
});
app.get("/reshaped", async (c) => c.json(await reshaped()));
app.get("/three", async (c) => c.json(await three()));
app.get("/slow", async (c) => c.json(await slow()));
app.get("/chain", async (c) => c.json(await chain()));
app.get("/each", async (c) => c.json(await each(c.req.queries("city") ?? [])));

listen(createAdaptorServer(app) as Server);
