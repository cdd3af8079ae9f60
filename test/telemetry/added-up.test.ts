import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AddedUp } from "../../src/telemetry/metrics/added-up.ts";
import { Exposition } from "../../src/telemetry/metrics/exposition.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { testGateway } from "../kit/gateway.ts";
import { promtool, withoutPromtool } from "../kit/promtool.ts";

const yaml = `
upstreams:
  users: { url: http://users.test, breaker: true, cache: true }
routes:
  GET /users/{id}:
    steps: { user: { get: "users/users/\${params.id}" } }
    respond: "\${user}"
`;

/** A process that has answered so many requests. */
async function answered(count: number) {
	const { gateway, ask } = testGateway(yaml, () => ({ json: {} }));
	const metrics = createMetrics(gateway);
	for (let at = 0; at < count; at++) await ask(`/users/${at}`);
	return metrics.samples({
		connections: () => count,
		sessions: () => ({ open: 1, received: 0, sent: 0, closed: new Map() }),
	});
}

function written(
	sums: AddedUp,
	...processes: readonly (readonly [object, number, boolean?])[]
) {
	const out = new Exposition("prometheus");
	sums.write(
		processes.map(([process, worker, answers = true]) => ({
			...{ process, worker, answers },
		})),
		out,
	);
	const text = out.text();
	return {
		text,
		value(sample: string) {
			const line = text.split("\n").find((one) => one.startsWith(`${sample} `));
			return line === undefined ? null : Number(line.split(" ").at(-1));
		},
	};
}

const wholeAnswers =
	'sluice_answers_total{route="GET /users/{id}",completeness="whole"}';
const bucket =
	'http_server_request_duration_seconds_bucket{http_route="/users/{id}",http_request_method="GET",http_response_status_code="200",le="+Inf"}';

describe("the metrics of several processes", () => {
	it("are the sum of what they count, and of what they hold", async () => {
		const sums = new AddedUp();
		const [one, two] = [{}, {}];
		sums.take(one, await answered(3));
		sums.take(two, await answered(4));
		const { value } = written(sums, [one, 1], [two, 2]);
		assert.equal(value(wholeAnswers), 7);
		assert.equal(value(bucket), 7);
		assert.equal(value("sluice_client_connections"), 7);
	});

	it("stand one by one where a sum says nothing", async () => {
		const sums = new AddedUp();
		const [one, two] = [{}, {}];
		sums.take(one, await answered(1));
		sums.take(two, await answered(1));
		const { value, text } = written(sums, [one, 1], [two, 2]);
		for (const worker of [1, 2]) {
			const state = `{worker="${worker}",upstream="users",state="closed"}`;
			assert.equal(value(`sluice_breaker_state${state}`), 1);
			assert.ok(value(`process_start_time_seconds{worker="${worker}"}`));
		}
		assert.match(text, /^sluice_config_info\{hash="[0-9a-f]+"\} 1$/m);
		assert.match(text, /^sluice_build_info\{.*\} 1$/m);
	});

	it("never fall: what a process has counted stays when it ends", async () => {
		const sums = new AddedUp();
		const [one, two, three] = [{}, {}, {}];
		sums.take(one, await answered(3));
		sums.take(two, await answered(4));
		sums.leave(one);
		sums.take(three, await answered(2));
		const { value } = written(sums, [two, 2], [three, 1]);
		assert.equal(value(wholeAnswers), 9);
		assert.equal(value(bucket), 9);
		// What it held is gone with it.
		assert.equal(value("sluice_client_connections"), 6);
	});

	it("have the counters of a process that does not answer as it said them last, and none of its gauges", async () => {
		const sums = new AddedUp();
		const [one, two] = [{}, {}];
		sums.take(one, await answered(3));
		sums.take(two, await answered(4));
		const { value } = written(sums, [one, 1], [two, 2, false]);
		assert.equal(value(wholeAnswers), 7);
		assert.equal(value("sluice_client_connections"), 3);
		assert.equal(value('sluice_load{worker="2",level="normal"}'), null);
	});

	it("pass the checker of Prometheus", {
		skip: withoutPromtool(),
	}, async () => {
		const sums = new AddedUp();
		const [one, two] = [{}, {}];
		sums.take(one, await answered(3));
		sums.take(two, await answered(0));
		const { text } = written(sums, [one, 1], [two, 2]);
		assert.equal(promtool(["check", "metrics"], text), "");
	});
});
