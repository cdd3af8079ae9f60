import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { CertificateChanged } from "../../src/core/events.ts";
import type { TlsState } from "../../src/server/server.ts";
import { AddedUp } from "../../src/telemetry/metrics/added-up.ts";
import { Exposition } from "../../src/telemetry/metrics/exposition.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { folderWith } from "../kit/cli.ts";
import { testGateway } from "../kit/gateway.ts";
import { linesOf } from "../kit/log.ts";
import { promtool, withoutPromtool } from "../kit/promtool.ts";

const dayMs = 86_400_000;
const renewedMs = 90 * dayMs;
const oldMs = 3 * dayMs;

/** What a process knows of its certificates. */
function stateOf(untilMs: number): TlsState {
	return {
		certificates: [
			{ name: null, hosts: ["localhost"], untilMs },
			{ name: "*.example.org", hosts: ["*.example.org"], untilMs: renewedMs },
		],
		reloads: { loaded: 2, refused: 1 },
		failures: new Map([["ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM", 3]]),
	};
}

function metricsOf(untilMs: number) {
	const { gateway } = testGateway({ routes: { "GET /x": { respond: 1 } } });
	const metrics = createMetrics(gateway);
	const server = {
		connections: () => 0,
		sessions: () => ({ open: 0, received: 0, sent: 0, closed: new Map() }),
		tls: () => stateOf(untilMs),
	};
	return { metrics, server };
}

const expiry = "sluice_tls_certificate_expiry_timestamp_seconds";

test("a change of certificates is one line, with the hosts and the end of each", () => {
	const { gateway } = testGateway({ routes: { "GET /x": { respond: 1 } } });
	const lines = linesOf(gateway);
	const { certificates } = stateOf(oldMs);
	const tell = (event: CertificateChanged) => {
		for (const listen of gateway.events.certificateChanged) listen(event);
	};
	tell({ outcome: "loaded", fault: null, certificates });
	const fault = "`key` is not the private key of `cert`";
	tell({ outcome: "refused", fault, certificates });
	const inForce = [
		{ hosts: ["localhost"], until: "1970-01-04T00:00:00.000Z" },
		{
			sni: "*.example.org",
			hosts: ["*.example.org"],
			until: "1970-04-01T00:00:00.000Z",
		},
	];
	assert.deepEqual(lines, [
		{
			level: "info",
			words: "certificates were read again",
			certificates: inForce,
		},
		{
			level: "error",
			words:
				"the changed certificates cannot be used: those before stay in force",
			reason: fault,
			certificates: inForce,
		},
	]);
});

describe("the metrics of certificates", () => {
	test("say when each expires, what changes came to and which handshakes failed", () => {
		const { metrics, server } = metricsOf(oldMs);
		const text = metrics.print("prometheus", server);
		for (const line of [
			`${expiry} ${oldMs / 1000}`,
			`${expiry}{host="*.example.org"} ${renewedMs / 1000}`,
			'sluice_tls_certificate_reloads_total{outcome="loaded"} 2',
			'sluice_tls_certificate_reloads_total{outcome="refused"} 1',
			'sluice_tls_handshake_failures_total{reason="ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM"} 3',
		]) {
			assert.ok(text.split("\n").includes(line), `${line} in ${text}`);
		}
		if (!withoutPromtool()) {
			assert.equal(promtool(["check", "metrics"], text), "");
		}
	});

	test("of several processes are those of the one whose certificate expires first", () => {
		const sums = new AddedUp();
		const processes = [renewedMs, oldMs, renewedMs].map((untilMs, at) => {
			const { metrics, server } = metricsOf(untilMs);
			const process = {};
			sums.take(process, metrics.samples(server));
			return { process, worker: at + 1, answers: true };
		});
		const out = new Exposition("prometheus");
		sums.write(processes, out);
		const lines = out.text().split("\n");
		assert.ok(lines.includes(`${expiry} ${oldMs / 1000}`));
	});
});

test("the alerts tell of a certificate that ends within a week, and of one that was refused", {
	skip: withoutPromtool(),
}, () => {
	const rules = new URL("../../docs/alerts.yaml", import.meta.url).pathname;
	using folder = folderWith({
		"alerts.test.yaml": `
rule_files: [${rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: '${expiry}{host="soon"}'
        values: '${(7 * dayMs) / 1000 + 600}x60'
      - series: '${expiry}{host="late"}'
        values: '${(8 * dayMs) / 1000 + 3600}x60'
      - series: 'sluice_tls_certificate_reloads_total{outcome="refused"}'
        values: '0x20 1x40'
    alert_rule_test:
      - { eval_time: 5m, alertname: SluiceCertificateExpires }
      - eval_time: 15m
        alertname: SluiceCertificateExpires
        exp_alerts:
          - exp_labels: { host: soon }
            exp_annotations: { summary: The certificate soon expires within a week }
      - { eval_time: 15m, alertname: SluiceCertificateRefused }
      - eval_time: 30m
        alertname: SluiceCertificateRefused
        exp_alerts:
          - exp_labels: { outcome: refused }
            exp_annotations: { summary: Changed certificates cannot be used }
`,
	});
	const file = join(folder.path, "alerts.test.yaml");
	assert.equal(promtool(["test", "rules", file]), "");
});
