import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { ChartRenderer, type Rendered, withoutHelm } from "../kit/helm.ts";
import { faultsOf, type Manifest, manifestsOf } from "../kit/kubernetes.ts";

const repository = new URL("../..", import.meta.url).pathname;
const chart = join(repository, "deploy/helm/sluice");
const read = (path: string) => readFileSync(join(chart, path), "utf8");
const valuesOf = (name: string) => parse(read(`ci/${name}-values.yaml`));
const skip = withoutHelm();

let renderer: ChartRenderer;

/** The manifests by kind. There are two Services: `Service` and `Service admin`. */
type Manifests = Readonly<Record<string, Manifest>>;

const manifestName = ({ kind, metadata }: Manifest): string =>
	metadata.labels["app.kubernetes.io/component"] === undefined
		? kind
		: `${kind} ${metadata.labels["app.kubernetes.io/component"]}`;

const known = new Map<string, Manifests>();

function render(values: object, chosen = {}): Manifests {
	const key = JSON.stringify([values, chosen]);
	const manifests = known.get(key) ?? renderAnew(values, chosen);
	known.set(key, manifests);
	return manifests;
}

function renderAnew(values: object, chosen: object): Manifests {
	const [rendered] = renderer.render(chart, [{ values, ...chosen }]);
	assert.equal(rendered?.error, "");
	const manifests = manifestsOf(rendered?.files ?? {});
	return Object.fromEntries(manifests.map((one) => [manifestName(one), one]));
}

/** The reason for which these values are refused. */
function refusal(values: object): string {
	const [rendered] = renderer.render(chart, [{ values }]);
	return rendered?.error ?? "";
}

const containerOf = (manifests: Manifests): Manifest =>
	manifests.Deployment.spec.template.spec.containers[0];

const graceOf = (manifests: Manifests): number =>
	manifests.Deployment.spec.template.spec.terminationGracePeriodSeconds;

/** The number of a container's port, by its name. */
function portOf(manifests: Manifests, name: string): number {
	const ports: Manifest[] = containerOf(manifests).ports;
	const port = ports.find((one) => one.name === name);
	return port?.containerPort ?? assert.fail(`no port ${name}`);
}

const minimal = valuesOf("minimal");
const everything = valuesOf("everything");
const own = valuesOf("own-configmap");
const all = { minimal, everything, own };

