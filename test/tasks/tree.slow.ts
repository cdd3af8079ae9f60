import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import {
	createSemaphore,
	realClock,
	type Scope,
	type Semaphore,
	sleep,
	virtualClock,
} from "../../src/tasks/index.ts";
import { carryOut, type Ended, treeOf } from "../kit/task-tree.ts";

test("in ten thousand trees of tasks that fail, wait, are cancelled, shielded and late, nothing is lost and nothing is left", async () => {
	let [bodies, several, failures] = [0, 0, 0];
	await fc.assert(
		fc.asyncProperty(treeOf(20), async (tree) => {
			const clock = virtualClock();
			const slots = createSemaphore(2);
			const growing = carryOut(tree, { clock, slots, wait: sleep });
			growing.catch(() => {});
			await clock.settle();
			const ended = await growing;
			assert.equal(clock.pending, 0);
			assertNothingLeft(ended, slots);
			bodies += ended.bodies;
			failures += ended.failures.length;
			if (ended.thrown instanceof AggregateError) several++;
		}),
		{ numRuns: 10_000 },
	);
	// The trees must be worth the name.
	assert.ok(bodies > 50_000, `${bodies} bodies`);
	assert.ok(failures > 10_000, `${failures} failures`);
	assert.ok(several > 1_000, `${several} left several failures`);
});

test("the same holds in 64 trees whose waits are connections, and every connection ends", async () => {
	const clock = realClock();
	let opened = 0;
	const server = await startServer((socketMs, end) => {
		opened++;
		return clock.after(socketMs, end);
	});
	const trees = fc.array(treeOf(30), { minLength: 64, maxLength: 64 });
	await fc.assert(
		fc.asyncProperty(trees, async (trees) => {
			const growing = trees.map(async (tree) => {
				const slots = createSemaphore(2);
				const wait = (ms: number, scope: Scope) => ask(server, ms, scope);
				assertNothingLeft(await carryOut(tree, { clock, slots, wait }), slots);
			});
			const ended = await Promise.allSettled(growing);
			for (const one of ended) if (one.status === "rejected") throw one.reason;
		}),
		{ numRuns: 1, endOnFailure: true },
	);
	assert.ok(opened > 100, `${opened} connections`);
	// Is closed only when every connection is.
	await new Promise((resolve) => server.close(resolve));
	assert.equal(clock.pending, 0);
});

function assertNothingLeft({ scopes }: Ended, slots: Semaphore): void {
	assert.equal(slots.taken, 0);
	assert.equal(slots.waiting, 0);
	for (const scope of scopes) {
		assert.equal(scope.listeners, 0);
		assert.equal(scope.running, 0);
	}
}

/** Keeps each connection for the milliseconds it asks for. */
async function startServer(
	after: (ms: number, end: () => void) => { cancel(): void },
): Promise<Server> {
	const server = createServer((socket) => {
		socket.once("data", (asked) => {
			const timer = after(Number(asked), () => socket.end("over"));
			socket.once("close", () => timer.cancel());
		});
		socket.on("error", () => {});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return server;
}

/** Settles when the connection is gone: answered, or destroyed because the scope was cancelled. */
function ask(server: Server, ms: number, scope: Scope): Promise<void> {
	if (scope.cancelled) return Promise.reject(scope.reason);
	return new Promise((resolve, reject) => {
		const { port } = server.address() as AddressInfo;
		const socket = connect(port, "127.0.0.1", () => socket.write(String(ms)));
		const stopListening = scope.onCancel(() => socket.destroy());
		let answered = false;
		socket.on("data", () => {
			answered = true;
		});
		socket.on("error", reject);
		socket.on("close", () => {
			stopListening();
			if (answered) resolve();
			else reject(scope.reason);
		});
	});
}
