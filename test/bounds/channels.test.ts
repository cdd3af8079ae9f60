import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { isStream } from "../../src/core/body/byte-stream.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { turnsOf } from "../kit/turns.ts";

const config = `
server: { memory: 1GiB }
overload: false
channels:
  room: { listeners: 20000 }
routes:
  GET /room: { listen: room }
  POST /room:
    request: { body: {} }
    steps: { said: { publish: room, message: "\${body}" } }
    respond: "\${said}"
`;

const many = 10_000;

/** To write a piece to a socket takes 20 µs, measured. So the pieces of a turn take a fifth of what it may take. */
const inTurnMax = 1_000;

/** Clients that read everything, and count the pieces. */
class Crowd {
	readonly gateway: Gateway;
	readonly draining = openScope();
	pieces = 0;
	ended = 0;
	/** The pieces that were read in this turn of the loop, and the most in any. */
	inTurn = 0;
	mostInTurn = 0;
	#wanted = 0;
	#onAll = () => {};

	constructor(gateway: Gateway) {
		this.gateway = gateway;
	}

	/** Resolves when so many pieces have come, from now on. */
	async all(count: number): Promise<void> {
		this.#wanted = this.pieces + count;
		this.mostInTurn = 0;
		let looking = true;
		const look = () => {
			this.inTurn = 0;
			if (looking) setImmediate(look);
		};
		look();
		await new Promise<void>((resolve) => {
			this.#onAll = resolve;
		});
		looking = false;
	}

	async listen(): Promise<void> {
		const { gateway, draining } = this;
		const response = await gateway.handle(
			{
				...{ id: "one", method: "GET", target: "/room", ip: "10.0.0.1" },
				headers: ["accept", "text/event-stream"],
				arrivedMs: gateway.clock.now(),
				memory: new RequestMemory(gateway.memory),
				readBody: async () => new Uint8Array(),
				streamBody: () => null,
				onDrain: (callback) => draining.onCancel(callback),
			},
			openScope({ clock: gateway.clock }),
		);
		assert.ok(isStream(response.body));
		void this.#read(response.body);
	}

	async #read(body: AsyncIterable<Uint8Array>): Promise<void> {
		for await (const _ of body) {
			this.pieces++;
			this.inTurn++;
			this.mostInTurn = Math.max(this.mostInTurn, this.inTurn);
			if (this.pieces === this.#wanted) this.#onAll();
		}
		this.ended++;
	}
}

describe("ten thousand listeners keep nobody waiting", () => {
	it("while they are told a message, and while they are sent away", async (t) => {
		const gateway = createGateway(configOrThrow(checkText(config, "x", {})));
		t.after(() => gateway.close());
		const crowd = new Crowd(gateway);
		const begun = crowd.all(many);
		for (let at = 0; at < many; at++) await crowd.listen();
		await begun;
		const { turns } = await turnsOf(async () => {
			const told = crowd.all(many);
			const { status } = await gateway.handle({
				...{ method: "POST", target: "/room", body: '"hello"' },
				headers: ["content-type", "application/json"],
			});
			assert.equal(status, 200);
			await told;
			assert.ok(crowd.mostInTurn <= inTurnMax, `${crowd.mostInTurn} at once`);
		});
		assert.ok(turns < 1, `${turns} of the longest turn`);
		const sent = await turnsOf(async () => {
			if (crowd.draining.cancelled) return;
			const told = crowd.all(many);
			crowd.draining.cancel("draining");
			await told;
			assert.ok(crowd.mostInTurn <= inTurnMax, `${crowd.mostInTurn} at once`);
		});
		assert.ok(sent.turns < 1, `${sent.turns} of the longest turn`);
		await new Promise(setImmediate);
		assert.equal(crowd.ended, many);
		assert.equal(gateway.state().channels[0]?.listeners, 0);
	});
});