describe("the chart", { skip }, () => {
	before(() => {
		renderer = new ChartRenderer();
	});
	after(() => renderer[Symbol.dispose]());

	it("has the name of its folder, a version, and the version of Sluice as the image's", () => {
		const about = parse(read("Chart.yaml"));
		const { version } = JSON.parse(
			readFileSync(join(repository, "package.json"), "utf8"),
		);
		assert.equal(about.apiVersion, "v2");
		assert.equal(about.name, "sluice");
		assert.equal(about.type, "application");
		assert.match(about.version, /^\d+\.\d+\.\d+$/);
		assert.equal(about.appVersion, version);
		for (const name of readdirSync(join(chart, "templates"))) {
			assert.match(name, /^(_helpers\.tpl|NOTES\.txt|[a-z-]+\.yaml)$/);
		}
	});

	it("makes only what is needed of a config alone", () => {
		assert.deepEqual(Object.keys(render(minimal)).sort(), [
			"ConfigMap",
			"Deployment",
			"PodDisruptionBudget",
			"Service",
			"ServiceAccount",
		]);
	});

	it("makes everything that is switched on", () => {
		assert.deepEqual(Object.keys(render(everything)).sort(), [
			"ConfigMap",
			"Deployment",
			"HTTPRoute",
			"HorizontalPodAutoscaler",
			"Ingress",
			"NetworkPolicy",
			"PodDisruptionBudget",
			"Service",
			"Service admin",
			"ServiceAccount",
			"ServiceMonitor",
		]);
	});

	it("makes no ConfigMap and no account where there are some", () => {
		const manifests = render(own);
		const { spec } = manifests.Deployment.spec.template;
		assert.equal(manifests.ConfigMap, undefined);
		assert.equal(manifests.ServiceAccount, undefined);
		assert.equal(spec.serviceAccountName, "my-account");
		const [config] = spec.volumes;
		assert.deepEqual(config.configMap, { name: "my-config" });
		assert.match(containerOf(manifests).image, /sluice@sha256:e3b0/);
		assert.ok(containerOf(manifests).args.includes("/config/sluice.ts"));
	});

	it("makes manifests that fit the schemas of their kinds, and have no field that they do not know", async () => {
		const manifests = Object.values(all).flatMap((values) =>
			Object.values(render(values)),
		);
		assert.deepEqual(await faultsOf(manifests), []);
	});

	it("would see a wrong field, a lacking one and a wrong value in a manifest", async () => {
		const manifests = render(everything);
		const { Deployment, Ingress, ServiceMonitor } = structuredClone(manifests);
		const [container] = Deployment.spec.template.spec.containers;
		container.livenesProbe = container.livenessProbe;
		delete Ingress.spec.rules[0].http.paths[0].pathType;
		ServiceMonitor.spec.endpoints[0].interval = "often";
		const faults = await faultsOf([Deployment, Ingress, ServiceMonitor]);
		const told = faults.join("\n");
		assert.match(told, /livenesProbe/);
		assert.match(told, /required property pathType/);
		assert.match(told, /interval must match pattern/);
	});

	it("names everything after the release, in the namespace, and within Kubernetes' bounds", () => {
		const name = "a".repeat(53);
		for (const manifest of Object.values(render(everything, { name }))) {
			const { metadata } = manifest;
			assert.match(metadata.name, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
			assert.equal(metadata.namespace, "web");
			for (const value of Object.values<string>(metadata.labels)) {
				assert.match(value, /^[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/);
			}
		}
	});

	it("keeps two releases in one namespace apart", () => {
		const a = render(everything, { name: "a" });
		const b = render(everything, { name: "b" });
		for (const kind of Object.keys(a)) {
			assert.notEqual(a[kind].metadata.name, b[kind].metadata.name, kind);
		}
		assert.notDeepEqual(a.Service.spec.selector, b.Service.spec.selector);
	});

	it("selects its own pods, everywhere where pods are selected", () => {
		const manifests = render(everything);
		const { labels } = manifests.Deployment.spec.template.metadata;
		assert.equal(labels.team, "shop");
		const selectors = [
			manifests.Deployment.spec.selector.matchLabels,
			manifests.PodDisruptionBudget.spec.selector.matchLabels,
			manifests.NetworkPolicy.spec.podSelector.matchLabels,
			manifests.Service.spec.selector,
			manifests["Service admin"].spec.selector,
			manifests.Deployment.spec.template.spec.topologySpreadConstraints[0]
				.labelSelector.matchLabels,
		];
		for (const selector of selectors) {
			assert.ok(Object.keys(selector).length > 0);
			assert.deepEqual({ ...labels, ...selector }, labels);
		}
	});

	it("leads every way to the gateway to its port, and Prometheus alone to the admin server", () => {
		const manifests = render(everything);
		const { Service, Ingress, HTTPRoute, ServiceMonitor } = manifests;
		const admin = manifests["Service admin"];
		assert.equal(portOf(manifests, Service.spec.ports[0].targetPort), 8080);
		assert.equal(portOf(manifests, admin.spec.ports[0].targetPort), 9090);
		const { service } = Ingress.spec.rules[0].http.paths[0].backend;
		assert.equal(service.name, Service.metadata.name);
		assert.equal(service.port.name, Service.spec.ports[0].name);
		const [backend] = HTTPRoute.spec.rules[0].backendRefs;
		assert.equal(backend.name, Service.metadata.name);
		assert.equal(backend.port, Service.spec.ports[0].port);
		const { matchLabels } = ServiceMonitor.spec.selector;
		const selects = (labels: object) => ({ ...labels, ...matchLabels });
		assert.deepEqual(selects(admin.metadata.labels), admin.metadata.labels);
		assert.notDeepEqual(
			selects(Service.metadata.labels),
			Service.metadata.labels,
		);
		const [endpoint] = ServiceMonitor.spec.endpoints;
		assert.equal(endpoint.port, admin.spec.ports[0].name);
		assert.equal(endpoint.authorization.credentials.name, "sluice-admin");
	});

	it("lets a rollout and a drained node go on, and no pod be missed", () => {
		for (const values of [minimal, everything]) {
			const manifests = render(values);
			const { rollingUpdate } = manifests.Deployment.spec.strategy;
			assert.deepEqual(rollingUpdate, { maxSurge: 1, maxUnavailable: 0 });
			const { maxUnavailable } = manifests.PodDisruptionBudget.spec;
			const pods =
				manifests.HorizontalPodAutoscaler?.spec.minReplicas ??
				manifests.Deployment.spec.replicas;
			assert.ok(maxUnavailable >= 1 && maxUnavailable < pods);
		}
	});

	it("leaves the number of pods to the autoscaler if there is one", () => {
		const { Deployment, HorizontalPodAutoscaler } = render(everything);
		assert.equal(Deployment.spec.replicas, undefined);
		const { scaleTargetRef } = HorizontalPodAutoscaler.spec;
		assert.equal(scaleTargetRef.name, Deployment.metadata.name);
		assert.equal(scaleTargetRef.kind, Deployment.kind);
		assert.ok(
			containerOf(render(everything)).resources.requests.cpu,
			"a share of nothing cannot be kept",
		);
	});

	it("lets in who asks the gateway, and lets out who is asked", () => {
		const { NetworkPolicy } = render(everything);
		const { policyTypes, ingress, egress } = NetworkPolicy.spec;
		assert.deepEqual(policyTypes, ["Ingress", "Egress"]);
		assert.deepEqual(
			ingress.map((rule: Manifest) => [
				rule.ports[0].port,
				rule.from[0].namespaceSelector.matchLabels[
					"kubernetes.io/metadata.name"
				],
			]),
			[
				["http", "gateways"],
				["admin", "monitoring"],
			],
		);
		assert.deepEqual(
			egress.map((rule: Manifest) =>
				rule.ports.map((one: Manifest) => `${one.protocol} ${one.port}`),
			),
			[["UDP 53", "TCP 53"], ["TCP 80"]],
		);
	});

	it("lets nobody to the admin server and everybody out if nothing is said about them", () => {
		const { NetworkPolicy } = render({
			...minimal,
			networkPolicy: { enabled: true },
		});
		const { policyTypes, ingress, egress } = NetworkPolicy.spec;
		assert.deepEqual(policyTypes, ["Ingress"]);
		assert.deepEqual(ingress, [{ ports: [{ port: "http", protocol: "TCP" }] }]);
		assert.equal(egress, undefined);
	});

	it("gives a pod as long to end as the config takes, and five seconds more", () => {
		const servers = [
			["", ""],
			["{ drain: 90s }", "90s"],
			["{ drain: 1500ms, drainDelay: 1m }", ""],
			["{ drainDelay: false }", ""],
			["{ drain: 2m, drainDelay: 12s }", ""],
		] as const;
		for (const [server] of servers) {
			const text = `${server && `server: ${server}\n`}routes:\n  GET /hello: { respond: hello }\n`;
			const config = configOrThrow(checkText(text, "sluice.yaml", {}));
			const { drainMs, drainDelayMs } = config.server;
			for (const preStopSeconds of [0, 7]) {
				const manifests = render({
					...minimal,
					config: { text },
					drain: { preStopSeconds },
				});
				const most =
					preStopSeconds * 1000 +
					(drainDelayMs ?? 5_000) +
					drainMs +
					// The last spans are sent.
					3_000;
				const grace = graceOf(manifests) * 1000;
				assert.ok(grace > most, `${server}: ${grace} ms for ${most} ms`);
				assert.ok(grace < most + 4_000, `${server}: no longer than needed`);
				assert.deepEqual(
					containerOf(manifests).lifecycle?.preStop.sleep.seconds,
					preStopSeconds || undefined,
				);
			}
		}
		assert.equal(graceOf(render(own)), 300);
	});

	it("asks whether a pod is ready where the config's health check is", () => {
		const probes = (values: object) => {
			const { readinessProbe, startupProbe } = containerOf(render(values));
			assert.equal(readinessProbe.httpGet.port, "http");
			assert.deepEqual(startupProbe.httpGet, readinessProbe.httpGet);
			return readinessProbe.httpGet.path;
		};
		assert.equal(probes(minimal), "/-/health");
		assert.equal(probes(everything), "/healthz");
		assert.equal(probes({ ...own, health: "/alive" }), "/alive");
	});

	it("starts a pod anew only when it has not answered for longer than one is busy", () => {
		for (const values of Object.values(all)) {
			const manifests = render(values);
			const { livenessProbe } = containerOf(manifests);
			const { httpGet, tcpSocket, periodSeconds, failureThreshold } =
				livenessProbe;
			assert.ok(portOf(manifests, (httpGet ?? tcpSocket).port));
			assert.ok(periodSeconds * failureThreshold >= 60);
		}
	});

	it("puts no secret into the environment, and may write nothing but its own folders", () => {
		const manifests = render(everything);
		const { spec } = manifests.Deployment.spec.template;
		const container = containerOf(manifests);
		assert.deepEqual(container.env, [
			{ name: "PRICES_URL", value: "http://prices.shop.svc" },
			{ name: "ADMIN_TOKEN_FILE", value: "/secrets/ADMIN_TOKEN" },
			{ name: "PRICES_TOKEN_FILE", value: "/secrets/PRICES_TOKEN" },
		]);
		assert.deepEqual(container.securityContext, {
			allowPrivilegeEscalation: false,
			readOnlyRootFilesystem: true,
			capabilities: { drop: ["ALL"] },
		});
		assert.equal(spec.securityContext.runAsNonRoot, true);
		assert.equal(spec.automountServiceAccountToken, false);
		const writable = container.volumeMounts.filter(
			(mount: Manifest) => mount.readOnly !== true,
		);
		const paths = writable.map((mount: Manifest) => mount.mountPath);
		assert.deepEqual(paths, ["/tmp", "/data"]);
		const volumes: Manifest[] = spec.volumes;
		for (const { name } of container.volumeMounts) {
			assert.ok(volumes.some((volume) => volume.name === name));
		}
	});

	it("starts new pods when the config has changed", () => {
		const annotation = (values: object) =>
			render(values).Deployment.spec.template.metadata.annotations[
				"checksum/config"
			];
		const text = minimal.config.text.replace("hello }", "hi }");
		const files = { "a.ts": "" };
		const one = annotation(minimal);
		assert.equal(one, annotation(minimal));
		assert.notEqual(one, annotation({ ...minimal, config: { text } }));
		assert.notEqual(
			one,
			annotation({ ...minimal, config: { ...minimal.config, files } }),
		);
	});

	it("keeps the config as it is written, to the byte", () => {
		const text =
			"# ключ: \"a\"\r\nroutes:\n  GET /{{id}}:\n    respond: { b: '\\n', a: 10485760 }\t\n";
		const { ConfigMap } = render({ ...minimal, config: { text } });
		assert.equal(ConfigMap.data["sluice.yaml"], text);
	});

	it("says what is wrong with values that cannot work", () => {
		const admin = { enabled: true, tokenSecret: { name: "admin" } };
		const refused: readonly [object, RegExp][] = [
			[{ image: { repository: "" } }, /image\.repository is needed/],
			[{ config: { text: "" } }, /config\.text is needed/],
			[
				{ config: { existingConfigMap: "mine" } },
				/config\.text and config\.existingConfigMap are both there/,
			],
			[
				{ config: { files: { "sluice.yaml": "" } } },
				/config\.files has a sluice\.yaml/,
			],
			[{ admin }, /admin\.enabled needs in the config: admin: \{ port: 9090/],
			[
				{
					admin,
					config: {
						text: 'admin: { port: 9090, token: "${env.A}" }\nroutes: {}',
					},
				},
				/admin\.enabled needs in the config/,
			],
			[{ admin: { enabled: true } }, /admin\.tokenSecret\.name is needed/],
			[{ serviceMonitor: { enabled: true } }, /needs admin\.enabled/],
			[{ ingress: { enabled: true } }, /ingress\.hosts is needed/],
			[{ httpRoute: { enabled: true } }, /httpRoute\.parentRefs is needed/],
			[
				{ terminationGracePeriodSeconds: 30 },
				/is 30, and a pod takes up to 40 s to end/,
			],
			[
				{ config: { text: "server: { drain: '${env.DRAIN}' }\nroutes: {}" } },
				/`server\.drain` is "\$\{env\.DRAIN\}", which is no duration/,
			],
			[
				{ config: { text: "server: { health: false }\nroutes: {}" } },
				/`server\.health` must be a path/,
			],
			[
				{ env: { A: "1" }, secrets: { A: { name: "a", key: "a" } } },
				/A is both in env and in secrets/,
			],
			[{ secrets: { A: { name: "a" } } }, /key/],
			[
				{ autoscaling: { enabled: true, minReplicas: 20 } },
				/minReplicas is more than/,
			],
		];
		for (const [values, words] of refused) {
			const given = "config" in values ? (values.config as object) : {};
			const config = { ...minimal.config, ...given };
			const merged = { ...minimal, ...values, config };
			assert.match(refusal(merged), words, JSON.stringify(values));
		}
	});

	it("takes by its schema what templates read, and nothing else", () => {
		const validate = new Ajv({ allErrors: true }).compile(
			JSON.parse(read("values.schema.json")),
		);
		const told = (values: object): string => {
			const [rendered] = renderer.render(chart, [{ values }]) as [Rendered];
			validate(rendered.values);
			return (validate.errors ?? [])
				.map((one) => `${one.instancePath} ${one.message}`)
				.join("; ");
		};
		for (const values of Object.values(all)) assert.equal(told(values), "");
		const refused: readonly [object, RegExp][] = [
			[{ replica: 3 }, /must NOT have additional properties/],
			[{ replicas: "3" }, /\/replicas must be integer/],
			[{ config: { text: { routes: {} } } }, /\/config\/text must be string/],
			[{ env: { SIZE: 10485760 } }, /\/env\/SIZE must be string/],
			[{ env: { "A-B": "1" } }, /\/env property name must be valid/],
			[{ image: { digest: "sha256:1" } }, /\/image\/digest must match/],
			[{ podDisruptionBudget: { maxUnavailable: 0 } }, /must be >= 1/],
			[{ drain: { finish: "30" } }, /\/drain\/finish must match/],
			[{ service: { port: 70000 } }, /\/service\/port must be <= 65535/],
		];
		for (const [values, words] of refused) {
			assert.match(told({ ...minimal, ...values }), words);
		}
	});
});
