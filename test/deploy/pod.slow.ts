import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { ChartRenderer, withoutHelm } from "../kit/helm.ts";
import { type Manifest, manifestsOf } from "../kit/kubernetes.ts";
import { startPod, withoutMounts } from "../kit/pod.ts";
import { ask } from "../kit/serve.ts";
import { freePort } from "../kit/store.ts";

const chart = new URL("../../deploy/helm/sluice", import.meta.url).pathname;
const token = "0123456789abcdef0123456789abcdef";

/** A service that wants a token, and waits until it is let go where the path says so. */
async function startPrices() {
	const waiting: (() => void)[] = [];
	const server = createServer((request, response) => {
		const { url = "", headers } = request;
		const allowed = headers.authorization === "Bearer s3cret";
		response.statusCode = allowed ? 200 : 401;
		response.setHeader("content-type", "application/json");
		const end = () => response.end('{"amount":1.5}');
		if (url.endsWith("/slow")) waiting.push(end);
		else end();
		server.emit("asked");
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		...{ server, waiting, url: `http://127.0.0.1:${port}` },
		[Symbol.dispose]: () => void server.close(),
	};
}

describe("a pod of the chart", {
	skip: withoutHelm() || withoutMounts(),
}, () => {
	it("serves by its config, secrets and functions with nothing that it may write but its folders, and ends within its grace", async () => {
		using service = await startPrices();
		const { server, waiting, url } = service;
		using renderer = new ChartRenderer();
		const ports = { http: await freePort(), admin: await freePort() };
		const values = parse(
			readFileSync(join(chart, "ci/everything-values.yaml"), "utf8"),
		);
		values.env.PRICES_URL = url;
		values.admin.port = ports.admin;
		values.config.text = values.config.text.replace("9090", `${ports.admin}`);
		const [rendered] = renderer.render(chart, [{ values }]);
		assert.equal(rendered?.error, "");
		const manifests: Record<string, Manifest> = Object.fromEntries(
			manifestsOf(rendered?.files ?? {}).map((one) => [one.kind, one]),
		);
		const { spec } = manifests.Deployment.spec.template;
		const [container] = spec.containers;
		const probe = ({ httpGet }: Manifest) => {
			const port = ports[httpGet.port as keyof typeof ports];
			return ask(`http://127.0.0.1:${port}${httpGet.path}`).then(
				({ status }) => status,
			);
		};
		using pod = startPod(manifests, {
			secrets: {
				prices: { token: "s3cret\n" },
				"sluice-admin": { token },
			},
			ports: { 8080: `${ports.http}` },
		});
		await pod.command.printed("listening on");
		assert.equal(await probe(container.startupProbe), 200);
		assert.equal(await probe(container.livenessProbe), 200);
		assert.equal(await probe(container.readinessProbe), 200);
		const prices = `http://127.0.0.1:${ports.http}/prices`;
		assert.deepEqual((await ask(`${prices}/7`)).json, { shown: "1.50 EUR" });
		const metrics = `http://127.0.0.1:${ports.admin}/metrics`;
		const headers = { authorization: `Bearer ${token}` };
		assert.equal((await ask(metrics, { headers })).status, 200);
		assert.equal((await ask(metrics)).status, 401);

		const begun = once(server, "asked");
		const slow = ask(`${prices}/slow`);
		await begun;
		const ended = performance.now();
		pod.command.process.kill("SIGTERM");
		await pod.command.printed("draining");
		// When the delay is over, nobody listens any more.
		assert.notEqual(
			await probe(container.readinessProbe).catch(() => 503),
			200,
		);
		for (const end of waiting) end();
		assert.deepEqual((await slow).json, { shown: "1.50 EUR" });
		assert.equal(await pod.command.ended, 0);
		const grace = spec.terminationGracePeriodSeconds * 1000;
		assert.ok(performance.now() - ended < grace);
		assert.ok(existsSync(join(pod.root, "data/sluice.db")));
		assert.deepEqual(readdirSync(join(pod.root, "config")).sort(), [
			...["..2026_11_29", "..data", "shown.ts", "sluice.yaml"],
		]);
	});
});
