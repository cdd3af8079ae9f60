import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

/** A part of a manifest. Tests read what they expect, and a part that is not there fails them. */
// biome-ignore lint/suspicious/noExplicitAny: a manifest is data of many shapes, whose schema is checked for itself
export type Manifest = any;

const repository = new URL("../..", import.meta.url).pathname;

/** Where the schema and the type of each kind are. */
const modules: Readonly<Record<string, string>> = {
	"v1 ConfigMap": "kubernetes-models/v1",
	"v1 Service": "kubernetes-models/v1",
	"v1 ServiceAccount": "kubernetes-models/v1",
	"apps/v1 Deployment": "kubernetes-models/apps/v1",
	"autoscaling/v2 HorizontalPodAutoscaler": "kubernetes-models/autoscaling/v2",
	"networking.k8s.io/v1 Ingress": "kubernetes-models/networking.k8s.io/v1",
	"networking.k8s.io/v1 NetworkPolicy":
		"kubernetes-models/networking.k8s.io/v1",
	"policy/v1 PodDisruptionBudget": "kubernetes-models/policy/v1",
	"gateway.networking.k8s.io/v1 HTTPRoute":
		"@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
	"monitoring.coreos.com/v1 ServiceMonitor":
		"@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
};

/** The manifests in rendered files. A text that is no YAML, or has a key twice, fails. */
export function manifestsOf(
	files: Readonly<Record<string, string>>,
): Manifest[] {
	return Object.entries(files)
		.filter(([name]) => name.endsWith(".yaml"))
		.flatMap(([name, text]) =>
			parseAllDocuments(text).map((document) => {
				assert.deepEqual(document.errors, [], `${name}:\n${text}`);
				return document.toJS() as Manifest;
			}),
		)
		.filter((manifest) => manifest !== null);
}

/**
 * What is wrong with manifests: by the schemas of their kinds, and by the types, which know each field that there is. An
 * API server drops a field that it does not know, so a mistyped one would be without effect.
 */
export async function faultsOf(
	manifests: readonly Manifest[],
): Promise<string[]> {
	const faults: string[] = [];
	for (const manifest of manifests) {
		const { apiVersion, kind } = manifest;
		const module = modules[`${apiVersion} ${kind}`];
		assert.ok(module, `this test knows no ${apiVersion} ${kind}`);
		const models = await import(module);
		try {
			new models[kind](manifest).validate();
		} catch (error) {
			faults.push(`${kind}: ${(error as Error).message}`);
		}
	}
	return [...faults, ...unknownFields(manifests)];
}

function unknownFields(manifests: readonly Manifest[]): string[] {
	// Below the repository, so that its packages are found.
	const folder = mkdtempSync(join(repository, "node_modules/.manifests-"));
	try {
		const lines = manifests.map((manifest) => {
			const { apiVersion, kind } = manifest;
			const type = `import("${modules[`${apiVersion} ${kind}`]}").I${kind}`;
			return `(${JSON.stringify(manifest)}) satisfies ${type};`;
		});
		writeFileSync(join(folder, "manifests.ts"), lines.join("\n"));
		const compilerOptions = {
			...{ module: "nodenext", strict: true, noEmit: true, types: [] },
		};
		writeFileSync(
			join(folder, "tsconfig.json"),
			JSON.stringify({ compilerOptions, files: ["manifests.ts"] }),
		);
		const tsc = join(repository, "node_modules/.bin/tsc");
		const { status, stdout } = spawnSync(tsc, ["-p", folder], {
			encoding: "utf8",
		});
		return status === 0
			? []
			: stdout
					.trim()
					.split("\n")
					.map((line) => line.replace(/^.*?: error /, ""));
	} finally {
		rmSync(folder, { recursive: true });
	}
}
