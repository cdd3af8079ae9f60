import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createApiKey } from "../../src/config/keys/auth-hash.ts";
import { type ShownJob, serveJobs } from "../kit/jobs.ts";

const clients = ["ada", "bob"].map((name) => ({ name, ...createApiKey() }));
const list = clients.map(({ name, hash }) => ({
	...{ name, hash, claims: { limit: 1 } },
}));

test("a job of a known client reads who has asked, and is there for nobody else", async () => {
	await using served = await serveJobs(`
auth:
  keys: { keys: { list: ${JSON.stringify(list)} } }
routes:
  POST /orders:
    auth: keys
    job: { always: true }
    respond: { of: "\${auth.sub}", claims: "\${auth.claims.limit}" }
`);
	const as = (client: (typeof clients)[number] | null, method = "GET") => ({
		method,
		headers: client === null ? {} : { "x-api-key": client.key },
	});
	const [ada = null, bob = null] = clients;
	assert.equal((await served.get("/orders", as(null, "POST"))).status, 401);
	const answers: ShownJob[] = [];
	for (const client of clients) {
		const { status, json } = await served.get("/orders", as(client, "POST"));
		assert.equal(status, 202);
		answers.push(json as ShownJob);
	}
	const [own, other] = answers as [ShownJob, ShownJob];
	for (const stranger of [bob, null]) {
		assert.equal((await served.get(own.url, as(stranger))).status, 404);
		const stop = await served.get(own.url, as(stranger, "DELETE"));
		assert.equal(stop.status, 404);
	}
	let job = (await served.get(own.url, as(ada))).json as ShownJob;
	while (job.answer === null) {
		const headers = { ...as(ada).headers, prefer: "wait=5" };
		job = (await served.get(own.url, { headers })).json as ShownJob;
	}
	const answer = await served.get(job.answer, as(ada));
	assert.deepEqual(answer.json, { of: "ada", claims: 1 });
	assert.equal((await served.get(job.answer, as(bob))).status, 404);
	assert.equal((await served.get(other.url, as(bob))).status, 200);
});

test("a job is its client's, whatever other credentials the client brings", async () => {
	const [partner, staff] = [createApiKey(), createApiKey()];
	await using served = await serveJobs(`
auth:
  partners: { keys: { list: [{ name: acme, hash: "${partner.hash}" }] } }
  staff: { keys: { header: x-staff, list: [{ name: ada, hash: "${staff.hash}" }] } }
routes:
  POST /orders: { auth: staff, job: { always: true }, respond: "\${auth.sub}" }
  POST /others: { auth: partners, respond: 1 }
`);
	const headers = { "x-api-key": partner.key, "x-staff": staff.key };
	const asked = await served.get("/orders", { method: "POST", headers });
	assert.equal(asked.status, 202, asked.text);
	const { url } = asked.json as ShownJob;
	assert.equal((await served.get(url, { headers })).status, 200);
	const other = { headers: { "x-api-key": partner.key } };
	assert.equal((await served.get(url, other)).status, 404);
});

test("a job of any client is nobody else's, whatever it reads of who asks, in random orders", async () => {
	const reads = {
		nothing: { text: "all", of: () => "all" },
		sub: { text: "${auth.sub}", of: (at: number) => `${clients[at]?.name}` },
		limit: { text: "${auth.claims.limit}", of: () => 1 },
	};
	const names = Object.keys(reads) as (keyof typeof reads)[];
	const routes = names.map((name) => {
		const respond = JSON.stringify(reads[name].text);
		return `  POST /${name}: { auth: keys, job: { always: true }, respond: { is: ${respond} } }`;
	});
	await using served = await serveJobs(`
auth:
  keys: { keys: { list: ${JSON.stringify(list)} } }
routes:
${routes.join("\n")}
`);
	const headersOf = (at: number) => ({ "x-api-key": clients[at]?.key ?? "" });
	const draws = fc.array(
		fc.record({ at: fc.nat({ max: 1 }), name: fc.constantFrom(...names) }),
		{ minLength: 2, maxLength: 6 },
	);
	const property = fc.asyncProperty(draws, async (order) => {
		const begin = async ({ at, name }: (typeof order)[number]) => {
			const options = { method: "POST", headers: headersOf(at) };
			const { status, json } = await served.get(`/${name}`, options);
			assert.equal(status, 202);
			return json as ShownJob;
		};
		const jobs = await Promise.all(order.map(begin));
		assert.equal(new Set(jobs.map(({ id }) => id)).size, jobs.length);
		const look = async ({ url }: ShownJob, draw: number) => {
			const { at = 0, name = "sub" } = order[draw] ?? {};
			const stranger = { headers: headersOf(1 - at) };
			assert.equal((await served.get(url, stranger)).status, 404);
			const headers = { ...headersOf(at), prefer: "wait=5" };
			let job = (await served.get(url, { headers })).json as ShownJob;
			while (job.answer === null) {
				job = (await served.get(url, { headers })).json as ShownJob;
			}
			assert.equal((await served.get(job.answer, stranger)).status, 404);
			const own = await served.get(job.answer, { headers: headersOf(at) });
			assert.deepEqual(own.json, { is: reads[name].of(at) });
		};
		await Promise.all(jobs.map(look));
	});
	await fc.assert(property, { numRuns: 25 });
});
