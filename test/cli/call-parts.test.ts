import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";
import { json, startUpstream } from "../kit/upstream.ts";

/** A config over an upstream that answers `/late` when it is released. */
async function board() {
	const { promise: released, resolve: release } = Promise.withResolvers<void>();
	const upstream = await startUpstream(({ target }, response) => {
		if (target === "/failing") return json(response, {}, 500);
		const answer = () => json(response, { target, big: 1 });
		if (target === "/late") void released.then(answer);
		else answer();
	});
	const folder = folderWith({
		"sluice.yaml": `
upstreams:
  api: { url: "${upstream.url}" }
routes:
  GET /board:
    steps:
      soon: { get: api/soon }
      late: { get: api/late }
    respond: { soon: "\${soon}", late: "\${late}" }
  GET /failing:
    steps:
      soon: { get: api/soon }
      failing: { get: "api/failing", after: [soon] }
    respond: { soon: "\${soon}", failing: "\${failing}" }
  GET /items:
    steps:
      all: { each: [1, 2], parallel: 1, get: "api/\${item}", pick: "\${item}" }
  GET /whole: { stream: false, respond: 1 }
`,
	});
	return {
		release,
		call: (...words: string[]) =>
			sluice(["call", ...words], { cwd: folder.path }),
		async [Symbol.asyncDispose]() {
			release();
			folder[Symbol.dispose]();
			await upstream[Symbol.asyncDispose]();
		},
	};
}

describe("sluice call --parts", () => {
	it("prints each part as it comes, and its time beside it", async () => {
		await using kit = await board();
		const command = kit.call("/board", "--parts");
		const soon = '{"at":"soon","value":{"target":"/soon","big":1}}\n';
		await command.printed(soon);
		await command.printed("ms: soon");
		assert.equal(command.stdout(), soon, "the rest is still to come");
		kit.release();
		assert.equal(await command.ended, 0);
		const late = '{"at":"late","value":{"target":"/late","big":1}}\n';
		assert.equal(command.stdout(), `${soon}${late}{"complete":true}\n`);
		const times = command.stderr().replaceAll(/\d+ ms/g, "5 ms");
		assert.match(times, /^200 OK\ncontent|^200 OK\nx-content/);
		assert.ok(
			times.endsWith(
				"\nafter 5 ms: soon\nafter 5 ms: late\nafter 5 ms: the end, whole\n",
			),
			times,
		);
	});

	it("names items by their places", async () => {
		await using kit = await board();
		const command = kit.call("/items", "--parts");
		assert.equal(await command.ended, 0);
		assert.match(command.stderr(), /ms: \[0\]\nafter \d+ ms: \[1\]\n/);
	});

	it("exits with 1 if the route fails after its first part", async () => {
		await using kit = await board();
		const command = kit.call("/failing", "--parts");
		assert.equal(await command.ended, 1);
		assert.match(command.stdout(), /\n\{"complete":false,"problem":\{/);
		assert.match(
			command.stderr(),
			/ms: the end, failed\nfailing: upstream_status/,
		);
	});

	it("says that an answer came whole", async () => {
		await using kit = await board();
		const command = kit.call("/whole", "--parts");
		assert.equal(await command.ended, 0);
		assert.equal(command.stdout(), "1");
		assert.match(command.stderr(), /The answer came whole/);
	});

	it("refuses a header that asks for something else", async () => {
		await using kit = await board();
		const command = kit.call("/board", "--parts", "-H", "accept: text/html");
		assert.equal(await command.ended, 1);
		assert.match(command.stderr(), /leave one of them out/);
	});
});
