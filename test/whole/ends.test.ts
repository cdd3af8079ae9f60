import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { folderWith, runNode, sluice } from "../kit/cli.ts";
import {
	freePort,
	startStore,
	type TestStore,
	withoutStore,
} from "../kit/store.ts";

const gateways = fileURLToPath(
	new URL("../../src/gateway/gateway.ts", import.meta.url),
);

/** Asks a gateway and closes it at once, as a program does that embeds one. Nothing ends the process but that it has nothing to do. */
const embedder = `
import { createGateway } from ${JSON.stringify(gateways)};
const [, , url, ...targets] = process.argv;
const gateway = createGateway({
	store: url,
	rateLimit: { limit: 5, per: "10s" },
	channels: { room: {} },
	routes: {
		"GET /a": { respond: 1 },
		"GET /listen": { listen: "room" },
		"POST /job": { job: true, respond: 1 },
	},
});
for (const target of targets) {
	const [method, path] = target.split(" ");
	void gateway.handle({ method, target: path });
}
// Long enough that it connects, and not so long that it has connected everywhere.
if (targets.length > 0) await new Promise((resolve) => setImmediate(resolve));
await gateway.close();
console.log("closed");
`;

describe("a process ends when its gateway is closed", {
	skip: withoutStore(),
}, () => {
	let real: TestStore;
	const sockets = new Set<Socket>();
	const mute = createServer((socket) => {
		sockets.add(socket);
		socket.on("error", () => {});
	});
	const urls = { real: "", mute: "", absent: "" };
	before(async () => {
		real = await startStore();
		mute.listen(0, "127.0.0.1");
		await once(mute, "listening");
		urls.real = real.url;
		urls.mute = `redis://127.0.0.1:${(mute.address() as AddressInfo).port}`;
		urls.absent = `redis://127.0.0.1:${await freePort()}`;
	});
	after(async () => {
		for (const socket of sockets) socket.destroy();
		mute.close();
		await real[Symbol.asyncDispose]();
	});

	for (const which of ["real", "mute", "absent"] as const) {
		it(`whose store is ${which}`, async () => {
			using folder = folderWith({ "embedder.ts": embedder });
			const { path } = folder;
			const runs = [[], ["GET /a", "POST /job"]].map((targets) =>
				runNode([`${path}/embedder.ts`, urls[which], ...targets], {
					cwd: path,
				}),
			);
			for (const run of runs) {
				assert.equal(await run.ended, 0, run.stderr());
				assert.equal(run.stdout(), "closed\n");
			}
		});
	}

	for (const target of ["/a", "POST /job"]) {
		it(`\`sluice call ${target}\``, async () => {
			using folder = folderWith({
				"sluice.yaml": `store: ${urls.real}\nrateLimit: { limit: 5, per: 10s }\nroutes: { GET /a: { respond: 1 }, POST /job: { job: true, respond: 1 } }`,
			});
			const call = sluice(["call", target], { cwd: folder.path });
			assert.equal(await call.ended, 0, call.stderr());
			assert.equal(call.stdout(), "1");
		});
	}
});
