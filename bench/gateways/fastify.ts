/** The routes on Fastify, with Node's `fetch`. */
import fastify from "fastify";
import { ask, compositions } from "./fetching.ts";
import { announce } from "./listen.ts";

const { reshaped, three, slow, chain, each } = compositions;
const app = fastify();

app.get<{ Params: { "*": string } }>("/pass/*", async (request, reply) => {
	const response = await ask(`/${request.params["*"]}`);
	reply.code(response.status);
	reply.header("content-type", response.headers.get("content-type"));
	return reply.send(response.body);
});
app.get("/reshaped", reshaped);
app.get("/three", three);
app.get("/slow", slow);
app.get("/chain", chain);
app.get<{ Querystring: { city: string | string[] } }>("/each", (request) =>
	each([request.query.city].flat()),
);

announce({ url: await app.listen({ host: "127.0.0.1", port: 0 }) });
