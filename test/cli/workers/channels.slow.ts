import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sluice } from "../../kit/cli.ts";
import { type EventReader, readEvents } from "../../kit/events.ts";
import { ask } from "../../kit/serve.ts";
import { startStore, type TestStore, withoutStore } from "../../kit/store.ts";
import { until } from "../../kit/until.ts";
import { type RunningWorkers, startWorkers } from "../../kit/workers.ts";

const skip = withoutStore();

/** A listener is a member whose name ends with the process that it came to. */
const rooms = (store: string) => `
admin: { port: 0 }
server: { port: 0, drain: 10s }
overload: false
${store}
channels:
  room: { presence: true, keep: { last: 1000 } }
routes:
  GET /rooms/{id}:
    request: { query: { name: { type: string, maxLength: 20 } } }
    steps: { pid: { run: "f.js#pid" } }
    listen: room/\${params.id}
    member: "\${query.name}@\${pid}"
  POST /rooms/{id}:
    request: { body: { type: integer } }
    steps:
      pid: { run: "f.js#pid" }
      said: { publish: "room/\${params.id}", message: "\${body}" }
    respond: { said: "\${said}", pid: "\${pid}" }
`;

interface Listening {
	readonly name: string;
	readonly reader: EventReader;
	/** The process that it came to. */
	readonly pid: number;
}

const messagesOf = ({ reader }: Listening): unknown[] =>
	reader.seen
		.filter(({ name, id }) => name === "message" && id !== null)
		.map(({ data }) => data.message);

function membersOf({ reader }: Listening): Set<string> {
	const members = new Set<string>();
	for (const { name, data } of reader.seen) {
		if (name === "start") {
			for (const member of data.members as string[]) members.add(member);
		} else if (name === "joined") members.add(data.member as string);
		else if (name === "left") members.delete(data.member as string);
	}
	return members;
}

/**
 * Resolves when it knows that it is there itself: its member has the process's number. One that comes back from a process that was killed
 * is listed there, too, until that counts as dead.
 */
async function listen(
	{ url }: RunningWorkers,
	name: string,
	after: string | null = null,
	killed?: number,
): Promise<Listening> {
	const reader = await readEvents(
		`${url}/rooms/7?name=${name}`,
		after === null ? {} : { "last-event-id": after },
	);
	const one = { name, reader, pid: 0 };
	const own = () =>
		[...membersOf(one)].filter(
			(m) => m.startsWith(`${name}@`) && m !== `${name}@${killed}`,
		);
	await until(
		() => own().length > 0,
		() => JSON.stringify(reader.seen),
	);
	return { ...one, pid: Number(own().at(-1)?.split("@")[1]) };
}

/** Comes until each worker has two, on connections of their own. */
async function listenToAll(workers: RunningWorkers): Promise<Listening[]> {
	const all: Listening[] = [];
	const pids = workers.pids();
	const isFull = () =>
		pids.every((own) => all.filter(({ pid }) => pid === own).length >= 2);
	while (!isFull()) {
		assert.ok(all.length < 200, "all came to one worker");
		const names = [1, 2, 3, 4].map((n) => `n${all.length + n}`);
		const more = await Promise.all(names.map((name) => listen(workers, name)));
		all.push(...more);
	}
	return all;
}

async function say({ url }: RunningWorkers, n: number) {
	const { status, json } = await ask(`${url}/rooms/7`, {
		method: "POST",
		body: String(n),
		headers: { "content-type": "application/json" },
	});
	assert.equal(status, 200);
	return json as { readonly pid: number; readonly said: { shared?: boolean } };
}

describe("channels of two workers with a store", { skip }, () => {
	const inside = async (
		work: (workers: RunningWorkers, store: TestStore) => Promise<void>,
	) => {
		await using store = await startStore();
		const config = rooms(`store: { url: "${store.url}", timeout: 1s }`);
		await using workers = await startWorkers({ "sluice.yaml": config });
		await work(workers, store);
	};

	it("tell what is said to one of them once at the listeners of each, and who is there in any", () =>
		inside(async (workers) => {
			const all = await listenToAll(workers);
			const names = new Set(all.map(({ name, pid }) => `${name}@${pid}`));
			for (const one of all) {
				await until(() => membersOf(one).size === names.size);
				assert.deepEqual(membersOf(one), names);
			}
			const speakers = new Map<number, number>();
			let count = 0;
			while (![...speakers.values()].every((n) => n > 9) || speakers.size < 2) {
				assert.ok(count < 1000, "one worker has answered them all");
				const { pid, said } = await say(workers, count++);
				assert.equal(said.shared, true);
				speakers.set(pid, (speakers.get(pid) ?? 0) + 1);
			}
			const said = Array.from({ length: count }, (_, n) => n);
			for (const one of all) {
				await until(() => messagesOf(one).length >= count);
				assert.deepEqual(messagesOf(one), said);
				assert.ok(one.reader.seen.every(({ name }) => name !== "gap"));
				one.reader.leave();
			}
		}));

	it("lose no listener anything that is kept when its worker is killed", () =>
		inside(async (workers, store) => {
			const all = await listenToAll(workers);
			for (let n = 0; n < 10; n++) await say(workers, n);
			for (const one of all) await until(() => messagesOf(one).length >= 10);
			const gateways = await gatewaysOf(store);
			const [killed, other] = workers.pids();
			process.kill(killed as number, "SIGKILL");
			const lost = all.filter(({ pid }) => pid === killed);
			const stay = all.filter(({ pid }) => pid === other);
			await Promise.all(lost.map(({ reader }) => reader.cut));
			// Nobody of the lost hears these.
			for (let n = 10; n < 20; n++) await say(workers, n);
			const back = await Promise.all(
				lost.map(({ name, reader }) =>
					listen(
						workers,
						name,
						reader.seen.findLast(({ id }) => id)?.id,
						killed,
					),
				),
			);
			await workers.command.printed('"msg":"a worker takes its place"');
			for (let n = 20; n < 30; n++) await say(workers, n);
			for (const [at, one] of back.entries()) {
				const before = messagesOf(lost[at] as Listening);
				const both = () => [...before, ...messagesOf(one)];
				await until(() => both().length >= 30);
				assert.deepEqual(both(), [...Array(30).keys()]);
			}
			for (const one of stay) {
				await until(() => messagesOf(one).length >= 30);
				assert.deepEqual(messagesOf(one), [...Array(30).keys()]);
			}
			// As if the time had passed after which a gateway counts as dead.
			for (const gateway of gateways) {
				await store.command("ZADD", "sluice:gateways", "1", gateway);
			}
			const there = [...back, ...stay].map(({ name, pid }) => `${name}@${pid}`);
			for (const one of [...back, ...stay]) {
				await until(() => membersOf(one).size === there.length);
				assert.deepEqual(membersOf(one), new Set(there));
				assert.ok(one.reader.seen.every(({ name }) => name !== "gap"));
				one.reader.leave();
			}
		}));
});

describe("channels of two workers without a store", () => {
	it("are each worker's own, and `check` and the log say so", async () => {
		const config = rooms("").replace("drain: 10s", "drain: 10s, workers: 2");
		await using workers = await startWorkers(
			{ "sluice.yaml": config },
			{ args: [] },
		);
		const check = sluice(["check"], { cwd: workers.folder });
		assert.equal(await check.ended, 0);
		assert.match(
			check.stdout(),
			/^each worker has its own: channels, .*\(docs\/scaling\.md\)$/m,
		);
		const [line] = workers.lines("started");
		assert.ok((line?.eachHas as string[]).includes("channels"));
		const [warning] = workers.lines(
			"each worker has its own channels: who listens in one does not hear what is published in another. With `store` they share them",
		);
		assert.equal(warning?.channels, 1);
		const all = await listenToAll(workers);
		const heard = new Map<number, number[]>();
		for (let n = 0; heard.size < 2 || n < 20; n++) {
			assert.ok(n < 1000, "one worker has answered them all");
			const { pid } = await say(workers, n);
			heard.set(pid, [...(heard.get(pid) ?? []), n]);
		}
		for (const one of all) {
			const own = heard.get(one.pid) as number[];
			await until(() => messagesOf(one).length >= own.length);
			assert.deepEqual(messagesOf(one), own);
			one.reader.leave();
		}
	});
});

async function gatewaysOf(store: TestStore): Promise<readonly string[]> {
	const listed = await store.command("ZRANGE", "sluice:gateways", "0", "-1");
	return listed.match(/[0-9a-f]{12}/g) ?? [];
}
